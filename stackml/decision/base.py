"""The two halves of a calibrator: a description that can be fitted, and a map of probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from stackml.metrics.arrays import weighted_mean
from stackml.metrics.catalog import per_row_loss
from stackml.storage.state import State
from stackml.tables.target import Problem

FloatArray = NDArray[np.float64]

CLIP = 1e-7
"""Probabilities are kept this far from 0 and 1: float32 predictions say no more."""


@dataclass(frozen=True)
class Calibrator(ABC):
    """Description of a calibrator; its dataclass fields are its parameters."""

    kind: ClassVar[str]
    problems: ClassVar[frozenset[str]] = frozenset({"binary", "multiclass"})

    def refusal(self, y: NDArray[Any], problem: Problem) -> str:
        """Return why these rows cannot be learned from, or ``""``."""
        return "" if problem.kind in self.problems else f"not made for a {problem.kind} problem"

    @abstractmethod
    def fit(
        self, probability: FloatArray, y: NDArray[Any], problem: Problem, weight: FloatArray | None = None
    ) -> FittedCalibrator:
        """Return the map that makes these probabilities agree best with the outcomes.

        Parameters
        ----------
        probability : float64 ndarray of shape (n_rows, n_outputs)
            Binary: one column, the probability of class 1. Multiclass: rows sum to 1.
        y : int64 ndarray of shape (n_rows,)
            Class codes.
        problem : Problem
        weight : float64 ndarray of shape (n_rows,), optional
        """


class FittedCalibrator(ABC):
    """A map of probabilities to probabilities; made by `Calibrator.fit` or `from_state` alone."""

    kind: ClassVar[str]

    @abstractmethod
    def apply(self, probability: FloatArray) -> FloatArray:
        """Return calibrated probabilities as float64 of the same shape; the argument is not changed."""

    @abstractmethod
    def to_state(self) -> State:
        """Return all that is needed to rebuild the map, as plain data."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the map; results are equal bit for bit."""


def clipped(probability: FloatArray) -> FloatArray:
    """Return probabilities within ``[1e-7, 1 - 1e-7]`` as float64."""
    return np.clip(np.asarray(probability, dtype=np.float64), CLIP, 1 - CLIP)


def loss_rows(prediction: FloatArray, y: NDArray[Any], problem: Problem) -> FloatArray:
    """Return each row's log loss (clipped at 1e-7) or squared error, float64 of shape (n_rows,).

    Parameters
    ----------
    prediction : float64 ndarray of shape (n_rows, n_outputs)
    y : ndarray of shape (n_rows,)
    problem : Problem
    """
    values = prediction if problem.is_regression else clipped(prediction)
    return per_row_loss(problem.kind, y, values if problem.kind == "multiclass" else values[:, 0])


def mean_loss(
    prediction: FloatArray, y: NDArray[Any], problem: Problem, weight: FloatArray | None = None
) -> float:
    """Return the weighted mean of `loss_rows`."""
    return weighted_mean(loss_rows(prediction, y, problem), weight)
