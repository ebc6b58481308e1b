"""What the boosters share: which rows they learn from, how they see the target, when they stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import FitError, ParameterError, StorageError
from stackml.learners.base import Budget, Learner, Prediction, Rows
from stackml.tables.target import Problem, Target

LARGEST_MODEL = 2**31  # bytes; the C++ parsers count in 32 bits
_FEW_CLASSES = 10
_LEAST_COLUMNS = 5
_MOST_EXTRA_LEVELS = 8


@dataclass(frozen=True)
class Outputs:
    """How a booster's raw outputs relate to the target.

    Boosters hold targets in float32, so a regression target is centred and scaled first: a
    price in millions keeps its cents.

    Attributes
    ----------
    problem : Problem
    offset, scale : float
        Mean and standard deviation of a regression target's training rows; 0 and 1 otherwise.
    """

    problem: Problem
    offset: float = 0.0
    scale: float = 1.0

    @staticmethod
    def of(target: Target, rows: Rows) -> Outputs:
        """Return the outputs for a target, centred on the given rows alone."""
        if not target.problem.is_regression:
            return Outputs(target.problem)
        values = target.values[rows].astype(np.float64)
        weight = None if target.weight is None else target.weight[rows]
        offset = float(np.average(values, weights=weight))
        spread = math.sqrt(float(np.average((values - offset) ** 2, weights=weight)))
        usable = math.isfinite(spread) and spread > 1e-12 * abs(offset)
        return Outputs(target.problem, offset, spread if usable else 1.0)

    def labels(self, target: Target, rows: Rows) -> npt.NDArray[np.float32]:
        """Return the labels of the rows, shape (len(rows),), as the booster learns them."""
        values = target.values[rows]
        if self.problem.is_regression:
            values = (values - self.offset) / self.scale
        return values.astype(np.float32)

    def finish(self, raw: npt.NDArray[Any], n_rows: int) -> Prediction:
        """Return raw outputs in the form `FittedLearner.predict` documents."""
        values = np.asarray(raw).reshape(n_rows, self.problem.n_outputs)
        if self.problem.is_regression:
            values = values.astype(np.float64) * self.scale + self.offset
        return np.ascontiguousarray(values, dtype=np.float32)

    def to_state(self) -> dict[str, Any]:
        """Return the outputs as JSON values."""
        return {
            "problem": self.problem.kind,
            "n_classes": self.problem.n_classes,
            "offset": self.offset,
            "scale": self.scale,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `to_state`."""
        kind = state["problem"]
        if kind not in ("binary", "multiclass", "regression"):
            raise StorageError(f"a stored booster is of the unknown problem {kind!r}; the file is damaged")
        problem = Problem(kind, int(state["n_classes"]))
        return cls(problem, float(state["offset"]), float(state["scale"]))


class Patience:
    """Decide after each round whether another one follows, and how many are kept.

    Parameters
    ----------
    budget : Budget
        ``budget.rounds`` is obeyed exactly, whatever the clock and the scores say.
    max_rounds : int
    patience : int
        Rounds without a better score after which to stop.
    """

    def __init__(self, budget: Budget, max_rounds: int, patience: int) -> None:
        self._exact = budget.rounds is not None
        self._limit = max(1, max_rounds if budget.rounds is None else budget.rounds)
        self._patience = patience
        self._end = math.inf if budget.seconds is None else time.monotonic() + budget.seconds
        self._best_score = math.inf
        self._best_round = 0
        self._last_better = 0
        self._done = 0

    @property
    def limit(self) -> int:
        """Largest number of rounds."""
        return self._limit

    @property
    def is_exact(self) -> bool:
        """Whether the number of rounds is given, so that no score is needed."""
        return self._exact

    @property
    def kept(self) -> int:
        """Rounds to keep: those up to the best score, or all."""
        return self._best_round or self._done

    def goes_on(
        self, score: float | None, prediction: Callable[[], npt.NDArray[np.float32]] | None = None
    ) -> bool:
        """Take note of a finished round; return whether another follows.

        Parameters
        ----------
        score : float, optional
            Loss on the stop rows, lower is better.
        prediction : callable, optional
            Gives the stop rows' probabilities; `stackml.learners.stopping` looks at them, the loss
            alone does not.
        """
        self._done += 1
        if score is not None and not self._exact and score < self._best_score:
            self._best_score, self._best_round = score, self._done
            self._last_better = self._done
        if self._done >= self._limit:
            return False
        if self._exact:
            return True
        is_stuck = score is not None and self._done - self._last_better >= self._patience
        return not is_stuck and time.monotonic() < self._end


