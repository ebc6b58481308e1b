"""What combiners are given, checked and put in an order that does not depend on the caller's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.combiners.base import MetaFeatures
from stackml.foundation.errors import DataError, ParameterError
from stackml.foundation.randomness import stream
from stackml.metrics.arrays import ones_like
from stackml.tables.target import Target

FloatArray = NDArray[np.float64]
Rows = NDArray[np.int64]

CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1: float32 predictions say no more."""

_RARE_SHARE = 4


def checked(meta: MetaFeatures, target: Target) -> tuple[MetaFeatures, Target]:
    """Return meta-features in the order of learners' names, and the target.

    Raises
    ------
    DataError
        If there are no rows, rows of the two differ in number, no row has weight, or a prediction
        is missing; the message names learner and row.
    """
    if meta.n_rows != target.n_rows:
        raise DataError(
            f"combiner: {meta.n_rows} rows of meta-features and {target.n_rows} of the target do not belong "
            "together"
        )
    if not meta.n_rows:
        raise DataError("combiner: there are no rows to learn from; give rows with out-of-fold predictions")
    finite = np.isfinite(meta.values)
    if not finite.all():
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        raise DataError(
            f"combiner: meta-feature '{meta.column_names[column]}' at row {row} is "
            f"{meta.values[row, column]}; give only rows that some fold held out, "
            "where every learner has an out-of-fold prediction"
        )
    if target.weight is not None and not target.weight.any():
        raise DataError("combiner: every row has weight 0; give at least one row with weight")
    return canonical(meta), target


def canonical(meta: MetaFeatures) -> MetaFeatures:
    """Return the learners in the order of their names."""
    names = tuple(sorted(meta.learners))
    return meta if names == meta.learners else meta.select(names)


def predictors_of(meta: MetaFeatures, combiner: str) -> tuple[str, ...]:
    """Return the learners that predict the target.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if not meta.predictors:
        raise ParameterError(
            f"combiner '{combiner}': no learner predicts the target (only scores: "
            f"{', '.join(meta.learners)}); add a learner that does, or use 'logistic'"
        )
    return meta.predictors


def weight_of(target: Target) -> FloatArray:
    """Return the weight of each row, 1 where there is none."""
    return ones_like(target.values, target.weight)


def true_class(predictions: FloatArray, target: Target) -> FloatArray:
    """Return the clipped probability each learner gave to what happened.

    Parameters
    ----------
    predictions : float64 ndarray of shape (n_learners, n_rows, n_outputs)
    target : Target
        Of classes.

    Returns
    -------
    float64 ndarray of shape (n_rows, n_learners)
    """
    if target.problem.kind == "binary":
        happened = target.values == 1
        p = np.where(happened, predictions[:, :, 0], 1 - predictions[:, :, 0])
    else:
        at = np.asarray(target.values, dtype=np.int64)[None, :, None]
        p = np.take_along_axis(predictions, at, axis=2)[:, :, 0]
    return np.ascontiguousarray(np.clip(p, CLIP, 1 - CLIP).T)


def sampled(target: Target, most: int, seed: int, name: str) -> tuple[Rows, FloatArray]:
    """Return at most about `most` rows that stand for all, and the weight of each.

    Rare classes are kept as far as there is room: each class may fill its share of a quarter of
    the sample. Weights make up for that; they are on the scale of the rows drawn.

    Parameters
    ----------
    target : Target
    most : int
    seed : int
    name : str
        What the sample is for: each use draws its own.

    Returns
    -------
    tuple of int64 and float64 ndarrays of shape (n_drawn,)
        Row numbers ascending, and weights.
    """
    n = target.n_rows
    weight = weight_of(target)
    if n <= most:
        return np.arange(n, dtype=np.int64), weight
    codes = _strata(target)
    counts = np.bincount(codes)
    floor = most // (_RARE_SHARE * max(1, int(np.count_nonzero(counts))))
    quota = np.minimum(counts, np.maximum(floor, counts * most // n))
    order = np.lexsort((stream(seed, "sample", name).random(n), codes))
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.flatnonzero(rank < quota[codes])
    drawn = weight[rows] * (counts / np.maximum(quota, 1))[codes[rows]]
    return rows, drawn * (len(rows) / n)


def _strata(target: Target) -> NDArray[Any]:
    if target.problem.is_regression:
        return np.zeros(target.n_rows, dtype=np.int64)
    return np.asarray(target.values, dtype=np.int64)
