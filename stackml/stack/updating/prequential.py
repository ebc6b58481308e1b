"""Test, then train: candidates learn from earlier blocks of rows and are judged on the next.

Prequential analysis (Dawid 1984, https://doi.org/10.2307/2981683) of a handful of blocks: every row
but those of the first block is predicted once, by candidates that have seen earlier rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stackml.combiners.comparing import NEAR
from stackml.metrics.catalog import Metric
from stackml.metrics.intervals import score_together
from stackml.tables.target import Target

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_RESAMPLES = 200
_IN_LEVEL = 0.6827  # of a normal distribution lies within one standard error


@dataclass(frozen=True, eq=False)
class Step:
    """Rows to learn from and the block that follows them."""

    learned: Rows
    judged: Rows


@dataclass(frozen=True)
class Judged:
    """How one candidate did.

    Attributes
    ----------
    name : str
    score : float
        The metric on its own scale, on all rows judged.
    gain, low, high : float
        Score above the first candidate's, greater is better, and its 95 % interval (paired bootstrap
        over rows, or groups).
    standard_error : float
        Of the gain.
    """

    name: str
    score: float
    gain: float
    low: float
    high: float
    standard_error: float


def steps(target: Target, n_blocks: int) -> tuple[Step, ...]:
    """Return the steps through rows that lie in the order of time.

    Rows of one moment are never parted, and no group of a block is learned from for it.

    Parameters
    ----------
    target : Target
        In the order of time.
    n_blocks : int
        About as many blocks; at least 2.
    """
    n = target.n_rows
    bounds = np.unique(np.linspace(0, n, n_blocks + 1).astype(np.int64))
    if target.time is not None:
        bounds = np.unique(np.searchsorted(target.time, target.time[bounds[bounds < n]], side="left"))
        bounds = np.append(bounds, n)
    found = []
    for start, stop in pairwise(bounds[1:]):
        learned = np.arange(start)
        if target.groups is not None:
            learned = learned[~np.isin(target.groups[learned], target.groups[start:stop])]
        if learned.size:
            found.append(Step(learned, np.arange(start, stop)))
    return tuple(found)


def predicted(
    path: Sequence[Step], n_rows: int, n_outputs: int, learn: Callable[[Rows], Callable[[Rows], Floats]]
) -> Floats:
    """Return what a candidate says of each block, having learned from the rows before it.

    Parameters
    ----------
    path : sequence of Step
    n_rows, n_outputs : int
    learn : callable
        ``learn(rows)`` returns a function of the rows to predict.

    Returns
    -------
    float64 ndarray of shape (n_rows, n_outputs)
        NaN where no step judged a row.
    """
    result = np.full((n_rows, n_outputs), np.nan)
    for step in path:
        result[step.judged] = learn(step.learned)(step.judged)
    return result


def compare(predictions: Mapping[str, Floats], target: Target, metric: Metric, seed: int = 0) -> list[Judged]:
    """Return how each candidate did beside the first.

    Parameters
    ----------
    predictions : mapping of name to float64 ndarray of shape (n_rows, n_outputs)
        NaN where a row was not judged; the same rows for all.
    target : Target
    metric : Metric
    seed : int
    """
    names = list(predictions)
    rows = np.flatnonzero(np.isfinite(predictions[names[0]]).all(axis=1))
    shown = {
        name: values[rows] if target.problem.kind == "multiclass" else values[rows, 0]
        for name, values in predictions.items()
    }
    weight = None if target.weight is None else target.weight[rows]
    groups = None if target.groups is None else target.groups[rows]
    pairs = [(name, names[0]) for name in names[1:]]

    def scored(level: float, pairs: list[tuple[str, str]]) -> tuple[dict, dict]:  # type: ignore[type-arg]
        found = score_together(
            target.values[rows],
            shown,
            [metric],
            pairs=pairs,
            weight=weight,
            groups=groups,
            n_resamples=_RESAMPLES,
            level=level,
            seed=seed,
        )
        return dict(found.intervals), dict(found.differences)

    intervals, wide = scored(0.95, pairs)
    _, narrow = scored(_IN_LEVEL, pairs)
    result = [Judged(names[0], intervals[names[0], metric.name].value, 0.0, 0.0, 0.0, 0.0)]
    for name, first in pairs:
        gap, inner = wide[name, first, metric.name], narrow[name, first, metric.name]
        error = (inner.high - inner.low) / 2
        value = intervals[name, metric.name].value
        result.append(Judged(name, value, gap.value, gap.low, gap.high, error))
    return result


def choice(judged: Sequence[Judged]) -> Judged:
    """Return the candidate to take: the first unless another gains more than one standard error.

    Of those that do the earliest within half a standard error of the one that gains most: candidates
    come in the order of what they change.
    """
    winners = [found for found in judged[1:] if found.gain > found.standard_error and found.gain > 0]
    if not winners:
        return judged[0]
    best = max(winners, key=lambda found: found.gain)
    return next(found for found in winners if found.gain >= best.gain - NEAR * best.standard_error)
