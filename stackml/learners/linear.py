"""Linear models on the dense view and the terms of texts: logistic regression and ridge regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeAlias, final

import numpy as np
import numpy.typing as npt

from stackml.features.dense import DenseChoice, DenseView
from stackml.features.dense_rows import PreparedDense, prepare_dense
from stackml.features.inner import Part, inner_holdout
from stackml.features.likeness import code_tables, dense_parts, with_code_tables
from stackml.features.shared import SharedViews
from stackml.foundation.randomness import stream
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.learners.boosting import check_parameters, check_width, training_rows
from stackml.learners.constant import fit_constant, has_one_class
from stackml.learners.linear_terms import (
    Coefficients,
    Design,
    fit_classes,
    fit_values,
    joined_terms,
    shared_terms,
)
from stackml.learners.solvers import probabilities
from stackml.learners.weights import Weights
from stackml.storage.fields import finite_array, one_of
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Target

Floats: TypeAlias = npt.NDArray[np.float64]

_ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
_CHOICE_ROWS = 40_000  # the penalty is chosen on at most so many rows, over the number of classes


@final
@dataclass(frozen=True)
class LogisticLearner(Learner):
    """Multinomial logistic regression with an L2 penalty.

    Attributes
    ----------
    C : float, optional
        Inverse of the penalty, on the sum of the losses; by default chosen from 0.01, 0.1, 1,
        10 on rows held out within the training rows, by group and time where there are such.
    hinges : tuple of float
        Places, in standard deviations, where the effect of a number may bend.
    """

    C: float | None = None
    hinges: tuple[float, ...] = (-1.0, 0.0, 1.0)
    kind: ClassVar[str] = "logistic"
    problems: ClassVar[frozenset[str]] = frozenset({"binary", "multiclass"})

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        given = tuple(n for n in ("C",) if getattr(self, n) is not None)
        check_parameters(self, positive=given, fractions=())

    @property
    def seeded(self) -> bool:
        """Hardly: chance draws the rows that a penalty is chosen on alone."""
        return False

    def prepare(self, table: Table, rows: Rows | None = None) -> PreparedDense:
        """Learn scales and put every row through them."""
        return prepare_dense(table, rows, DenseChoice(hinges=self.hinges, texts=False))

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """Learners that read the same view share it."""
        return ("dense", DenseChoice(hinges=self.hinges, texts=False))

    def fit(
        self,
        prepared: PreparedDense,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Choose the penalty, then fit on all rows; `stop_rows` are not read."""
        rows = training_rows(target, rows, self.kind)
        if has_one_class(target, rows):
            return fit_constant(target, rows)
        view, design = _design(prepared, target, rows, seed)
        y = target.values[rows].astype(np.int64)
        weight = _weights(target, rows)
        n_classes = target.problem.n_classes
        part = _capped(inner_holdout(target, rows, seed), _CHOICE_ROWS // n_classes, seed)
        C = self.C or _choose_penalty(design, y, weight, n_classes, part)
        link = "logistic" if target.problem.kind == "binary" else "softmax"
        return FittedLinear(view, fit_classes(design, y, weight, n_classes, C), link)

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return seconds of one fit, roughly."""
        return 0.1 + 1e-6 * n_rows * (n_features + 5) * n_outputs


@final
@dataclass(frozen=True)
class RidgeLearner(Learner):
    """Linear regression with an L2 penalty.

    Attributes
    ----------
    alpha : float, optional
        The penalty, on the sum of squares; by default chosen from 0.1 to 10,000 on rows held
        out within the training rows, by group and time where there are such.
    hinges : tuple of float
        Places, in standard deviations, where the effect of a number may bend.
    """

    alpha: float | None = None
    hinges: tuple[float, ...] = (-1.0, 0.0, 1.0)
    kind: ClassVar[str] = "ridge"
    problems: ClassVar[frozenset[str]] = frozenset({"regression"})

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        given = tuple(n for n in ("alpha",) if getattr(self, n) is not None)
        check_parameters(self, positive=given, fractions=())

    @property
    def seeded(self) -> bool:
        """Hardly: chance draws the rows that a penalty is chosen on alone."""
        return False

    def prepare(self, table: Table, rows: Rows | None = None) -> PreparedDense:
        """Learn scales and put every row through them."""
        return prepare_dense(table, rows, DenseChoice(hinges=self.hinges, texts=False))

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """Learners that read the same view share it."""
        return ("dense", DenseChoice(hinges=self.hinges, texts=False))

    def fit(
        self,
        prepared: PreparedDense,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Choose the penalty, then fit on all rows; `stop_rows` are not read."""
        rows = training_rows(target, rows, self.kind)
        view, design = _design(prepared, target, rows, seed)
        y, weight = target.values[rows].astype(np.float64), _weights(target, rows)
        part = inner_holdout(target, rows, seed)
        if design.terms is not None:  # each penalty is another descent
            part = _capped(part, _CHOICE_ROWS, seed)
        alpha = self.alpha or _choose_alpha(design, y, weight, part)
        return FittedLinear(view, fit_values(design, y, weight)(alpha), "identity")

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return seconds of one fit, roughly."""
        return float(0.05 + 1e-8 * n_rows * (n_features + 5) ** 1.5)


@final
@dataclass(frozen=True, eq=False)
class FittedLinear(FittedLearner):
    """Coefficients on the dense view, and on the terms of texts.

    Attributes
    ----------
    view : DenseView
    found : Coefficients
    link : {"identity", "logistic", "softmax"}
    """

    view: DenseView
    found: Coefficients
    link: str
    kind: ClassVar[str] = "linear"

    def predict(self, table: Table) -> Prediction:
        """Return values or probabilities; each row's is the same in any company, bit for bit."""
        return self.predict_shared(SharedViews(table))

    def predict_shared(self, views: SharedViews) -> Prediction:
        """Return `predict` of the rows being scored."""
        matrix = self.view.shared(views)
        check_width(len(self.found.dense), matrix.shape[1], self.kind)
        terms = shared_terms(views) if len(self.found.terms) else None
        check_width(len(self.found.terms), 0 if terms is None else terms.shape[1], self.kind)
        return probabilities(self.found.scores(Design(matrix, terms)), self.link).astype(np.float32)

    def weights(self, schema: Schema) -> Weights:
        """Return the coefficients; see the base class."""
        found = self.found
        terms = {"terms": found.terms} if len(found.terms) else {}
        return Weights(
            {"coef": found.dense, "intercept": found.intercept, **terms},
            {**dense_parts(self.view, schema), "the link": self.link},
            dict(code_tables(self.view, schema)),
        )

    def with_weights(self, weights: Weights) -> FittedLinear:
        """Return a model with other coefficients."""
        view = with_code_tables(self.view, list(weights.statistics.values()))
        arrays = weights.arrays
        terms = arrays.get("terms", self.found.terms)
        return replace(self, view=view, found=Coefficients(arrays["coef"], arrays["intercept"], terms))

    def to_state(self) -> State:
        """Return view and coefficients."""
        terms = {"terms": self.found.terms} if len(self.found.terms) else {}
        return {
            "view": self.view.to_state(),
            "coef": self.found.dense,
            "intercept": self.found.intercept,
            "link": self.link,
            **terms,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model."""
        intercept = finite_array(state["intercept"], "linear: intercept", (None,))
        coef = finite_array(state["coef"], "linear: coef", (None, len(intercept)))
        link = one_of(state["link"], ("identity", "logistic", "softmax"), "linear: link")
        terms = finite_array(
            state.get("terms", np.zeros((0, len(intercept)))), "linear: terms", (None, len(intercept))
        )
        found = Coefficients(coef, intercept, terms.astype(np.float64))
        return cls(DenseView.from_state(state["view"]), found, link)


def _design(prepared: PreparedDense, target: Target, rows: Rows, seed: int) -> tuple[DenseView, Design]:
    view, matrix = prepared.fit(target, rows, seed)
    terms = joined_terms(prepared.table)
    return view, Design(matrix, None if terms is None else terms[rows])


def _weights(target: Target, rows: Rows) -> Floats:
    return np.ones(len(rows)) if target.weight is None else target.weight[rows]


def _capped(part: Part, size: int, seed: int) -> Part:
    rng = stream(seed, "linear", "choice")

    def some(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if len(positions) <= size:
            return positions
        return np.sort(rng.choice(positions, size, replace=False))

    return Part(some(part.learn), some(part.apply))


def _choose_penalty(
    design: Design,
    y: npt.NDArray[np.int64],
    weight: Floats,
    n_classes: int,
    part: Part,
) -> float:
    learn, apply = part.learn, part.apply
    if len(np.unique(y[learn])) < 2 or weight[apply].sum() <= 0:
        return 1.0
    of_learn, of_apply = design.take(learn), design.take(apply)
    best, best_loss, start = 1.0, np.inf, None
    for C in (0.01, 0.1, 1.0, 10.0):
        start = fit_classes(of_learn, y[learn], weight[learn], n_classes, C, start)
        scores = start.scores(of_apply)
        if n_classes == 2:
            losses = np.logaddexp(0.0, np.where(y[apply] == 1, -scores[:, 0], scores[:, 0]))
        else:
            chosen = probabilities(scores, "softmax")[np.arange(len(apply)), y[apply]]
            losses = -np.log(np.maximum(chosen, 1e-12))
        loss = float(weight[apply] @ losses)
        if loss < best_loss:
            best, best_loss = C, loss
    return best


def _choose_alpha(design: Design, y: Floats, weight: Floats, part: Part) -> float:
    learn, apply = part.learn, part.apply
    if not learn.size or weight[apply].sum() <= 0:
        return 1.0
    solve = fit_values(design.take(learn), y[learn], weight[learn])
    found = [solve(alpha) for alpha in _ALPHAS]
    together = Coefficients(
        np.concatenate([one.dense for one in found], axis=1),
        np.concatenate([one.intercept for one in found]),
        np.concatenate([one.terms for one in found], axis=1),
    )
    off = together.scores(design.take(apply)) - y[apply, None]
    return _ALPHAS[int(np.argmin(weight[apply] @ off**2))]
