"""New rows for a fitted stack: read by its schema, its labels known, put in the order of time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.foundation.errors import DataError
from stackml.learners.catalog import LEARNERS
from stackml.stack.arguments import checked_refits, named_columns
from stackml.stack.fitted import FittedStack
from stackml.stack.inputs import (
    EncodedTarget,
    as_column,
    assemble_target,
    plain_labels,
    refuse_missing,
    regression_target,
)
from stackml.stack.recipe import Recipe
from stackml.tables.encoding import factorized
from stackml.tables.reading import to_frame
from stackml.tables.schema import Column, Overrides, Schema
from stackml.tables.table import Table, encode
from stackml.tables.target import Target

_BESIDE = ("group", "time", "weight")


@dataclass(frozen=True, eq=False)
class Received:
    """Rows with their target.

    Attributes
    ----------
    table : Table
        Of the stack's schema.
    grown : Table
        The same rows by a schema that knows the categories they bring; what a new fit reads.
    target : Target
    labels : object ndarray of shape (n_rows,), optional
        The groups as they were given, so that rows of other times can be told to be of the same.
    index : Index
        Of the frame.
    """

    table: Table
    grown: Table
    target: Target
    labels: npt.NDArray[Any] | None
    index: pd.Index

    def followed_by(self, later: Received) -> Received:
        """Return these rows and later ones, as the later ones' grown schema reads them.

        Groups and time stay where both have them.
        """
        numbers = np.concatenate([self.grown.numbers, later.grown.numbers])
        codes = np.concatenate([self.grown.codes, later.grown.codes])
        table = Table(later.grown.schema, numbers, codes)
        labels = None
        if self.labels is not None and later.labels is not None:
            labels = np.concatenate([self.labels, later.labels])
        target = _joined(self.target, later.target, labels)
        return Received(table, table, target, labels, self.index.append(later.index))

    def take(self, rows: npt.NDArray[np.int64]) -> Received:
        """Return some rows."""
        labels = None if self.labels is None else self.labels[rows]
        grown = self.grown.take(rows)
        return Received(self.table.take(rows), grown, self.target.take(rows), labels, self.index[rows])


def received(
    stack: FittedStack, classes: npt.NDArray[Any], X: Any, y: Any, beside: dict[str, Any]
) -> Received:
    """Return new rows, checked and in the order of time.

    Parameters
    ----------
    stack : FittedStack
    classes : ndarray of shape (n_classes,)
        Labels in code order.
    X : table or array-like of shape (n_rows, n_columns)
    y : array-like of shape (n_rows,)
    beside : dict
        "group", "time" and "weight": arrays, names of columns, or None, which takes the column that had
        the role when the stack was fitted, where the rows have it.

    Raises
    ------
    SchemaError
        If a column that learners read is missing.
    DataError
        If a value cannot be read, or `y` holds a label the stack does not know.
    """
    frame = to_frame(X)
    table = Table.of(frame, stack.schema)
    roles = {c.name: c.role for c in stack.schema.columns if c.role in _BESIDE and c.name in frame.columns}
    _, found = named_columns(frame, Overrides(roles=roles), beside)
    target = assemble_target(
        _encoded(stack, classes, y, len(frame)), len(frame), found["group"], found["time"], found["weight"]
    )
    labels = plain_labels(found["group"])
    rows = Received(table, encode(frame, _grown(stack.schema, frame)), target, labels, frame.index)
    return rows if target.time is None else rows.take(np.argsort(target.time, kind="stable"))


def _encoded(stack: FittedStack, classes: npt.NDArray[Any], y: Any, n_rows: int) -> EncodedTarget:
    if stack.problem.is_regression:
        return regression_target(y, n_rows)
    array = as_column(y, "y", n_rows)
    refuse_missing(array, "y", "a row without a class cannot be learned from; drop it")
    codes = pd.Index(classes).get_indexer(pd.Index(array))
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        label = array[row : row + 1].tolist()[0]
        raise DataError(
            f"y, row {row}: the stack does not know the class {label!r}, it knows {classes.tolist()}; "
            "fit a new stack to rows of all classes"
        )
    return EncodedTarget(codes.astype(np.int64), classes, stack.problem)


def _grown(schema: Schema, frame: pd.DataFrame) -> Schema:
    """Return a schema that knows the frame's categories too; the codes of those before stay."""
    return Schema(tuple(_with_new_words(column, frame) for column in schema.columns))


def _with_new_words(column: Column, frame: pd.DataFrame) -> Column:
    if not column.is_read or column.kind != "category" or column.ordered:
        return column
    codes, words = factorized(frame[column.name])
    used = {words[code] for code in np.unique(codes) if code >= 0}
    return replace(column, vocabulary=(*column.vocabulary, *sorted(used - set(column.vocabulary))))


def _joined(first: Target, second: Target, labels: npt.NDArray[Any] | None) -> Target:
    weights = [t.weight if t.weight is not None else np.ones(t.n_rows) for t in (first, second)]
    weighted = first.weight is not None or second.weight is not None
    timed = first.time is not None and second.time is not None
    return Target(
        first.problem,
        np.concatenate([first.values, second.values]),
        np.concatenate(weights) if weighted else None,
        None if labels is None else pd.factorize(labels)[0].astype(np.int64),
        np.concatenate([first.time, second.time]) if timed else None,
        first.dated,
    )


def recipe_of(stack: FittedStack, metric: str, seed: int) -> Recipe | None:
    """Return how a loaded stack can be fitted again, or None where its learners are not of the catalog.

    Learners are known by name alone, so parameters are those of the catalog.
    """
    found = []
    for member in stack.layers[-1].members:
        entry = LEARNERS.get(member.name)
        if entry is None or not entry.suits(stack.problem):
            return None
        found.append((member.name, entry.learner))
    plan = stack.card.get("plan", {})
    return Recipe(
        tuple(found),
        None,
        metric,
        layers=len(stack.layers),
        passthrough=stack.passthrough,
        seed=seed,
        refits=checked_refits(plan.get("refit") or 0),
        lean=bool(plan.get("lean", False)),
    )
