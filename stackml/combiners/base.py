"""Meta-features, and the two halves of a combiner: a description and what was fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import ParameterError
from stackml.splitting.base import Folds
from stackml.storage.state import State
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target


@dataclass(frozen=True, eq=False)
class MetaFeatures:
    """Predictions of several learners side by side.

    Attributes
    ----------
    values : float32 ndarray of shape (n_rows, n_columns)
    learners : tuple of str
        Names of the learners, in column order.
    widths : tuple of int
        Columns each learner fills.
    kinds : tuple of str
        "probability", "value" or "score" for each learner; a score is not comparable with
        the target, so only combiners that fit a scale of their own can use it.
    problem : Problem
    features : Table, optional
        The features themselves, where the stack passes them through.
    """

    values: npt.NDArray[np.float32]
    learners: tuple[str, ...]
    widths: tuple[int, ...]
    kinds: tuple[str, ...]
    problem: Problem
    features: Table | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def starts(self) -> tuple[int, ...]:
        """First column of each learner."""
        return tuple(accumulate(self.widths[:-1], initial=0))

    @property
    def predictors(self) -> tuple[str, ...]:
        """Learners whose output is a prediction of the target."""
        return tuple(n for n, k in zip(self.learners, self.kinds, strict=True) if k != "score")

    @property
    def column_names(self) -> tuple[str, ...]:
        """One name a column: the learner, with the output's number where it has several."""
        return tuple(
            name if width == 1 else f"{name}_{i}"
            for name, width in zip(self.learners, self.widths, strict=True)
            for i in range(width)
        )

    def of(self, learner: str) -> npt.NDArray[np.float32]:
        """Return the columns of one learner, shape (n_rows, width)."""
        if learner not in self.learners:
            raise ParameterError(f"there are no meta-features of '{learner}'; there are: {self.learners}")
        at = self.learners.index(learner)
        return self.values[:, self.starts[at] : self.starts[at] + self.widths[at]]

    def predictions(self, learners: Sequence[str] | None = None) -> npt.NDArray[np.float64]:
        """Return predictions of the target as float64 of shape (n_learners, n_rows, n_outputs)."""
        names = self.predictors if learners is None else learners
        return np.stack([self.of(name).astype(np.float64) for name in names])

    def take(self, rows: npt.NDArray[Any]) -> MetaFeatures:
        """Return the given rows."""
        features = None if self.features is None else self.features.take(rows)
        return MetaFeatures(self.values[rows], self.learners, self.widths, self.kinds, self.problem, features)

    def select(self, learners: Sequence[str]) -> MetaFeatures:
        """Return the columns of the given learners, in the order given."""
        at = [self.learners.index(name) for name in learners]
        values = np.concatenate([self.of(name) for name in learners], axis=1)
        return MetaFeatures(
            values,
            tuple(learners),
            tuple(self.widths[i] for i in at),
            tuple(self.kinds[i] for i in at),
            self.problem,
            self.features,
        )


@dataclass(frozen=True)
class Context:
    """What a combiner may know besides meta-features and target.

    Attributes
    ----------
    seed : int
    metric : str
        Name of the metric the user asked for.
    folds : Folds, optional
        The folds the out-of-fold predictions come from; nested choices are made along them.
    """

    seed: int = 0
    metric: str = ""
    folds: Folds | None = None


@dataclass(frozen=True)
class Combiner(ABC):
    """Description of a combiner; its dataclass fields are its parameters."""

    kind: ClassVar[str]
    complexity: ClassVar[int]  # the one-standard-error rule prefers the lower
    needs_features: ClassVar[bool] = False  # a stack then passes them through unasked

    @abstractmethod
    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedCombiner:
        """Return a combiner fitted on out-of-fold predictions and the target of the same rows."""

    def cost(self, n_rows: int, n_learners: int, n_outputs: int) -> float:
        """Return about the seconds of one core that judging it by nested cross-validation takes."""
        return 1e-7 * n_rows * n_learners * n_outputs

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class FittedCombiner(ABC):
    """Turns meta-features into the stack's prediction."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def learners(self) -> tuple[str, ...]:
        """Learners this combiner needs; the others need not be called."""

    @abstractmethod
    def predict(self, meta: MetaFeatures) -> npt.NDArray[np.float64]:
        """Return float64 of shape (n_rows, n_outputs), in the form `FittedLearner.predict` documents.

        `meta` holds at least the learners in `learners`, in any order.
        """

    @abstractmethod
    def weights(self) -> dict[str, float]:
        """Return each needed learner's share, non-negative, summing to 1 (for reports)."""

    @property
    def subtracts(self) -> bool:
        """Whether a learner counts against others."""
        return False

    @property
    def weighs_rows(self) -> bool:
        """Whether the learners' weights differ from row to row."""
        return False

    def route(self, features: Table) -> npt.NDArray[np.float64] | None:
        """Return the weights of `learners` of each row, where they are known before any is called.

        Parameters
        ----------
        features : Table

        Returns
        -------
        float64 ndarray of shape (n_rows, n_learners), or None
            `predict` needs a learner only in the rows in which it has weight. None where every
            learner must be called for every row.
        """
        return None

    def row_weights(self, meta: MetaFeatures) -> npt.NDArray[np.float64]:
        """Return the weights of `learners` of each row, float64 (n_rows, n_learners); rows sum to 1."""
        weights = self.weights()
        return np.tile([weights[name] for name in self.learners], (meta.n_rows, 1))

    def report(self) -> State:
        """Return what else is worth telling of it, as JSON values."""
        return {}

    @abstractmethod
    def to_state(self) -> State:
        """Return all that is needed to rebuild the combiner, as plain data."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the combiner."""
