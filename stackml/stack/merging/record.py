"""What a merge is worth: the merged stack beside its parents and beside their ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.combiners.base import FittedCombiner
from stackml.metrics.catalog import Metric, default_metric, get_metric
from stackml.metrics.intervals import score_together
from stackml.stack.fitted import FittedStack
from stackml.stack.leaderboard import STACK
from stackml.stack.merging.parents import JudgedRows
from stackml.stack.pricing import megabytes
from stackml.stack.replay import PLAN_VERSION

MERGED, ENSEMBLE = "merged", "ensemble"
_LOSSES = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}


def metrics_of(stack: FittedStack) -> list[Metric]:
    """Return the metric the stack was fitted for and the loss of its problem, each once."""
    kind = stack.problem.kind
    named = stack.card.get("metric")
    first = get_metric(named, kind) if isinstance(named, str) and named else default_metric(kind)
    loss = get_metric(_LOSSES[kind], kind)
    return [first] if first.name == loss.name else [first, loss]


def shown(predictions: npt.NDArray[np.float64], stack: FittedStack) -> npt.NDArray[np.float64]:
    """Return predictions in the shape that metrics read."""
    return predictions if stack.problem.kind == "multiclass" else predictions[:, 0]


def evaluation(
    made: FittedStack,
    parents: Sequence[FittedStack],
    shares: Sequence[float],
    ensemble: FittedStack | None,
    rows: JudgedRows,
    seed: int,
) -> dict[str, Any]:
    """Return scores of the merged stack, its parents and their ensemble on the same rows.

    Parameters
    ----------
    made : FittedStack
    parents : sequence of FittedStack
    shares : sequence of float
        Of the parents in the ensemble.
    ensemble : FittedStack, optional
        The parents together; by default the weighted mean of what they predict.
    rows : JudgedRows
    seed : int

    Returns
    -------
    dict
        JSON values: the metrics' values with 95 % intervals, and differences of the merged stack from the
        ensemble and from the best parent (above 0 where the merged one is better).
    """
    each = {f"parent {number}": stack.predict(rows.table) for number, stack in enumerate(parents, start=1)}
    if ensemble is None:
        mean = np.tensordot(np.asarray(shares), np.stack(list(each.values())), axes=1)
    else:
        mean = ensemble.predict(rows.table)
    said = {MERGED: made.predict(rows.table), ENSEMBLE: mean, **each}
    predictions = {name: shown(values, made) for name, values in said.items()}
    metrics, target = metrics_of(made), rows.target
    first = metrics[0]
    best = max(each, key=lambda name: first.score(target.values, predictions[name], target.weight))
    pairs = [(MERGED, ENSEMBLE), (MERGED, best)]
    found = score_together(
        target.values, predictions, metrics, pairs=pairs, weight=target.weight, seed=seed, n_resamples=200
    )
    return {
        "rows": rows.table.n_rows,
        "scores": [
            {"model": name, "metric": metric, "value": i.value, "low": i.low, "high": i.high}
            for (name, metric), i in found.intervals.items()
        ],
        "differences": [
            {"model": a, "from": b, "metric": metric, "value": d.value, "low": d.low, "high": d.high}
            for (a, b, metric), d in found.differences.items()
        ],
    }


def leaderboard_of(made: FittedStack) -> list[dict[str, Any]]:
    """Return one row for the stack and one a learner; a merged stack has no out-of-fold scores."""
    row = {
        "kind": made.combiner.kind,
        "layer": len(made.layers) + 1,
        "status": "fitted",
        "score": None,
        "loss": None,
        "weight": None,
        "fit_seconds": None,
        "models": sum(len(m.models) for layer in made.layers for m in layer.members),
        "rounds": None,
        "us_per_row": None,
        "megabytes": None,
        "pareto": False,
        "message": "merged",
    }
    rows = [{"name": STACK, **row}]
    for number, layer in enumerate(made.layers, start=1):
        weights = _shares(made.combiner) if number == len(made.layers) else {}
        for member in layer.members:
            size = megabytes(member.models)
            changes = {
                "kind": member.kind,
                "layer": number,
                "weight": weights.get(member.name),
                "models": len(member.models),
                "megabytes": round(size, 4) if np.isfinite(size) else None,
            }
            rows.append({"name": member.name, **row, **changes})
    return rows


def plan_of(notes: Sequence[str]) -> dict[str, Any]:
    """Return the plan of a merge: nothing was fitted."""
    return {"version": PLAN_VERSION, "folds": "none", "n_folds": 0, "notes": list(notes), "fits": []}


def _shares(combiner: FittedCombiner) -> dict[str, float]:
    return {name: float(share) for name, share in combiner.weights().items()}
