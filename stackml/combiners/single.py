"""The one best learner: what every combination must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from stackml.combiners.base import Combiner, Context, MetaFeatures
from stackml.combiners.inputs import checked, predictors_of
from stackml.combiners.scoring import first_best, scorer
from stackml.combiners.weighted import FittedWeights
from stackml.decision.base import mean_loss
from stackml.foundation.errors import ParameterError, near_miss
from stackml.tables.target import Target


@final
@dataclass(frozen=True)
class SingleCombiner(Combiner):
    """Takes the learner best by the metric asked for; ties go to the lower loss.

    Scores and passed-through features are not read.

    Attributes
    ----------
    learner : str, optional
        Take this one instead.
    """

    kind: ClassVar[str] = "single"
    complexity: ClassVar[int] = 5
    learner: str | None = None

    def cost(self, n_rows: int, n_learners: int, n_outputs: int) -> float:
        """Return about the seconds of one core that judging it takes; a metric of two classes sorts.

        Where numbers are predicted it takes less.
        """
        return (4e-7 if n_outputs == 1 else 1e-7) * n_rows * n_learners * n_outputs

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedSingle:
        """Return the best learner with weight 1.

        Raises
        ------
        ParameterError
            If `learner` is not among those that predict the target.
        """
        meta, target = checked(meta, target)
        names = predictors_of(meta, self.kind)
        if self.learner is not None:
            if self.learner not in names:
                raise ParameterError(
                    f"combiner 'single': no learner '{self.learner}' predicts the target"
                    f"{near_miss(self.learner, names)}; there are: {', '.join(names)}"
                )
            return FittedSingle((self.learner,), (1.0,))
        score = scorer(context.metric, target.problem)
        each = meta.predictions(names)
        scores = np.array([score(target.values, p, target.weight) for p in each])
        losses = [mean_loss(p, target.values, target.problem, target.weight) for p in each]
        best = names[first_best(scores, -np.array(losses))]
        return FittedSingle((best,), (1.0,))


@final
@dataclass(frozen=True, eq=False)
class FittedSingle(FittedWeights):
    """Weighted mean with one learner."""

    kind: ClassVar[str] = "single"
