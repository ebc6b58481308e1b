"""Which of several models to take: the cheapest of those that are not worse than the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from stackml.metrics import Metric
from stackml.metrics.arrays import FloatArray
from stackml.metrics.simultaneous import simultaneous_intervals

AS_FAST = 1.1  # times the fastest; times are not measured more finely than that


@dataclass(frozen=True)
class Lag:
    """How far a model is behind the best in one metric.

    Attributes
    ----------
    value, low, high : float
        Score of the best minus its own, 0 or more; the interval holds for all pairs of models
        together.
    """

    value: float
    low: float
    high: float

    def is_allowed(self, margin: float | None) -> bool:
        """Return whether it counts as no worse than the best.

        Parameters
        ----------
        margin : float, optional
            Largest lag that is accepted: it must be ruled out that it lags by more. Without one
            it is enough that no lag is shown.
        """
        if margin is None:
            return not self.low > 0
        return self.high <= margin


@dataclass(frozen=True)
class Cost:
    """What a model costs who asks it; nan where it is not known."""

    us_per_row: float
    megabytes: float


def lags_behind_best(
    values: Mapping[str, float], draws: Mapping[str, FloatArray], metric: Metric, level: float
) -> tuple[str, dict[str, Lag]]:
    """Return the best model, and how far each is behind it.

    The best is picked on the same rows it is compared on, so the intervals hold for all pairs
    together (see `simultaneous_intervals`), whichever of them turned out to be the best.

    Parameters
    ----------
    values : mapping of model to float
        On the metric's own scale.
    draws : mapping of model to float64 ndarray of shape (n_resamples,)
        The same, resample by resample.
    metric : Metric
    level : float
    """
    names = list(values)
    best = max(names, key=lambda name: _worst_if_nan(metric.signed(values[name])))
    pairs = list(combinations(names, 2))
    gaps = np.array([metric.signed(values[a] - values[b]) for a, b in pairs])
    drawn = np.stack([draws[a] - draws[b] for a, b in pairs], axis=1) * metric.signed(1.0)
    low, high = simultaneous_intervals(gaps, drawn, level)
    found = {best: Lag(0.0, 0.0, 0.0)}
    for at, (a, b) in enumerate(pairs):
        if a == best:
            found[b] = Lag(float(gaps[at]), float(low[at]), float(high[at]))
        elif b == best:
            found[a] = Lag(-float(gaps[at]), -float(high[at]), -float(low[at]))
    return best, found


def cheapest(names: Sequence[str], costs: Mapping[str, Cost], lags: Mapping[str, Lag]) -> str:
    """Return the cheapest: the smallest of those that are about as fast as the fastest.

    Of two that cost the same the better one is taken. A cost that is not known counts as the highest.
    """
    times = {name: _highest_if_nan(costs[name].us_per_row) for name in names}
    fastest = min(times.values())
    fast = [name for name in names if times[name] <= AS_FAST * fastest]
    return min(fast, key=lambda name: (_highest_if_nan(costs[name].megabytes), lags[name].value))


def _worst_if_nan(score: float) -> float:
    return -np.inf if np.isnan(score) else score


def _highest_if_nan(cost: float) -> float:
    return np.inf if np.isnan(cost) else cost
