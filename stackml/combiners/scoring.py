"""How a combination is judged: by the metric asked for, else by loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.combiners.inputs import FloatArray
from stackml.decision.base import mean_loss
from stackml.metrics.catalog import Metric, get_metric
from stackml.tables.target import Problem

Score = Callable[[NDArray[Any], FloatArray, FloatArray | None], float]
"""``score(y, prediction, weight)``: greater is better; prediction of shape (n_rows, n_outputs)."""


def metric_of(name: str, problem: Problem) -> Metric | None:
    """Return the metric of a context, or None where the loss itself is meant.

    Raises
    ------
    ParameterError
        If there is no such metric, or it is not made for the problem.
    """
    if not name or name == "log_loss":
        return None
    return get_metric(name, problem.kind)


def scorer(name: str, problem: Problem) -> Score:
    """Return the score of a metric; minus the loss (log loss, squared error) where none is named.

    Raises
    ------
    ParameterError
        If there is no such metric, or it is not made for the problem.
    """
    metric = metric_of(name, problem)
    if metric is None:
        return lambda y, prediction, weight: -mean_loss(prediction, y, problem, weight)

    def score(y: NDArray[Any], prediction: FloatArray, weight: FloatArray | None) -> float:
        shaped = prediction if problem.kind == "multiclass" else prediction[:, 0]
        return metric.signed(metric.kernel(y, shaped, weight))

    return score


def first_best(scores: FloatArray, fallback: FloatArray) -> int:
    """Return the index of the highest score; by the fallback where scores are missing or tie."""
    if np.isnan(scores).any():
        return int(np.argmax(fallback))
    best = scores.max()
    tied = np.flatnonzero(scores >= best - 1e-12 * (1 + abs(best)))
    return int(tied[np.argmax(fallback[tied])])
