"""The model that says the same of every row: what remains where training rows hold one class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from stackml.learners.base import FittedLearner, Prediction, Rows
from stackml.storage.fields import finite_array
from stackml.storage.state import State
from stackml.tables.table import Table
from stackml.tables.target import Target


@final
@dataclass(frozen=True, eq=False)
class FittedConstant(FittedLearner):
    """One prediction for all rows.

    Attributes
    ----------
    values : float32 ndarray of shape (n_outputs,)
    """

    values: Prediction
    kind: ClassVar[str] = "constant"

    def predict(self, table: Table) -> Prediction:
        """Return the same values for every row."""
        return np.repeat(self.values[None, :], table.n_rows, axis=0)

    def to_state(self) -> State:
        """Return the values."""
        return {"values": self.values}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model."""
        return cls(finite_array(state["values"], "constant: values", (None,)))


def has_one_class(target: Target, rows: Rows) -> bool:
    """Return whether the rows of a classification hold one class only."""
    return not target.problem.is_regression and len(np.unique(target.values[rows])) < 2


def fit_constant(target: Target, rows: Rows) -> FittedConstant:
    """Return the mean of the target over some rows, as a model.

    Classes are counted with half a row added to each, so no probability is 0 or 1.
    """
    problem = target.problem
    weight = np.ones(len(rows)) if target.weight is None else target.weight[rows]
    if problem.is_regression:
        return FittedConstant(np.array([np.average(target.values[rows], weights=weight)], np.float32))
    counts = np.bincount(target.values[rows], weight, minlength=max(2, problem.n_classes)) + 0.5
    shares = (counts / counts.sum()).astype(np.float32)
    return FittedConstant(shares[1:2] if problem.kind == "binary" else shares)
