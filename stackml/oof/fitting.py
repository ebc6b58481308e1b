"""One fit: rows to learn from, rows to stop on, a model and what it says about held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from stackml.foundation.errors import SplitError
from stackml.foundation.randomness import stream
from stackml.learners.base import Budget, FittedLearner, Prediction, Rows
from stackml.oof.plan import ALL_ROWS, OUT_OF_BAG, FitTask, Job
from stackml.splitting.holdout import holdout_split
from stackml.tables.table import Table

STOP_SHARE = 0.15
NEAR_LIMIT = 0.9
PROBE_ROUNDS = 6
LEAST_OF_PROBE = 0.2  # of a few rounds' time is theirs, whatever setting up seems to have taken
TIMED_ROWS, WARM_ROWS, PART_ROWS = 5000, 8, 16_384


@dataclass(frozen=True, eq=False)
class FitOutcome:
    """What one task left behind.

    Attributes
    ----------
    model : FittedLearner
    held_out : float32 ndarray of shape (n_held_out, n_outputs)
        Predictions for the fold's held-out rows; no rows for a refit, all rows out of bag.
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
    budget = Budget(seconds, task.rounds, job.metric)
    if task.fold == OUT_OF_BAG:
        model, held_out = _fit_out_of_bag(task, prepared, job, rows, budget)
    else:
        model = task.learner.fit(prepared, job.target, rows, stop_rows, budget, task.seed)
    has_clock = seconds is not None and task.rounds is None and task.learner.watches_clock
    cut = has_clock and perf_counter() - start >= NEAR_LIMIT * (seconds or 0.0)
    us_per_row = float("nan")
    if task.fold == ALL_ROWS:
        n_outputs = task.learner.n_outputs(job.target.problem)
        held_out = np.empty((0, n_outputs), dtype=np.float32)
    elif task.fold == OUT_OF_BAG:
        us_per_row = _timed(model, job.table, np.arange(min(TIMED_ROWS, job.target.n_rows)))[1]
    else:
        held_out, us_per_row = _timed(model, job.table_of(task.fold), job.folds.folds[task.fold].held_out)
    _check(held_out, task)
    model.let_go()
    return FitOutcome(model, held_out, perf_counter() - start, cut=cut, us_per_row=us_per_row)


def _timed(model: FittedLearner, table: Table, rows: Rows) -> tuple[Prediction, float]:
    # The first call builds what later ones have; a handful of rows would go another way.
    model.predict(table.take(rows[:WARM_ROWS]))
    parts, seconds = [], 0.0
    # A learner's view of all held-out rows at once can take more memory than the table.
    for first in range(0, len(rows), PART_ROWS):
        part = table.take(rows[first : first + PART_ROWS])
        start = perf_counter()
        parts.append(model.predict(part))
        seconds += perf_counter() - start
    return np.concatenate(parts), 1e6 * seconds / len(rows)


def _fit_out_of_bag(
    task: FitTask, prepared: Any, job: Job, rows: Rows, budget: Budget
) -> tuple[FittedLearner, Prediction]:
    model, voted = task.learner.fit_out_of_bag(prepared, job.target, rows, budget, task.seed)
    if len(rows) < job.target.n_rows:  # rows never drawn are out of every bag
        held_out = np.empty((job.target.n_rows, voted.shape[1]), dtype=np.float32)
        others = np.setdiff1d(np.arange(job.target.n_rows), rows)
        held_out[rows], held_out[others] = voted, model.predict(job.table.take(others))
    else:
        held_out = voted
    silent = np.isnan(held_out).any(axis=1)
    if silent.any() and not silent.all():
        held_out[silent] = held_out[~silent].mean(axis=0)
    return model, held_out


def probe_task(task: FitTask, prepared: Any, job: Job) -> float:
    """Return the seconds a whole fit would take, by what one round and a few more take.

    The first fit of a kind warms up caches and memory: one round is fitted before and after the few,
    and the quicker of the two is believed.
    """
    rows, _ = fit_rows(task, job)
    usual = task.learner.usual_rounds(len(rows)) or 1
    few = min(PROBE_ROUNDS, usual)
    seconds = []
    for rounds in (1, few, 1):
        start = perf_counter()
        task.learner.fit(prepared, job.target, rows, None, Budget(rounds=rounds, is_probe=True), task.seed)
        seconds.append(perf_counter() - start)
    one = min(seconds[0], seconds[2])
    a_round = max(LEAST_OF_PROBE * seconds[1], seconds[1] - one) / max(1, few - 1)
    effort = task.learner.out_of_bag_effort if task.fold == OUT_OF_BAG else 1.0
    return effort * (one + a_round * (usual - 1))


def fit_rows(task: FitTask, job: Job) -> tuple[Rows, Rows | None]:
    """Return the rows to learn from and those to stop early on (None: run all rounds)."""
    recorded = task.rounds is not None
    if task.fold < 0:
        rows = _drawn(np.arange(job.target.n_rows, dtype=np.int64), task)
        if recorded or not task.learner.stops_early:
            return rows, None
        return inner_stop_rows(rows, job, task.seed)
    fold = job.folds.folds[task.fold]
    rows = _drawn(fold.train, task)
    if not task.learner.stops_early:
        return rows, None
    if not job.strict:
        return rows, None if recorded else fold.held_out
    rows, stop_rows = inner_stop_rows(rows, job, task.seed)
    return rows, None if recorded else stop_rows


def _drawn(rows: Rows, task: FitTask) -> Rows:
    if task.most_rows is None or len(rows) <= task.most_rows:
        return rows
    return np.sort(stream(task.seed, "fewer rows").choice(rows, task.most_rows, replace=False))


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
