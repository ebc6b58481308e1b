"""The two halves of a base learner: a description that can be fitted, and what was fitted.

A `Learner` is a frozen description. `prepare` does once what all folds share and never sees
the target; `fit` learns from some rows of what was prepared. A `FittedLearner` only predicts:
there is no unfitted state to ask about.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from stackml.features.shared import SharedViews
from stackml.foundation.digest import digest
from stackml.learners.weights import Weights
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

if TYPE_CHECKING:
    from stackml.learners.trees.additive import Additive

Rows = npt.NDArray[np.int64]
Prediction = npt.NDArray[np.float32]
OutputKind = Literal["probability", "value", "score"]


@dataclass(frozen=True)
class Budget:
    """What one fit may use.

    Attributes
    ----------
    seconds : float, optional
        Wall-clock seconds; an iterative learner stops early and keeps what it has.
    rounds : int, optional
        Exactly this many rounds, without early stopping: how a recorded run is replayed and
        how a model is refitted on all rows.
    metric : str
        Name of the metric the user judges by, which early stopping may go by; see
        `stackml.learners.stopping`. Empty: the loss alone decides.
    is_probe : bool
        Whether the fit only tells the time that rounds take: what further fits would choose keeps a
        usual value.
    """

    seconds: float | None = None
    rounds: int | None = None
    metric: str = ""
    is_probe: bool = False


@dataclass(frozen=True)
class Learner(ABC):
    """Description of a base learner; its dataclass fields are its parameters.

    Subclasses are frozen, final dataclasses with hashable parameters.
    """

    kind: ClassVar[str]
    problems: ClassVar[frozenset[str]] = frozenset({"binary", "multiclass", "regression"})
    family: ClassVar[str] = ""  # learners of one family stop at much the same share of their usual rounds
    library: ClassVar[str] = ""  # imported before any fit: its time is no fit's, and threads find it whole
    supports_weight: ClassVar[bool] = True
    stops_early: ClassVar[bool] = False
    out_of_bag: ClassVar[frozenset[str]] = frozenset()  # problems where such predictions stand for folds
    learns: ClassVar[bool] = True  # else every fit gives one and the same model

    @property
    def method(self) -> str:
        """What learners share that differ in parameters alone."""
        return self.kind

    @property
    def seeded(self) -> bool:
        """Whether chance decides so much of a fit that models of several seeds are worth averaging."""
        return self.learns

    @abstractmethod
    def prepare(self, table: Table, rows: Rows | None = None) -> Any:
        """Return what all folds share, learned without the target.

        Parameters
        ----------
        table : Table
            All rows.
        rows : int64 ndarray, optional
            Rows that bins, codes and scales may be learned from (the past, under time
            folds); all rows by default. Every row is prepared either way.
        """

    @abstractmethod
    def fit(
        self,
        prepared: Any,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Return a model learned from some rows.

        Parameters
        ----------
        prepared : object
            What `prepare` of an equal `prepare_key` returned.
        target : Target
            The target of all rows of the table that was prepared. Only `rows` (and, for early
            stopping alone, `stop_rows`) may be looked at.
        rows : int64 ndarray
            Rows to learn from.
        stop_rows : int64 ndarray or None
            Rows to stop early on, or None to run all rounds.
        budget : Budget
        seed : int
        """

    def fit_out_of_bag(
        self, prepared: Any, target: Target, rows: Rows, budget: Budget, seed: int
    ) -> tuple[FittedLearner, Prediction]:
        """Return one model learned from all the rows, and what its parts say of rows they never saw.

        Only where rows are exchangeable may this stand for folds, and for the problems that
        `out_of_bag` names.

        Parameters
        ----------
        prepared, target, rows, budget, seed
            As in `fit`.

        Returns
        -------
        model : FittedLearner
        prediction : float32 ndarray of shape (len(rows), n_outputs)
            For each row the mean of those parts (trees) that did not draw it, so that the row's own
            target is not in it (but for what it counts among all rows where a parameter is chosen);
            NaN where every part drew the row.

        Raises
        ------
        NotImplementedError
            If the learner has no such parts.
        """
        raise NotImplementedError(f"{self.kind} does not predict out of bag; fit it on folds instead")

    def paced(self, share: float) -> Learner:
        """Return a description that takes about a share of the work, or itself where that cannot be.

        Parameters
        ----------
        share : float
            In (0, 1).
        """
        return self

    @property
    def watches_clock(self) -> bool:
        """Whether a fit ends, with what it has, when its seconds are used up."""
        return self.stops_early or self.usual_rounds(1) is not None

    def usual_rounds(self, n_rows: int) -> int | None:
        """Return the rounds that `cost` counts with; None where the word has no meaning."""
        return None

    @property
    def out_of_bag_effort(self) -> float:
        """Work of a fit with out-of-bag predictions, over that of a fit on as many rows without."""
        return 1.0

    def output_kind(self, problem: Problem) -> OutputKind:
        """Return what a prediction is: a probability, a value of the target, or a mere score."""
        return "value" if problem.is_regression else "probability"

    def n_outputs(self, problem: Problem) -> int:
        """Return the number of columns of a prediction."""
        return problem.n_outputs

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return a rough cost of one fit, in seconds of one core; it only orders and plans."""
        return 1e-6 * n_rows * n_features * n_outputs

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """Learners of equal key share one prepared object."""
        return (self.kind, self.digest)

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def digest(self) -> str:
        """Content digest of kind and parameters."""
        return digest(self.kind, {k: repr(v) for k, v in self.parameters.items()})


class FittedLearner(ABC):
    """A model that predicts; made by `Learner.fit` or `from_state` alone."""

    kind: ClassVar[str]
    built: ClassVar[tuple[str, ...]] = ()  # cached properties that take memory

    @property
    def rounds(self) -> int | None:
        """Rounds the model was trained for, or None where the word has no meaning."""
        return None

    @property
    def additive(self) -> Additive | None:
        """The model as a sum of trees under a link, or None where it is none."""
        return None

    def weights(self, schema: Schema) -> Weights | None:
        """Return the model as named arrays that may be merged with others', or None where it is none.

        Parameters
        ----------
        schema : Schema
            Of the table learned from; it gives names to what must be equal.
        """
        return None

    def with_weights(self, weights: Weights) -> Self:
        """Return a model of the same form with other weights, in the units `weights` says.

        Raises
        ------
        NotImplementedError
            If `weights` gives None for such models.
        """
        raise NotImplementedError(f"{self.kind} is not made of weights that merge")

    def joins(self, schema: Schema) -> dict[str, Any] | None:
        """Return what must be equal in models that `joined` makes one, by names for people; else None.

        Parameters
        ----------
        schema : Schema
            Of the table learned from.
        """
        return None

    def joined(self, others: Sequence[Self], shares: Sequence[float]) -> Self:
        """Return one model that says the weighted mean of what this one and others say.

        The mean is of margins (log odds for classes) where the model sums margins, of predictions
        otherwise; it is exact but for the rounding of float32.

        Parameters
        ----------
        others : sequence of models for which `joins` says the same
        shares : sequence of float
            Non-negative, summing to 1: this model's first.

        Raises
        ------
        NotImplementedError
            If `joins` gives None for such models.
        """
        raise NotImplementedError(f"{self.kind} is no sum that could be joined")

    @abstractmethod
    def predict(self, table: Table) -> Prediction:
        """Return predictions.

        Parameters
        ----------
        table : Table of the schema learned from

        Returns
        -------
        float32 ndarray of shape (n_rows, n_outputs)
            Binary: probability of the second class, one column. Multiclass: one column a
            class, rows sum to 1. Regression: the value. Anomaly detectors: a score, higher is
            stranger.
        """

    def let_go(self) -> None:
        """Forget what predicting has built; the next call builds it again."""
        for name in self.built:
            self.__dict__.pop(name, None)

    def predict_shared(self, views: SharedViews) -> Prediction:
        """Return `predict` of the rows being scored, by views that other models may have made already."""
        return self.predict(views.table)

    @abstractmethod
    def to_state(self) -> State:
        """Return all that is needed to rebuild the model, as plain data."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model; predictions are equal bit for bit."""
