"""The mean, plain or with weights somebody gives: for classes the soft vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from stackml.combiners.fixed import FixedCombiner
from stackml.combiners.weighted import FittedWeights


@final
@dataclass(frozen=True, eq=False)
class FittedMean(FittedWeights):
    """Weighted mean with equal weights, or given ones."""

    kind: ClassVar[str] = "mean"


@final
@dataclass(frozen=True)
class MeanCombiner(FixedCombiner):
    """Mean of the learners that predict the target; scores and passed-through features are not read."""

    kind: ClassVar[str] = "mean"
    fitted: ClassVar[type[FittedWeights]] = FittedMean
