"""Metrics that read predictions as a ranking; ties count half, or in proportion.

Rows are sorted once; each set of weights then costs a few passes over them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.metrics.arrays import FloatArray, Weighted

DEFAULT_CAPACITY = 0.01
_NAN = float("nan")
_Steps = Callable[[FloatArray | None], tuple[FloatArray, FloatArray]]


def _steps(event: NDArray[np.bool_], prediction: FloatArray) -> _Steps:
    """Return a function of the weights: positives and all rows counted down to each distinct prediction."""
    order = np.argsort(-prediction, kind="stable")
    ranked = prediction[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    positive = event[order].astype(np.float64)

    def steps(weight: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        if weight is None:
            return np.cumsum(positive)[last], (last + 1).astype(np.float64)
        w = weight[order]
        return np.cumsum(w * positive)[last], np.cumsum(w)[last]

    return steps


def prepare_roc_auc(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the area under the ROC curve, waiting for weights.

    Binary: nan where only one class has weight. Multiclass: each class against the rest, averaged
    by the weight of the class; classes without rows count nothing.
    """
    if prediction.ndim == 1:
        return _binary_auc(np.asarray(y) == 1, prediction)
    codes = np.asarray(y, dtype=np.int64)
    present = np.unique(codes)
    areas = [_binary_auc(codes == c, prediction[:, c]) for c in present]

    def roc_auc(weight: FloatArray | None) -> float:
        shares = np.bincount(codes, weights=weight)[present]
        values = np.array([area(weight) for area in areas])
        known = ~np.isnan(values)
        return float(values[known] @ shares[known] / shares[known].sum()) if known.any() else _NAN

    return roc_auc


def _binary_auc(event: NDArray[np.bool_], prediction: FloatArray) -> Weighted:
    steps = _steps(event, prediction)

    def roc_auc(weight: FloatArray | None) -> float:
        positives, rows = steps(weight)
        negatives = rows - positives
        area = positives[-1] * negatives[-1]
        if area <= 0:
            return _NAN
        up = np.diff(positives, prepend=0.0)
        before = positives - up / 2
        return float(before @ np.diff(negatives, prepend=0.0) / area)

    return roc_auc


def prepare_average_precision(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the precision averaged over the steps of recall, waiting for weights; nan without positives."""
    steps = _steps(np.asarray(y) == 1, prediction)

    def average_precision(weight: FloatArray | None) -> float:
        positives, rows = steps(weight)
        if positives[-1] <= 0:
            return _NAN
        precision = np.divide(positives, rows, out=np.zeros_like(rows), where=rows > 0)
        return float(np.diff(positives, prepend=0.0) @ precision / positives[-1])

    return average_precision


def prepare_recall_at_capacity(
    y: NDArray[Any], prediction: FloatArray, capacity: float = DEFAULT_CAPACITY
) -> Weighted:
    """Return the share of all positives among the highest-ranked rows, waiting for weights.

    Parameters
    ----------
    y, prediction : ndarray of shape (n_rows,)
    capacity : float
        Fraction of all weight that is looked at, within (0, 1]. Of rows tied at its edge, and of
        the last row, the fitting fraction counts; so order does not matter, and a weight of 2
        equals a row given twice.
    """
    steps = _steps(np.asarray(y) == 1, prediction)

    def recall(weight: FloatArray | None) -> float:
        positives, rows = steps(weight)
        return _found(positives, rows, capacity) / float(positives[-1]) if positives[-1] > 0 else _NAN

    return recall


def prepare_precision_at_capacity(
    y: NDArray[Any], prediction: FloatArray, capacity: float = DEFAULT_CAPACITY
) -> Weighted:
    """Return the share of positives among the highest-ranked rows, waiting for weights.

    Parameters
    ----------
    y, prediction, capacity
        As in `prepare_recall_at_capacity`.
    """
    steps = _steps(np.asarray(y) == 1, prediction)

    def precision(weight: FloatArray | None) -> float:
        positives, rows = steps(weight)
        return _found(positives, rows, capacity) / (capacity * float(rows[-1])) if rows[-1] > 0 else _NAN

    return precision


def _found(positives: FloatArray, rows: FloatArray, capacity: float) -> float:
    return float(
        np.interp(capacity * rows[-1], np.concatenate([[0.0], rows]), np.concatenate([[0.0], positives]))
    )


def roc_auc(y: NDArray[Any], prediction: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the area under the ROC curve; see `prepare_roc_auc`."""
    return prepare_roc_auc(y, prediction)(weight)


def average_precision(y: NDArray[Any], prediction: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the average precision; see `prepare_average_precision`."""
    return prepare_average_precision(y, prediction)(weight)
