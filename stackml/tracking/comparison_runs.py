"""A comparison of models as one MLflow run of its own: what was compared, the table, the figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from stackml.tracking.client import asking
from stackml.tracking.redaction import scrubbed
from stackml.tracking.store import Store
from stackml.tracking.writing import Measure, running, write_metrics, write_params

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KIND_TAG = "stackml.kind"
COMPARISON = "comparison"
TABLE = "comparison"
FIGURE = "figures/comparison.png"


@dataclass(frozen=True, eq=False)
class ComparisonRecord:
    """Everything there is to say about one comparison.

    Attributes
    ----------
    name : str
        Of the run.
    params : mapping
        What was compared and how; nested keys are joined by dots, secrets left out.
    metrics : mapping of str to float
        What is not finite is left out.
    table : DataFrame
        Kept as ``comparison.csv``, and as ``comparison.json``, which the UI shows as a table.
    figure : matplotlib.figure.Figure
        Kept as ``figures/comparison.png``.
    texts : mapping of str to str
        Names of further files and their texts.
    tags : mapping
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    table: pd.DataFrame
    figure: Figure
    texts: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)


def log_comparison(store: Store, record: ComparisonRecord) -> str:
    """Write a comparison as a run and return the run's id.

    Raises
    ------
    TrackingError
        If the store cannot take it. The run is FAILED then, never left RUNNING.
    """
    tags = {KIND_TAG: COMPARISON, **record.tags}
    with (
        running(store, record.name, tags) as run_id,
        asking("cannot write the comparison", store.tracking_uri, "check the store and its disk"),
    ):
        write_params(store, run_id, record.params)
        write_metrics(store, run_id, [Measure(name, value) for name, value in record.metrics.items()])
        with TemporaryDirectory() as name:
            folder = Path(name)
            record.table.to_csv(folder / f"{TABLE}.csv", index=False)
            for file, text in record.texts.items():
                (folder / file).write_text(scrubbed(text, file), encoding="utf-8")
            store.client.log_artifacts(run_id, str(folder))
        store.client.log_table(run_id, record.table, f"{TABLE}.json")
        store.client.log_figure(run_id, record.figure, FIGURE)
    return run_id
