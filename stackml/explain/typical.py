"""The typical row of a table: what the others are compared with when a prediction is explained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stackml.tables.encoding import MISSING
from stackml.tables.schema import WIDE, Column
from stackml.tables.table import Table


def typical_row(table: Table) -> Table:
    """Return one row of what is usual in each column by itself.

    A number or date is the lower median of the values that are there, so it is a value that
    occurs, and its slots (parts, calendar) are those of that value; a column that is missing in
    more than half of the rows is typically missing. A category is its most common value, missing
    counted as one. A text or an embedding is the mean of the coordinates that are there, with no term of its
    own. No target is looked at, and weights do not count.

    Parameters
    ----------
    table : Table of shape (n_rows, n_features)
        At least one row.

    Returns
    -------
    Table of one row
        Of the same schema. It is put together from different rows, so it is none of them.
    """
    numbers = np.empty((1, table.numbers.shape[1]), dtype=np.float32)
    at = 0
    for column in table.schema.read:
        width = len(column.slots)
        if width:
            numbers[0, at : at + width] = _middle(table.numbers[:, at : at + width], column)
            at += width
    codes = np.array([[_most_common(values) for values in table.codes.T]], dtype=np.int32)
    return Table(table.schema, numbers, codes.reshape(1, table.codes.shape[1]))


def _middle(slots: npt.NDArray[np.float32], column: Column) -> npt.NDArray[np.float32]:
    if column.kind in WIDE:
        return _mean(slots)
    values = slots[:, : column.parts].astype(np.float64).sum(axis=1)
    present = np.flatnonzero(~np.isnan(values))
    if 2 * present.size < values.size:
        return np.full(slots.shape[1], np.nan, dtype=np.float32)
    middle = (present.size - 1) // 2
    row = present[np.argpartition(values[present], middle)[middle]]
    found: npt.NDArray[np.float32] = slots[row]
    return found


def _mean(slots: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    present = slots[~np.isnan(slots[:, 0])]
    if 2 * len(present) < len(slots):
        return np.full(slots.shape[1], np.nan, dtype=np.float32)
    found: npt.NDArray[np.float32] = present.mean(axis=0, dtype=np.float64).astype(np.float32)
    return found


def _most_common(codes: npt.NDArray[np.int32]) -> int:
    seen = codes[codes >= MISSING]
    return int(np.bincount(seen - MISSING).argmax()) + MISSING if seen.size else MISSING
