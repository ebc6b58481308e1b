"""Calibrated predictions whose map never saw the row: what an honest score is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.decision.base import Calibrator, FloatArray
from stackml.tables.target import Problem


def cross_calibrated(
    calibrator: Calibrator,
    probability: FloatArray,
    y: NDArray[Any],
    problem: Problem,
    weight: FloatArray | None,
    fold_of_row: NDArray[Any],
    *,
    forward: bool = False,
) -> FloatArray:
    """Return each fold's predictions through a map fitted on the other folds alone.

    Parameters
    ----------
    calibrator : Calibrator
    probability : float64 ndarray of shape (n_rows, n_outputs)
    y : int ndarray of shape (n_rows,)
    problem : Problem
    weight : float64 ndarray of shape (n_rows,), optional
    fold_of_row : int ndarray of shape (n_rows,)
    forward : bool
        Folds follow time: maps are fitted on earlier folds alone, and the first fold is left
        as it is.

    Returns
    -------
    float64 ndarray of shape (n_rows, n_outputs)
    """
    result = probability.copy()
    for fold in np.unique(fold_of_row):
        asked = fold_of_row == fold
        known = fold_of_row < fold if forward else ~asked
        if not known.any() or calibrator.refusal(y[known], problem):
            continue
        w = None if weight is None else weight[known]
        fitted = calibrator.fit(probability[known], y[known], problem, w)
        result[asked] = fitted.apply(probability[asked])
    return result
