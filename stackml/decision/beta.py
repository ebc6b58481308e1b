"""Beta calibration: three numbers that bend both ends of the probability scale on their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from stackml.decision.base import Calibrator, FittedCalibrator, FloatArray, clipped
from stackml.decision.newton import penalised_logistic
from stackml.metrics.arrays import ones_like
from stackml.storage.fields import finite_number, refuse
from stackml.storage.state import State
from stackml.tables.target import Problem

# Convex: the free optimum where it is feasible, else the better edge, else a constant.
_SLOPES_KEPT: tuple[tuple[tuple[int, ...], ...], ...] = (((0, 1),), ((0,), (1,)), ((),))


@final
@dataclass(frozen=True)
class BetaCalibrator(Calibrator):
    """Fits ``logit(q) = a * ln(p) - b * ln(1 - p) + c`` with ``a, b >= 0`` (Kull et al., 2017).

    Identity at a = b = 1, c = 0. Binary problems alone.

    Attributes
    ----------
    pull : float
        Strength, in rows, of the pull towards the identity; it keeps separable rows finite.
    """

    kind: ClassVar[str] = "beta"
    problems: ClassVar[frozenset[str]] = frozenset({"binary"})
    pull: float = 0.1

    def fit(
        self, probability: FloatArray, y: NDArray[Any], problem: Problem, weight: FloatArray | None = None
    ) -> FittedBeta:
        """Return the coefficients of least log loss among those that keep the ranking."""
        X = _columns(clipped(probability)[:, 0])
        w = ones_like(y, weight)
        for edges in _SLOPES_KEPT:
            found = [_restricted(X, y, w, kept, self.pull) for kept in edges]
            feasible = [(loss, tuple(c)) for loss, c in found if c[0] >= 0 and c[1] >= 0]
            if feasible:
                a, b, c = min(feasible)[1]
                return FittedBeta(float(a), float(b), float(c))
        raise AssertionError("the constant map is always feasible")


def _restricted(
    X: FloatArray, y: NDArray[Any], weight: FloatArray, slopes: tuple[int, ...], pull: float
) -> tuple[float, FloatArray]:
    columns = [*slopes, 2]
    prior = np.array([1.0, 1.0, 0.0])[columns]
    beta = penalised_logistic(X[:, columns], y, weight, np.full(len(columns), pull), prior)
    full = np.zeros(3)
    full[columns] = beta
    z = X @ full
    loss = float(weight @ (np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))) - y * z))
    return loss, full


def _columns(p: FloatArray) -> FloatArray:
    return np.column_stack([np.log(p), -np.log1p(-p), np.ones(len(p))])


@final
@dataclass(frozen=True)
class FittedBeta(FittedCalibrator):
    """The beta map.

    Attributes
    ----------
    a, b : float
        0 or more, so that the ranking is kept.
    c : float
    """

    kind: ClassVar[str] = "beta"
    a: float
    b: float
    c: float

    def apply(self, probability: FloatArray) -> FloatArray:
        """Return the calibrated probability of class 1, shape (n_rows, 1)."""
        p = clipped(probability)
        return np.asarray(expit(self.a * np.log(p) - self.b * np.log1p(-p) + self.c))

    def to_state(self) -> State:
        """Return the coefficients."""
        return {"a": self.a, "b": self.b, "c": self.c}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the map."""
        a, b, c = (finite_number(state[name], f"calibrator 'beta': {name}") for name in ("a", "b", "c"))
        if min(a, b) < 0:
            refuse("calibrator 'beta'", "turns the ranking around")
        return cls(a, b, c)
