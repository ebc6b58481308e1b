"""Greedy ensemble selection with replacement (Caruana et al., 2004), bagged over learners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from stackml.combiners.base import Combiner, Context, MetaFeatures
from stackml.combiners.inputs import FloatArray, checked, predictors_of, sampled, true_class
from stackml.combiners.scoring import first_best, scorer
from stackml.combiners.weighted import FittedWeights
from stackml.foundation.errors import ParameterError
from stackml.foundation.randomness import stream
from stackml.tables.target import Target


@final
@dataclass(frozen=True)
class GreedyCombiner(Combiner):
    """Adds, step by step, the learner that lowers the loss of the mean most; learners may repeat.

    The steps follow log loss (classes) or squared error (numbers), which are smooth; the metric
    asked for decides how many of them are kept. Each bag chooses among a random part of the
    learners that always has the best one in it; weights are averaged over bags. Scores and
    passed-through features are not read.

    Attributes
    ----------
    steps : int
        Most steps of a bag.
    bags : int
    share : float
        Part of the learners in each bag, within (0, 1].
    most_rows : int
        Beyond this many rows a stratified sample stands for all.
    """

    kind: ClassVar[str] = "greedy"
    complexity: ClassVar[int] = 2
    steps: int = 25
    bags: int = 8
    share: float = 0.6
    most_rows: int = 20_000

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name in ("steps", "bags", "most_rows"):
            if getattr(self, name) < 1:
                raise ParameterError(f"combiner 'greedy': {name}={getattr(self, name)} must be 1 or more")
        if not 0 < self.share <= 1:
            raise ParameterError(f"combiner 'greedy': share={self.share} must lie above 0 and at most 1")

    def cost(self, n_rows: int, n_learners: int, n_outputs: int) -> float:
        """Return about the seconds of one core that judging it takes; a metric of two classes sorts.

        Where numbers are predicted it takes less.
        """
        a_row = 2.5e-6 if n_outputs == 1 else 1.5e-7
        return (a_row * min(n_rows, self.most_rows) + 1e-7 * n_rows) * n_learners * n_outputs

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedGreedy:
        """Return the mean weights over bags at the best number of steps."""
        meta, target = checked(meta, target)
        names = predictors_of(meta, self.kind)
        rows, weight = sampled(target, self.most_rows, context.seed, self.kind)
        meta, target = meta.take(rows), target.take(rows)
        predictions = meta.predictions(names)
        contributions, goal = _contributions(predictions, target)
        paths = [
            climb(contributions, goal, weight, self.steps, members)
            for members in self._members(contributions, goal, weight, context.seed)
        ]
        shares = np.mean(paths, axis=0)
        score = scorer(context.metric, target.problem)
        scores = np.array([score(target.values, _blend(predictions, s), weight) for s in shares])
        losses = np.array([_loss(contributions @ s, goal, weight) for s in shares])
        return FittedGreedy.of(names, shares[first_best(scores, -losses)])

    def _members(
        self, contributions: FloatArray, goal: FloatArray | None, weight: FloatArray, seed: int
    ) -> list[NDArray[np.int64]]:
        """Return the learners each bag may use; one bag of all where there are too few to part."""
        n = contributions.shape[1]
        size = max(3, int(np.ceil(self.share * n)))
        if n <= size or self.bags == 1:
            return [np.arange(n)]
        best = int(np.argmin([_loss(contributions[:, i], goal, weight) for i in range(n)]))
        others = np.delete(np.arange(n), best)
        chance = stream(seed, "greedy bags")
        return [
            np.sort(np.append(chance.choice(others, size - 1, replace=False), best)) for _ in range(self.bags)
        ]


@final
@dataclass(frozen=True, eq=False)
class FittedGreedy(FittedWeights):
    """Weighted mean with the learners selected."""

    kind: ClassVar[str] = "greedy"


def climb(
    contributions: FloatArray,
    goal: FloatArray | None,
    weight: FloatArray,
    steps: int,
    members: NDArray[np.int64],
) -> FloatArray:
    """Return the weights after each step of greedy selection with replacement.

    Parameters
    ----------
    contributions : float64 ndarray of shape (n_rows, n_learners)
        Probability of what happened (without `goal`), or values.
    goal : float64 ndarray of shape (n_rows,), optional
        Values to reach, for squared error.
    weight : float64 ndarray of shape (n_rows,)
    steps : int
    members : int64 ndarray
        Columns that may be chosen.

    Returns
    -------
    float64 ndarray of shape (steps, n_learners)
        Rows sum to 1.
    """
    columns = np.asfortranarray(contributions[:, members])
    total = np.zeros(len(columns))
    counts = np.zeros(contributions.shape[1])
    path = np.empty((steps, contributions.shape[1]))
    for step in range(steps):
        sums = total[:, None] + columns
        if goal is None:
            losses = -(weight @ np.log(sums))
        else:
            losses = weight @ (sums / (step + 1) - goal[:, None]) ** 2
        chosen = int(np.argmin(losses))
        total = sums[:, chosen]
        counts[members[chosen]] += 1
        path[step] = counts / (step + 1)
    return path


def _contributions(predictions: FloatArray, target: Target) -> tuple[FloatArray, FloatArray | None]:
    if target.problem.is_regression:
        return np.ascontiguousarray(predictions[:, :, 0].T), np.asarray(target.values, dtype=np.float64)
    return true_class(predictions, target), None


def _loss(mixed: FloatArray, goal: FloatArray | None, weight: FloatArray) -> float:
    return float(-(weight @ np.log(mixed)) if goal is None else weight @ (mixed - goal) ** 2)


def _blend(predictions: FloatArray, shares: FloatArray) -> FloatArray:
    return np.asarray(np.tensordot(shares, predictions, axes=1))
