"""Convex weights of least loss in which older rows count less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from stackml.combiners.base import Combiner, Context, MetaFeatures
from stackml.combiners.inputs import FloatArray, checked, predictors_of, true_class, weight_of
from stackml.combiners.simplex import log_loss, squared_error
from stackml.combiners.simplex_solver import minimise_on_simplex
from stackml.combiners.weighted import FittedWeights
from stackml.foundation.errors import ParameterError
from stackml.tables.target import Target


@final
@dataclass(frozen=True)
class ForgetfulCombiner(Combiner):
    """Weights of 0 or more, summing to 1, of least loss where a row's weight halves as it ages.

    Discounted combination of forecasts (Bates and Granger 1969, https://doi.org/10.1057/jors.1969.103),
    solved exactly instead of by the multiplicative steps of a forgetful expert algorithm (Herbster
    and Warmuth 1998, https://doi.org/10.1023/A:1007424614876). Without time all rows are of one age.

    Attributes
    ----------
    half_life : float
        Share of all rows, by weight, that are later than a row of half weight; above 0.
    start : tuple of (str, float)
        Weights that the pull goes towards; equal ones by default.
    pull : float
        Strength of the pull, in rows.
    prune : float
        Learners below this share of the whole are dropped.
    """

    kind: ClassVar[str] = "forgetful"
    complexity: ClassVar[int] = 2
    half_life: float = 0.25
    start: tuple[tuple[str, float], ...] = ()
    pull: float = 20.0
    prune: float = 0.005

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not self.half_life > 0:
            raise ParameterError(f"combiner 'forgetful': half_life={self.half_life} must be above 0")
        if self.pull < 0:
            raise ParameterError(f"combiner 'forgetful': pull={self.pull} must be 0 or more")
        if not 0 <= self.prune < 1:
            raise ParameterError(f"combiner 'forgetful': prune={self.prune} must lie within 0 and 1")

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedForgetful:
        """Return the weights of least discounted loss."""
        meta, target = checked(meta, target)
        names = predictors_of(meta, self.kind)
        weight = weight_of(target) * discounts(target, self.half_life)
        predictions = meta.predictions(names)
        towards = self._towards(names)
        if target.problem.is_regression:
            objective = squared_error(predictions[:, :, 0].T, target.values, weight, self.pull, towards)
        else:
            objective = log_loss(true_class(predictions, target), weight, self.pull, towards)
        return FittedForgetful.of(names, minimise_on_simplex(objective, len(names)), self.prune)

    def _towards(self, names: tuple[str, ...]) -> FloatArray | None:
        known = dict(self.start)
        found = np.array([known.get(name, 0.0) for name in names])
        return found / found.sum() if found.sum() > 0 else None


@final
@dataclass(frozen=True, eq=False)
class FittedForgetful(FittedWeights):
    """Weighted mean with convex weights."""

    kind: ClassVar[str] = "forgetful"


def discounts(target: Target, half_life: float) -> FloatArray:
    """Return what each row counts for, in (0, 1]: half where a share `half_life` of the weight is later.

    Returns
    -------
    float64 ndarray of shape (n_rows,)
        Ones where there is no time.
    """
    if target.time is None:
        return np.ones(target.n_rows)
    weight = weight_of(target)
    _, moment = np.unique(target.time, return_inverse=True)
    of_moment = np.bincount(moment, weights=weight)
    later = of_moment.sum() - np.cumsum(of_moment)
    return np.asarray(0.5 ** (later / (half_life * of_moment.sum())))[moment]
