"""Cells of a table as the person who gave it knows them: labels, dates and numbers, never codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types as pdt

from stackml.tables.encoding import MISSING, UNSEEN, labels_of
from stackml.tables.schema import WIDE, Column
from stackml.tables.table import Table

MISSING_WORD = "missing"
_NAMED = {"text": "a text", "embedding": "an embedding"}  # neither is printed: too long, or too private


@dataclass(frozen=True, eq=False)
class Words:
    """Rows as they were given, beside what is typical.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        As given.
    table : Table
        The same rows, encoded.
    typical : Table
        One row.
    """

    frame: pd.DataFrame
    table: Table
    typical: Table

    def value(self, row: int, column: Column) -> str:
        """Return a cell of the rows."""
        value = self.frame[column.name].iloc[row]
        if column.kind in WIDE:
            given = not pd.api.types.is_scalar(value) or not pd.isna(value)
            return _NAMED[column.kind] if given else MISSING_WORD
        if pd.isna(value):
            return MISSING_WORD
        return labels_of([value])[0] if column.kind == "category" else shown(value)

    def unseen(self, row: int, column: Column) -> bool:
        """Return whether the cell holds a category that no training row had."""
        return column.kind == "category" and self.table.codes[row, self._code(column)] == UNSEEN

    def usual(self, column: Column) -> str:
        """Return the typical value of a column."""
        if column.kind == "category":
            code = int(self.typical.codes[0, self._code(column)])
            return MISSING_WORD if code <= MISSING else column.vocabulary[code]
        at = self.typical.schema.number_slots.index(column.slots[0])
        if column.kind in WIDE:
            return MISSING_WORD if np.isnan(self.typical.numbers[0, at]) else "average"
        parts = self.typical.numbers[0, at : at + column.parts].astype(np.float64)
        value = float(parts.sum() + column.offset)
        if column.parts == 1 and not column.offset:
            value = float(np.format_float_positional(np.float32(value)))  # 0.1, not 0.10000000149
        if np.isnan(value):
            return MISSING_WORD
        return shown(_as_given(value, column, self.frame[column.name].dtype))

    def _code(self, column: Column) -> int:
        return [c.name for c in self.table.schema.categories].index(column.name)


def _as_given(value: float, column: Column, dtype: Any) -> Any:
    if column.kind == "datetime":
        stamp = pd.Timestamp(round(value), unit="s")
        return stamp.tz_localize("UTC").tz_convert(dtype.tz) if hasattr(dtype, "tz") else stamp
    if pdt.is_timedelta64_dtype(dtype):
        return pd.Timedelta(value, unit="s")
    return bool(round(value)) if pdt.is_bool_dtype(dtype) else value


def shown(value: Any) -> str:
    """Return a value as text: whole numbers whole, others to four significant digits or two decimals."""
    if isinstance(value, bool | np.bool_ | str):
        return str(value)
    if isinstance(value, pd.Timestamp):
        whole_day = value == value.normalize()
        return value.date().isoformat() if whole_day else value.isoformat(sep=" ", timespec="seconds")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.2f}" if 100 <= abs(number) < 1e15 else f"{number:.4g}"
