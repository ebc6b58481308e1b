"""Run the plan: tasks side by side in threads, one thread each, nothing done twice.

Every task uses one thread and `n_jobs` tasks run at once, so the machine is never
oversubscribed and no result depends on `n_jobs`. Which task comes next is for `board` to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np

from stackml.foundation.errors import FitError
from stackml.foundation.memory import give_back_freed_memory
from stackml.foundation.optional import load_if_installed
from stackml.foundation.progress import Event, Listener, silent
from stackml.foundation.threads import one_thread_each
from stackml.learners.base import Learner
from stackml.oof.board import Board
from stackml.oof.budget import Clock, Spending
from stackml.oof.cache import TaskCache
from stackml.oof.candidate import Candidate
from stackml.oof.fitting import FitOutcome, fit_task, probe_task
from stackml.oof.pacing import Prices
from stackml.oof.plan import ALL_ROWS, OUT_OF_BAG, FitTask, Job, plan_learner, plan_refit
from stackml.oof.repeating import (
    affordable,
    averaged,
    extended,
    fold_needs,
    refit_costs,
    refit_needs,
    round_needs,
    worth_repeating,
)
from stackml.oof.result import LearnerRun, OofResult
from stackml.oof.shared import SharedPreparation

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
    work : float, optional
        Nominal core-seconds for all fits, instead of the clock's.
    """

    def __init__(
        self,
        n_jobs: int = 1,
        clock: Clock | None = None,
        cache: TaskCache | None = None,
        listener: Listener = silent,
        work: float | None = None,
    ) -> None:
        self.n_jobs = n_jobs
        self.clock = clock or Clock()
        self.cache = cache
        self.listener = listener
        self.spending = Spending(self.clock, n_jobs, work)
        self.prices = Prices()

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
        self.spending.allow(portion)
        planned = [(name, learner, plan_learner(name, learner, job)) for name, learner in learners]
        board = Board(planned, job, self.spending, self.prices)
        self._run_tasks(board, job)
        runs = [_gathered(board.by_name[name], job) for name, _ in learners]
        if not any(run.fitted for run in runs):
            reasons = "; ".join(f"{run.name}: {run.message}" for run in runs)
            raise FitError(f"no learner could be fitted: {reasons}")
        result = OofResult(tuple(runs), job.folds, job.target.problem)
        return result if job.folds.exchangeable else self.refit(result, job)

    def further_folds(self, result: OofResult, job: Job) -> OofResult:
        """Return the result with further folds of the job, as many as the limit pays for.

        A fold that a learner could not be fitted on is left out of the result: all learners are
        weighed on the same rows. What models of all rows will take is kept back.

        Parameters
        ----------
        result : OofResult
            Of the first folds of the job.
        job : Job
        """
        for number in range(result.folds.n_folds, job.folds.n_folds):
            needs = fold_needs(result, job, by_clock=self.spending.work is None)
            left = self.spending.left
            if self.spending.work is not None:
                left -= sum(refit_costs([run for run in result.fitted if not run.out_of_bag], job).values())
            longest = left / self.n_jobs if self.spending.is_timed else left
            if len(affordable(tuple(needs), needs, left, longest)) < len(needs):
                return result
            further = self._one_fold_more(result, job, number, needs)
            if further is None:
                return result
            result = further
        return result

    def _one_fold_more(
        self, result: OofResult, job: Job, number: int, needs: Mapping[str, float]
    ) -> OofResult | None:
        planned = []
        for run in result.fitted:
            if run.name in needs:
                task = plan_learner(run.name, run.learner, _as_before(job, run))[number]
                planned.append((run.name, run.learner, (task,)))
        board = Board(planned, job, self.spending, self.prices, may_skip=False, may_leave=True)
        for name, need in needs.items():
            self.spending.promise(name, need if self.spending.work is not None else 0.0)
        self._run_tasks(board, job)
        if any(candidate.status != "fitted" for candidate in board.candidates):
            return None
        runs = (
            extended(run, _gathered(board.by_name[run.name], job)) if run.name in needs else run
            for run in result.runs
        )
        return replace(result, runs=tuple(runs), folds=job.folds.first(number + 1))

    def repeat(self, result: OofResult, jobs: Iterable[Job]) -> OofResult:
        """Return the result with further rounds of cross-validation, as many as the limit pays for.

        Parameters
        ----------
        result : OofResult
        jobs : iterable of Job
            The same rows divided otherwise, one job a round.
        """
        for job in jobs:
            names = worth_repeating(result, job.target, job.seed)
            needs = round_needs(result, job, by_clock=self.spending.work is None)
            names = affordable(names, needs, self.spending.left)
            if not names:
                return result
            result = self.repeat_once(result, job, names)
        return result

    def repeat_once(self, result: OofResult, job: Job, names: Collection[str]) -> OofResult:
        """Return the result with one more round of the named learners; one without time is left as it was."""
        wanted = [run for run in result.fitted if run.name in names]
        planned = [
            (run.name, run.learner, plan_learner(run.name, run.learner, _as_before(job, run)))
            for run in wanted
        ]
        board = Board(planned, job, self.spending, self.prices, may_skip=False, may_leave=True)
        for name, _, tasks in planned:
            self.spending.promise(name, sum(task.cost for task in tasks) if self.spending.work else 0.0)
        self._run_tasks(board, job)
        further = {c.name: _gathered(c, job) for c in board.candidates if c.status == "fitted"}
        runs = (averaged(run, further[run.name]) if run.name in further else run for run in result.runs)
        return replace(result, runs=tuple(runs))

    def refit(self, result: OofResult, job: Job, names: Collection[str] | None = None) -> OofResult:
        """Return the result with learners fitted once on all rows; those models then predict.

        Learners that have such a model already keep it. Where rows are exchangeable, a refit that
        fails or has no time left leaves the fold models to predict.

        Parameters
        ----------
        result : OofResult
        job : Job
        names : collection of str, optional
            Learners to fit; all by default.
        """
        self.clock.set_aside(0.0)
        wanted = [
            run for run in result.fitted if not run.knows_all_rows and (names is None or run.name in names)
        ]
        if self.spending.work is not None:
            self.spending.promise("models of all rows", sum(refit_costs(wanted, job).values()))
        return self._fitted_on_all_rows(result, job, wanted, optional=job.folds.exchangeable)

    def refit_again(self, result: OofResult, job: Job, names: Sequence[str]) -> OofResult:
        """Return the result with one more model of all rows a learner, of those the limit pays for.

        Parameters
        ----------
        result : OofResult
            Who has no model of all rows is left as it is, as are learners that no seed makes much
            of a difference to.
        job : Job
            The same rows with another seed.
        names : sequence of str
            Learners to fit; where there is not time for all, those that come first.

        Returns
        -------
        OofResult
            The given one itself, where there was nothing to fit or no time.
        """
        needs = refit_needs(result, job, by_clock=self.spending.work is None)
        left = self.spending.left
        taken = affordable(names, needs, left, left / self.n_jobs if self.spending.is_timed else left)
        if self.spending.work is not None:
            self.spending.promise(f"further models {job.number}", sum(needs[name] for name in taken))
        wanted = [run for run in result.fitted if run.name in taken]
        return self._fitted_on_all_rows(result, job, wanted, optional=True)

    def _fitted_on_all_rows(
        self, result: OofResult, job: Job, wanted: Sequence[LearnerRun], *, optional: bool
    ) -> OofResult:
        planned = []
        for run in wanted:
            task = plan_refit(run.name, run.learner, run.fold_rounds, _as_before(job, run))
            planned.append((run.name, run.learner, (task,)))
        if not planned:
            return result
        # The longest first: what is left then ends on all cores at about the same time.
        planned.sort(key=lambda one: -self.prices.of(one[1]) * one[2][0].cost)
        board = Board(planned, job, self.spending, self.prices, may_skip=False, may_leave=optional)
        self._run_tasks(board, job)
        runs = tuple(
            _refitted(run, board.by_name[run.name], optional) if run in wanted else run for run in result.runs
        )
        return replace(result, runs=runs)

    def _run_tasks(self, board: Board, job: Job) -> None:
        for candidate in board.candidates:
            load_if_installed(candidate.learner.library)
        shared = SharedPreparation(job, [task for c in board.candidates for task in c.tasks])
        job_digest = job.digest() if self.cache else ""
        self._tell("started", f"{board.n_tasks} fits", board)
        running: dict[Future[FitOutcome | float], _Started] = {}
        with one_thread_each(), ThreadPoolExecutor(self.n_jobs) as pool:
            while True:
                while len(running) < self.n_jobs and (found := board.next_task()) is not None:
                    self._pass_on(board, shared)
                    started = _Started(*found, board.seconds_for(found[0]))
                    running[pool.submit(self._run_one, started, shared, job, job_digest)] = started
                self._pass_on(board, shared)
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._settle(running.pop(future), future, board, shared)
        give_back_freed_memory()

    def _run_one(
        self, started: _Started, shared: SharedPreparation, job: Job, job_digest: str
    ) -> FitOutcome | float:
        task = started.task
        if started.is_probe:
            return probe_task(task, shared.get(task), job)
        if self.cache is None or not task.learner.learns:
            return fit_task(task, shared.get(task), job, started.seconds)
        key = task.digest(job_digest)
        found = self.cache.get(key, started.seconds)
        if found is not None:
            return found
        outcome = fit_task(task, shared.get(task), job, started.seconds)
        self.cache.put(key, outcome)
        return outcome

    def _settle(
        self, started: _Started, future: Future[FitOutcome | float], board: Board, shared: SharedPreparation
    ) -> None:
        task, error = started.task, future.exception()
        if not started.is_probe:
            shared.release(task)
        if error is not None:
            if not isinstance(error, Exception):
                raise error
            message = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
            if board.failed(task.name, message):
                self._tell("learner_failed", f"{task.name}: {message}", board)
            return
        outcome = future.result()
        if not isinstance(outcome, FitOutcome):
            board.probed(task, outcome)
            return
        board.finished(task, outcome)
        kind = "task_cached" if outcome.cached else "task_done"
        self._tell(kind, f"{task.name}, {_where(task.fold)}", board)

    def _pass_on(self, board: Board, shared: SharedPreparation) -> None:
        while board.reclaimed:
            shared.claim(board.reclaimed.popleft())
        while board.released:
            shared.release(board.released.popleft())
        while board.news:
            self._tell("learner_skipped", board.news.popleft(), board)

    def _tell(self, kind: str, message: str, board: Board) -> None:
        self.listener(Event(kind, message, board.n_done, board.n_tasks, self.clock.elapsed))


