"""One fit: rows to learn from, rows to stop on, a model and what it says about held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from stackml.foundation.errors import SplitError
from stackml.learners.base import Budget, FittedLearner, Prediction, Rows
from stackml.oof.plan import ALL_ROWS, FitTask, Job
from stackml.splitting.holdout import holdout_split
from stackml.tables.table import Table

STOP_SHARE = 0.15
NEAR_LIMIT = 0.9


@dataclass(frozen=True, eq=False)
class FitOutcome:
    """What one task left behind.

    Attributes
    ----------
    model : FittedLearner
    held_out : float32 ndarray of shape (n_held_out, n_outputs)
        Predictions for the fold's held-out rows; no rows for a refit.
    seconds : float
        Wall-clock seconds of fit and prediction.
    cached : bool
        Whether it was read from the cache.
    cut : bool
        Whether the clock ended it, so that with more time it might be another.
    us_per_row : float
        Microseconds that predicting a held-out row took; NaN for a refit.
    """

    model: FittedLearner
    held_out: Prediction
    seconds: float
    cached: bool = False
    cut: bool = False
    us_per_row: float = float("nan")


def fit_task(task: FitTask, prepared: Any, job: Job, seconds: float | None) -> FitOutcome:
    """Fit a task and predict the rows its fold holds out."""
    start = perf_counter()
    rows, stop_rows = fit_rows(task, job)
    budget = Budget(seconds, task.rounds)
    model = task.learner.fit(prepared, job.target, rows, stop_rows, budget, task.seed)
    cut = seconds is not None and task.rounds is None and perf_counter() - start >= NEAR_LIMIT * seconds
    if task.fold == ALL_ROWS:
        n_outputs = task.learner.n_outputs(job.target.problem)
        held_out, us_per_row = np.empty((0, n_outputs), dtype=np.float32), float("nan")
    else:
        held_out, us_per_row = _timed(
            model, job.table_of(task.fold).take(job.folds.folds[task.fold].held_out)
        )
        _check(held_out, task)
    return FitOutcome(model, held_out, perf_counter() - start, cut=cut, us_per_row=us_per_row)


def _timed(model: FittedLearner, rows: Table) -> tuple[Prediction, float]:
    model.predict(rows.take(np.arange(1)))  # the first call builds what later ones have
    start = perf_counter()
    found = model.predict(rows)
    return found, 1e6 * (perf_counter() - start) / rows.n_rows


def fit_rows(task: FitTask, job: Job) -> tuple[Rows, Rows | None]:
    """Return the rows to learn from and those to stop early on (None: run all rounds)."""
    recorded = task.rounds is not None
    if task.fold == ALL_ROWS:
        rows = np.arange(job.target.n_rows, dtype=np.int64)
        if recorded or not task.learner.stops_early:
            return rows, None
        return inner_stop_rows(rows, job, task.seed)
    fold = job.folds.folds[task.fold]
    if not task.learner.stops_early:
        return fold.train, None
    if not job.strict:
        return fold.train, None if recorded else fold.held_out
    rows, stop_rows = inner_stop_rows(fold.train, job, task.seed)
    return rows, None if recorded else stop_rows


def inner_stop_rows(rows: Rows, job: Job, seed: int) -> tuple[Rows, Rows | None]:
    """Divide training rows into those to learn from and those to stop on, as the folds divide."""
    target = job.target
    try:
        inner = holdout_split(
            n_rows=len(rows),
            y_codes=target.values[rows],
            groups=None if target.groups is None else target.groups[rows],
            time=None if target.time is None else target.time[rows],
            seed=seed,
            share=STOP_SHARE,
        ).folds[0]
    except SplitError:  # too few rows, groups or times to spare any
        return rows, None
    return rows[inner.train], rows[inner.held_out]


def _check(held_out: Prediction, task: FitTask) -> None:
    if not np.isfinite(held_out).all():
        row = int(np.flatnonzero(~np.isfinite(held_out).all(axis=1))[0])
        raise FloatingPointError(f"fold {task.fold}: prediction of held-out row {row} is not finite")
