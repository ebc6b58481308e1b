"""Where an encoder finds the values of a frame: column by column, or, of a few rows, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.tables.encoding import FLOAT32_MAX, code_of, codes_of, datetimes_of, slot_values, unhashable
from stackml.tables.precision import Rounding, split_parts
from stackml.tables.schema import Column

_FEW_ROWS = 8
_PLAIN = (float, int, bool)  # by identity: what a block of numbers gives, and no text that says a number


class Columns:
    """A frame whose columns are read whole.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        With string column names.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def series(self, column: Column) -> pd.Series:
        """Return a column as it came."""
        return self._frame[column.name]

    def codes(self, column: Column) -> npt.NDArray[np.int32]:
        """Return a category as codes: -1 missing, -2 a value the vocabulary lacks."""
        return codes_of(self.series(column), column.positions)

    def slots(self, column: Column) -> list[npt.NDArray[np.float32]]:
        """Return the float32 slots of a number or datetime, in the order of `Column.slots`."""
        series = self.series(column)
        return slot_values(datetimes_of(series) if column.kind == "datetime" else series, column)


class Cells(Columns):
    """A frame of a few rows, its plain values taken out all at once.

    What pandas does to hand out one column takes longer than reading a few values. What is anything but a
    number within float32, or a category in a plain column, is left to the column, which knows how to read or
    refuse it.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
    read : sequence of Column
        Those that will be asked for.
    """

    def __init__(self, frame: pd.DataFrame, read: Sequence[Column]) -> None:
        super().__init__(frame)
        dtypes = dict(zip(frame.columns.tolist(), frame.dtypes.tolist(), strict=True))
        names = [c.name for c in read if c.kind in ("number", "category") and _is_simple(dtypes[c.name])]
        chosen = frame if len(names) == frame.shape[1] else frame[names]
        rows = chosen.to_numpy(dtype=object).T.tolist()
        self._cells: dict[str, list[Any]] = dict(zip(chosen.columns.tolist(), rows, strict=True))

    def codes(self, column: Column) -> npt.NDArray[np.int32]:
        """Return a category as codes: -1 missing, -2 a value the vocabulary lacks."""
        cells = self._cells.get(column.name)
        if cells is None:
            return super().codes(column)
        if any(value.__hash__ is None for value in cells):
            raise unhashable(self.series(column))
        return np.array([code_of(value, column.positions) for value in cells], np.int32)

    def slots(self, column: Column) -> list[npt.NDArray[np.float32]]:
        """Return the float32 slots of a number or datetime, in the order of `Column.slots`."""
        cells = self._cells.get(column.name)
        if cells is None or not all(map(_is_plain, cells)):
            return super().slots(column)
        return split_parts(np.array(cells, np.float64), Rounding(column.offset, column.parts))


def columns_of(frame: pd.DataFrame, read: Sequence[Column]) -> Columns:
    """Return how to read some columns of the frame."""
    return Cells(frame, read) if len(frame) <= _FEW_ROWS else Columns(frame)


def _is_simple(dtype: Any) -> bool:
    """Return whether values come out of a column as they went in, and at little cost."""
    return dtype.kind in "biufO" if isinstance(dtype, np.dtype) else isinstance(dtype, pd.StringDtype)


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN and not (value < -FLOAT32_MAX or value > FLOAT32_MAX)  # NaN is plain
