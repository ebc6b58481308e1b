"""The view for estimators from outside: raw numbers, one-hot columns, ranks and frequencies, no target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.frequency import Frequencies, learn_frequencies
from stackml.features.levels import (
    check_columns,
    check_levels,
    indicators,
    level_counts,
    one_hot_pairs,
    ranks,
)
from stackml.features.scaling import Floats32
from stackml.storage.fields import finite_array, positions
from stackml.storage.state import State
from stackml.tables.table import Table


@dataclass(frozen=True, eq=False)
class PlainView:
    """A matrix of the features in their own units.

    Attributes
    ----------
    one_hot : tuple of (column, n_levels)
        Code columns with one output a level, and one for missing.
    ranked : tuple of int
        Code columns read as numbers.
    frequencies : Frequencies
        Of unordered code columns with many levels.
    fill : float32 ndarray of shape (n_plain,)
        Median of each column, which fills gaps where they are to be filled.
    """

    one_hot: tuple[tuple[int, int], ...]
    ranked: tuple[int, ...]
    frequencies: Frequencies
    fill: Floats32

    def transform(self, table: Table, *, fill_gaps: bool) -> Floats32:
        """Return float32 of shape (n_rows, n_plain), C order.

        Parameters
        ----------
        table : Table
        fill_gaps : bool
            Replace missing values by medians; otherwise they stay NaN.
        """
        check_levels((*self.one_hot, *self.frequencies.levels), table.schema)
        check_columns(self.ranked, table.codes.shape[1])
        matrix = _raw(table, self.one_hot, self.ranked, self.frequencies)
        return np.where(np.isnan(matrix), self.fill, matrix) if fill_gaps else matrix

    def to_state(self) -> State:
        """Return all parts as plain data."""
        return {
            "one_hot": [list(pair) for pair in self.one_hot],
            "ranked": list(self.ranked),
            "frequencies": self.frequencies.to_state(),
            "fill": self.fill,
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> PlainView:
        """Rebuild the view."""
        return PlainView(
            one_hot_pairs(state["one_hot"]),
            positions(state["ranked"], "plain view: ranked"),
            Frequencies.from_state(state["frequencies"]),
            finite_array(state["fill"], "plain view: fill", (None,), infinite=True),
        )


def learn_plain(table: Table, rows: npt.NDArray[np.int64] | None, one_hot_levels: int = 16) -> PlainView:
    """Choose what becomes of each category and learn medians and frequencies, without the target.

    Parameters
    ----------
    table : Table
    rows : int64 ndarray, optional
        Rows to learn from; all by default.
    one_hot_levels : int
        Unordered categories with more levels become a frequency.
    """
    seen = table if rows is None else table.take(rows)
    n_levels = level_counts(table.schema)
    ordered = tuple(i for i, column in enumerate(table.schema.categories) if column.ordered)
    others = [i for i in range(len(n_levels)) if i not in ordered]
    one_hot = tuple((i, n_levels[i]) for i in others if n_levels[i] <= one_hot_levels)
    many = [i for i in others if n_levels[i] > one_hot_levels]
    frequencies = learn_frequencies(seen.codes, many, n_levels, None)
    matrix = _raw(seen, one_hot, ordered, frequencies)
    present = ~np.isnan(matrix)
    fill = [np.median(matrix[at, j]) if (at := present[:, j]).any() else 0.0 for j in range(matrix.shape[1])]
    return PlainView(one_hot, ordered, frequencies, np.array(fill, np.float32))


def _raw(
    table: Table, one_hot: tuple[tuple[int, int], ...], ranked: tuple[int, ...], frequencies: Frequencies
) -> Floats32:
    numbers, codes = table.numbers, table.codes
    ordered = ranks(codes[:, list(ranked)])
    return np.concatenate([numbers, indicators(codes, one_hot), ordered, frequencies.encode(codes)], axis=1)
