"""Which fits there are to do: every learner on every fold, as frozen, digested tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np

from stackml.foundation.digest import digest
from stackml.foundation.randomness import derive_seed
from stackml.learners.base import Learner
from stackml.splitting.base import Folds
from stackml.tables.table import Table
from stackml.tables.target import Target

ALL_ROWS = -1  # the fold number of a refit on every row
OUT_OF_BAG = -2  # the fold number of one fit on every row whose parts leave rows out of the bag

LIBRARIES = {
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost-cpu", "xgboost"),
    "catboost": ("catboost",),
}


@dataclass(frozen=True)
class Job:
    """All that the fits of one layer have in common.

    Attributes
    ----------
    table : Table
    target : Target
    folds : Folds
    seed : int
    strict : bool
        Stop early on rows inside the training fold, never on held-out rows.
    rounds : mapping of (learner, fold) to int
        Rounds a recorded run used, to be repeated exactly; empty for a run of its own.
    fold_tables : mapping of fold to Table
        Under time folds, the same rows read by a schema learned from the fold's past alone.
    metric : str
        Name of the metric the user asked for.
    most_rows : mapping of learner to int
        Rows a recorded run drew from each fold's training rows, where it drew some.
    refits : bool
        Whether learners are fitted again on all rows, which then predict.
    deals_rows : bool
        Whether the folds were drawn here, not brought by a user.
    number : int
        Of the round of cross-validation, or of the model of all rows; the first is 0.
    """

    table: Table
    target: Target
    folds: Folds
    seed: int = 0
    strict: bool = False
    rounds: Mapping[tuple[str, int], int] = field(default_factory=dict)
    fold_tables: Mapping[int, Table] = field(default_factory=dict)
    metric: str = ""
    most_rows: Mapping[str, int] = field(default_factory=dict)
    refits: bool = False
    deals_rows: bool = True
    number: int = 0

    def table_of(self, fold: int) -> Table:
        """Return the table a fold reads."""
        return self.fold_tables.get(fold, self.table)

    def digest(self) -> str:
        """Return the content digest of data, folds and seed."""
        return digest(
            self.table.digest, self.target.digest, self.folds.digest(), self.seed, self.strict, self.metric
        )

    def leaves_out_of_bag(self, learner: Learner) -> bool:
        """Return whether a learner's out-of-bag predictions may stand for folds.

        Only where rows are exchangeable: a bag knows neither groups nor time, nor why somebody
        divided rows as they did. And not where folds are strict: a forest chooses the size of its
        leaves by the same rows.
        """
        alike = self.folds.kind in ("stratified", "plain") and self.target.groups is None
        worth_it = self.target.problem.kind in learner.out_of_bag
        return worth_it and alike and self.deals_rows and not self.strict


@dataclass(frozen=True)
class FitTask:
    """One fit: a learner on a fold's training rows.

    Attributes
    ----------
    name : str
        The learner's name in the stack.
    learner : Learner
    fold : int
        Fold number, -1 for a refit on all rows, or -2 for one fit with out-of-bag predictions.
    seed : int
    cost : float
        Rough seconds on one core.
    rounds : int, optional
        Exactly this many rounds.
    most_rows : int, optional
        Rows drawn from the training rows; all by default.
    """

    name: str
    learner: Learner
    fold: int
    seed: int
    cost: float
    rounds: int | None = None
    most_rows: int | None = None

    def digest(self, job_digest: str) -> str:
        """Return the content digest: equal tasks on equal data are one task."""
        learner = self.learner
        return digest(
            "fit-task-5",
            job_digest,
            self.name,
            learner.kind,
            learner.digest,
            self.fold,
            self.seed,
            self.rounds,
            self.most_rows,
            library_version(learner.kind),
        )


def plan_fits(learners: Sequence[tuple[str, Learner]], job: Job) -> tuple[FitTask, ...]:
    """Return one task for each learner and fold, learner by learner.

    A complete learner is worth more than two halves, so the order is learner-major: whenever
    the clock stops a run, whole learners have been finished.
    """
    return tuple(task for name, learner in learners for task in plan_learner(name, learner, job))


def plan_learner(name: str, learner: Learner, job: Job) -> tuple[FitTask, ...]:
    """Return the tasks of one learner: one a fold, or a single one with out-of-bag predictions."""
    if job.leaves_out_of_bag(learner):
        return (_task(name, learner, OUT_OF_BAG, learner.out_of_bag_effort, job),)
    return tuple(_task(name, learner, fold, 1.0, job) for fold in range(job.folds.n_folds))


def _task(name: str, learner: Learner, fold: int, effort: float, job: Job) -> FitTask:
    n_rows = job.target.n_rows if fold < 0 else len(job.folds.folds[fold].train)
    cost = effort * learner.cost(n_rows, job.table.n_features, job.target.problem.n_outputs)
    seed = fit_seed(job.seed, name, fold)
    return FitTask(name, learner, fold, seed, cost, job.rounds.get((name, fold)), job.most_rows.get(name))


def plan_refit(name: str, learner: Learner, fold_rounds: Sequence[int | None], job: Job) -> FitTask:
    """Return the task that fits a learner on all rows for as many rounds as its folds needed.

    A refit has more rows than any fold had; where rounds were found by early stopping, the
    median of the folds' rounds is grown by the square root of the ratio of rows, a compromise
    between none and proportional growth.
    """
    n_rows = job.target.n_rows
    known = [r for r in fold_rounds if r is not None]
    recorded = job.rounds.get((name, ALL_ROWS))
    rounds = recorded
    if rounds is None and known:
        largest = max(len(fold.train) for fold in job.folds.folds)
        growth = float(np.sqrt(n_rows / largest)) if learner.stops_early else 1.0
        rounds = max(1, round(float(np.median(known)) * growth))
    cost = learner.cost(n_rows, job.table.n_features, job.target.problem.n_outputs)
    most = job.most_rows.get(name)
    return FitTask(name, learner, ALL_ROWS, fit_seed(job.seed, name, ALL_ROWS), cost, rounds, most)


def fit_seed(seed: int, name: str, fold: int) -> int:
    """Return the seed of one fit: adding a learner never shifts another's."""
    return derive_seed(seed, "fit", name, fold)


def library_version(kind: str) -> str:
    """Return the version of the library a learner stands on, so that an upgrade fits anew."""
    from importlib.metadata import PackageNotFoundError

    for package in LIBRARIES.get(kind, ("scikit-learn",)):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""
