"""Runs side by side, and paired verdicts where they held the same rows out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.foundation.errors import TrackingError
from stackml.metrics import get_metric, score_together
from stackml.tracking.client import asking
from stackml.tracking.comparison import SHORT, find_run, runs_table
from stackml.tracking.store import Store, connect
from stackml.workflow.held_out import STACK
from stackml.workflow.judging import RESAMPLES
from stackml.workflow.promotion import TABLE_TAG
from stackml.workflow.recording import DATASET_TAG, METRIC_TAG, held_out_of
from stackml.workflow.verdicts import SAME_ROWS, spoken

LATEST = 5
PIPELINE_TAG = "stackml.pipeline"


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Runs side by side.

    Attributes
    ----------
    table : DataFrame
        One row a run: name, status, start, metrics with intervals, parameters that differ.
    verdicts : list of str
        One sentence a pair of runs: who beats whom on the same held-out rows, or why the two
        cannot be compared row by row. Of a pipeline's runs, the latest is held against the others.
    """

    table: pd.DataFrame
    verdicts: list[str]


@dataclass(frozen=True, eq=False)
class _Run:
    """What a run says about itself and its held-out rows."""

    run_id: str
    metric: str
    dataset: str
    table: str
    held_out: pd.DataFrame | None

    @property
    def short(self) -> str:
        return self.run_id[:SHORT]


def compare(
    run_ids: Sequence[str] = (),
    *,
    pipeline: str | None = None,
    latest: int = LATEST,
    store: Store | None = None,
    tracking_uri: str | None = None,
    folder: Path | None = None,
    seed: int = 0,
) -> RunComparison:
    """Put runs side by side.

    Parameters
    ----------
    run_ids : sequence of str
        Run ids, or their first characters where these are enough.
    pipeline : str, optional
        Without `run_ids`: the latest runs of this pipeline.
    latest : int
        How many of them.
    store : Store, optional
        Opened from `tracking_uri` and `folder` where it is not given.
    tracking_uri, folder : optional
        As `train` takes them.
    seed : int

    Raises
    ------
    TrackingError
        If a run is unknown, its beginning fits more than one, or a pipeline has no runs.
    """
    store = store or connect(tracking_uri, folder=folder, create=False)
    ids = list(run_ids) or _latest(store, pipeline, latest)
    found = {run.info.run_id: run for run in (find_run(store, run_id) for run_id in ids)}
    table = runs_table(store, list(found))
    runs = [_read(store, run) for run in found.values()]
    pairs = combinations(runs, 2) if run_ids else ((runs[0], other) for other in runs[1:])
    return RunComparison(table, [_verdict(a, b, seed) for a, b in pairs])


def _latest(store: Store, pipeline: str | None, latest: int) -> list[str]:
    if pipeline is None:
        raise TrackingError("no runs to compare; give their ids, or the name of a pipeline")
    quoted = pipeline.replace("'", "")
    with asking(f"cannot list the runs of '{pipeline}'", store.tracking_uri):
        experiments = [one.experiment_id for one in store.client.search_experiments()]
        runs = store.client.search_runs(
            experiments,
            f"tags.`{PIPELINE_TAG}` = '{quoted}' AND attributes.status = 'FINISHED'",
            max_results=latest,
            order_by=["attributes.start_time DESC"],
        )
    if not runs:
        raise TrackingError(
            f"pipeline '{pipeline}' has no finished runs at {store.shown}; "
            f"train it first: stackml train {pipeline}"
        )
    return [run.info.run_id for run in runs]


def _read(store: Store, run: Any) -> _Run:
    tags = run.data.tags
    held_out = held_out_of(store, run.info.run_id)
    dataset = tags.get(DATASET_TAG, "")
    return _Run(run.info.run_id, _judged_by(run), dataset, tags.get(TABLE_TAG, ""), held_out)


def _judged_by(run: Any) -> str:
    """Return the metric a run is judged by, as its tag, or else its parameters, say."""
    params = run.data.params
    named = [run.data.tags.get(METRIC_TAG), params.get("stack.metric"), *_listed(params.get("metrics", ""))]
    return next((str(name) for name in named if name and name not in ("None", "null")), "")


def _listed(text: str) -> list[str]:
    return [name.strip(" '\"") for name in text.strip("[]()").split(",")]


def _verdict(a: _Run, b: _Run, seed: int) -> str:
    who = f"run {a.short} and run {b.short}"
    reason = _incomparable(a, b)
    if reason:
        return f"{who} cannot be compared row by row: {reason}"
    assert a.held_out is not None
    assert b.held_out is not None
    first, second = (run.held_out.set_index("row").sort_index() for run in (a, b) if run.held_out is not None)
    units = first["unit"].to_numpy() if "unit" in first.columns else None
    together = score_together(
        first["y"].to_numpy(),
        {"a": _prediction(first), "b": _prediction(second)},
        [get_metric(name) for name in dict.fromkeys((a.metric, b.metric))],
        pairs=[("a", "b")],
        groups=units,
        n_resamples=RESAMPLES,
        seed=seed,
    )
    names = f"run {a.short}", f"run {b.short}"
    told = [spoken(*names, SAME_ROWS, metric, d) for (_, _, metric), d in together.differences.items()]
    return "; ".join(told)


def _incomparable(a: _Run, b: _Run) -> str:
    for run in (a, b):
        if run.held_out is None:
            return f"run {run.short} logged no held-out predictions"
        if not run.metric:
            return f"run {run.short} does not say which metric it is judged by"
    assert a.held_out is not None
    assert b.held_out is not None
    first, second = a.held_out, b.held_out
    if a.dataset != b.dataset:
        return f"one is of '{a.dataset}', the other of '{b.dataset}'"
    same = a.table == b.table and len(first) == len(second)
    if not same or not np.array_equal(np.sort(first["row"]), np.sort(second["row"])):
        return "they held different rows out"
    return ""


def _prediction(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    if STACK in frame.columns:
        return frame[STACK].to_numpy(dtype=np.float64)
    columns = sorted(
        (c for c in frame.columns if c.startswith(f"{STACK}_") and c.removeprefix(f"{STACK}_").isdigit()),
        key=lambda c: int(c.removeprefix(f"{STACK}_")),
    )
    return frame[columns].to_numpy(dtype=np.float64)
