"""The clock: what is left of a time limit, and whether a learner can still be finished."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from stackml.oof.plan import FitTask

RESERVE = 0.06  # of the limit, for combiner, calibration and assembly
LEAST_RESERVE = 0.5
EVEN_PARTS = 2.0


class Clock:
    """Seconds since the fit began, and seconds left for fitting learners.

    Rough costs become seconds by what finished tasks really took.
    """

    def __init__(self, limit: float | None = None, started: float | None = None) -> None:
        self.limit = limit
        self.started = perf_counter() if started is None else started
        self._portion = 1.0
        self._estimated = 0.0
        self._taken = 0.0

    def allow(self, portion: float) -> None:
        """Let the tasks that follow use the limit up to this portion of it; the rest is for later ones."""
        self._portion = portion

    @property
    def deadline(self) -> float | None:
        """The moment, as `perf_counter` counts, when a choice of combiner should be made."""
        return None if self.limit is None else self.started + (1 - RESERVE / 3) * self.limit

    @property
    def elapsed(self) -> float:
        """Seconds since the fit began."""
        return perf_counter() - self.started

    @property
    def left(self) -> float | None:
        """Seconds left for learners, or None without a limit."""
        if self.limit is None:
            return None
        reserve = max(self.limit * RESERVE, min(LEAST_RESERVE, self.limit / 4))
        return self.limit * self._portion - reserve - self.elapsed

    def learn(self, task: FitTask, seconds: float) -> None:
        """Take note of what a task really took."""
        self._estimated += task.cost
        self._taken += seconds

    def expected(self, tasks: Sequence[FitTask], n_jobs: int) -> float:
        """Return the seconds a learner's tasks are expected to take from now."""
        scale = self._taken / self._estimated if self._estimated else 1.0
        return scale * sum(task.cost for task in tasks) / min(n_jobs, max(1, len(tasks)))

    def share(self, n_waiting: int, n_jobs: int, learners_left: int = 1) -> float | None:
        """Return the seconds one of `n_waiting` tasks of a learner may use.

        A learner may take twice an even part of what is left: most need less than theirs, and
        none may starve the ones after it.
        """
        left = self.left
        if left is None:
            return None
        turns = max(1, -(-n_waiting // n_jobs))
        return max(0.0, left * min(1.0, EVEN_PARTS / learners_left) / turns)
