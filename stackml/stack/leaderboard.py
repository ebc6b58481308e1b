"""Who did what in a stack, as one table, and what was said out of fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stackml.metrics.catalog import Metric, get_metric
from stackml.oof.result import LearnerRun
from stackml.stack.building import Built
from stackml.stack.pricing import Price, on_the_front, prices_of, whole_price

STACK = "stack"
_NO_PRICE = Price(float("nan"), float("nan"))


def leaderboard(built: Built) -> pd.DataFrame:
    """Return one row a learner and one for the stack, best first.

    Scores are out of fold; the stack's are nested, its combiner never saw the row it is
    scored on. Columns: name, kind, layer, status, score (the metric's own sign), loss (log
    loss or squared error, lower is better), weight in the combiner, fit_seconds, models,
    rounds (mean over folds), us_per_row and megabytes (see `Price`; the stack's are those of the
    learners it needs), pareto (nobody is better in score, time and size at once), message.
    """
    metric = get_metric(built.recipe.metric, built.target.problem.kind)
    found = prices_of(built)
    rows = [_stack_row(built, metric, whole_price(built, found))]
    for number, result in enumerate(built.layers, start=1):
        last = number == len(built.layers)
        weights = built.combined.combiner.weights() if last else {}
        for run in result.runs:
            price = found.get((number, run.name), _NO_PRICE)
            rows.append(_learner_row(run, number, weights, built, metric) | _of_price(run.message, price))
    board = pd.DataFrame(rows)
    prices = [Price(us, mb) for us, mb in zip(board["us_per_row"], board["megabytes"], strict=True)]
    front = on_the_front(board["score"].to_numpy(), prices, greater_is_better=metric.greater_is_better)
    board.insert(len(board.columns) - 1, "pareto", front)
    order = board["score"].fillna(-np.inf if metric.greater_is_better else np.inf)
    status = board["status"].map({"fitted": 0, "skipped": 1, "failed": 2})
    board = board.assign(_order=-order if metric.greater_is_better else order, _status=status)
    board = board.sort_values(["_status", "_order"], kind="stable").drop(columns=["_order", "_status"])
    return board.reset_index(drop=True)


def _of_price(message: str, price: Price) -> dict[str, Any]:
    return {
        "us_per_row": round(price.us_per_row, 3),
        "megabytes": round(price.megabytes, 4),
        "message": message,
    }


def nested_score(built: Built) -> float:
    """Return the stack's own score, on rows that its combiner never saw; NaN where there are none."""
    metric = get_metric(built.recipe.metric, built.target.problem.kind)
    return _scores(built.combined.nested, built, metric)[0]


def _stack_row(built: Built, metric: Metric, price: Price) -> dict[str, Any]:
    score, loss = _scores(built.combined.nested, built, metric)
    runs = [run for result in built.layers for run in result.fitted]
    return {
        "name": STACK,
        "kind": built.combined.combiner.kind,
        "layer": len(built.layers) + 1,
        "status": "fitted",
        "score": score,
        "loss": loss,
        "weight": np.nan,
        "fit_seconds": round(sum(sum(run.seconds) for run in runs), 3),
        "models": sum(len(run.models) for run in runs),
        "rounds": np.nan,
        **_of_price("", price),
    }


def _learner_row(
    run: LearnerRun, layer: int, weights: dict[str, float], built: Built, metric: Metric
) -> dict[str, Any]:
    score = loss = np.nan
    if run.fitted and run.output_kind != "score":
        score, loss = _scores(run.oof.astype(np.float64), built, metric)
    rounds = [r for r in run.fold_rounds if r is not None]
    return {
        "name": run.name,
        "kind": run.learner.kind,
        "layer": layer,
        "status": run.status,
        "score": score,
        "loss": loss,
        "weight": weights.get(run.name, 0.0 if run.fitted and weights else np.nan),
        "fit_seconds": round(sum(run.seconds), 3),
        "models": len(run.models),
        "rounds": float(np.mean(rounds)) if rounds else np.nan,
    }


def _scores(prediction: np.ndarray, built: Built, metric: Metric) -> tuple[float, float]:
    target = built.target
    known = np.isfinite(prediction).all(axis=1)
    # Under time folds the stack is scored on fewer rows than its learners: take the common ones.
    common = known & np.isfinite(built.combined.nested).all(axis=1)
    known = common if common.any() else known
    if not known.any():
        return np.nan, np.nan
    shown = prediction[known] if target.problem.kind == "multiclass" else prediction[known, 0]
    weight = None if target.weight is None else target.weight[known]
    loss = get_metric("rmse" if target.problem.is_regression else "log_loss")
    values = target.values[known]
    return metric.value(values, shown, weight), loss.value(values, shown, weight)


def oof_frame(built: Built, index: pd.Index) -> pd.DataFrame:
    """Return out-of-fold predictions, learners' and the stack's, with the index of the rows."""
    meta = built.layers[-1].meta_features()
    frame = pd.DataFrame(meta.values, index=index, columns=list(meta.column_names))
    nested = built.combined.nested
    for output in range(nested.shape[1]):
        frame[STACK if nested.shape[1] == 1 else f"{STACK}_{output}"] = nested[:, output]
    return frame


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame as JSON values, row by row."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return [{str(k): v for k, v in row.items()} for row in rows]
