"""Run the plan: tasks side by side in threads, one thread each, nothing done twice.

Every task uses one thread and `n_jobs` tasks run at once, so the machine is never
oversubscribed and no result depends on `n_jobs`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

import numpy as np

from stackml.foundation.errors import FitError
from stackml.foundation.progress import Event, Listener, silent
from stackml.foundation.threads import one_thread_each
from stackml.learners.base import Learner
from stackml.oof.budget import Clock
from stackml.oof.cache import TaskCache
from stackml.oof.fitting import FitOutcome, fit_task
from stackml.oof.plan import ALL_ROWS, FitTask, Job, plan_fits, plan_refit
from stackml.oof.result import LearnerRun, OofResult
from stackml.oof.shared import SharedPreparation

BEFORE_REFIT = 0.7  # of the time limit; expanding folds together are about 2.5 times a refit

NamedLearners = Sequence[tuple[str, Learner]]


class Engine:
    """Fits learners out of fold.

    Parameters
    ----------
    n_jobs : int
        Tasks that run at once.
    clock : Clock
        The time limit, shared by all layers of a fit.
    cache : TaskCache, optional
        Where finished tasks are kept.
    listener : callable
        Hears of progress.
    """

    def __init__(
        self,
        n_jobs: int = 1,
        clock: Clock | None = None,
        cache: TaskCache | None = None,
        listener: Listener = silent,
    ) -> None:
        self.n_jobs = n_jobs
        self.clock = clock or Clock()
        self.cache = cache
        self.listener = listener

    def run(self, learners: NamedLearners, job: Job, portion: float = 1.0) -> OofResult:
        """Fit every learner on every fold, and on all rows where folds follow time.

        Parameters
        ----------
        learners : sequence of (name, Learner)
        job : Job
        portion : float
            Part of the time limit that may be used up when this is done; the rest is for layers
            that follow.

        Raises
        ------
        FitError
            If no learner could be fitted; the message holds each one's error.
        """
        board = _Board(plan_fits(learners, job))
        self.clock.allow(portion * (1.0 if job.folds.exchangeable else BEFORE_REFIT))
        self._run_tasks(board, job)
        self.clock.allow(portion)
        runs = [self._gather(name, learner, board, job) for name, learner in learners]
        if not job.folds.exchangeable:
            runs = self.refit(runs, job)
        if not any(run.fitted for run in runs):
            reasons = "; ".join(f"{run.name}: {run.message}" for run in runs)
            raise FitError(f"no learner could be fitted: {reasons}")
        return OofResult(tuple(runs), job.folds, job.target.problem)

    def refit(self, runs: Sequence[LearnerRun], job: Job) -> list[LearnerRun]:
        """Fit learners again on all rows, with the rounds their folds needed: one model each.

        Fold models know only their fold's rows, under time folds only its past; what scores
        tomorrow should know all of them. A learner that fails has the error as its message.
        """
        board = _Board(
            tuple(plan_refit(r.name, r.learner, r.fold_rounds, job) for r in runs if r.fitted), may_skip=False
        )
        self._run_tasks(board, job)
        return [_refitted(run, board) if run.fitted else run for run in runs]

    def _run_tasks(self, board: _Board, job: Job) -> None:
        shared = SharedPreparation(job, board.tasks)
        job_digest = job.digest() if self.cache else ""
        self._tell("started", f"{len(board.tasks)} fits", board)
        running: dict[Future[FitOutcome], FitTask] = {}
        with one_thread_each(), ThreadPoolExecutor(self.n_jobs) as pool:
            while board.waiting or running:
                while board.waiting and len(running) < self.n_jobs:
                    task = board.waiting.popleft()
                    if self._may_start(task, board):
                        board.begun.add(task.name)
                        seconds = self._seconds_for(task, board)
                        running[pool.submit(self._run_one, task, shared, job, job_digest, seconds)] = task
                    else:
                        shared.release(task)
                done, _ = wait(running, return_when=FIRST_COMPLETED) if running else (set(), None)
                for future in done:
                    task = running.pop(future)
                    shared.release(task)
                    self._settle(task, future, board)

    def _run_one(
        self, task: FitTask, shared: SharedPreparation, job: Job, job_digest: str, seconds: float | None
    ) -> FitOutcome:
        if self.cache is None:
            return fit_task(task, shared.get(task), job, seconds)
        key = task.digest(job_digest)
        found = self.cache.get(key, limited=self.clock.limit is not None)
        if found is not None:
            return found
        outcome = fit_task(task, shared.get(task), job, seconds)
        self.cache.put(key, outcome)
        return outcome

    def _may_start(self, task: FitTask, board: _Board) -> bool:
        if task.name in board.stopped:
            return False
        left = self.clock.left
        if left is None or not board.may_skip or task.name in board.begun or not board.outcomes:
            return True
        needed = self.clock.expected([t for t in board.tasks if t.name == task.name], self.n_jobs)
        cheapest_use = needed if not task.learner.stops_early else 0.35 * needed
        if cheapest_use <= left:
            return True
        reason = f"would take about {needed:.0f} s, {max(left, 0.0):.0f} s were left"
        board.stopped[task.name] = ("skipped", reason)
        self._tell("learner_skipped", f"{task.name}: {reason}", board)
        return False

    def _seconds_for(self, task: FitTask, board: _Board) -> float | None:
        return self.clock.share(board.n_waiting(task.name) + 1, self.n_jobs, board.learners_left(task.name))

    def _settle(self, task: FitTask, future: Future[FitOutcome], board: _Board) -> None:
        error = future.exception()
        if error is not None:
            if not isinstance(error, Exception):
                raise error
            message = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
            if task.name not in board.stopped:
                board.stopped[task.name] = ("failed", message)
                self._tell("learner_failed", f"{task.name}: {message}", board)
            return
        outcome = future.result()
        board.outcomes[task.name, task.fold] = outcome
        if not outcome.cached:
            self.clock.learn(task, outcome.seconds)
        kind = "task_cached" if outcome.cached else "task_done"
        where = "all rows" if task.fold == ALL_ROWS else f"fold {task.fold + 1}"
        self._tell(kind, f"{task.name}, {where}", board)

    def _gather(self, name: str, learner: Learner, board: _Board, job: Job) -> LearnerRun:
        kind = learner.output_kind(job.target.problem)
        if name in board.stopped:
            status, message = board.stopped[name]
            return LearnerRun(name, learner, kind, status, message=message)
        outcomes = [board.outcomes[name, fold] for fold in range(job.folds.n_folds)]
        oof = np.full((job.target.n_rows, outcomes[0].held_out.shape[1]), np.nan, dtype=np.float32)
        for fold, outcome in zip(job.folds.folds, outcomes, strict=True):
            oof[fold.held_out] = outcome.held_out
        return LearnerRun(
            name,
            learner,
            kind,
            models=tuple(o.model for o in outcomes),
            oof=oof,
            seconds=tuple(o.seconds for o in outcomes),
            fold_rounds=tuple(o.model.rounds for o in outcomes),
            n_fitted=sum(not o.cached for o in outcomes),
            us_per_row=tuple(o.us_per_row for o in outcomes),
        )

    def _tell(self, kind: str, message: str, board: _Board) -> None:
        self.listener(Event(kind, message, len(board.outcomes), len(board.tasks), self.clock.elapsed))


class _Board:
    """Where a run stands: what waits, what came out, which learners were given up and why."""

    def __init__(self, tasks: tuple[FitTask, ...], *, may_skip: bool = True) -> None:
        self.tasks = tasks
        self.may_skip = may_skip
        self.waiting = deque(tasks)
        self.outcomes: dict[tuple[str, int], FitOutcome] = {}
        self.stopped: dict[str, tuple[str, str]] = {}
        self.begun: set[str] = set()

    def n_waiting(self, name: str) -> int:
        return sum(task.name == name for task in self.waiting)

    def learners_left(self, name: str) -> int:
        return len({task.name for task in self.waiting if task.name not in self.stopped} | {name})


def _refitted(run: LearnerRun, board: _Board) -> LearnerRun:
    if run.name in board.stopped:
        status, message = board.stopped[run.name]
        return replace(run, status=status, message=f"refit on all rows: {message}", models=())
    outcome = board.outcomes[run.name, ALL_ROWS]
    return replace(
        run,
        models=(outcome.model,),
        seconds=(*run.seconds, outcome.seconds),
        refit_rounds=outcome.model.rounds,
        n_fitted=run.n_fitted + (not outcome.cached),
    )
