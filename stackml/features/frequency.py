"""How common a category is, as the logarithm of its share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.levels import Codes, level_of, pack, table_length, unpack
from stackml.storage.fields import positions, refuse
from stackml.storage.state import State


def log_shares(codes: Codes, n_levels: int) -> npt.NDArray[np.float32]:
    """Return ``log((count + 1) / (n_rows + 1))`` of each level.

    Parameters
    ----------
    codes : int32 ndarray of shape (n_rows,)
        -1 is missing, -2 unseen.
    n_levels : int

    Returns
    -------
    float32 ndarray of shape (n_levels + 2,)
        Indexed by `level_of`; an unseen level has a count of 0.
    """
    counts = np.bincount(level_of(codes, n_levels), minlength=table_length(n_levels)).astype(np.float64)
    counts[-1] = 0.0
    return np.log((counts + 1.0) / (len(codes) + 1.0)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Frequencies:
    """Log-shares of several columns.

    Attributes
    ----------
    columns : tuple of int
        Columns of the code block.
    tables : list of float32 ndarray of shape (n_levels + 2, 1)
    """

    columns: tuple[int, ...]
    tables: list[npt.NDArray[np.float32]]

    def encode(self, codes: Codes) -> npt.NDArray[np.float32]:
        """Return float32 of shape (n_rows, n_columns)."""
        parts = [
            table[level_of(codes[:, column], len(table) - 2)]
            for column, table in zip(self.columns, self.tables, strict=True)
        ]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(codes), 0), np.float32)

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Each column with its number of levels."""
        return tuple((c, len(t) - 2) for c, t in zip(self.columns, self.tables, strict=True))

    def to_state(self) -> State:
        """Return columns and tables."""
        return {"columns": list(self.columns), "tables": pack(self.tables, 1)}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Frequencies:
        """Rebuild the frequencies."""
        columns, tables = positions(state["columns"], "frequencies: columns"), unpack(state["tables"])
        if len(columns) != len(tables) or any(table.shape[1] != 1 for table in tables):
            refuse("frequencies", "do not have one table a column")
        return Frequencies(columns, tables)


def learn_frequencies(
    codes: Codes, columns: Sequence[int], n_levels: Sequence[int], rows: npt.NDArray[Any] | None
) -> Frequencies:
    """Learn the log-shares of some columns from the given rows (all by default)."""
    seen = codes if rows is None else codes[rows]
    tables = [log_shares(seen[:, c], n_levels[c])[:, None] for c in columns]
    return Frequencies(tuple(columns), tables)
