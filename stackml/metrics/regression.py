"""Metrics of numbers: `y` and `prediction` have shape (n_rows,) and the unit of the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.foundation.errors import DataError
from stackml.metrics.arrays import FloatArray, Weighted, mean_of, ones_like


def squared_error_rows(y: NDArray[Any], prediction: FloatArray) -> FloatArray:
    """Return the squared error of each row."""
    return np.asarray((np.asarray(y, dtype=np.float64) - prediction) ** 2)


def prepare_rmse(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the root of the mean squared error, waiting for weights."""
    mean = mean_of(squared_error_rows(y, prediction))
    return lambda weight: float(np.sqrt(mean(weight)))


def prepare_mae(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the mean absolute error, waiting for weights."""
    return mean_of(np.abs(np.asarray(y, dtype=np.float64) - prediction))


def prepare_mape(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the mean absolute error as a fraction of the target, waiting for weights.

    Rows whose target is 0 have no such fraction and are left out; nan where none is left.
    """
    target = np.asarray(y, dtype=np.float64)
    counted = target != 0
    fraction = np.abs(target - prediction) / np.where(counted, np.abs(target), 1.0)

    def mape(weight: FloatArray | None) -> float:
        w = ones_like(target, weight) * counted
        total = float(w.sum())
        return float(fraction @ w) / total if total > 0 else float("nan")

    return mape


def prepare_r2(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the share of variance explained, waiting for weights; nan where the target is constant."""
    target = np.asarray(y, dtype=np.float64)
    squared = squared_error_rows(target, prediction)

    def r2(weight: FloatArray | None) -> float:
        w = ones_like(target, weight)
        counted = target[w > 0]
        if not counted.size or (counted == counted[0]).all():
            return float("nan")
        spread = (target - float(target @ w) / float(w.sum())) ** 2
        return 1.0 - float(squared @ w) / float(spread @ w)

    return r2


def prepare_rmsle(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the root mean squared error of ``log(1 + value)``, waiting for weights.

    Predictions below 0 are read as 0.

    Raises
    ------
    DataError
        If a target is below 0.
    """
    target = np.asarray(y, dtype=np.float64)
    below = np.flatnonzero(target < 0)
    if below.size:
        raise DataError(
            f"rmsle: target at row {below[0]} is {target[below[0]]}, but only targets of 0 or more have it; "
            "use rmse or mae"
        )
    return prepare_rmse(np.log1p(target), np.log1p(np.maximum(prediction, 0.0)))


def prepare_pinball(y: NDArray[Any], prediction: FloatArray, quantile: float = 0.5) -> Weighted:
    """Return the pinball loss of predictions of one quantile, waiting for weights.

    Parameters
    ----------
    y, prediction : ndarray of shape (n_rows,)
    quantile : float
        Within (0, 1); 0.5 gives half the mean absolute error.
    """
    gap = np.asarray(y, dtype=np.float64) - prediction
    return mean_of(np.maximum(quantile * gap, (quantile - 1) * gap))
