"""Expected cost of decisions, in currency units per case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import DataError
from stackml.metrics.arrays import FloatArray, check_rows, weighted_mean


@dataclass(frozen=True, eq=False)
class CostMatrix:
    """What each outcome of a yes/no decision costs; gains are negative.

    Attributes
    ----------
    false_positive, false_negative : float or array-like of shape (n_rows,)
        Currency units per case: acting without need, and not acting where needed.
    true_positive, true_negative : float or array-like of shape (n_rows,)
        Currency units per case of right decisions, usually 0.
    """

    false_positive: ArrayLike
    false_negative: ArrayLike
    true_positive: ArrayLike = 0.0
    true_negative: ArrayLike = 0.0

    def columns(self, n_rows: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the four costs for each row, in the order of the attributes.

        Raises
        ------
        DataError
            If a cost has another length or is not finite.
        """
        return (
            _cost_column("false_positive", self.false_positive, n_rows),
            _cost_column("false_negative", self.false_negative, n_rows),
            _cost_column("true_positive", self.true_positive, n_rows),
            _cost_column("true_negative", self.true_negative, n_rows),
        )


def cost_rows(
    y: NDArray[Any], prediction: FloatArray, costs: CostMatrix, threshold: float | FloatArray
) -> FloatArray:
    """Return the cost of each row's decision, float64 of shape (n_rows,).

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 or 1.
    prediction : ndarray of float64, shape (n_rows,)
        Probability of class 1.
    costs : CostMatrix
    threshold : float or ndarray of shape (n_rows,)
        The decision is yes where the probability is this or more.
    """
    false_positive, false_negative, true_positive, true_negative = costs.columns(len(prediction))
    return np.where(
        prediction >= threshold,
        np.where(y == 1, true_positive, false_positive),
        np.where(y == 1, false_negative, true_negative),
    )


def expected_cost(
    y: ArrayLike,
    prediction: ArrayLike,
    costs: CostMatrix,
    threshold: float | FloatArray = 0.5,
    weight: ArrayLike | None = None,
) -> float:
    """Return the mean cost per case of deciding at a threshold.

    Parameters
    ----------
    y, prediction, costs, threshold
        As in `cost_rows`.
    weight : array-like of shape (n_rows,), optional

    Raises
    ------
    DataError
        If lengths differ or a value is missing.
    """
    target, predicted, weights = check_rows(y, prediction, weight)
    if predicted.ndim != 1:
        raise DataError("cost: give the probability of the positive class, one number for each row")
    return weighted_mean(cost_rows(target, predicted, costs, threshold), weights)


def _cost_column(name: str, cost: ArrayLike, n_rows: int) -> FloatArray:
    values = np.asarray(cost, dtype=np.float64)
    if values.ndim and values.shape != (n_rows,):
        raise DataError(
            f"cost: {name} has shape {values.shape} for {n_rows} rows; give a number or one per row"
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise DataError(f"cost: {name} is not finite at row {bad[0]}; fill it first")
    return np.broadcast_to(values, (n_rows,))
