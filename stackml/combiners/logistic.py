"""Penalised regression on predictions: logistic for classes, ridge for numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self, final

import numpy as np
from scipy.special import expit, softmax

from stackml.combiners.base import Combiner, Context, FittedCombiner, MetaFeatures
from stackml.combiners.inputs import FloatArray, checked, sampled, weight_of
from stackml.combiners.linear_choice import fit_needed, informed
from stackml.combiners.linear_design import LinearDesign
from stackml.combiners.linear_fit import Bools, Rowwise, fit_linear, losses_of, predict_linear
from stackml.combiners.nested import own_folds, restricted
from stackml.foundation.errors import ParameterError
from stackml.metrics.arrays import weighted_mean
from stackml.storage.fields import finite_array, finite_number
from stackml.storage.state import State
from stackml.tables.target import Target

CLASSES_SHARE = 12  # of the rows that choose a penalty, one in so many does where there are many classes


@final
@dataclass(frozen=True)
class LogisticCombiner(Combiner):
    """Weighs the learners' logits (log probabilities, values), with an intercept for each class.

    One weight a learner also where there are many classes. It may be negative: what a learner
    overdoes is taken back by one that overdoes it more (docs/decisions/0022). Only learners that
    go with the target on their own, beyond doubt, are as free: out of fold, one that knows nothing
    leans against the target (the more of a class a fold holds, the fewer of it its model has learned
    from), and a negative weight would turn that round into a score above chance. Learners without
    which the loss hardly rises are left out.
    Scores and passed-through features are free. The penalty draws the weights
    to the plain mean of logits, not to zero; scores and passed-through features (standardised
    numbers, indicators of categories with few values) are drawn to zero. Its strength, in rows,
    is chosen by cross-validation along the context's folds.

    Attributes
    ----------
    penalties : tuple of float
        Strengths to choose from, in rows.
    nonnegative : bool
        Whether learners' weights must be 0 or more, as Breiman (Stacked regressions, 1996) has them.
    prune : float
        A learner is left out where the loss without it rises by less than this part of it.
    most_rows : int
        Beyond this many rows (a twelfth of it, for many classes) a stratified sample chooses
        the penalty; the coefficients are fitted on all rows.
    """

    kind: ClassVar[str] = "logistic"
    complexity: ClassVar[int] = 3
    penalties: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0, 10000.0)
    nonnegative: bool = False
    prune: float = 1e-4
    most_rows: int = 20_000

    def __post_init__(self) -> None:
        """Check the parameters."""
        object.__setattr__(self, "penalties", tuple(self.penalties))
        if not self.penalties or not all(p > 0 for p in self.penalties):
            raise ParameterError(
                f"combiner 'logistic': penalties={self.penalties} must be one or more numbers above 0"
            )
        if not 0 <= self.prune < 1:
            raise ParameterError(f"combiner 'logistic': prune={self.prune} must lie within 0 and 1")
        if self.most_rows < 1:
            raise ParameterError(f"combiner 'logistic': most_rows={self.most_rows} must be 1 or more")

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedLogistic:
        """Return the coefficients at the penalty of least cross-validated loss."""
        meta, target = checked(meta, target)
        design = LinearDesign.learn(meta, target.weight)
        data = rowwise(design, meta, target)
        bounded = np.ones(len(data.links), dtype=bool) if self.nonnegative else ~informed(data, target.groups)
        penalty = self._penalty(data, target, context, bounded)
        kept, coefficients = fit_needed(data, penalty, bounded, self.prune)
        if not kept and not design.scores:
            kept = list(range(len(data.links)))  # a combiner of no learner could not be asked
            coefficients = np.concatenate([np.zeros(len(kept)), coefficients])
        design = design.keeping([design.predictors[i] for i in kept])
        return FittedLogistic(design, coefficients, penalty, _shares(design, data.only(kept), coefficients))

    def cost(self, n_rows: int, n_learners: int, n_outputs: int) -> float:
        """Return about the seconds of one core that judging it takes."""
        if n_outputs > 1:  # a step takes long for its many numbers, or for being one of very many
            return 0.4 + 1.4e-5 * n_rows * float(n_learners * n_outputs) ** 0.5
        return (2.4e-6 * min(n_rows, self.most_rows) + 3e-7 * n_rows) * n_learners

    def _penalty(self, data: Rowwise, target: Target, context: Context, bounded: Bools) -> float:
        if len(self.penalties) == 1:
            return self.penalties[0]
        folds = own_folds(target, context)
        most = max(1, self.most_rows // (CLASSES_SHARE if data.problem.kind == "multiclass" else 1))
        rows, weight = sampled(target, most, context.seed, self.kind)
        folds = None if folds is None else restricted(folds, rows)
        if folds is None:
            return max(self.penalties)
        drawn = data.take(rows)
        drawn = Rowwise(drawn.links, drawn.extras, drawn.y, weight, drawn.problem)
        descending = sorted(self.penalties, reverse=True)
        losses = np.zeros(len(descending))
        for fold in folds.folds:
            train, held_out = drawn.take(fold.train), drawn.take(fold.held_out)
            found: FloatArray | None = None
            for i, penalty in enumerate(descending):
                found = fit_linear(train, penalty, bounded, found)
                losses[i] += float(held_out.weight @ losses_of(held_out, predict_linear(held_out, found)))
        # The first of equals is the strongest.
        return descending[int(np.argmin(losses))]


def rowwise(design: LinearDesign, meta: MetaFeatures, target: Target) -> Rowwise:
    """Return the rows of a linear fit."""
    n, n_out = meta.n_rows, meta.problem.n_outputs
    links, extras = design.links(meta), design.extras(meta)
    return Rowwise(
        np.stack(links) if links else np.zeros((0, n, n_out)),
        np.column_stack(extras) if extras else np.zeros((n, 0)),
        target.values,
        weight_of(target),
        meta.problem,
    )


def _shares(design: LinearDesign, data: Rowwise, coefficients: FloatArray) -> tuple[float, ...]:
    """Return |coefficient| times spread of each learner, summing to 1; predictors first."""
    n_links, n_out = len(data.links), data.n_outputs
    spreads = []
    for link in data.links:
        # A shift common to all classes changes nothing.
        values = link - link.mean(axis=1, keepdims=True) if n_out > 1 else link
        centre = np.array([weighted_mean(column, data.weight) for column in values.T])
        spreads.append(np.sqrt(weighted_mean(((values - centre) ** 2).sum(axis=1), data.weight)))
    found = list(np.abs(coefficients[:n_links]) * np.array(spreads))
    slopes = coefficients[n_links : n_links + len(design.score_mean) * n_out].reshape(-1, n_out)
    at = np.cumsum((0, *design.score_widths))
    found += [float(np.sqrt((slopes[i:j] ** 2).sum())) for i, j in pairwise(at)]
    total = float(np.sum(found))
    even = 1.0 / len(found)
    return tuple(float(f) / total if total > 0 else even for f in found)


@final
@dataclass(frozen=True, eq=False)
class FittedLogistic(FittedCombiner):
    """A linear model on the link's scale.

    Attributes
    ----------
    design : LinearDesign
    coefficients : float64 ndarray of shape (n_coefficients,)
        Of the learners, of the extra columns for each output, and intercepts.
    penalty : float
        The strength chosen, in rows.
    shares : tuple of float
        Share of each learner, predictors first.
    """

    kind: ClassVar[str] = "logistic"
    design: LinearDesign
    coefficients: FloatArray
    penalty: float
    shares: tuple[float, ...]

    @property
    def learners(self) -> tuple[str, ...]:
        """Learners read, predictors first."""
        return self.design.predictors + self.design.scores

    @property
    def subtracts(self) -> bool:
        """Whether a learner counts against others."""
        return bool((self.coefficients[: len(self.design.predictors)] < 0).any())

    def predict(self, meta: MetaFeatures) -> FloatArray:
        """Return probabilities, or values."""
        problem, n_out = meta.problem, meta.problem.n_outputs
        terms = [*self.design.links(meta), *(c[:, None] for c in self.design.extras(meta))]
        n_links = len(self.design.predictors)
        cut = len(self.coefficients) - n_out
        slopes = [*self.coefficients[:n_links], *self.coefficients[n_links:cut].reshape(-1, n_out)]
        # Term by term: a matrix product would round a row by its place in the batch.
        z = np.zeros((meta.n_rows, n_out))
        for slope, term in zip(slopes, terms, strict=True):
            z += slope * term
        z += self.coefficients[cut:]
        if problem.is_regression:
            return z
        return np.asarray(expit(z) if problem.kind == "binary" else softmax(z, axis=1))

    def weights(self) -> dict[str, float]:
        """Return each learner's share: |coefficient| times the spread of what it multiplies."""
        return dict(zip(self.learners, self.shares, strict=True))

    def to_state(self) -> State:
        """Return all that is needed to rebuild the combiner."""
        return {
            "design": self.design.to_state(),
            "coefficients": self.coefficients,
            "penalty": self.penalty,
            "shares": np.array(self.shares),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the combiner.

        Raises
        ------
        StorageError
            If a number is missing or not finite, or there is not one share a learner.
        """
        what = f"combiner '{cls.kind}'"
        design = LinearDesign.from_state(state["design"])
        n_learners = len(design.predictors) + len(design.scores)
        shares = finite_array(state["shares"], f"{what}: shares", (n_learners,))
        return cls(
            design,
            finite_array(state["coefficients"], f"{what}: coefficients", (None,)).astype(np.float64),
            finite_number(state["penalty"], f"{what}: penalty"),
            tuple(float(s) for s in shares),
        )
