"""Where an encoder finds the values of a frame: column by column, or, of a few rows, cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.tables.encoding import FLOAT32_MAX, code_of, codes_of, datetimes_of, slot_values, unhashable
from stackml.tables.precision import Rounding, split_parts
from stackml.tables.schema import Column

FEW_ROWS = 8
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
    """A frame of a few rows, its values taken out all at once.

    What pandas does to hand out one column takes longer than reading a few values. A number that is
    anything but a plain one within float32 is left to the column, which knows how to read or refuse it.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__(frame)
        rows = frame.to_numpy(dtype=object).T.tolist()
        self._cells: dict[str, list[Any]] = dict(zip(frame.columns.tolist(), rows, strict=True))

    def codes(self, column: Column) -> npt.NDArray[np.int32]:
        """Return a category as codes: -1 missing, -2 a value the vocabulary lacks."""
        cells = self._cells[column.name]
        if any(value.__hash__ is None for value in cells):
            raise unhashable(self.series(column))
        return np.array([code_of(value, column.positions) for value in cells], np.int32)

    def slots(self, column: Column) -> list[npt.NDArray[np.float32]]:
        """Return the float32 slots of a number or datetime, in the order of `Column.slots`."""
        cells = self._cells[column.name]
        if column.kind != "number" or not all(map(_is_plain, cells)):
            return super().slots(column)
        return split_parts(np.array(cells, np.float64), Rounding(column.offset, column.parts))


def columns_of(frame: pd.DataFrame) -> Columns:
    """Return how to read the frame."""
    return Cells(frame) if len(frame) <= FEW_ROWS else Columns(frame)


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN and not (value < -FLOAT32_MAX or value > FLOAT32_MAX)  # NaN is plain
