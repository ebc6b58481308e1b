"""How much of a better model's gain is had for how much of its price: curves, and thresholds on them.

Gap recovered and its summaries are those of Ong et al. 2024, RouteLLM
(https://arxiv.org/abs/2406.18665): PGR is the metric's gain over the weak model as a share of the
strong model's, APGR its mean over the shares of strong calls, CPT(x) the smallest share of strong calls
that recovers a share x of the gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stackml.assembly.alike import shown
from stackml.metrics.catalog import Metric
from stackml.metrics.resampling import resamples
from stackml.tables.target import Target

FloatArray = npt.NDArray[np.float64]

SHARES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, *(round(0.05 * i, 2) for i in range(2, 21)))
LEVEL = 0.95
_MOST_RESAMPLES, _FEWEST_RESAMPLES, _RESAMPLED_ROWS = 100, 20, 5_000_000


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric along answers that use more and more of a better model.

    Attributes
    ----------
    at : float64 ndarray of shape (n_points,)
        How much of it each uses, ascending.
    values : float64 ndarray of shape (n_points,)
        The metric's own scale.
    recovered : float64 ndarray of shape (n_points,)
        Share of the gap between the weak and the strong model; NaN where there is none.
    resampled : float64 ndarray of shape (n_resamples, n_points)
        The same on resampled rows.
    """

    at: FloatArray
    values: FloatArray
    recovered: FloatArray
    resampled: FloatArray

    @property
    def apgr(self) -> float:
        """Mean gap recovered over all shares of strong calls."""
        return float(np.trapezoid(self.recovered, self.at))

    @property
    def apgr_range(self) -> tuple[float, float]:
        """Its 95 % bootstrap interval."""
        means = np.array([np.trapezoid(row, self.at) for row in self.resampled])
        low, high = _range(means[:, None])
        return float(low[0]), float(high[0])

    @property
    def range(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends of the 95 % bootstrap intervals of `recovered`."""
        return _range(self.resampled)

    def least_for(self, quality: float) -> float:
        """Return the smallest `at`, between points on a straight line, that recovers a share of the gap."""
        reached = np.flatnonzero(self.recovered >= quality)
        if not reached.size:
            return float("nan")
        k = int(reached[0])
        if k == 0:
            return float(self.at[0])
        below, above = self.recovered[k - 1], self.recovered[k]
        step = (quality - below) / (above - below)
        return float(self.at[k - 1] + step * (self.at[k] - self.at[k - 1]))


def curve_of(
    metric: Metric,
    target: Target,
    answers: Sequence[FloatArray],
    at: Sequence[float] | FloatArray,
    *,
    weak: FloatArray,
    strong: FloatArray,
    seed: int = 0,
) -> Curve:
    """Return the curve of answers, each scored on all rows, with paired bootstrap resamples.

    Parameters
    ----------
    metric : Metric
    target : Target
        Groups, where it has them, are drawn as a whole.
    answers : sequence of float64 ndarray of shape (n_rows, n_outputs)
    at : sequence of float, ascending
    weak, strong : float64 ndarray of shape (n_rows, n_outputs)
    seed : int
    """
    y, problem, n_rows = target.values, target.problem, target.n_rows
    prepared = [metric.prepare(y, shown(a, problem)) for a in (weak, strong, *answers)]

    def scores(weight: FloatArray | None) -> FloatArray:
        return np.array([metric.signed(score(weight)) for score in prepared])

    own = scores(target.weight)
    times = min(_MOST_RESAMPLES, max(_FEWEST_RESAMPLES, _RESAMPLED_ROWS // n_rows))
    drawn = np.stack([scores(w) for w in resamples(n_rows, target.weight, target.groups, times, seed)])
    values = np.array([metric.signed(v) for v in own[2:]])
    return Curve(np.asarray(at, dtype=np.float64), values, _recovered(own[None])[0], _recovered(drawn))


def _recovered(scores: FloatArray) -> FloatArray:
    """Return (answer - weak) / (strong - weak), rows of scores (weak, strong, answers ...)."""
    gap = scores[:, 1:2] - scores[:, :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, np.nan, (scores[:, 2:] - scores[:, :1]) / gap)


def _range(resampled: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = np.isfinite(resampled).all(axis=1)
    if not known.any():
        nothing = np.full(resampled.shape[1], np.nan)
        return nothing, nothing
    low, high = np.quantile(resampled[known], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def threshold_for(
    worth: FloatArray, share: float, weight: FloatArray | None = None, *, or_more: bool = False
) -> float:
    """Return the smallest threshold above which at most a share of the rows lie.

    Rows of equal worth stay on one side, so that the share may be smaller than asked for.

    Parameters
    ----------
    worth : float64 ndarray of shape (n_rows,)
    share : float
        Within [0, 1]; 1 gives minus infinity, 0 infinity: no row to come is above it.
    weight : float64 ndarray of shape (n_rows,), optional
    or_more : bool
        Return the largest threshold above which at least that share lie instead.
    """
    if share >= 1:
        return float("-inf")
    if share <= 0:
        return float("inf")
    distinct, at = np.unique(worth, return_inverse=True)
    mass = np.bincount(at, weights=weight, minlength=len(distinct)).astype(np.float64)
    above = 1.0 - np.cumsum(mass) / mass.sum()
    if or_more:
        enough = np.flatnonzero(above >= share - 1e-9)
        return float(distinct[enough[-1]]) if enough.size else float("-inf")
    return float(distinct[np.flatnonzero(above <= share + 1e-9)[0]])


def share_above(worth: FloatArray, threshold: float, weight: FloatArray | None = None) -> float:
    """Return the weighted share of rows above a threshold."""
    return float(np.average(worth > threshold, weights=weight))
