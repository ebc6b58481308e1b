"""A forest grown until it has its trees or its time is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

from stackml.learners.base import Budget

_CHUNK = 10  # most trees grown between two looks at the clock


def grow(
    estimator: Any,
    data: tuple[Any, ...],
    budget: Budget,
    n_trees: int,
    is_enough: Callable[[], bool] = lambda: True,
) -> None:
    """Grow trees in chunks until there are `n_trees`, or the clock has passed the budget and it is enough.

    Chunks draw the same seeds as one growth would, so the clock decides the number alone.
    """
    started, seconds = monotonic(), None if budget.rounds else budget.seconds
    matrix, values, weight = data
    grown, chunk = len(getattr(estimator, "estimators_", ())), 1 if seconds is not None else n_trees
    while grown < n_trees:
        grown = min(n_trees, grown + chunk)
        estimator.set_params(n_estimators=grown)
        estimator.fit(matrix, values, sample_weight=weight)
        enough, passed = is_enough(), monotonic() - started
        if seconds is not None:
            if enough and passed >= seconds:
                return
            # No more than the time left is for, lest a large table's trees outrun it.
            chunk = min(_CHUNK, max(1, int((seconds - passed) * grown / max(passed, 1e-9))))


def what_is_left(budget: Budget, started: float) -> Budget:
    """Return the budget with the seconds since `started` (of the monotonic clock) taken off."""
    if budget.seconds is None:
        return budget
    return replace(budget, seconds=max(0.0, budget.seconds - (monotonic() - started)))