@dataclass(frozen=True)
class _Started:
    task: FitTask
    is_probe: bool
    seconds: float | None


def _where(fold: int) -> str:
    return {ALL_ROWS: "all rows", OUT_OF_BAG: "all rows, out of bag"}.get(fold, f"fold {fold + 1}")


def _as_before(job: Job, run: LearnerRun) -> Job:
    """Return the job with as many rows drawn for a learner as its fits had."""
    return replace(job, most_rows={run.name: run.most_rows} if run.most_rows else {})


def _gathered(candidate: Candidate, job: Job) -> LearnerRun:
    learner = candidate.learner
    kind = learner.output_kind(job.target.problem)
    if candidate.status != "fitted":
        return LearnerRun(candidate.name, learner, kind, candidate.status, message=candidate.message)
    outcomes = [candidate.outcomes[task.fold] for task in candidate.tasks]
    oof = np.full((job.target.n_rows, outcomes[0].held_out.shape[1]), np.nan, dtype=np.float32)
    for task, outcome in zip(candidate.tasks, outcomes, strict=True):
        rows = slice(None) if task.fold == OUT_OF_BAG else job.folds.folds[task.fold].held_out
        oof[rows] = outcome.held_out
    return LearnerRun(
        candidate.name,
        learner,
        kind,
        models=tuple(o.model for o in (outcomes if learner.learns else outcomes[:1])),
        oof=oof,
        seconds=tuple(o.seconds for o in outcomes),
        fold_rounds=tuple(o.model.rounds for o in outcomes),
        n_fitted=sum(not o.cached for o in outcomes),
        us_per_row=tuple(o.us_per_row for o in outcomes),
        out_of_bag=candidate.tasks[0].fold == OUT_OF_BAG,
        most_rows=candidate.tasks[0].most_rows,
        repeats=(job.number,),
    )


def _refitted(run: LearnerRun, candidate: Candidate, optional: bool) -> LearnerRun:
    if candidate.status != "fitted":
        if run.refitted:
            return run
        if optional:
            return replace(run, message=f"its fold models predict: {candidate.message}")
        message = f"refit on all rows: {candidate.message}"
        return replace(run, status=candidate.status, message=message, models=())
    outcome = candidate.outcomes[ALL_ROWS]
    return replace(
        run,
        models=(*(run.models if run.refitted else ()), outcome.model),
        seconds=(*run.seconds, outcome.seconds),
        refit_rounds=(*run.refit_rounds, outcome.model.rounds),
        n_fitted=run.n_fitted + (not outcome.cached),
    )
