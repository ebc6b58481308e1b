"""What the engine hands over: every learner's models and its out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from stackml.combiners.base import MetaFeatures
from stackml.learners.base import FittedLearner, Learner, OutputKind, Prediction
from stackml.splitting.base import Folds
from stackml.tables.target import Problem


@dataclass(frozen=True, eq=False)
class LearnerRun:
    """One learner's part of a fit.

    Attributes
    ----------
    name : str
    learner : Learner
    status : {"fitted", "failed", "skipped"}
    models : tuple of FittedLearner
        The fold models of every round of cross-validation, or models of all rows; together they
        predict by their mean.
    oof : float32 ndarray of shape (n_rows, n_outputs)
        Out-of-fold predictions; NaN for rows never held out.
    seconds : tuple of float
        Wall-clock seconds of each fit.
    fold_rounds : tuple of int or None
        Rounds of each fold model.
    refit_rounds : tuple of int or None
        Rounds of each model refitted on all rows; where there are such models they predict, instead
        of the fold models.
    n_fitted : int
        Fits really run; the rest came from the cache.
    repeats : tuple of int
        Numbers of the rounds of cross-validation its models and predictions come from.
    out_of_bag : bool
        Whether it is one model whose out-of-bag predictions stand for those of folds.
    most_rows : int, optional
        Rows drawn for each fit, where not all were learned from.
    us_per_row : tuple of float
        Microseconds a held-out row took each fold model; NaN where it was not measured.
    message : str
        Error, or why it was skipped.
    """

    name: str
    learner: Learner
    output_kind: OutputKind
    status: str = "fitted"
    models: tuple[FittedLearner, ...] = ()
    oof: Prediction = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    seconds: tuple[float, ...] = ()
    fold_rounds: tuple[int | None, ...] = ()
    refit_rounds: tuple[int | None, ...] = ()
    n_fitted: int = 0
    repeats: tuple[int, ...] = (0,)
    out_of_bag: bool = False
    most_rows: int | None = None
    us_per_row: tuple[float, ...] = ()
    message: str = ""

    @property
    def fitted(self) -> bool:
        """Whether it has models."""
        return self.status == "fitted"

    @property
    def refitted(self) -> bool:
        """Whether models of all rows predict instead of the fold models."""
        return bool(self.refit_rounds)

    def with_one_refit(self) -> LearnerRun:
        """Return the run with one model of all rows, where it has more."""
        more = max(0, len(self.refit_rounds) - 1)
        if not more:
            return self
        return replace(
            self, models=self.models[:1], seconds=self.seconds[:-more], refit_rounds=self.refit_rounds[:1]
        )

    @property
    def knows_all_rows(self) -> bool:
        """Whether it predicts by models of all rows."""
        return self.refitted or self.out_of_bag


@dataclass(frozen=True, eq=False)
class OofResult:
    """The out-of-fold matrix of one layer and the models behind it."""

    runs: tuple[LearnerRun, ...]
    folds: Folds
    problem: Problem

    @cached_property
    def fitted(self) -> tuple[LearnerRun, ...]:
        """Runs that have models, in the order asked for."""
        return tuple(run for run in self.runs if run.fitted)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Rows that have out-of-fold predictions."""
        return self.folds.held_out_rows

    def meta_features(self) -> MetaFeatures:
        """Return all rows' out-of-fold predictions side by side; NaN for rows never held out."""
        runs = self.fitted
        return MetaFeatures(
            np.concatenate([run.oof for run in runs], axis=1),
            tuple(run.name for run in runs),
            tuple(run.oof.shape[1] for run in runs),
            tuple(run.output_kind for run in runs),
            self.problem,
        )

    def with_run(self, run: LearnerRun) -> OofResult:
        """Return a result with one more learner; nothing else changes."""
        return replace(self, runs=(*self.runs, run))

    def without(self, name: str) -> OofResult:
        """Return a result without a learner."""
        return replace(self, runs=tuple(run for run in self.runs if run.name != name))
