"""A line: predicted numbers moved and stretched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from stackml.decision.base import Calibrator, FittedCalibrator, FloatArray
from stackml.metrics.arrays import ones_like
from stackml.storage.fields import finite_number
from stackml.storage.state import State
from stackml.tables.target import Problem


@final
@dataclass(frozen=True)
class LineCalibrator(Calibrator):
    """Fits ``offset + slope * prediction`` by least squares; for numbers alone."""

    kind: ClassVar[str] = "line"
    problems: ClassVar[frozenset[str]] = frozenset({"regression"})

    def fit(
        self, probability: FloatArray, y: NDArray[Any], problem: Problem, weight: FloatArray | None = None
    ) -> FittedLine:
        """Return the line of least squared error; a mere offset where predictions do not vary."""
        x, w = np.asarray(probability, np.float64)[:, 0], ones_like(y, weight)
        total = float(w.sum())
        middle, level = float(w @ x) / total, float(w @ y) / total
        spread = float(w @ (x - middle) ** 2)
        slope = (
            float(w @ ((x - middle) * (y - level))) / spread if spread > 1e-12 * total * middle**2 else 1.0
        )
        return FittedLine(level - slope * middle, slope)


@final
@dataclass(frozen=True)
class FittedLine(FittedCalibrator):
    """A line.

    Attributes
    ----------
    offset, slope : float
    """

    kind: ClassVar[str] = "line"
    offset: float
    slope: float

    def apply(self, probability: FloatArray) -> FloatArray:
        """Return the predictions moved and stretched."""
        return np.asarray(self.offset + self.slope * np.asarray(probability, np.float64))

    def to_state(self) -> State:
        """Return offset and slope."""
        return {"offset": self.offset, "slope": self.slope}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the line."""
        what = "calibrator 'line'"
        return cls(
            finite_number(state["offset"], f"{what}: offset"), finite_number(state["slope"], f"{what}: slope")
        )
