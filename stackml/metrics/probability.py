"""Metrics of probabilities and of the labels they imply.

Binary: `y` in {0, 1} and `prediction` of shape (n_rows,), the probability of class 1; the label
is 1 from 0.5 on. Multiclass: `y` holds class codes and `prediction` has shape (n_rows, n_classes);
the label is the first most probable class. Classes absent from `y` are met everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.metrics.arrays import FloatArray, Weighted, mean_of, ones_like

_CLIP = 1e-15
_BINS = 15
_HALF = 0.5


def log_loss_rows(y: NDArray[Any], prediction: FloatArray) -> FloatArray:
    """Return minus the log probability (nats) of each row's class, float64 of shape (n_rows,).

    Probabilities are clipped to ``[1e-15, 1 - 1e-15]``.
    """
    if prediction.ndim == 1:
        p = np.where(np.asarray(y) == 1, prediction, 1.0 - prediction)
    else:
        p = np.take_along_axis(prediction, np.asarray(y, dtype=np.int64)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.clip(p, _CLIP, 1 - _CLIP)))


def brier_rows(y: NDArray[Any], prediction: FloatArray) -> FloatArray:
    """Return the squared error of each row's probability.

    Binary: ``(p - y)^2``, within [0, 1]. Multiclass: summed over the classes, within [0, 2].
    """
    if prediction.ndim == 1:
        return np.asarray((prediction - y) ** 2)
    own = np.take_along_axis(prediction, np.asarray(y, dtype=np.int64)[:, None], axis=1)[:, 0]
    return np.asarray((prediction**2).sum(axis=1) - 2 * own + 1)


def labels(prediction: FloatArray) -> NDArray[np.int64]:
    """Return the class code that each row's probabilities imply, int64 of shape (n_rows,)."""
    if prediction.ndim == 1:
        return np.asarray(prediction >= _HALF, dtype=np.int64)
    return np.asarray(prediction.argmax(axis=1), dtype=np.int64)


def prepare_log_loss(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the log loss of these rows, waiting for weights."""
    return mean_of(log_loss_rows(y, prediction))


def prepare_brier(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the Brier score of these rows, waiting for weights."""
    return mean_of(brier_rows(y, prediction))


def prepare_accuracy(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the share of rows with the right label, waiting for weights."""
    return mean_of((labels(prediction) == y).astype(np.float64))


def prepare_balanced_accuracy(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the mean recall over the classes present in `y`, waiting for weights."""
    codes = np.asarray(y, dtype=np.int64)
    hit = labels(prediction) == codes

    def balanced_accuracy(weight: FloatArray | None) -> float:
        w = ones_like(codes, weight)
        present = np.bincount(codes, weights=w)
        right = np.bincount(codes, weights=w * hit)
        seen = present > 0
        return float((right[seen] / present[seen]).mean()) if seen.any() else float("nan")

    return balanced_accuracy


def prepare_f1(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return F1, waiting for weights.

    Binary: of class 1. Multiclass: the plain mean over the classes found in `y` or among the labels.
    A class never found on either side counts nothing; without any positive the value is 0.
    """
    codes, found = np.asarray(y, dtype=np.int64), labels(prediction)
    n_classes = 2 if prediction.ndim == 1 else prediction.shape[1]
    hit = codes == found

    def f1(weight: FloatArray | None) -> float:
        w = ones_like(codes, weight)
        both = np.bincount(codes, w, n_classes) + np.bincount(found, w, n_classes)
        right = 2 * np.bincount(codes, w * hit, n_classes)
        scores = np.divide(right, both, out=np.zeros(n_classes), where=both > 0)
        if prediction.ndim == 1:
            return float(scores[1])
        return float(scores[both > 0].mean()) if both.any() else float("nan")

    return f1


def prepare_expected_calibration_error(y: NDArray[Any], prediction: FloatArray) -> Weighted:
    """Return the calibration error over 15 bins of equal width, waiting for weights.

    Binary: probability of class 1 against its frequency. Multiclass: probability of the label
    against how often it is right. The gaps are weighted by the rows in each bin.
    """
    if prediction.ndim == 1:
        p, event = prediction, np.asarray(y, dtype=np.float64)
    else:
        p, event = prediction.max(axis=1), (labels(prediction) == y).astype(np.float64)
    bins = np.clip((p * _BINS).astype(np.int64), 0, _BINS - 1)
    gap = event - p

    def expected_calibration_error(weight: FloatArray | None) -> float:
        w = ones_like(p, weight)
        total = float(w.sum())
        return float(np.abs(np.bincount(bins, w * gap)).sum()) / total if total > 0 else float("nan")

    return expected_calibration_error
