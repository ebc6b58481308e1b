"""The table as one float32 matrix, the form gradient boosters read natively."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import SchemaError
from stackml.tables.schema import Schema
from stackml.tables.table import Table

NUMBER = "q"
CATEGORY = "c"


def native_types(schema: Schema) -> tuple[str, ...]:
    """Return ``"q"`` (quantity) or ``"c"`` (category) for each column of `native_matrix`.

    Ordered categories are quantities: their codes follow the order.
    """
    codes = (NUMBER if column.ordered else CATEGORY for column in schema.categories)
    return (NUMBER,) * len(schema.number_slots) + tuple(codes)


def native_matrix(table: Table) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Return numbers and codes side by side, and what each column is.

    Parameters
    ----------
    table : Table

    Returns
    -------
    matrix : float32 ndarray of shape (n_rows, n_features), C order
        NaN where a number is missing, and where a category is missing or unseen. It is the
        table's own block where there are no categories: never write into it.
    types : tuple of str
        ``"q"`` or ``"c"`` for each column.

    Raises
    ------
    SchemaError
        If the table has neither numbers nor categories.
    """
    if table.n_features == 0:
        raise SchemaError(
            "boosters read numbers and categories, and the table has neither; "
            "add such a column, or a step that makes numbers of the text columns"
        )
    types = native_types(table.schema)
    if table.codes.shape[1] == 0:
        return np.ascontiguousarray(table.numbers, dtype=np.float32), types
    n_slots = table.numbers.shape[1]
    matrix = np.empty((table.n_rows, table.n_features), dtype=np.float32)
    matrix[:, :n_slots] = table.numbers
    matrix[:, n_slots:] = table.codes
    codes = matrix[:, n_slots:]
    codes[codes < 0] = np.nan
    return matrix, types
