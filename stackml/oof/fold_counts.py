"""How many folds there are, by what learners are said to cost, and how many of them come first."""

from __future__ import annotations

from collections.abc import Sequence

from stackml.learners.base import Learner
from stackml.oof.pacing import FASTEST

MOST_FOLDS, FOLDS, LEAST_FOLDS = 8, 5, 2
NOMINAL_IN_TIME = 1.5  # nominal seconds for one by the clock: most fits stop early
FIRST_SHARE = 0.5  # of the budget, for a middling learner
LEAST_PREDICTED = 5_000  # rows, for a combiner to learn from
LEAST_A_CLASS = 500  # rows for each class, where they are many
LEAST_OF_RAREST = 100  # rows of the rarest class


def usual_folds(
    learners: Sequence[Learner], n_rows: int, n_features: int, n_outputs: int, core_seconds: float
) -> int:
    """Return 8 folds where every learner can be fitted on as many within the budget, else 5.

    A model of 8 folds learns from seven eighths of the rows, one of 5 from four fifths.

    Parameters
    ----------
    learners : sequence of Learner
    n_rows, n_features, n_outputs : int
    core_seconds : float
        The whole budget.
    """
    rows = n_rows * (MOST_FOLDS - 1) // MOST_FOLDS
    nominal = sum(MOST_FOLDS * learner.cost(rows, n_features, n_outputs) for learner in learners)
    return MOST_FOLDS if nominal <= core_seconds else FOLDS


def affordable_folds(
    n_folds: int,
    learners: Sequence[Learner],
    n_rows: int,
    n_features: int,
    n_outputs: int,
    core_seconds: float,
) -> int:
    """Return how many folds a middling learner can be fitted on, at its quickest, in half a budget.

    Parameters
    ----------
    n_folds : int
        Asked for; the most there will be.
    learners : sequence of Learner
        Of whose costs the lower median counts.
    n_rows, n_features, n_outputs : int
    core_seconds : float
        The whole budget.
    """
    for k in range(n_folds, LEAST_FOLDS, -1):
        rows = n_rows * (k - 1) // k
        costs = sorted(learner.cost(rows, n_features, n_outputs) for learner in learners)
        if FASTEST * k * costs[(len(costs) - 1) // 2] <= FIRST_SHARE * core_seconds:
            return k
    return min(n_folds, LEAST_FOLDS)


def first_folds(
    n_folds: int,
    learners: Sequence[Learner],
    n_rows: int,
    n_features: int,
    n_outputs: int,
    core_seconds: float,
    *,
    n_rarest: int,
) -> int:
    """Return how many folds come first: all, or where not all learners can be had, what a combiner needs.

    That is two, and more where they would hold few rows, or few of a class.

    Parameters
    ----------
    n_folds : int
        The most there will be.
    learners : sequence of Learner
    n_rows, n_features, n_outputs : int
    core_seconds : float
        The whole budget, in nominal seconds.
    n_rarest : int
        Rows of the rarest class; all, for numbers.
    """
    rows = n_rows * (n_folds - 1) // n_folds
    nominal = sum(
        n_folds * learner.cost(rows, n_features, n_outputs) + learner.cost(n_rows, n_features, n_outputs)
        for learner in learners
    )
    if nominal <= core_seconds:
        return n_folds
    by_rows = -(-n_folds * max(LEAST_PREDICTED, LEAST_A_CLASS * n_outputs) // n_rows)
    by_class = -(-n_folds * LEAST_OF_RAREST // max(1, n_rarest))
    return min(n_folds, max(LEAST_FOLDS, by_rows, by_class))
