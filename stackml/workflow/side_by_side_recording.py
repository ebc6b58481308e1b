"""A comparison of models written to files and to MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackml.foundation.errors import DataError, ParameterError
from stackml.reporting.side_by_side_figure import side_by_side_figure
from stackml.tracking.comparison_runs import ComparisonRecord, log_comparison
from stackml.tracking.redaction import without_credentials
from stackml.tracking.store import connect
from stackml.workflow.recording import DATASET_TAG, METRIC_TAG
from stackml.workflow.side_by_side import Comparison

EXPERIMENT = "comparisons"
TABLES = (".csv", ".json")
FIGURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Logged:
    """Where a comparison was written.

    Attributes
    ----------
    run_id, experiment, tracking_uri : str
        The address is without credentials.
    """

    run_id: str
    experiment: str
    tracking_uri: str


def record_comparison(
    found: Comparison,
    *,
    params: Mapping[str, Any] | None = None,
    experiment: str = EXPERIMENT,
    tracking_uri: str | None = None,
    folder: Path | None = None,
) -> Logged:
    """Write a comparison to MLflow as a run of its own.

    Parameters
    ----------
    found : Comparison
    params : mapping, optional
        Further parameters: where the models came from, the seed.
    experiment : str
        Made if it does not exist.
    tracking_uri, folder : optional
        As `train` takes them.

    Raises
    ------
    TrackingError
        If the store cannot take it.
    """
    store = connect(tracking_uri, folder=folder, experiment=experiment)
    told = [*(f"{sentence}." for sentence in [*found.verdicts, found.recommendation]), *found.notes]
    record = ComparisonRecord(
        name=f"compare {len(set(found.table['model']))} models on {Path(found.data).stem}",
        params={
            "models": ", ".join(dict.fromkeys(found.table["model"])),
            "data": found.data,
            "target": found.target,
            "metrics": ", ".join(found.metrics),
            "baseline": found.baseline,
            "rows": found.rows,
            "units": found.units,
            "comparisons": found.comparisons,
            "level": found.level,
            "recommended": found.recommended,
            **(params or {}),
        },
        metrics=_metrics(found),
        table=found.table,
        figure=side_by_side_figure(found.table),
        texts={"verdicts.txt": "\n".join(told) + "\n"},
        tags={METRIC_TAG: found.metrics[0], DATASET_TAG: Path(found.data).stem},
    )
    return Logged(log_comparison(store, record), experiment, without_credentials(store.tracking_uri))


def check_output(path: Path) -> None:
    """Check that a file can be written, before the work is done.

    Raises
    ------
    ParameterError
        If its ending is none of .csv, .json, .png, .svg, .pdf.
    DataError
        If its folder does not exist.
    """
    if path.suffix.lower() not in (*TABLES, *FIGURES):
        raise ParameterError(
            f"'{path}' must end with {', '.join(TABLES)} for the table, or {', '.join(FIGURES)} for the "
            f"figure; found '{path.suffix}'"
        )
    if not path.parent.is_dir():
        raise DataError(f"there is no folder '{path.parent}' for '{path.name}'; make it first")


def write_comparison(found: Comparison, path: Path) -> None:
    """Write the table (.csv, .json: one record a row) or the figure (.png, .svg, .pdf) to a file.

    Raises
    ------
    ParameterError, DataError
        As `check_output`, or if the file cannot be written.
    """
    check_output(path)
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            found.table.to_csv(path, index=False)
        elif kind == ".json":
            found.table.to_json(path, orient="records", indent=1)
        else:
            side_by_side_figure(found.table).savefig(path)
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}") from error


def _metrics(found: Comparison) -> dict[str, float]:
    """Return every number of every model: its metrics by name, its cost once."""
    numbers: dict[str, float] = {}
    for row in found.table.to_dict("records"):
        who, metric = row["model"], row["metric"]
        ends = {"": "value", "_low": "low", "_high": "high"}
        numbers |= {f"{who}/{metric}{end}": float(row[column]) for end, column in ends.items()}
        ends = {"": "difference", "_low": "together_low", "_high": "together_high"}
        gain = f"{who}/gain_over_baseline/{metric}"
        numbers |= {f"{gain}{end}": float(row[column]) for end, column in ends.items()}
        for cost in ("us_per_row", "megabytes", "calls_per_row"):
            numbers[f"{who}/{cost}"] = float(row[cost])
    return numbers
