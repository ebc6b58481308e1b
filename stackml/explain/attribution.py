"""Shapley values of the columns of a table, by walks from a background row to the row explained.

A walk starts at a background row and takes over the columns of the explained row one after
another; what the prediction moves by at a step is credited to that step's column. The mean over
all orders is the Shapley value; it is estimated from some orders, each with its reverse (Štrumbelj
& Kononenko 2014, Knowledge and Information Systems 41, 647-665; Lundberg & Lee 2017, NeurIPS 30).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from math import factorial
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from stackml.foundation.errors import ParameterError
from stackml.foundation.randomness import stream
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.text import Sparse

Floats = npt.NDArray[np.float64]
Predict = Callable[[Table], Floats]

BATCH_ROWS: Final = 50_000
CELLS: Final = 8_000_000  # of a batch; wide tables are predicted fewer rows at a time


@dataclass(frozen=True, eq=False)
class Attribution:
    """What each column adds to the prediction of each row.

    Attributes
    ----------
    contributions : float64 ndarray of shape (n_rows, n_columns)
        In the order of ``schema.read``, in the unit of the prediction. A row's sum is its
        prediction minus its baseline.
    baseline : float64 ndarray of shape (n_rows,)
        Mean prediction of the background rows, for the output explained.
    prediction : float64 ndarray of shape (n_rows,)
    outputs : int64 ndarray of shape (n_rows,)
        The column of the prediction that is explained: the row's largest.
    """

    contributions: Floats
    baseline: Floats
    prediction: Floats
    outputs: npt.NDArray[np.int64]


def attribute(
    predict: Predict,
    rows: Table,
    background: Table,
    *,
    n_permutations: int = 8,
    seed: int = 0,
    batch_rows: int = BATCH_ROWS,
) -> Attribution:
    """Divide the difference between each row's prediction and the background's among the columns.

    The columns are those the schema reads; all slots of a column (its parts, its calendar) move
    together. A column that is as in the background row, or that `predict` ignores, gets 0. The
    values are exact Shapley values where all orders fit into `n_permutations` (three columns: 6),
    and where `predict` is a sum of terms of at most two columns each and `n_permutations` is
    even. Orders are shared by all rows, so a row's values do not depend on the other rows given.

    Cost: at most ``n_rows x n_background x (n_columns - 1) x n_permutations`` predicted rows,
    fewer where rows and background agree in some columns; at most `batch_rows` of them, less for
    wide tables, are in memory at once.

    Parameters
    ----------
    predict : callable
        Takes a Table, returns float64 of shape (n_rows, n_outputs); each row by itself.
    rows : Table
        To explain.
    background : Table
        Rows of the same schema to compare with, one or more; contributions are averaged over them.
    n_permutations : int
        Orders walked, 1 or more; every second one is the reverse of the one before.
    seed : int
    batch_rows : int
        1 or more; changes no result.

    Raises
    ------
    ParameterError
        If `n_permutations` is below 1.
    """
    columns = _Columns.of(rows.schema)
    orders = walk_orders(columns.number, n_permutations, seed)
    held = max(1, min(batch_rows, CELLS // max(1, rows.n_features)))
    everywhere = _in_batches(predict, rows, held)
    outputs = everywhere.argmax(axis=1)
    prediction = everywhere[np.arange(rows.n_rows), outputs]
    starts = _in_batches(predict, background, held).T[outputs]
    walker = _Walker(predict, rows, background, columns, outputs, starts, prediction)
    total = np.zeros((rows.n_rows, columns.number))
    shape = (rows.n_rows, background.n_rows, len(orders))
    for walks in _blocks(int(np.prod(shape)), max(1, held // max(1, columns.number - 1))):
        row, base, order = np.unravel_index(walks, shape)
        np.add.at(total, row, walker.gains(row, base, orders[order]))
    contributions = total / (background.n_rows * len(orders))
    return Attribution(contributions, starts.mean(axis=1), prediction, outputs.astype(np.int64))


def walk_orders(n_columns: int, n_permutations: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the orders in which columns are taken over, int64 of shape (n_orders, n_columns).

    All orders where there are no more than `n_permutations`, else random ones, each followed by its
    reverse. Asking for more keeps those that fewer would give.

    Raises
    ------
    ParameterError
        If `n_permutations` is below 1.
    """
    if isinstance(n_permutations, bool) or not isinstance(n_permutations, int | np.integer):
        raise ParameterError(f"n_permutations={n_permutations!r}: give a whole number, 1 or more")
    if n_permutations < 1:
        raise ParameterError(f"n_permutations={n_permutations}: give 1 or more; 8 is usual")
    if n_columns < 8 and factorial(n_columns) <= n_permutations:
        return np.array(list(permutations(range(n_columns))), dtype=np.int64)
    orders = []
    for pair in range((n_permutations + 1) // 2):
        order = stream(seed, "explain", "order", pair).permutation(n_columns)
        orders += [order, order[::-1]]
    return np.array(orders[:n_permutations], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Which column each slot, each code and each text's terms belong to."""

    number: int
    of_slot: npt.NDArray[np.int64]
    of_code: npt.NDArray[np.int64]
    of_text: tuple[int, ...]

    @staticmethod
    def of(schema: Schema) -> _Columns:
        read = schema.read
        slots = [at for at, column in enumerate(read) for _ in column.slots]
        codes = [at for at, column in enumerate(read) if column.kind == "category"]
        texts = tuple(at for at, column in enumerate(read) if column.kind == "text")
        return _Columns(len(read), np.array(slots, dtype=np.int64), np.array(codes, dtype=np.int64), texts)

    def differing(self, one: Table, other: Table) -> npt.NDArray[np.bool_]:
        """Return where two tables of as many rows differ, bool of shape (n_rows, n_columns)."""
        a, b = one.numbers, other.numbers
        slots = (a != b) & ~(np.isnan(a) & np.isnan(b))
        found = np.zeros((one.n_rows, self.number), dtype=bool)
        for at, column in enumerate(self.of_slot):
            found[:, column] |= slots[:, at]
        found[:, self.of_code] = one.codes != other.codes
        return found


@dataclass(frozen=True, eq=False)
class _Walker:
    predict: Predict
    rows: Table
    background: Table
    columns: _Columns
    outputs: npt.NDArray[np.intp]
    starts: Floats
    ends: Floats

    def gains(
        self, row: npt.NDArray[np.intp], base: npt.NDArray[np.intp], order: npt.NDArray[np.int64]
    ) -> Floats:
        """Return what each column gains on each walk, float64 of shape (n_walks, n_columns)."""
        differing = self.columns.differing(self.rows.take(row), self.background.take(base))
        moves = np.take_along_axis(differing, order, axis=1)
        moved = moves.cumsum(axis=1)
        arrived = moved == moved[:, -1:]
        asked = moves & ~arrived  # only here is the prediction neither the last one nor the row's own
        between = np.zeros(order.shape)
        between[asked] = self._between(row, base, np.argsort(order, axis=1), asked)
        gains = np.empty(order.shape)
        # Both ends are predicted once, so that a walk sums to their difference to the last bit or so,
        # whatever the batch a learner sees does to its rounding.
        before, end = self.starts[row, base], self.ends[row]
        for step in range(order.shape[1]):
            now = np.where(asked[:, step], between[:, step], np.where(arrived[:, step], end, before))
            gains[:, step] = now - before
            before = now
        by_column = np.empty_like(gains)
        np.put_along_axis(by_column, order, gains, axis=1)
        return by_column

    def _between(
        self,
        row: npt.NDArray[np.intp],
        base: npt.NDArray[np.intp],
        step_of: npt.NDArray[np.intp],
        asked: npt.NDArray[np.bool_],
    ) -> Floats:
        walk, step = np.nonzero(asked)
        if not walk.size:
            return np.empty(0)
        own, other = row[walk], base[walk]
        taken = step_of[walk] <= step[:, None]
        numbers = np.where(
            taken[:, self.columns.of_slot], self.rows.numbers[own], self.background.numbers[other]
        )
        codes = np.where(taken[:, self.columns.of_code], self.rows.codes[own], self.background.codes[other])
        terms = self._terms(own, other, taken)
        found = self.predict(Table(self.rows.schema, numbers, codes, terms))
        values: Floats = found[np.arange(walk.size), self.outputs[own]]
        return values

    def _terms(
        self, own: npt.NDArray[np.intp], other: npt.NDArray[np.intp], taken: npt.NDArray[np.bool_]
    ) -> tuple[Sparse, ...]:
        found = []
        for column, of_rows, usual in zip(
            self.columns.of_text, self.rows.terms, self.background.terms, strict=True
        ):
            both = sp.vstack([of_rows, usual], format="csr")
            found.append(both[np.where(taken[:, column], own, of_rows.shape[0] + other)])
        return tuple(found)


def _in_batches(predict: Predict, table: Table, batch_rows: int) -> Floats:
    return np.concatenate([predict(table.take(block)) for block in _blocks(table.n_rows, batch_rows)])


def _blocks(number: int, size: int) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, number, size):
        yield np.arange(start, min(number, start + size))
