"""Convex weights that minimise the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from stackml.combiners.base import Combiner, Context, MetaFeatures
from stackml.combiners.inputs import FloatArray, checked, predictors_of, true_class, weight_of
from stackml.combiners.simplex_solver import Objective, minimise_on_simplex
from stackml.combiners.weighted import FittedWeights
from stackml.foundation.errors import ParameterError
from stackml.tables.target import Target


@final
@dataclass(frozen=True)
class SimplexCombiner(Combiner):
    """Weights of 0 or more, summing to 1, of least log loss (classes) or squared error (numbers).

    A pull towards equal weights, worth a few rows, keeps small data from deciding alone. Scores
    and passed-through features are not read.

    Attributes
    ----------
    pull : float
        Strength of the pull, in rows; 0 for none.
    prune : float
        Learners below this share of the whole are dropped.
    """

    kind: ClassVar[str] = "simplex"
    complexity: ClassVar[int] = 1
    pull: float = 5.0
    prune: float = 0.005

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.pull < 0:
            raise ParameterError(f"combiner 'simplex': pull={self.pull} must be 0 or more")
        if not 0 <= self.prune < 1:
            raise ParameterError(f"combiner 'simplex': prune={self.prune} must lie within 0 and 1")

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedSimplex:
        """Return the weights of least loss."""
        meta, target = checked(meta, target)
        names = predictors_of(meta, self.kind)
        weight = weight_of(target)
        predictions = meta.predictions(names)
        if target.problem.is_regression:
            objective = squared_error(predictions[:, :, 0].T, target.values, weight, self.pull)
        else:
            objective = log_loss(true_class(predictions, target), weight, self.pull)
        return FittedSimplex.of(names, minimise_on_simplex(objective, len(names)), self.prune)


@final
@dataclass(frozen=True, eq=False)
class FittedSimplex(FittedWeights):
    """Weighted mean with convex weights."""

    kind: ClassVar[str] = "simplex"


def log_loss(
    happened: FloatArray, weight: FloatArray, pull: float, towards: FloatArray | None = None
) -> Objective:
    """Return the mean log loss of a mixture, with its pull towards some weights.

    Parameters
    ----------
    happened : float64 ndarray of shape (n_rows, n_learners)
        Probability each learner gave to what happened, above 0.
    weight : float64 ndarray of shape (n_rows,)
    pull : float
        In rows.
    towards : float64 ndarray of shape (n_learners,), optional
        Equal weights by default.
    """
    total = float(weight.sum())
    even: FloatArray | float = 1.0 / happened.shape[1] if towards is None else towards
    strength = pull / total

    def objective(w: FloatArray, with_slopes: bool) -> tuple[float, FloatArray, FloatArray]:
        mixed = happened @ w
        value = -float(weight @ np.log(mixed)) / total + 0.5 * strength * float(((w - even) ** 2).sum())
        if not with_slopes:
            return value, w, w
        ratio = happened / mixed[:, None]
        gradient = -(weight @ ratio) / total + strength * (w - even)
        hessian = ratio.T @ (ratio * (weight / total)[:, None]) + strength * np.eye(len(w))
        return value, gradient, hessian

    return objective


def squared_error(
    values: FloatArray, y: FloatArray, weight: FloatArray, pull: float, towards: FloatArray | None = None
) -> Objective:
    """Return the mean squared error in units of the best learner's, with its pull; as `log_loss`."""
    total = float(weight.sum())
    residual = values - y[:, None]
    # On the simplex the blend's residual is the blend of residuals.
    gram = residual.T @ (residual * (weight / total)[:, None])
    scale = 2.0 * max(float(np.diag(gram).min()), 1e-12 * float(np.diag(gram).max()), 1e-300)
    even: FloatArray | float = 1.0 / values.shape[1] if towards is None else towards
    strength = pull / total
    hessian = 2.0 * gram / scale + strength * np.eye(values.shape[1])

    def objective(w: FloatArray, with_slopes: bool) -> tuple[float, FloatArray, FloatArray]:
        value = float(w @ gram @ w) / scale + 0.5 * strength * float(((w - even) ** 2).sum())
        gradient = 2.0 * gram @ w / scale + strength * (w - even)
        return value, gradient, hessian

    return objective
