"""Where to draw the line: thresholds by cost, by F1, by balanced accuracy.

A case is flagged where its probability is the threshold or more. A threshold of infinity flags
nothing, 0 flags everything; between two rows the middle is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import DataError, ParameterError
from stackml.metrics.arrays import FloatArray, check_rows, ones_like
from stackml.metrics.cost import CostMatrix


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it achieves on the rows it was found on.

    Attributes
    ----------
    threshold : float
        Flag where the probability is this or more.
    value : float
        Mean cost per case (currency units), F1 or balanced accuracy (0 to 1).
    flagged : float
        Share of the rows' weight that is flagged, 0 to 1.
    """

    threshold: float
    value: float
    flagged: float


def bayes_threshold(costs: CostMatrix, n_rows: int | None = None) -> float | FloatArray:
    """Return the threshold of least expected cost where probabilities are calibrated.

    Parameters
    ----------
    costs : CostMatrix
        Numbers, or one for each row.
    n_rows : int, optional
        Needed where costs differ by row; the result then has shape (n_rows,).

    Returns
    -------
    float or float64 ndarray of shape (n_rows,)
        Within [0, 1].

    Raises
    ------
    ParameterError
        If a wrong decision costs less than the right one, or both kinds of error cost nothing.
    DataError
        If a cost has another length than `n_rows`.
    """
    fp, fn, tp, tn = costs.columns(1 if n_rows is None else n_rows)
    alarm, miss = fp - tn, fn - tp
    wrong = np.flatnonzero((alarm < 0) | (miss < 0) | (alarm + miss <= 0))
    if wrong.size:
        row = int(wrong[0])
        raise ParameterError(
            f"costs: at row {row} a false alarm costs {alarm[row]:g} and a miss {miss[row]:g} more than the "
            "right decision; neither may be below 0 and one must be above"
        )
    threshold = np.asarray(alarm / (alarm + miss))
    return float(threshold[0]) if n_rows is None else threshold


def cost_threshold(
    probability: ArrayLike, y: ArrayLike, costs: CostMatrix, weight: ArrayLike | None = None
) -> Threshold:
    """Return the threshold with the least mean cost on these rows.

    Parameters
    ----------
    probability : array-like of shape (n_rows,) or (n_rows, 1)
        Out-of-fold probability of class 1.
    y : array-like of shape (n_rows,)
        0 or 1.
    costs : CostMatrix
        Numbers, or one for each row.
    weight : array-like of shape (n_rows,), optional

    Raises
    ------
    DataError
        If lengths differ, a value is missing, or the target is not 0 or 1.
    """
    p, event, w = _rows(probability, y, weight)
    fp, fn, tp, tn = costs.columns(len(p))
    if_flagged = np.where(event, tp, fp)
    if_not = np.where(event, fn, tn)
    saved = _cumulated(p, (w * (if_not - if_flagged),))[0]
    total = float(w.sum())
    value = (float(w @ if_not) - saved) / total if total > 0 else np.full(len(saved), np.nan)
    return _best(p, w, -value, lambda score: -score)


def f1_threshold(probability: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None) -> Threshold:
    """Return the threshold with the highest F1 of class 1 on these rows; arguments as `cost_threshold`.

    Raises
    ------
    DataError
        If lengths differ, a value is missing, the target is not 0 or 1, or no row is positive.
    """
    p, event, w = _rows(probability, y, weight)
    positives = _both_classes(event, w, "F1")[0]
    hits, flagged = _cumulated(p, (w * event, w))
    return _best(p, w, 2 * hits / (flagged + positives), float)


def balanced_accuracy_threshold(
    probability: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None
) -> Threshold:
    """Return the threshold with the highest balanced accuracy; arguments as `cost_threshold`.

    Raises
    ------
    DataError
        If lengths differ, a value is missing, the target is not 0 or 1, or a class has no rows.
    """
    p, event, w = _rows(probability, y, weight)
    positives, negatives = _both_classes(event, w, "balanced accuracy")
    hits, alarms = _cumulated(p, (w * event, w * ~event))
    return _best(p, w, (hits / positives + 1 - alarms / negatives) / 2, float)


def cut_points(probability: FloatArray) -> FloatArray:
    """Return the thresholds that differ in what they flag: none first, all rows last.

    Returns
    -------
    float64 ndarray of shape (n_distinct + 1,), descending
    """
    distinct = np.unique(probability)[::-1]
    middle = (distinct[:-1] + distinct[1:]) / 2
    # Neighbouring floats have no middle: the upper one still parts them.
    middle = np.where(middle > distinct[1:], middle, distinct[:-1])
    return np.concatenate([[np.inf], middle, [min(0.0, float(distinct[-1]))]])


def _rows(
    probability: ArrayLike, y: ArrayLike, weight: ArrayLike | None
) -> tuple[FloatArray, NDArray[np.bool_], FloatArray]:
    target, p, w = check_rows(y, probability, weight)
    if p.ndim == 2 and p.shape[1] == 1:
        p = p[:, 0]
    if p.ndim != 1:
        raise DataError("threshold: give the probability of the positive class, one number for each row")
    if not ((target == 0) | (target == 1)).all():
        raise DataError("threshold: the target must be 0 or 1; thresholds are for two classes")
    return p, target == 1, ones_like(target, w)


def _both_classes(event: NDArray[np.bool_], w: FloatArray, measure: str) -> tuple[float, float]:
    positives, negatives = float(w[event].sum()), float(w[~event].sum())
    if positives <= 0 or (negatives <= 0 and measure != "F1"):
        missing = "positive" if positives <= 0 else "negative"
        raise DataError(f"threshold: {measure} has no meaning without {missing} rows; there are none")
    return positives, negatives


def _cumulated(p: FloatArray, columns: tuple[FloatArray, ...]) -> tuple[FloatArray, ...]:
    """Return the sums over the rows that each of `cut_points` flags."""
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return tuple(np.concatenate([[0.0], np.cumsum(column[order])[last]]) for column in columns)


def _best(p: FloatArray, w: FloatArray, score: FloatArray, value: Callable[[Any], float]) -> Threshold:
    # The first of equals: what flags fewer rows.
    at = int(np.argmax(score))
    flagged = _cumulated(p, (w,))[0]
    share = float(flagged[at] / flagged[-1]) if flagged[-1] > 0 else 0.0
    return Threshold(float(cut_points(p)[at]), float(value(score[at])), share)
