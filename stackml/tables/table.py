"""The table learners read: a float32 block, an int32 code block, and the schema of both."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from stackml.foundation.digest import digest
from stackml.foundation.errors import SchemaError, StackmlWarning, near_miss
from stackml.tables.cells import columns_of
from stackml.tables.embedding import vectors_of
from stackml.tables.inference import infer_past_schema, infer_schema
from stackml.tables.reading import to_frame
from stackml.tables.schema import Column, Overrides, Schema
from stackml.tables.text import Sparse, TextEncoder, texts_of


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as learners read them.

    Attributes
    ----------
    schema : Schema
        What the columns are.
    numbers : float32 ndarray of shape (n_rows, n_slots), C order
        NaN is missing; columns are named by ``schema.number_slots``.
    codes : int32 ndarray of shape (n_rows, n_categories), C order
        Codes into each column's vocabulary; -1 is missing, -2 a value not in it.
    terms : tuple of float32 csr_matrix of shape (n_rows, n_terms)
        Weights of the terms of each text column (`Schema.texts`), which linear learners read beside
        its coordinates among the numbers. By default no text has a term.
    """

    schema: Schema
    numbers: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    terms: tuple[Sparse, ...] = ()

    def __post_init__(self) -> None:
        """Give every text column its matrix of terms."""
        if len(self.terms) != len(self.schema.texts):
            empty = (sp.csr_matrix((len(self.numbers), n), dtype=np.float32) for n in self.schema.n_terms)
            object.__setattr__(self, "terms", tuple(empty))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.numbers.shape[0])

    @property
    def n_features(self) -> int:
        """Slots and categories together."""
        return int(self.numbers.shape[1] + self.codes.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks."""
        terms = sum(m.data.nbytes + m.indices.nbytes + m.indptr.nbytes for m in self.terms)
        return self.numbers.nbytes + self.codes.nbytes + terms

    @cached_property
    def tree_numbers(self) -> npt.NDArray[np.float32]:
        """The numbers that trees read (`Schema.tree_slots`); never write into it."""
        slots = self.schema.tree_slots
        if len(slots) == self.numbers.shape[1]:
            return self.numbers
        return np.ascontiguousarray(self.numbers[:, slots])

    @cached_property
    def digest(self) -> str:
        """Content digest of schema and rows."""
        terms = [part for m in self.terms for part in (m.data, m.indices, m.indptr)]
        return digest(self.schema.digest, self.numbers, self.codes, *terms)

    def take(self, rows: npt.NDArray[Any] | slice) -> Table:
        """Return the given rows, in the given order."""
        return Table(self.schema, self.numbers[rows], self.codes[rows], tuple(m[rows] for m in self.terms))

    def joined(self, other: Table) -> Table:
        """Return these rows and, after them, those of a table of the same schema."""
        return Table(
            self.schema,
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.codes, other.codes]),
            tuple(sp.vstack(pair, format="csr") for pair in zip(self.terms, other.terms, strict=True)),
        )

    @staticmethod
    def learn(X: Any, overrides: Overrides | None = None) -> Table:
        """Infer the schema of `X` and return its table.

        Raises
        ------
        DataError
            If rows or values cannot be used.
        SchemaError
            If no column is left for learners.
        """
        frame = to_frame(X)
        schema = infer_schema(frame, overrides)
        if not schema.read:
            notes = "; ".join(schema.notes()[:5]) or "every column has another role"
            raise SchemaError(f"X has no column a learner could read: {notes}")
        return encode(frame, schema)

    @staticmethod
    def of_past(X: Any, rows: npt.NDArray[Any], overrides: Overrides, schema: Schema) -> Table:
        """Return all rows of `X`, read by the schema that some rows alone would have given.

        Raises
        ------
        SchemaError
            If those rows leave no column a learner could read.
        """
        frame = to_frame(X)
        past = infer_past_schema(frame, rows, overrides, schema)
        if not past.read:
            raise SchemaError(
                f"the first {len(rows)} rows in time leave no column a learner could read: each is constant "
                "or missing there; use fewer folds, or drop the earliest rows"
            )
        return encode(frame, past)

    @staticmethod
    def of(X: Any, schema: Schema) -> Table:
        """Return `X` as the table of a schema learned before.

        Columns are found by name, in any order; those the schema does not read may be absent.

        Raises
        ------
        SchemaError
            If a column that learners read is missing.
        DataError
            If a value cannot be read; the message names column, row and value.
        """
        frame = to_frame(X)
        check_columns(frame, schema)
        return encode(frame, schema)


def check_columns(frame: pd.DataFrame, schema: Schema) -> None:
    """Raise `SchemaError` where columns are missing; warn where columns are not known."""
    found = [str(name) for name in frame.columns]
    missing = [column.name for column in schema.read if column.name not in frame.columns]
    extra = [name for name in found if name not in schema.by_name]
    if len(found) != len(schema.columns) and _are_positions(found) and _are_positions(schema.by_name):
        raise SchemaError(
            f"X has {len(found)} features, but stackml is expecting {len(schema.columns)} features as input"
        )
    if missing:
        hints = "".join(near_miss(name, extra) for name in missing[:1])
        listed = ", ".join(f"'{name}'" for name in missing[:10])
        raise SchemaError(
            f"X lacks {len(missing)} column(s) the stack was trained on: {listed}{hints}; "
            f"found columns not known to it: {extra[:10] or 'none'}"
        )
    if extra:
        listed = ", ".join(f"'{name}'" for name in extra[:10])
        warnings.warn(
            f"X has {len(extra)} column(s) the stack was not trained on, ignored: {listed}",
            StackmlWarning,
            stacklevel=4,
        )


def _are_positions(names: Iterable[str]) -> bool:
    """Return whether the names are those an array is given: then a column is known by its place."""
    return all(name == f"x{i}" for i, name in enumerate(names))


def encode(frame: pd.DataFrame, schema: Schema) -> Table:
    """Return the float32 and code blocks of a frame that holds the columns the schema reads."""
    n_rows = len(frame)
    numbers = np.empty((n_rows, len(schema.number_slots)), dtype=np.float32)
    codes = np.empty((n_rows, len(schema.categories)), dtype=np.int32)
    slot = code = 0
    terms: list[Sparse] = []
    columns = columns_of(frame, schema.read)
    for column in schema.read:
        if column.kind == "category":
            codes[:, code] = columns.codes(column)
            code += 1
        elif column.encoder is not None:
            end = slot + column.encoder.width
            numbers[:, slot:end] = _coordinates(columns.series(column), column, terms)
            slot = end
        else:
            for values in columns.slots(column):
                numbers[:, slot] = values
                slot += 1
    return Table(schema, numbers, codes, tuple(terms))


def _coordinates(series: pd.Series, column: Column, terms: list[Sparse]) -> npt.NDArray[np.float32]:
    """Return the coordinates of a text or an embedding; the terms of a text are added to `terms`."""
    if isinstance(column.encoder, TextEncoder):
        weights, coordinates = column.encoder.weigh(texts_of(series, column.name))
        terms.append(weights)
        return coordinates
    assert column.encoder is not None  # the caller has asked
    return column.encoder.read(vectors_of(series, column.name, column.encoder.dimension))
