"""Rows that might have been: values of real rows, mixed column by column.

A stack can be asked about any row, so a student need not make do with those that were recorded.
Mixing columns of two rows is the spirit of MUNGE (Bucila, Caruana and Niculescu-Mizil 2006,
https://doi.org/10.1145/1150402.1150464), which mixes near rows; here any two are mixed, which needs
no distance between rows of numbers and categories.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stackml.tables.table import Table
from stackml.tables.text import Sparse

Rows = npt.NDArray[np.int64]

MIXED = 0.5


def invented_rows(table: Table, n_rows: int, chance: np.random.Generator, mixed: float = MIXED) -> Table:
    """Return rows of which each column comes from one of two real rows drawn at random.

    Parameters
    ----------
    table : Table
        At least one row.
    n_rows : int
        Rows to invent.
    chance : Generator
    mixed : float
        How likely a column is taken from the second row.

    Returns
    -------
    Table of n_rows rows
        Of the same schema. The slots of a column (parts of a date, say) stay together.
    """
    first, second = chance.integers(table.n_rows, size=(2, n_rows))
    numbers, codes = table.numbers[first], table.codes[first]
    terms: list[Sparse] = []
    slot = code = 0
    for column in table.schema.read:
        at = np.flatnonzero(chance.random(n_rows) < mixed)
        if column.kind == "category":
            codes[at, code] = table.codes[second[at], code]
            code += 1
            continue
        if column.kind == "text":
            terms.append(_mixed(table.terms[len(terms)], first, second, at))
        for place in range(slot, slot + len(column.slots)):
            numbers[at, place] = table.numbers[second[at], place]
        slot += len(column.slots)
    return Table(table.schema, numbers, codes, tuple(terms))


def _mixed(terms: Sparse, first: Rows, second: Rows, at: Rows) -> Sparse:
    rows = first.copy()
    rows[at] = second[at]
    return terms[rows]
