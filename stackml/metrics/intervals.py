"""How sure a score is, and whether one model beats another: paired bootstrap over rows or groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import ParameterError
from stackml.metrics.arrays import FloatArray
from stackml.metrics.catalog import Metric
from stackml.metrics.ranking import counts_of
from stackml.metrics.resampling import resamples


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


@dataclass(frozen=True)
class Together:
    """Several predictions of the same rows in several metrics.

    Attributes
    ----------
    intervals : mapping of (prediction, metric) to Interval
    differences : mapping of (prediction, other prediction, metric) to Difference
    draws : mapping of (prediction, metric) to float64 ndarray of shape (n_resamples,)
        Values on the resamples, on the metric's own scale, the same resample in the same place.
    """

    intervals: Mapping[tuple[str, str], Interval]
    differences: Mapping[tuple[str, str, str], Difference]
    draws: Mapping[tuple[str, str], FloatArray]


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
    found = score_together(
        y,
        {"a": prediction},
        [metric],
        weight=weight,
        groups=groups,
        n_resamples=n_resamples,
        level=level,
        seed=seed,
    )
    return found.intervals["a", metric.name]


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
    found = score_together(
        y,
        {"a": a, "b": b},
        [metric],
        pairs=[("a", "b")],
        weight=weight,
        groups=groups,
        n_resamples=n_resamples,
        level=level,
        seed=seed,
    )
    return found.differences["a", "b", metric.name]


def score_together(
    y: ArrayLike,
    predictions: Mapping[str, ArrayLike],
    metrics: Sequence[Metric],
    *,
    pairs: Sequence[tuple[str, str]] = (),
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Together:
    """Score several predictions of the same rows in several metrics, each resample drawn once.

    The results are those of `bootstrap_interval` and `paired_difference`, one call for all.

    Parameters
    ----------
    y : array-like
    predictions : mapping of str to array-like
        Shapes as in `Metric`.
    metrics : sequence of Metric
    pairs : sequence of (str, str)
        Names of predictions to compare.
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
    names = list(predictions)
    prepared, target, weights = [], np.asarray(y), None
    for name in names:
        for metric in metrics:
            target, predicted, weights = metric.checked(y, predictions[name], weight)
        prepared.append(_prepared(metrics, target, predicted))

    def scored(w: FloatArray | None) -> list[list[float]]:
        return [values(w) for values in prepared]

    drawn = resamples(len(target), weights, groups, n_resamples, seed)
    table = np.array([scored(w) for w in drawn])
    own = np.array(scored(weights))
    intervals, differences, draws = {}, {}, {}
    for j, metric in enumerate(metrics):
        for i, name in enumerate(names):
            draws[name, metric.name] = table[:, i, j]
            low, high = _range(table[:, i, j], level)
            intervals[name, metric.name] = Interval(float(own[i, j]), low, high, level, len(target))
        for a, b in pairs:
            first, second = names.index(a), names.index(b)
            value = metric.signed(float(own[first, j] - own[second, j]))
            gaps = table[:, first, j] - table[:, second, j]
            gaps = gaps if metric.greater_is_better else -gaps
            low, high = _range(gaps, level)
            found = Difference(value, low, high, _p_value(gaps), level, len(target))
            differences[a, b, metric.name] = found
    return Together(intervals, differences, draws)


def _prepared(
    metrics: Sequence[Metric], y: NDArray[Any], prediction: FloatArray
) -> Callable[[FloatArray | None], list[float]]:
    """Return a function of the weights that gives every metric of one prediction, ranked once."""
    ranked = prediction.ndim == 1 and any(metric.ranked for metric in metrics)
    counted = counts_of(y == 1, prediction) if ranked else None
    waiting = [
        None if counted is not None and metric.ranked else metric.prepare(y, prediction) for metric in metrics
    ]

    def values(weight: FloatArray | None) -> list[float]:
        counts = None if counted is None else counted(weight)
        found = []
        for metric, prepared in zip(metrics, waiting, strict=True):
            if prepared is not None:
                found.append(prepared(weight))
            else:
                assert metric.ranked is not None
                assert counts is not None
                found.append(metric.ranked(counts))
        return found

    return values


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
