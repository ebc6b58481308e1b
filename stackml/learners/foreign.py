"""An estimator that somebody else fitted: it reads its own columns, in their own values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.foundation.errors import DataError
from stackml.learners.base import FittedLearner, Prediction
from stackml.learners.sklearn import class_shares
from stackml.storage.fields import finite_array, positions, refuse
from stackml.storage.state import State
from stackml.storage.trust import dump_estimator, load_estimator
from stackml.tables.encoding import MISSING, UNSEEN
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Problem

_UNSEEN_WORD = "(unseen)"
EXACT_PARTS = 3  # float32 parts of a float64: thresholds of trees can be values of the table itself


@final
@dataclass(frozen=True, eq=False)
class FittedForeign(FittedLearner):
    """A fitted estimator from outside.

    Attributes
    ----------
    schema : Schema
        Of the columns it was fitted on: numbers in as many float32 parts as keep every bit, and
        categories.
    estimator : estimator
        Fitted; it is only asked.
    problem : Problem
    codes : tuple of int
        The class each of its outputs speaks of; empty for a number.
    named : bool
        Whether it reads a frame with names of columns, or an array.
    fill : float64 ndarray of shape (n_numbers,)
        What stands for a missing number; NaN leaves it missing.
    takes_missing : bool
        Whether missing numbers may reach it.
    """

    schema: Schema
    estimator: Any
    problem: Problem
    codes: tuple[int, ...]
    named: bool
    fill: npt.NDArray[np.float64]
    takes_missing: bool
    kind: ClassVar[str] = "foreign"

    def predict(self, table: Table) -> Prediction:
        """Return the value, or probabilities of all classes of the problem.

        Raises
        ------
        DataError
            If a number is missing that the estimator cannot do without.
        """
        rows = self.rows(table)
        if self.problem.is_regression:
            found = np.asarray(self.estimator.predict(rows), np.float64)
            return found.reshape(table.n_rows, -1)[:, :1].astype(np.float32)
        full = np.zeros((table.n_rows, self.problem.n_classes))
        own = np.asarray(self.estimator.classes_)
        full[:, list(self.codes)] = class_shares(self.estimator, rows, own)
        if self.problem.kind == "binary":
            return full[:, 1:2].astype(np.float32)
        shares = full / np.maximum(full.sum(axis=1, keepdims=True), 1e-12)
        return np.asarray(shares, np.float32)

    def rows(self, table: Table) -> Any:
        """Return the rows as the estimator reads them: a frame of float64 and text, or a float64 array.

        A category that is missing is None, one not seen when the schema was made a word that no
        table holds.
        """
        numbers, code = self._numbers(table), 0
        columns: dict[str, Any] = {}
        for column in self.schema.read:
            if column.kind == "category":
                columns[column.name] = _labels(table.codes[:, code], column.vocabulary)
                code += 1
            else:
                columns[column.name] = numbers[:, len(columns) - code]
        if self.named:
            return pd.DataFrame(columns)
        return np.column_stack(list(columns.values()))

    def _numbers(self, table: Table) -> npt.NDArray[np.float64]:
        values = joined_parts(table)
        if np.isnan(values).any() and not self.takes_missing:
            at = np.isnan(values)
            row, place = (int(i) for i in np.argwhere(at)[0])
            if np.isnan(self.fill[place]):
                name = [c.name for c in self.schema.read if c.kind == "number"][place]
                raise DataError(
                    f"column '{name}', row {row} is missing, and {type(self.estimator).__name__} takes no "
                    "missing numbers; fill it, or make the stack with rows=, whose medians then stand in"
                )
            values = np.where(at, self.fill, values)
        return values

    def to_state(self) -> State:
        """Return the columns, and the estimator as skops bytes, which hold no pickle."""
        return {
            "schema": self.schema.to_state(),
            "estimator": dump_estimator(self.estimator),
            "problem": [self.problem.kind, self.problem.n_classes],
            "codes": list(self.codes),
            "named": self.named,
            "fill": np.where(np.isnan(self.fill), np.inf, self.fill),
            "takes_missing": self.takes_missing,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], trusted: tuple[str, ...] = ()) -> Self:
        """Rebuild the estimator; `trusted` as in `FittedSklearn.from_state`.

        Raises
        ------
        StorageError
            If it needs types that are not trusted, or a field is not what it should be.
        """
        schema = Schema.from_state(state["schema"])
        kind, n_classes = state["problem"]
        if kind not in ("binary", "multiclass", "regression") or type(n_classes) is not int:
            refuse("a foreign estimator", f"is of the unknown problem {kind!r:.40}")
        numbers = [column for column in schema.read if column.kind == "number"]
        if len(numbers) + len(schema.categories) != len(schema.read) or any(
            c.parts != EXACT_PARTS or c.offset for c in numbers
        ):
            refuse("a foreign estimator", "reads a column that is neither category nor number in full")
        codes = positions(state["codes"], "a foreign estimator: codes")
        if any(code >= n_classes for code in codes):
            refuse("a foreign estimator", "speaks of a class the problem does not have")
        flags = (state["named"], state["takes_missing"])
        if not all(isinstance(flag, bool) for flag in flags):
            refuse("a foreign estimator", "holds a flag that is neither true nor false")
        if schema.categories and not flags[0]:
            refuse("a foreign estimator", "reads categories without their names")
        fill = finite_array(state["fill"], "a foreign estimator: fill", (len(numbers),), infinite=True)
        estimator = load_estimator(state["estimator"], trusted, "estimator")
        own = getattr(estimator, "classes_", ())
        if kind != "regression" and len(own) != len(codes):
            refuse("a foreign estimator", f"has {len(own)} classes, and codes for {len(codes)}")
        fill = np.where(np.isinf(fill), np.nan, fill)
        return cls(schema, estimator, Problem(kind, n_classes), codes, flags[0], fill, flags[1])


def joined_parts(table: Table) -> npt.NDArray[np.float64]:
    """Return numbers whose float32 parts lie side by side, float64 of shape (n_rows, n_numbers)."""
    parts = table.numbers.astype(np.float64).reshape(table.n_rows, -1, EXACT_PARTS)
    return np.asarray(parts.sum(axis=2))


def _labels(codes: npt.NDArray[np.int32], vocabulary: tuple[str, ...]) -> npt.NDArray[np.object_]:
    words = np.array([*vocabulary, _UNSEEN_WORD, None], dtype=object)
    place = np.where(codes == MISSING, len(vocabulary) + 1, codes)
    return np.asarray(words[np.where(codes == UNSEEN, len(vocabulary), place)])
