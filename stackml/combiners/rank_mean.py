"""The mean of ranks: what each learner says of the order of rows, whatever its scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from stackml.combiners.base import Context, FittedCombiner, MetaFeatures
from stackml.combiners.fixed import FixedCombiner
from stackml.combiners.inputs import FloatArray, checked, predictors_of, weight_of
from stackml.combiners.mean import FittedMean
from stackml.combiners.rules import Reference, rule
from stackml.storage.fields import refuse
from stackml.storage.state import State
from stackml.tables.target import Target


@final
@dataclass(frozen=True)
class RankMeanCombiner(FixedCombiner):
    """Weighted mean of ranks, told as the value that has this rank among the learners' predictions.

    Ranks are taken against the out-of-fold predictions of the fit, so a row's result does not
    depend on the rows scored with it.
    """

    kind: ClassVar[str] = "rank_mean"

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedRankMean:
        """Return weights and the distribution of each learner's predictions; no target is looked at.

        Raises
        ------
        ParameterError
            If a weight is of no learner, or all are 0.
        """
        meta, target = checked(meta, target)
        names = predictors_of(meta, self.kind)
        base = FittedMean.of(names, self.weights_of(names))
        return FittedRankMean(base, Reference.learn(meta.predictions(base.names), weight_of(target)))


@final
@dataclass(frozen=True, eq=False)
class FittedRankMean(FittedCombiner):
    """Weighted mean of ranks.

    Attributes
    ----------
    base : FittedMean
        The learners and their weights.
    reference : Reference
        What ranks are taken against.
    """

    kind: ClassVar[str] = "rank_mean"
    base: FittedMean
    reference: Reference

    @property
    def learners(self) -> tuple[str, ...]:
        """Learners with weight."""
        return self.base.learners

    def predict(self, meta: MetaFeatures) -> FloatArray:
        """Return the weighted mean of ranks in the unit of the predictions, shape (n_rows, n_outputs)."""
        n_outputs = self.reference.sizes.shape[1]
        if n_outputs != meta.problem.n_outputs:
            refuse("combiner 'rank_mean'", f"ranks {n_outputs} outputs, not {meta.problem.n_outputs}")
        of_ranks = rule(self.kind, meta.problem, self.reference)
        return of_ranks(meta.predictions(self.learners), np.array(self.base.shares))

    def weights(self) -> dict[str, float]:
        """Return the weights."""
        return self.base.weights()

    def to_state(self) -> State:
        """Return weights and reference."""
        return {"base": self.base.to_state(), "reference": self.reference.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the combiner.

        Raises
        ------
        StorageError
            If the shares are none, or the reference is not of these learners.
        """
        base = FittedMean.from_state(state["base"])
        return cls(base, Reference.from_state(state["reference"], len(base.names)))
