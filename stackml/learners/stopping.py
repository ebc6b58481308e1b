"""Early stopping that goes by the user's metric, with the loss as its guard.

A round may be kept for its metric only where its loss is close to the best one: within `GUARD` of what the
best round gained over knowing nothing. So a ranking is never bought with probabilities that mean nothing.
The metric of few positives is noise; below `LEAST_POSITIVES` the loss decides alone.

Measured on nine tables of two classes and two boosters, this gained nothing beyond noise on average (see
``experiments/0007-stopping-on-a-metric``), so learners do it only where asked by ``follow_metric=True``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from stackml.learners.base import Budget, Rows
from stackml.learners.boosting import Patience
from stackml.metrics.catalog import get_metric
from stackml.metrics.quick import Quick, quick_metric
from stackml.tables.target import Target

GUARD = 0.01
LEAST_POSITIVES = 100
_SECONDS_A_ROW = 4e-8  # of a quick metric
_LARGEST_SHARE = 0.05  # of a round's time


class GuardedPatience(Patience):
    """Patience that looks at a metric too, and keeps the round that is best by it within the guard.

    Training goes on while the loss or the guarded metric gets better within patience. Of rounds of
    equal metric the one of the least loss is kept.

    Parameters
    ----------
    budget, max_rounds, patience
        As in `Patience`.
    prior : float
        Loss on the stop rows of the training rows' class shares.
    metric : callable
        Of predictions for the stop rows, float32 of shape (n_stop,); greater is better.
    stride : int
        The metric is taken every so many rounds.
    """

    def __init__(
        self, budget: Budget, max_rounds: int, patience: int, prior: float, metric: Quick, stride: int = 1
    ) -> None:
        super().__init__(budget, max_rounds, patience)
        self._prior = prior
        self._metric = metric
        self._stride = stride
        self._losses: list[float] = []
        self._scores: list[float] = []
        self._best_metric = -math.inf

    def goes_on(
        self, score: float | None, prediction: Callable[[], npt.NDArray[np.float32]] | None = None
    ) -> bool:
        """Take note of a finished round; `prediction` gives the stop rows' probabilities if asked."""
        if score is None or prediction is None:
            return super().goes_on(score)
        is_due = self._done % self._stride == 0
        lowest = min(score, self._best_score)
        value = math.nan
        if is_due and score - lowest <= self._allowance(lowest):
            value = self._metric(prediction())
        self._losses.append(score)
        self._scores.append(value)
        if value > self._best_metric:
            self._best_metric, self._last_better = value, self._done + 1
        return super().goes_on(score)

    def _allowance(self, lowest: float) -> float:
        return GUARD * max(0.0, self._prior - lowest)

    @property
    def kept(self) -> int:
        """Rounds to keep."""
        losses, scores = np.array(self._losses), np.array(self._scores)
        if not len(losses):
            return super().kept
        within = losses - losses.min() <= self._allowance(float(losses.min()))
        within &= ~np.isnan(scores)
        if not within.any():
            return super().kept
        best = np.flatnonzero(within & (scores == scores[within].max()))
        return int(best[np.argmin(losses[best])]) + 1


def patience_for(
    budget: Budget,
    max_rounds: int,
    patience: int,
    target: Target,
    rows: Rows,
    stop_rows: Rows | None,
    round_seconds: float,
) -> Patience:
    """Return patience that goes by the budget's metric where that has a meaning, or by the loss alone.

    Parameters
    ----------
    budget, max_rounds, patience
        As in `Patience`.
    target : Target
    rows, stop_rows : int64 ndarray
        Rows learned from and stopped on, all of a weight above zero.
    round_seconds : float
        About what a round costs: the metric is taken every so many rounds that it stays cheap.
    """
    plain = Patience(budget, max_rounds, patience)
    if not budget.metric or stop_rows is None or plain.is_exact or target.problem.kind != "binary":
        return plain
    metric = get_metric(budget.metric, "binary")
    values = target.values[stop_rows]
    rarer = min(int(np.sum(values == 1)), int(np.sum(values == 0)))
    if metric.needs != "ranking" or rarer < LEAST_POSITIVES:
        return plain
    weight = None if target.weight is None else target.weight[stop_rows]
    stride = math.ceil(_SECONDS_A_ROW * len(stop_rows) / (_LARGEST_SHARE * round_seconds))
    prior = _prior_loss(target, rows, stop_rows)
    return GuardedPatience(
        budget, max_rounds, patience, prior, quick_metric(metric, values, weight), max(1, stride)
    )


def _prior_loss(target: Target, rows: Rows, stop_rows: Rows) -> float:
    learned = None if target.weight is None else target.weight[rows]
    share = float(np.clip(np.average(target.values[rows] == 1, weights=learned), 1e-6, 1 - 1e-6))
    weight = None if target.weight is None else target.weight[stop_rows]
    positive = float(np.average(target.values[stop_rows] == 1, weights=weight))
    return -(positive * math.log(share) + (1 - positive) * math.log(1 - share))
