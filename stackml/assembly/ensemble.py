"""Ensembles without a meta-learner: fitted models of any origin answer by a fixed rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.alike import alike, outputs_of
from stackml.assembly.base import Answers, FittedAssembly
from stackml.assembly.estimator import Assembly
from stackml.assembly.parts import parts_of
from stackml.assembly.weights import checked_weights, stored_weights
from stackml.storage.state import State


@dataclass(frozen=True, eq=False)
class FittedEnsemble(FittedAssembly):
    """Models of one target whose answers are averaged.

    Attributes
    ----------
    weights : float64 ndarray of shape (n_parts,)
        Sum to 1.
    """

    kind: ClassVar[str] = "ensemble"

    weights: npt.NDArray[np.float64] = None  # type: ignore[assignment]  # fields of the base have defaults

    def answers(self, rows: pd.DataFrame, *, n_jobs: int = 1) -> Answers:
        """Return the weighted mean of what the parts answer."""
        outputs = outputs_of(self.parts, self.classes, rows, n_jobs=n_jobs)
        values = np.tensordot(self.weights, outputs, axes=1)
        n_rows = len(rows)
        shares = np.repeat(self.weights[None, :], n_rows, axis=0)
        return Answers(values, shares, np.full(len(self.parts), n_rows, dtype=np.int64))

    def rule_to_state(self) -> State:
        """Return the weights."""
        return {"weights": self.weights}

    @classmethod
    def from_rule(cls, common: Mapping[str, Any], rule: Mapping[str, Any]) -> Self:
        """Rebuild from a stored rule."""
        alike(common["parts"])
        return cls(**common, weights=stored_weights(rule["weights"], len(common["parts"])))


class Ensemble(Assembly):
    """Fitted models of one target that answer together by a fixed rule; nothing is trained.

    Parameters
    ----------
    models : mapping of name to model, or sequence of models or (name, model) pairs
        Fitted; all predict the same classes, or all a number.
    weights : sequence of float, optional
        One a model, 0 or more; equal by default.
    n_jobs : int, optional
    """

    def __init__(self, models: Any, weights: Any = None, *, n_jobs: int | None = None) -> None:
        self.models = models
        self.weights = weights
        self.n_jobs = n_jobs
        parts = parts_of(models)
        first = alike(parts)
        self.fitted_ = FittedEnsemble(
            parts,
            first.problem,
            first.classes,
            first.label_dtype,
            weights=checked_weights(weights, [part.name for part in parts]),
        )

    @classmethod
    def of(cls, fitted: FittedEnsemble) -> Self:
        """Return the public ensemble around a fitted one."""
        made = cls({part.name: part.model for part in fitted.parts}, fitted.weights.tolist())
        made.fitted_ = fitted
        return made
