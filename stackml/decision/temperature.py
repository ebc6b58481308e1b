"""Temperature: one number that makes all probabilities bolder or more timid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from stackml.decision.base import Calibrator, FittedCalibrator, FloatArray, clipped, mean_loss
from stackml.foundation.errors import ParameterError
from stackml.storage.fields import finite_number, refuse
from stackml.storage.state import State
from stackml.tables.target import Problem

_LEAST, _MOST = 0.01, 100.0  # no bounds of a fit lie outside


@final
@dataclass(frozen=True)
class TemperatureCalibrator(Calibrator):
    """Divides logits (binary) or log probabilities (multiclass) by one temperature.

    Ranking within a binary problem, and the most probable class of a row, do not change.

    Attributes
    ----------
    lowest, highest : float
        Bounds of the temperature, within 0.01 and 100: an unbounded fit can end at absurd or
        negative values.
    """

    kind: ClassVar[str] = "temperature"
    lowest: float = 0.2
    highest: float = 5.0

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not _LEAST <= self.lowest <= self.highest <= _MOST:
            raise ParameterError(
                f"temperature: bounds must satisfy {_LEAST} <= lowest <= highest <= {_MOST}, "
                f"found {self.lowest}, {self.highest}"
            )

    def fit(
        self, probability: FloatArray, y: NDArray[Any], problem: Problem, weight: FloatArray | None = None
    ) -> FittedTemperature:
        """Return the temperature of least log loss within the bounds."""

        def loss(sharpness: float) -> float:
            return mean_loss(FittedTemperature(1.0 / sharpness).apply(probability), y, problem, weight)

        # The loss is convex in 1 / temperature, so a bounded line search finds the optimum.
        found = minimize_scalar(
            loss, bounds=(1 / self.highest, 1 / self.lowest), method="bounded", options={"xatol": 1e-5}
        )
        return FittedTemperature(float(np.clip(1.0 / found.x, self.lowest, self.highest)))


@final
@dataclass(frozen=True)
class FittedTemperature(FittedCalibrator):
    """A temperature; above 1 it moves probabilities towards each other.

    Attributes
    ----------
    temperature : float
        Within 0.01 and 100.
    """

    kind: ClassVar[str] = "temperature"
    temperature: float

    def apply(self, probability: FloatArray) -> FloatArray:
        """Return probabilities with their logits divided by the temperature."""
        p = clipped(probability)
        if p.shape[1] == 1:
            return np.asarray(expit(logit(p) / self.temperature))
        scaled = np.log(p) / self.temperature
        raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def to_state(self) -> State:
        """Return the temperature."""
        return {"temperature": self.temperature}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the map."""
        temperature = finite_number(state["temperature"], "calibrator 'temperature': temperature")
        if not _LEAST <= temperature <= _MOST:
            refuse("calibrator 'temperature'", f"has the temperature {temperature:g}, which no fit gives")
        return cls(temperature)
