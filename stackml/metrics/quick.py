"""Ranking metrics of a binary target without weights, quick enough to follow each round of a fit.

They equal the kernels of `stackml.metrics.ranking` but for the last digits. Positives and negatives
are sorted apart, by value and in float32, which takes a tenth of the time of sorting rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.metrics.arrays import FloatArray
from stackml.metrics.catalog import Metric
from stackml.metrics.ranking import Counts

Scores = NDArray[np.float32]
Quick = Callable[[Scores], float]


def quick_metric(metric: Metric, y: NDArray[Any], weight: FloatArray | None) -> Quick:
    """Return a function of predictions that gives a metric's value, greater better.

    Parameters
    ----------
    metric : Metric
        Made for a binary target.
    y : ndarray of shape (n_rows,)
        0 and 1.
    weight : float64 ndarray of shape (n_rows,), optional

    Returns
    -------
    callable
        Of float32 predictions of shape (n_rows,).
    """
    event = np.asarray(y) == 1
    if weight is None and metric.ranked is not None:
        ranked = metric.ranked
        return lambda prediction: metric.signed(ranked(quick_counts(event, prediction)))
    return lambda prediction: metric.signed(metric.kernel(y, prediction.astype(np.float64), weight))


def quick_counts(event: NDArray[np.bool_], prediction: Scores) -> Counts:
    """Return the counts down a ranking, as `counts_of` gives them without weights.

    Parameters
    ----------
    event : bool ndarray of shape (n_rows,)
    prediction : float32 ndarray of shape (n_rows,)
    """
    found, others = np.sort(prediction[event]), np.sort(prediction[~event])
    last = np.append(found[1:] != found[:-1], True) if len(found) else np.zeros(0, bool)
    steps = found[last][::-1]  # distinct values that have a positive, highest first
    until = np.flatnonzero(last)
    begin = np.append(0, until[:-1] + 1) if len(until) else until
    positives = (len(found) - begin)[::-1].astype(np.float64)
    beaten = others.searchsorted(steps, "left")
    tied = others.searchsorted(steps, "right")
    rows = positives + (len(others) - beaten)
    rows_above = (len(found) - 1 - until)[::-1] + (len(others) - tied) + 0.0
    return Counts(positives, rows, rows_above, float(len(found)), float(len(prediction)))
