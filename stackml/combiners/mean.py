"""The plain mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from stackml.combiners.base import Combiner, Context, MetaFeatures
from stackml.combiners.inputs import checked, predictors_of
from stackml.combiners.weighted import FittedWeights
from stackml.tables.target import Target


@final
@dataclass(frozen=True)
class MeanCombiner(Combiner):
    """Mean of the learners that predict the target; scores and passed-through features are not read."""

    kind: ClassVar[str] = "mean"
    complexity: ClassVar[int] = 0

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedMean:
        """Return equal weights; nothing is learned from the target."""
        meta, target = checked(meta, target)
        names = predictors_of(meta, self.kind)
        return FittedMean.of(names, np.ones(len(names)))


@final
@dataclass(frozen=True, eq=False)
class FittedMean(FittedWeights):
    """Weighted mean with equal weights."""

    kind: ClassVar[str] = "mean"
