"""Metrics that read predictions as a ranking; ties count half, or in proportion.

Rows are sorted once; each set of weights then costs a few passes over them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.metrics.arrays import FloatArray, Weighted

DEFAULT_CAPACITY = 0.01
_NAN = float("nan")
_ZERO = np.zeros(1)


@dataclass(frozen=True, slots=True)
class Counts:
    """Weight counted down a ranking, at the distinct predictions that have a positive row.

    Attributes
    ----------
    positives, rows : float64 ndarray of shape (n_steps,)
        Weight of the positive rows and of all rows down to each such prediction, its ties included.
    rows_above : float64 ndarray of shape (n_steps,)
        Weight of all rows above it, without its ties.
    all_positives, all_rows : float
    """

    positives: FloatArray
    rows: FloatArray
    rows_above: FloatArray
    all_positives: float
    all_rows: float


Counted = Callable[[FloatArray | None], Counts]
Ranked = Callable[[Counts], float]


def counts_of(event: NDArray[np.bool_], prediction: FloatArray) -> Counted:
    """Return a function of the weights that counts them down the ranking, which is sorted here once."""
    order = np.argsort(-prediction, kind="stable")
    ranked = prediction[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    at = np.flatnonzero(event[order])
    # Nothing changes between steps with positives: the rest, often nearly all, need not be visited.
    step = np.searchsorted(last, at)
    steps, first = np.unique(step, return_index=True)
    until = np.append(first, len(at))[1:] - 1
    ends = last[steps]
    begins = np.where(steps > 0, last[steps - 1] + 1, 0)

    def counted(weight: FloatArray | None) -> Counts:
        if weight is None:
            return Counts(until + 1.0, ends + 1.0, begins + 0.0, float(len(at)), float(len(order)))
        w = weight[order]
        total = np.concatenate([_ZERO, np.cumsum(w)])
        positives = np.cumsum(w[at])
        n_positive = float(positives[-1]) if len(at) else 0.0
        return Counts(positives[until], total[ends + 1], total[begins], n_positive, float(total[-1]))

    return counted


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
    return _of_counts(event, prediction, roc_auc_of)


def _of_counts(event: NDArray[np.bool_], prediction: FloatArray, value: Ranked) -> Weighted:
    counted = counts_of(event, prediction)
    return lambda weight: value(counted(weight))


def roc_auc_of(counts: Counts) -> float:
    """Return the area under the ROC curve; nan where only one class has weight."""
    all_negatives = counts.all_rows - counts.all_positives
    area = counts.all_positives * all_negatives
    if area <= 0:
        return _NAN
    up = np.diff(counts.positives, prepend=0.0)
    tied = counts.rows - counts.rows_above - up
    below = all_negatives - (counts.rows - counts.positives)
    return float(up @ (below + tied / 2) / area)


def average_precision_of(counts: Counts) -> float:
    """Return the precision averaged over the steps of recall; nan without positives."""
    if counts.all_positives <= 0:
        return _NAN
    positives, rows = counts.positives, counts.rows
    precision = np.divide(positives, rows, out=np.zeros_like(rows), where=rows > 0)
    return float(np.diff(positives, prepend=0.0) @ precision / counts.all_positives)


def recall_at_capacity_of(counts: Counts, capacity: float = DEFAULT_CAPACITY) -> float:
    """Return the share of all positives among the highest-ranked rows; nan without positives.

    Parameters
    ----------
    counts : Counts
    capacity : float
        Fraction of all weight that is looked at, within (0, 1]. Of rows tied at its edge, and of
        the last row, the fitting fraction counts; so order does not matter, and a weight of 2
        equals a row given twice.
    """
    return _found(counts, capacity) / counts.all_positives if counts.all_positives > 0 else _NAN


def precision_at_capacity_of(counts: Counts, capacity: float = DEFAULT_CAPACITY) -> float:
    """Return the share of positives among the highest-ranked rows; as `recall_at_capacity_of`."""
    return _found(counts, capacity) / (capacity * counts.all_rows) if counts.all_rows > 0 else _NAN


def prepare_average_precision(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the precision averaged over the steps of recall, waiting for weights; nan without positives."""
    return _of_counts(np.asarray(y) == 1, prediction, average_precision_of)


def prepare_recall_at_capacity(
    y: NDArray[Any], prediction: FloatArray, capacity: float = DEFAULT_CAPACITY
) -> Weighted:
    """Return `recall_at_capacity_of` these rows, waiting for weights."""
    return _of_counts(np.asarray(y) == 1, prediction, partial(recall_at_capacity_of, capacity=capacity))


def prepare_precision_at_capacity(
    y: NDArray[Any], prediction: FloatArray, capacity: float = DEFAULT_CAPACITY
) -> Weighted:
    """Return `precision_at_capacity_of` these rows, waiting for weights."""
    return _of_counts(np.asarray(y) == 1, prediction, partial(precision_at_capacity_of, capacity=capacity))


def _found(counts: Counts, capacity: float) -> float:
    if not len(counts.rows):
        return 0.0
    # Within a step its ties share; between steps no positive is found.
    rows = np.column_stack([counts.rows_above, counts.rows]).ravel()
    before = np.concatenate([_ZERO, counts.positives[:-1]])
    positives = np.column_stack([before, counts.positives]).ravel()
    return float(np.interp(capacity * counts.all_rows, rows, positives))


def roc_auc(y: NDArray[Any], prediction: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the area under the ROC curve; see `prepare_roc_auc`."""
    return prepare_roc_auc(y, prediction)(weight)


def average_precision(y: NDArray[Any], prediction: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the average precision; see `prepare_average_precision`."""
    return prepare_average_precision(y, prediction)(weight)
