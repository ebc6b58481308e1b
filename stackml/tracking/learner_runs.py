"""Each learner's part of a training, as a child run: its parameters, its folds, its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from stackml.foundation.errors import DataError
from stackml.metrics.catalog import Metric, get_metric
from stackml.tracking.store import Store
from stackml.tracking.writing import ERROR, Measure, end_run, error_line, running, write_metrics, write_params

if TYPE_CHECKING:
    from stackml.oof.result import LearnerRun, OofResult
    from stackml.stack.building import Built
    from stackml.stack.estimators import StackClassifier, StackRegressor

_SCORES = ("score", "loss", "weight", "fit_seconds", "rounds", "models", "us_per_row", "megabytes")


@dataclass(frozen=True)
class LearnerRecord:
    """One learner's part of a training.

    Attributes
    ----------
    name : str
    layer : int
        Counted from 1.
    status : {"fitted", "failed", "skipped"}
    params : mapping
    measures : tuple of Measure
        Scores over all folds; ``fold_...`` with the fold as their step.
    message : str
        The error, or why it was skipped.
    """

    name: str
    layer: int
    status: str
    params: Mapping[str, Any] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    message: str = ""


def learner_records(stack: StackClassifier | StackRegressor) -> tuple[LearnerRecord, ...]:
    """Return one record for each learner asked for, fitted or not.

    A stack fitted in this process knows the score of each fold; one loaded from a file knows
    what its leaderboard and its plan say.
    """
    built: Built | None = getattr(stack, "_built", None)
    folds = {} if built is None else _by_learner(built)
    records = []
    board = stack.leaderboard_
    for row in board[board["name"] != "stack"].to_dict(orient="records"):
        layer, name = int(row["layer"]), str(row["name"])
        params, scores = folds.get((layer, name), ({}, ()))
        records.append(
            LearnerRecord(
                name=name,
                layer=layer,
                status=str(row["status"]),
                params={"kind": row["kind"], "layer": layer, **params},
                measures=(*_of_row(row), *scores, *_of_plan(stack.plan_, layer, name)),
                message=str(row["message"] or ""),
            )
        )
    return tuple(records)


def log_learner(store: Store, record: LearnerRecord, parent: str) -> str:
    """Write a learner's child run and return its id; a learner that failed leaves a FAILED run."""
    name = record.name if record.layer == 1 else f"{record.name} (layer {record.layer})"
    tags = {"stackml.learner": record.name, "stackml.status": record.status}
    if record.message:
        tags[ERROR if record.status == "failed" else "stackml.note"] = error_line(record.message)
    with running(store, name, tags, parent) as run_id:
        write_params(store, run_id, record.params)
        write_metrics(store, run_id, record.measures)
        if record.status == "failed":
            end_run(store, run_id, "FAILED")
    return run_id


def _of_row(row: Mapping[Any, Any]) -> tuple[Measure, ...]:
    return tuple(Measure(k, float(row[k])) for k in _SCORES if row.get(k) is not None)


def _of_plan(plan: Mapping[str, Any], layer: int, name: str) -> tuple[Measure, ...]:
    found: list[Measure] = []
    n_refits = 0
    for fit in plan.get("fits", ()):
        if (fit["layer"], fit["learner"]) != (layer, name) or fit["fold"] is None:
            continue
        prefix, step = ("fold", fit["fold"]) if fit["fold"] >= 0 else ("refit", n_refits)
        n_refits += fit["fold"] < 0
        known = [key for key in ("rounds", "seconds") if fit[key] is not None]
        found += [Measure(f"{prefix}_{key}", float(fit[key]), step) for key in known]
    return tuple(found)


def _by_learner(built: Built) -> dict[tuple[int, str], tuple[dict[str, Any], tuple[Measure, ...]]]:
    metric = get_metric(built.recipe.metric, built.target.problem.kind)
    return {
        (layer, run.name): (_params(run.learner), _fold_scores(run, result, built, metric))
        for layer, result in enumerate(built.layers, start=1)
        for run in result.runs
    }


def _params(learner: Any) -> dict[str, Any]:
    return {f.name: getattr(learner, f.name) for f in fields(learner) if f.repr}


def _fold_scores(run: LearnerRun, result: OofResult, built: Built, metric: Metric) -> tuple[Measure, ...]:
    if not run.fitted or run.output_kind == "score":
        return ()
    target, found = built.target, []
    for number, fold in enumerate(result.folds.folds):
        rows = fold.held_out[np.isfinite(run.oof[fold.held_out]).all(axis=1)]
        oof = run.oof[rows].astype(np.float64)
        shown = oof if target.problem.kind == "multiclass" else oof[:, 0]
        weight = None if target.weight is None else target.weight[rows]
        try:
            value = metric.value(target.values[rows], shown, weight)
        except DataError:  # a fold with one class has no such score
            continue
        found.append(Measure(f"fold_{metric.name}", value, number))
    return tuple(found)
