"""What is predicted: the problem, the target's values and what comes with each row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stackml.foundation.digest import digest

ProblemKind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Problem:
    """The kind of a target.

    Attributes
    ----------
    kind : {"binary", "multiclass", "regression"}
    n_classes : int
        Number of classes; 0 for regression.
    """

    kind: ProblemKind
    n_classes: int = 0

    @property
    def is_regression(self) -> bool:
        """Whether the target is a number."""
        return self.kind == "regression"

    @property
    def n_outputs(self) -> int:
        """Columns a prediction has: 1 for binary (the second class) and regression, else one a class."""
        return self.n_classes if self.kind == "multiclass" else 1


@dataclass(frozen=True, eq=False)
class Target:
    """The target of a table, row by row.

    Attributes
    ----------
    problem : Problem
    values : int64 or float64 ndarray of shape (n_rows,)
        Class codes ``0 .. n_classes - 1``, or the number itself for regression.
    weight : float64 ndarray of shape (n_rows,), optional
        Non-negative; 2 counts as the row given twice.
    groups : int64 ndarray of shape (n_rows,), optional
        Rows of one group are never on both sides of a fold; encoders respect it too.
    time : float64 ndarray of shape (n_rows,), optional
        When the row was known; later rows never teach about earlier ones.
    dated : bool
        Whether time counts days since 1970, because dates were given.
    """

    problem: Problem
    values: npt.NDArray[Any]
    weight: npt.NDArray[np.float64] | None = None
    groups: npt.NDArray[np.int64] | None = None
    time: npt.NDArray[np.float64] | None = None
    dated: bool = False

    @property
    def moments(self) -> npt.NDArray[Any] | None:
        """Time as it was given: datetime64 where it was dates, so that messages speak of dates."""
        if self.time is None or not self.dated:
            return self.time
        return np.rint(self.time * 86_400_000_000.0).astype("datetime64[us]")

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    def take(self, rows: npt.NDArray[Any]) -> Target:
        """Return the given rows, in the given order."""
        return Target(
            self.problem,
            self.values[rows],
            None if self.weight is None else self.weight[rows],
            None if self.groups is None else self.groups[rows],
            None if self.time is None else self.time[rows],
            self.dated,
        )

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        parts = [self.problem.kind, self.problem.n_classes, self.values]
        return digest(*parts, self.weight, self.groups, self.time)
