"""Rows of a dense view for training: what the folds share, and rows that are made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stackml.features.dense import DenseChoice, DenseView, PlainDense, in_unit, learn_plain
from stackml.features.levels import level_counts
from stackml.features.scaling import Floats32
from stackml.features.target_encoding import fit_target_encoder
from stackml.tables.table import Table
from stackml.tables.target import Target

Rows = npt.NDArray[np.int64]

# Bytes of a matrix that is kept whole; rows of a larger one are made when they are asked for.
_KEPT = 64 << 20


@dataclass(frozen=True, eq=False)
class PreparedDense:
    """What the folds share.

    Attributes
    ----------
    table : Table
    plain : PlainDense
    matrix : float32 ndarray of shape (n_rows, n_columns)
        Every row, as `PlainDense.transform` makes it or, where that takes much memory, as
        `PlainDense.narrow` does.
    is_narrow : bool
    """

    table: Table
    plain: PlainDense
    matrix: Floats32
    is_narrow: bool

    def of(self, rows: Rows) -> Floats32:
        """Return some rows through `plain`."""
        found = self.matrix[rows]
        return self.plain.widened(found, self.table.codes[rows]) if self.is_narrow else found

    def fit(self, target: Target, rows: Rows, seed: int) -> tuple[DenseView, DenseMatrix]:
        """Add target codes learned from `rows`.

        Returns
        -------
        view : DenseView
        matrix : float32 ndarray of shape (n_train, n_dense), or DenseRows
            The training rows; their target codes come from inner folds without them.
        """
        columns = self.plain.frequencies.columns
        n_levels = level_counts(self.table.schema)
        encoder, encoded = fit_target_encoder(self.table.codes, columns, n_levels, target, rows, seed)
        deviation = encoded.std(axis=0, dtype=np.float64)
        unit = np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)
        found = DenseRows(self, rows, in_unit(encoded, unit))
        view = DenseView(self.plain, encoder, unit)
        return view, found if self.is_narrow else found[:]

    def matrix_of(self, view: DenseView, rows: Rows) -> Floats32:
        """Return the matrix of some rows, as rows to be scored by a view."""
        encoded = view.encoder.encode(self.table.codes[rows])
        return DenseRows(self, rows, in_unit(encoded, view.unit))[:]


@dataclass(frozen=True, eq=False)
class DenseRows:
    """A matrix whose rows are made when they are asked for, by positions or a slice.

    Attributes
    ----------
    prepared : PreparedDense
    rows : int64 ndarray of shape (n_rows,)
        Of the table.
    codes : float32 ndarray of shape (n_rows, n_encoded)
        Target codes of those rows, which become the last columns.
    """

    prepared: PreparedDense
    rows: Rows
    codes: Floats32

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __getitem__(self, at: slice | Rows) -> Floats32:
        """Return some rows, float32 of shape (n_some, n_dense), the caller's own."""
        plain = self.prepared.of(self.rows[at])
        return np.concatenate([plain, self.codes[at]], axis=1) if self.codes.shape[1] else plain

    def some(self, at: Rows) -> DenseRows:
        """Return the rows at some positions, not made yet."""
        return DenseRows(self.prepared, self.rows[at], self.codes[at])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), self[:1].shape[1]

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))


DenseMatrix: TypeAlias = Floats32 | DenseRows


def prepare_dense(table: Table, rows: Rows | None, choice: DenseChoice) -> PreparedDense:
    """Learn scales, gaps and frequencies without the target, and put rows through them.

    Parameters
    ----------
    table : Table
    rows : int64 ndarray, optional
        Rows to learn from; all by default.
    choice : DenseChoice
    """
    plain = learn_plain(table if rows is None else table.take(rows), choice)
    width = plain.transform(table.take(np.arange(1))).shape[1]
    is_narrow = 4 * width * table.n_rows > _KEPT
    return PreparedDense(
        table, plain, plain.narrow(table) if is_narrow else plain.transform(table), is_narrow
    )
