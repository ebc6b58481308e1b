"""What the fits of a layer have in common, made once, kept as long as a task needs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from threading import Lock
from typing import Any

from stackml.learners.base import Rows
from stackml.oof.plan import ALL_ROWS, FitTask, Job

Key = tuple[Any, ...]


class SharedPreparation:
    """Prepared tables by learner family.

    Where rows are exchangeable, one preparation serves every fold. Under time folds bins and
    codes of the future must not reach the past, so each fold prepares from its own rows.
    """

    def __init__(self, job: Job, tasks: Iterable[FitTask]) -> None:
        self._job = job
        self._waiting = Counter(self._key(task) for task in tasks)
        self._made: dict[Key, Any] = {}
        self._locks: dict[Key, Lock] = {}
        self._lock = Lock()
        self.n_made = 0

    def get(self, task: FitTask) -> Any:
        """Return the prepared table of a task, made by the first that asks."""
        key = self._key(task)
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            if key not in self._made:
                self._made[key] = task.learner.prepare(
                    self._job.table_of(task.fold), self._learnable_rows(task)
                )
                self.n_made += 1
            return self._made[key]

    def claim(self, task: FitTask) -> None:
        """Say that a task which was released will need its preparation after all."""
        with self._lock:
            self._waiting[self._key(task)] += 1

    def release(self, task: FitTask) -> None:
        """Say that a task is done with its preparation; the last one frees it."""
        key = self._key(task)
        with self._lock:
            self._waiting[key] -= 1
            if self._waiting[key] <= 0:
                self._made.pop(key, None)

    def _key(self, task: FitTask) -> Key:
        fold = ALL_ROWS if self._job.folds.exchangeable else task.fold
        return (*task.learner.prepare_key, fold)

    def _learnable_rows(self, task: FitTask) -> Rows | None:
        if self._job.folds.exchangeable or task.fold == ALL_ROWS:
            return None
        return self._job.folds.folds[task.fold].train
