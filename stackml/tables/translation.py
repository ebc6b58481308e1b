"""The rows of one schema as another one reads them, column by column and by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.foundation.errors import SchemaError, near_miss
from stackml.tables.encoding import MISSING, UNSEEN, calendar_part, codes_of
from stackml.tables.precision import Rounding, split_parts
from stackml.tables.schema import Column, Schema
from stackml.tables.table import Table


def translated(table: Table, schema: Schema, names: Mapping[str, str], *, may_lack: bool = False) -> Table:
    """Return the rows of a table as another schema reads them.

    Numbers and dates are put together again and divided anew; categories go by their values, so codes
    may differ, and a value that the other schema does not know is unseen. Whole numbers and
    categories that say them ("3") stand for each other. Texts and embeddings have been encoded as the
    table's own schema says, and cannot be read in another way.

    Parameters
    ----------
    table : Table
    schema : Schema
        Of what will read the rows.
    names : mapping of str to str
        What a column of `schema` is called in the table, where that is not its own name.
    may_lack : bool
        Whether a column that the table lacks is missing in every row.

    Raises
    ------
    SchemaError
        If the table lacks columns, one holds another kind of thing, or a text or an embedding is read
        and may not be missing; the message names them.
    """
    check_names(schema, names)
    encoded = [column.name for column in schema.read if column.encoder is not None]
    if encoded and not may_lack:
        raise SchemaError(_unreadable(encoded))
    ours = _Ours(table)
    lacking = [c.name for c in schema.read if names.get(c.name, c.name) not in ours.columns]
    if lacking and not may_lack:
        raise SchemaError(_lacks(lacking, names, table.schema))
    numbers = np.full((table.n_rows, len(schema.number_slots)), np.nan, np.float32)
    codes = np.full((table.n_rows, len(schema.categories)), MISSING, np.int32)
    slot = code = 0
    for column in schema.read:
        name = names.get(column.name, column.name)
        there = name in ours.columns
        if column.kind == "category":
            if there:
                codes[:, code] = ours.codes(name, column)
            code += 1
            continue
        if there and column.encoder is None:
            values = ours.numbers(name, column)
            parts = split_parts(values, Rounding(column.offset, column.parts))
            parts += [calendar_part(values, part) for part in column.calendar]
            numbers[:, slot : slot + len(parts)] = np.column_stack(parts)
        slot += len(column.slots)
    return Table(schema, numbers, codes)


def check_names(schema: Schema, names: Mapping[str, str]) -> None:
    """Raise `SchemaError` where a column that is said to have another name is not read at all."""
    read = [column.name for column in schema.read]
    for name in names:
        if name not in read:
            raise SchemaError(f"mapping: the model reads no column '{name}'{near_miss(name, read)}")


class _Ours:
    """The columns of a table by name."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.columns: dict[str, tuple[Column, int]] = {}
        slot = code = 0
        for column in table.schema.read:
            if column.kind == "category":
                self.columns[column.name] = column, code
                code += 1
            else:
                if column.encoder is None:
                    self.columns[column.name] = column, slot
                slot += len(column.slots)

    def numbers(self, name: str, wanted: Column) -> npt.NDArray[np.float64]:
        """Return float64 values, NaN where missing."""
        column, at = self.columns[name]
        if column.kind == "category" and wanted.kind == "number":
            return self._numbers_of_words(column, at)
        if column.kind != wanted.kind:
            raise SchemaError(_other_kind(name, column, wanted))
        return self._joined(column, at)

    def codes(self, name: str, wanted: Column) -> npt.NDArray[np.int32]:
        """Return codes into the vocabulary wanted."""
        column, at = self.columns[name]
        known = {word: place for place, word in enumerate(wanted.vocabulary)}
        if column.kind == "category":
            words = [known.get(word, UNSEEN) for word in column.vocabulary]
            lookup = np.array([*words, UNSEEN, MISSING], np.int32)  # -2 and -1 read the last two
            return lookup[self._table.codes[:, at]]
        if column.kind != "number":
            raise SchemaError(_other_kind(name, column, wanted))
        return codes_of(pd.Series(self._joined(column, at)), known)

    def _joined(self, column: Column, at: int) -> npt.NDArray[np.float64]:
        parts = self._table.numbers[:, at : at + column.parts].astype(np.float64)
        return np.asarray(parts.sum(axis=1) + column.offset)

    def _numbers_of_words(self, column: Column, at: int) -> npt.NDArray[np.float64]:
        words = pd.to_numeric(pd.Series(list(column.vocabulary), dtype=object), errors="coerce").to_numpy(
            float
        )
        if np.isnan(words).any() or not len(words):
            raise SchemaError(
                f"column '{column.name}' holds words, and the model reads it as a number; "
                "map another column to it"
            )
        return np.append(words, [np.nan, np.nan])[self._table.codes[:, at]]


def _unreadable(encoded: Sequence[str]) -> str:
    listed = ", ".join(f"'{name}'" for name in encoded[:10])
    return (
        f"the model reads text or embedding column(s) {listed}, which a new stack encodes in its own way; "
        "take them for missing with absent='missing', or fit the model's learners anew"
    )


def _lacks(lacking: Sequence[str], names: Mapping[str, str], schema: Schema) -> str:
    listed = []
    for name in lacking[:10]:
        ours = names.get(name, name)
        column = schema.by_name.get(ours)
        if column is None:
            why = near_miss(ours, [c.name for c in schema.read])
        else:
            why = f" (it is there, but {column.unused or f'has the role {column.role}'})"
        listed.append(f"'{name}'{why}")
    return (
        f"the table lacks {len(lacking)} column(s) that the model reads: {', '.join(listed)}; "
        "say what they are called with mapping={'theirs': 'ours'}, or take them for missing with "
        "absent='missing'"
    )


def _other_kind(name: str, found: Column, wanted: Column) -> str:
    return f"column '{name}' is a {found.kind}, and the model reads a {wanted.kind}; map another column to it"
