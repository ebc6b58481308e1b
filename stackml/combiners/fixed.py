"""Combiners that look at no target: what they share, and votes, medians and geometric means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from stackml.combiners.base import Combiner, Context, FittedCombiner, MetaFeatures
from stackml.combiners.inputs import FloatArray, checked, predictors_of
from stackml.combiners.rules import check_made_for, rule
from stackml.combiners.weighted import FittedWeights
from stackml.foundation.errors import ParameterError, near_miss
from stackml.tables.target import Target

GivenWeights = Mapping[str, float] | tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class FixedCombiner(Combiner):
    """A rule over the learners that predict the target; scores and passed-through features are not read.

    Abstract: each rule names its own kind.

    Attributes
    ----------
    weights : mapping of learner to number
        0 or more; a learner that is not named counts 1, and one of weight 0 is not called.
    """

    complexity: ClassVar[int] = 0
    fitted: ClassVar[type[FittedWeights]]
    weights: GivenWeights = field(default=())

    def __post_init__(self) -> None:
        """Check the weights and put them in a form that can be compared."""
        given = self.weights.items() if isinstance(self.weights, Mapping) else self.weights
        try:
            found = tuple(sorted((str(name), float(weight)) for name, weight in given))
        except (TypeError, ValueError):
            raise ParameterError(
                f"combiner '{self.kind}': weights={self.weights!r} do not say a number for each learner; "
                "give them by name, as in weights={'ridge': 2}"
            ) from None
        object.__setattr__(self, "weights", found)
        for name, weight in found:
            if not 0 <= weight < np.inf:
                raise ParameterError(
                    f"combiner '{self.kind}': the weight of '{name}' is {weight}; give a number of 0 or more"
                )

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedCombiner:
        """Return the rule with its weights; nothing is learned from the target.

        Raises
        ------
        ParameterError
            If the rule is not made for the problem, a weight is of no learner, or all are 0.
        """
        check_made_for(self.kind, target.problem)
        meta, target = checked(meta, target)
        names = predictors_of(meta, self.kind)
        return self.fitted.of(names, self.weights_of(names))

    def weights_of(self, names: tuple[str, ...]) -> FloatArray:
        """Return the weight of each learner, not all 0."""
        given = dict(self.weights)
        for name in given:
            if name not in names:
                raise ParameterError(
                    f"combiner '{self.kind}': no learner '{name}' predicts the target"
                    f"{near_miss(name, names)}; there are: {', '.join(names)}"
                )
        found = np.array([given.get(name, 1.0) for name in names])
        if not found.any():
            raise ParameterError(f"combiner '{self.kind}': every learner has weight 0; leave one above 0")
        return found


@dataclass(frozen=True, eq=False)
class FittedRule(FittedWeights):
    """A rule and the weights of its learners."""

    def predict(self, meta: MetaFeatures) -> FloatArray:
        """Return what the rule makes of the predictions, float64 of shape (n_rows, n_outputs)."""
        return rule(self.kind, meta.problem)(meta.predictions(self.names), np.array(self.shares))


@final
@dataclass(frozen=True, eq=False)
class FittedVote(FittedRule):
    """Shares of votes."""

    kind: ClassVar[str] = "vote"


@final
@dataclass(frozen=True)
class VoteCombiner(FixedCombiner):
    """Hard majority: every learner votes for its most probable class; probabilities are shares of votes.

    A learner torn between classes divides its vote evenly; of classes with as many votes the first
    in the order of `classes_` is predicted.
    """

    kind: ClassVar[str] = "vote"
    fitted: ClassVar[type[FittedWeights]] = FittedVote


@final
@dataclass(frozen=True, eq=False)
class FittedMedian(FittedRule):
    """Weighted median."""

    kind: ClassVar[str] = "median"


@final
@dataclass(frozen=True)
class MedianCombiner(FixedCombiner):
    """Weighted median of predictions, class by class and made to sum to 1."""

    kind: ClassVar[str] = "median"
    fitted: ClassVar[type[FittedWeights]] = FittedMedian


@final
@dataclass(frozen=True, eq=False)
class FittedGeometric(FittedRule):
    """Weighted geometric mean."""

    kind: ClassVar[str] = "geometric"


@final
@dataclass(frozen=True)
class GeometricCombiner(FixedCombiner):
    """Weighted geometric mean of probabilities, made to sum to 1 (the mean of log odds for two classes)."""

    kind: ClassVar[str] = "geometric"
    fitted: ClassVar[type[FittedWeights]] = FittedGeometric
