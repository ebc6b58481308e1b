"""Isotonic calibration: any rising map, where there are rows enough to draw one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from stackml.decision.base import Calibrator, FittedCalibrator, FloatArray, clipped
from stackml.metrics.arrays import ones_like
from stackml.storage.fields import finite_array, refuse
from stackml.storage.state import State
from stackml.tables.target import Problem

_OUTER_SLOPE = 0.1


@final
@dataclass(frozen=True)
class IsotonicCalibrator(Calibrator):
    """Joins the centres of the pooled steps of isotonic regression by straight lines.

    Lines instead of steps keep rows apart that a step would tie. Each step's frequency is
    drawn a little towards the base rate, so that no probability becomes 0 or 1.

    Attributes
    ----------
    least_rows, least_positives : int
        Fewer rows, or fewer of either class, are refused.
    """

    kind: ClassVar[str] = "isotonic"
    problems: ClassVar[frozenset[str]] = frozenset({"binary"})
    least_rows: int = 1000
    least_positives: int = 100

    def refusal(self, y: NDArray[Any], problem: Problem) -> str:
        """Return why these rows cannot be learned from, or ``""``."""
        if problem.kind not in self.problems:
            return f"not made for a {problem.kind} problem"
        rarer = int(min(np.count_nonzero(y == 1), np.count_nonzero(y == 0)))
        if len(y) < self.least_rows or rarer < self.least_positives:
            return (
                f"needs {self.least_rows} rows and {self.least_positives} of each class, found {len(y)} "
                f"and {rarer}"
            )
        return ""

    def fit(
        self, probability: FloatArray, y: NDArray[Any], problem: Problem, weight: FloatArray | None = None
    ) -> FittedIsotonic:
        """Return the rising map of least squared error, as a line through its steps' centres."""
        w = ones_like(y, weight)
        kept = np.flatnonzero(w > 0)
        p, w, hit = clipped(probability)[kept, 0], w[kept], (y[kept] == 1).astype(np.float64)
        x, inverse = np.unique(p, return_inverse=True)
        rows: FloatArray = np.asarray(np.bincount(inverse, w), dtype=np.float64)
        level = np.bincount(inverse, w * hit) / rows
        centre, level, rows = _pooled(x, level, rows)
        # Drawn to the base rate by one row, which can tie neighbours: pooled once more.
        drawn = (level * rows + float(w @ hit) / float(w.sum())) / (rows + 1.0)
        centre, value, _ = _pooled(centre, drawn, rows)
        return FittedIsotonic(*_with_ends(centre, value))


def _pooled(x: FloatArray, level: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the steps of isotonic regression: their centres, strictly rising levels, and rows."""
    from sklearn.isotonic import isotonic_regression

    fitted = isotonic_regression(level, sample_weight=rows)
    start = np.flatnonzero(np.diff(fitted, prepend=-1.0) > 0)
    of_step = np.add.reduceat(rows, start)
    return np.add.reduceat(rows * x, start) / of_step, fitted[start], of_step


def _with_ends(centre: FloatArray, value: FloatArray) -> tuple[FloatArray, FloatArray]:
    # A faint slope beyond the outer centres keeps the ranking there.
    low = value[0] * (1 - _OUTER_SLOPE)
    high = value[-1] + (1 - value[-1]) * _OUTER_SLOPE
    return np.concatenate([[0.0], centre, [1.0]]), np.concatenate([[low], value, [high]])


@final
@dataclass(frozen=True, eq=False)
class FittedIsotonic(FittedCalibrator):
    """A rising line of straight pieces.

    Attributes
    ----------
    x, value : float64 ndarray of shape (n_points,)
        Probabilities given and the calibrated ones, both ascending; `x` runs from 0 to 1.
    """

    kind: ClassVar[str] = "isotonic"
    x: FloatArray
    value: FloatArray

    def apply(self, probability: FloatArray) -> FloatArray:
        """Return the calibrated probability of class 1, shape (n_rows, 1)."""
        return np.interp(clipped(probability), self.x, self.value)

    def to_state(self) -> State:
        """Return the points."""
        return {"x": self.x, "value": self.value}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the map."""
        x = finite_array(state["x"], "calibrator 'isotonic': x", (None,))
        value = finite_array(state["value"], "calibrator 'isotonic': value", x.shape)
        for name, points in (("x", x), ("value", value)):
            if len(points) < 2 or (np.diff(points) < 0).any() or points[0] < 0 or points[-1] > 1:
                refuse(f"calibrator 'isotonic': {name}", "does not ascend within 0 and 1")
        return cls(x, value)
