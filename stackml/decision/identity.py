"""No calibration: what was predicted is what is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from stackml.decision.base import Calibrator, FittedCalibrator, FloatArray
from stackml.storage.state import State
from stackml.tables.target import Problem


@final
@dataclass(frozen=True)
class IdentityCalibrator(Calibrator):
    """Leaves predictions as they are; the only choice for regression."""

    kind: ClassVar[str] = "none"
    problems: ClassVar[frozenset[str]] = frozenset({"binary", "multiclass", "regression"})

    def fit(
        self, probability: FloatArray, y: NDArray[Any], problem: Problem, weight: FloatArray | None = None
    ) -> FittedIdentity:
        """Return the identity."""
        return FittedIdentity()


@final
@dataclass(frozen=True)
class FittedIdentity(FittedCalibrator):
    """The identity."""

    kind: ClassVar[str] = "none"

    def apply(self, probability: FloatArray) -> FloatArray:
        """Return a float64 copy."""
        return np.array(probability, dtype=np.float64)

    def to_state(self) -> State:
        """Return an empty state."""
        return {}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the identity."""
        return cls()