def patience_of(patience: int | None, learning_rate: float) -> int:
    """Return the patience given, or one that grows as steps shrink: 50 rounds at 0.05, 20 to 200."""
    return patience if patience is not None else int(min(200, max(20, round(2.5 / learning_rate))))


def expected_rounds(max_rounds: int, learning_rate: float) -> int:
    """Return about how many rounds a fit takes: 300 at a learning rate of 0.05."""
    return max(1, round(min(float(max_rounds), 15.0 / learning_rate)))


FAMILY = "boosting"
FASTEST_RATE = 0.3


def faster_rate(learning_rate: float, share: float) -> float:
    """Return the learning rate that needs a share of the rounds, no faster than 0.3 unless it was."""
    return max(learning_rate, min(FASTEST_RATE, learning_rate / share))


def rows_with_weight(target: Target, rows: Rows | None) -> Rows | None:
    """Return the rows that count, in rising order, or None if there are none.

    A weight of zero means that the row is not there, so it must not count towards the least
    number of rows in a leaf either.
    """
    if rows is None or len(rows) == 0:
        return None
    ordered: Rows = np.sort(np.asarray(rows, dtype=np.int64))
    if target.weight is not None:
        ordered = ordered[target.weight[ordered] > 0]
    return ordered if len(ordered) else None


def training_rows(target: Target, rows: Rows, kind: str) -> Rows:
    """Return `rows_with_weight`.

    Raises
    ------
    FitError
        If no row is left.
    """
    counted = rows_with_weight(target, rows)
    if counted is None:
        raise FitError(f"{kind}: none of the {len(rows)} training rows has a weight above zero")
    return counted


def usual_levels(problem: Problem, n_rows: int) -> int:
    """Return how many levels a tree usually has: it has nearly two to the power of that many leaves.

    One more for four times the rows. Numbers and a few classes have two more than the ranking of two
    classes; many classes have 5, as their trees are many (experiment 0018).

    Parameters
    ----------
    problem : Problem
    n_rows : int
        Of the whole table, so that a fit on all rows has the trees of those on folds.
    """
    if problem.n_classes > _FEW_CLASSES:
        return 5
    levels = 3 + math.log2(max(1, n_rows) / 2500) / 2
    return min(5, max(3, round(levels))) if problem.kind == "binary" else min(6, max(4, round(levels + 2)))


def check_extra_levels(kind: str, levels: int) -> None:
    """Raise `ParameterError` where trees cannot be larger or smaller by so many levels."""
    if not isinstance(levels, int) or abs(levels) > _MOST_EXTRA_LEVELS:
        most = _MOST_EXTRA_LEVELS
        raise ParameterError(
            f"{kind}: extra_levels must be a whole number from -{most} to {most}, not {levels!r}; "
            "it moves the usual size of a tree"
        )


def share_of_columns(share: float, n_columns: int) -> float:
    """Return the share of columns a tree may use: as stated, but five columns, or all where there are fewer.

    What several columns say only together would else be learned from by few trees.
    """
    return max(share, min(1.0, _LEAST_COLUMNS / max(1, n_columns)))


def check_parameters(
    learner: Learner,
    positive: tuple[str, ...],
    fractions: tuple[str, ...],
    not_negative: tuple[str, ...] = (),
) -> None:
    """Raise `ParameterError` where a parameter has no meaning; fractions lie in (0, 1].

    A parameter whose default is None may be None.
    """
    for name in positive + fractions + not_negative:
        value = getattr(learner, name)
        if value is None and getattr(type(learner), name) is None:
            continue
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise ParameterError(f"{learner.kind}: {name} must be a number, not {value!r}")
        if name in not_negative:
            if value < 0:
                raise ParameterError(f"{learner.kind}: {name} must be at least 0, not {value!r}")
        elif value <= 0 or (name in fractions and value > 1):
            wanted = "in (0, 1]" if name in fractions else "above 0"
            raise ParameterError(f"{learner.kind}: {name} must be {wanted}, not {value!r}")


def check_blob(model: object, kind: str) -> bytes:
    """Return a stored model as bytes.

    Raises
    ------
    StorageError
        If it is not bytes, is empty or too large for the library to read.
    """
    if not isinstance(model, bytes) or not 0 < len(model) < LARGEST_MODEL:
        found = f"{len(model)} bytes" if isinstance(model, bytes) else f"a {type(model).__name__}"
        raise StorageError(f"{kind}: the stored model is {found}, not a model; the file is damaged")
    return model


def check_width(found: int, expected: int, kind: str) -> None:
    """Raise `StorageError` where a model reads another number of columns than its table has."""
    if found != expected:
        raise StorageError(
            f"{kind}: the model reads {found} columns where {expected} were expected; "
            "it was stored with another schema, or the file is damaged"
        )
