"""What every kernel works on: float64 predictions, weights, weighted means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import DataError

FloatArray = NDArray[np.float64]
Weighted = Callable[[FloatArray | None], float]
"""A metric of fixed rows, waiting for their weights (None: all 1)."""


def check_rows(
    y: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None
) -> tuple[NDArray[Any], FloatArray, FloatArray | None]:
    """Return target, prediction and weight as arrays that belong together.

    Raises
    ------
    DataError
        If there are no rows, the lengths differ, a value is missing, or a weight is negative.
    """
    target, predicted = np.asarray(y), np.asarray(prediction, dtype=np.float64)
    if target.ndim != 1 or predicted.ndim not in (1, 2) or len(target) != len(predicted):
        raise DataError(
            f"metric: target of shape {target.shape} and prediction of shape {predicted.shape} do not belong "
            "together; give one target and one prediction for each row"
        )
    if not len(target):
        raise DataError("metric: there are no rows to score; give at least one")
    for name, values in (("target", target), ("prediction", predicted)):
        refuse_missing(name, values)
    if weight is None:
        return target, predicted, None
    weights = np.asarray(weight, dtype=np.float64)
    if weights.shape != target.shape:
        raise DataError(
            f"metric: weight of shape {weights.shape} for {len(target)} rows; give one for each row"
        )
    bad = np.flatnonzero(~np.isfinite(weights) | (weights < 0))
    if bad.size:
        raise DataError(
            f"metric: weight at row {bad[0]} is {weights[bad[0]]}; give finite weights of 0 or more"
        )
    return target, predicted, weights


def refuse_missing(name: str, values: NDArray[Any]) -> None:
    """Refuse values that are not finite numbers.

    Raises
    ------
    DataError
        Naming the first row.
    """
    if values.dtype.kind not in "biuf":
        raise DataError(f"metric: {name} must be numbers, found {values.dtype}; encode it first")
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        raise DataError(f"metric: {name} at row {row} is {values[row]}; drop or fill such rows first")


def weighted_mean(values: FloatArray, weight: FloatArray | None) -> float:
    """Return the weighted mean; nan where all weight is zero."""
    if weight is None:
        return float(values.mean())
    total = float(weight.sum())
    return float(values @ weight) / total if total > 0 else float("nan")


def mean_of(values: FloatArray) -> Weighted:
    """Return the weighted mean of fixed values, waiting for weights."""
    return lambda weight: weighted_mean(values, weight)


def ones_like(y: NDArray[Any], weight: FloatArray | None) -> FloatArray:
    """Return the weights, 1 for each row where there are none."""
    return np.ones(len(y)) if weight is None else weight
