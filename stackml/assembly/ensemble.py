"""Ensembles without a meta-learner: fitted models of any origin answer by a fixed rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.alike import alike, check_stored, outputs_of
from stackml.assembly.base import Answers, FittedAssembly
from stackml.assembly.estimator import Assembly
from stackml.assembly.parts import parts_of
from stackml.assembly.weights import checked_weights, stored_weights
from stackml.combiners.rules import Reference, check_made_for, rule
from stackml.foundation.errors import ParameterError, near_miss
from stackml.storage.fields import one_of, refuse
from stackml.storage.state import State
from stackml.tables.reading import to_frame
from stackml.tables.target import Problem

RANKS = "rank_mean"
# What a user calls a rule, and the rule.
METHODS = {
    "mean": "mean",
    "soft_vote": "mean",
    "vote": "vote",
    "median": "median",
    "geometric": "geometric",
    RANKS: RANKS,
}


@dataclass(frozen=True, eq=False)
class FittedEnsemble(FittedAssembly):
    """Models of one target whose answers are put together by a fixed rule.

    Attributes
    ----------
    weights : float64 ndarray of shape (n_parts,)
        Sum to 1.
    method : str
        A key of `METHODS`.
    reference : Reference, optional
        What "rank_mean" takes ranks against.
    """

    kind: ClassVar[str] = "ensemble"

    weights: npt.NDArray[np.float64] = None  # type: ignore[assignment]  # fields of the base have defaults
    method: str = "mean"
    reference: Reference | None = None

    def answers(self, rows: pd.DataFrame, *, n_jobs: int = 1) -> Answers:
        """Return what the rule makes of the parts' answers; each part's share is its weight."""
        outputs = outputs_of(self.parts, self.classes, rows, n_jobs=n_jobs)
        values = rule(METHODS[self.method], self.problem, self.reference)(outputs, self.weights)
        n_rows = len(rows)
        shares = np.repeat(self.weights[None, :], n_rows, axis=0)
        return Answers(values, shares, np.full(len(self.parts), n_rows, dtype=np.int64))

    def rule_to_state(self) -> State:
        """Return weights, method and reference."""
        reference = None if self.reference is None else self.reference.to_state()
        return {"weights": self.weights, "method": self.method, "reference": reference}

    @classmethod
    def from_rule(cls, common: Mapping[str, Any], rule: Mapping[str, Any]) -> Self:
        """Rebuild from a stored rule."""
        check_stored(common)
        n_parts = len(common["parts"])
        method = one_of(rule["method"], tuple(METHODS), "the method")
        check_method(method, common["problem"])
        state = rule["reference"]
        if (state is not None) != (method == RANKS):
            refuse("the ensemble", "has a reference that its method does not ask for, or none")
        reference = None if state is None else Reference.from_state(state, n_parts)
        if reference is not None and reference.sizes.shape[1] != common["problem"].n_outputs:
            refuse("the reference", "is of other outputs")
        weights = stored_weights(rule["weights"], n_parts)
        return cls(**common, weights=weights, method=method, reference=reference)


def check_method(method: Any, problem: Problem) -> None:
    """Check that a method is one, and has a meaning for the problem.

    Raises
    ------
    ParameterError
        If it is unknown, or of classes where a number is predicted.
    """
    if not isinstance(method, str) or method not in METHODS:
        raise ParameterError(
            f"method={method!r:.40} is unknown{near_miss(str(method), METHODS)}; known: {', '.join(METHODS)}"
        )
    check_made_for("vote" if method == "soft_vote" else METHODS[method], problem)


class Ensemble(Assembly):
    """Fitted models of one target that answer together by a fixed rule; nothing is trained.

    Parameters
    ----------
    models : mapping of name to model, or sequence of models or (name, model) pairs
        Fitted stacks, assemblies, or scikit-learn estimators that predict the same classes, or a number.
    method : {"mean", "soft_vote", "vote", "median", "geometric", "rank_mean"}
        "mean" of probabilities or values, of classes also called "soft_vote"; "vote": each model has one
        vote for its most probable class, and probabilities are shares of votes; "median" of each
        probability or value; "geometric" mean of probabilities (log odds, for two classes); "rank_mean":
        each answer is replaced by its rank among the model's answers to a reference, ranks are averaged,
        and the mean is told in the unit of the answers.
    weights : sequence of float, or mapping of name to float, optional
        One a model, 0 or more; equal by default.
    rows : table or array-like, optional
        Unlabelled rows like those to come, better none that a model was trained on. "rank_mean" takes its
        reference from them, and estimators of scikit-learn the kinds of their columns. `fit` takes
        them too.
    n_jobs : int, optional

    Attributes
    ----------
    fitted_ : FittedEnsemble
        There when the ensemble is made, but for "rank_mean" without `rows`.
    """

    _fit_reads: ClassVar[str] = "rows, of which ranks are taken"

    def __init__(
        self,
        models: Any,
        method: str = "mean",
        weights: Any = None,
        *,
        rows: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.models = models
        self.method = method
        self.weights = weights
        self.rows = rows
        self.n_jobs = n_jobs
        self._make()

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and make the ensemble anew of them; what `fit` took from rows is lost.

        Raises
        ------
        ParameterError
            As the constructor.
        """
        super().set_params(**params)
        if set(params) - {"n_jobs"}:
            self.__dict__.pop("fitted_", None)
            self._make()
        return self

    def fit(self, X: Any, y: Any = None) -> Self:
        """Take the reference of "rank_mean", and the columns of foreign estimators, from rows.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_columns)
        y : ignored

        Raises
        ------
        SchemaError, DataError
            If a model cannot read the rows.
        """
        self.fitted_ = self._made(to_frame(X))
        return self

    @classmethod
    def of(cls, fitted: FittedEnsemble) -> Self:
        """Return the public ensemble around a fitted one."""
        made = cls.__new__(cls)
        made.models = {part.name: part.model for part in fitted.parts}
        made.method, made.weights = fitted.method, fitted.weights.tolist()
        made.rows = made.n_jobs = None
        made.fitted_ = fitted
        return made

    def _make(self) -> None:
        if self.method != RANKS or self.rows is not None:
            self.fitted_ = self._made(None if self.rows is None else to_frame(self.rows))

    def _made(self, rows: pd.DataFrame | None) -> FittedEnsemble:
        parts = parts_of(self.models, rows=rows)
        first = alike(parts)
        check_method(self.method, first.problem)
        weights = checked_weights(self.weights, [part.name for part in parts])
        reference = None
        if self.method == RANKS and rows is not None:
            reference = Reference.learn(outputs_of(parts, first.classes, rows))
        return FittedEnsemble(
            *(parts, first.problem, first.classes, first.label_dtype),
            weights=weights,
            method=self.method,
            reference=reference,
        )
