"""How sure a score is, and whether one model beats another: paired bootstrap over rows or groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import DataError, ParameterError
from stackml.foundation.randomness import stream
from stackml.metrics.arrays import FloatArray
from stackml.metrics.catalog import Metric


@dataclass(frozen=True)
class Interval:
    """A metric's value and where it may lie on other rows of the same kind.

    Attributes
    ----------
    value, low, high : float
        On the metric's own scale; nan where it has no meaning.
    level : float
        Share of resamples between low and high.
    n_rows : int
    """

    value: float
    low: float
    high: float
    level: float
    n_rows: int


@dataclass(frozen=True)
class Difference:
    """How much better one prediction is than another on the same rows.

    Attributes
    ----------
    value, low, high : float
        Score of a minus score of b, greater is better: above 0 where a is better.
    p_value : float
        Two-sided, from the resamples; no smaller than ``2 / (n_resamples + 1)``.
    level : float
    n_rows : int
    """

    value: float
    low: float
    high: float
    p_value: float
    level: float
    n_rows: int

    @property
    def a_is_better(self) -> bool:
        """Whether a beats b beyond chance: the whole interval lies above 0."""
        return self.low > 0

    @property
    def b_is_better(self) -> bool:
        """Whether b beats a beyond chance: the whole interval lies below 0."""
        return self.high < 0


def bootstrap_interval(
    metric: Metric,
    y: ArrayLike,
    prediction: ArrayLike,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a metric's value with its percentile bootstrap interval.

    Parameters
    ----------
    metric : Metric
    y, prediction : array-like
        Shapes as in `Metric`.
    weight : array-like of shape (n_rows,), optional
    groups : array-like of shape (n_rows,), optional
        Rows of one group are drawn together.
    n_resamples : int
    level : float
        Within (0, 1).
    seed : int

    Raises
    ------
    DataError
        If the arrays do not belong together.
    ParameterError
        If `n_resamples` or `level` has no meaning.
    """
    _check(n_resamples, level)
    target, predicted, weights = metric.checked(y, prediction, weight)
    prepared = metric.prepare(target, predicted)
    values = [prepared(w) for w in _resamples(len(target), weights, groups, n_resamples, seed)]
    low, high = _range(np.array(values), level)
    return Interval(prepared(weights), low, high, level, len(target))


def paired_difference(
    metric: Metric,
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Compare two predictions on the same rows, each resample scoring both.

    Parameters
    ----------
    metric : Metric
    y : array-like
    a, b : array-like
        The two predictions, shapes as in `Metric`.
    weight, groups, n_resamples, level, seed
        As in `bootstrap_interval`.

    Raises
    ------
    DataError
        If the arrays do not belong together.
    ParameterError
        If `n_resamples` or `level` has no meaning.
    """
    _check(n_resamples, level)
    target, first, weights = metric.checked(y, a, weight)
    _, second, _ = metric.checked(y, b, None)
    score_a, score_b = metric.prepare(target, first), metric.prepare(target, second)

    def difference(w: FloatArray | None) -> float:
        return metric.signed(score_a(w) - score_b(w))

    values = np.array([difference(w) for w in _resamples(len(target), weights, groups, n_resamples, seed)])
    low, high = _range(values, level)
    return Difference(difference(weights), low, high, _p_value(values), level, len(target))


def _resamples(
    n_rows: int, weight: FloatArray | None, groups: ArrayLike | None, n_resamples: int, seed: int
) -> Iterator[FloatArray]:
    rng = stream(seed, "metrics", "bootstrap")
    codes, n_units = (None, n_rows) if groups is None else _unit_codes(groups, n_rows)
    for _ in range(n_resamples):
        counts = np.bincount(rng.integers(n_units, size=n_units), minlength=n_units).astype(np.float64)
        rows = counts if codes is None else counts[codes]
        yield rows if weight is None else rows * weight


def _unit_codes(groups: ArrayLike, n_rows: int) -> tuple[NDArray[np.int64], int]:
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise DataError(f"groups: expected one value for each of {n_rows} rows, found shape {values.shape}")
    if values.dtype.kind == "O":
        code: dict[object, int] = {}
        codes = [code.setdefault(item, len(code)) for item in values.tolist()]
        return np.array(codes, dtype=np.int64), len(code)
    labels, inverse = np.unique(values, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64), len(labels)


def _range(values: FloatArray, level: float) -> tuple[float, float]:
    # A resample may miss a class altogether; the metric has no value there.
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _p_value(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan")
    rarer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(known) + 1))


def _check(n_resamples: int, level: float) -> None:
    if n_resamples < 1:
        raise ParameterError(f"n_resamples={n_resamples!r}: give 1 or more (200 is usual)")
    if not 0 < level < 1:
        raise ParameterError(f"level={level!r}: give a share between 0 and 1, as 0.95")
