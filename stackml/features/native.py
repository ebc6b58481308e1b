"""The table as one float32 matrix, the form gradient boosters read natively.

A category with very many values is a trap for a booster: the statistics of rare values are
noise that a split can exploit. Such a column is read as how common its value is instead, and by
target codes where a fit learns them. It may be read as a category once more, behind the others, by
a fit that trusts rare values little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.frequency import Frequencies, learn_frequencies
from stackml.features.levels import Codes, check_levels, level_counts
from stackml.features.shared import SharedViews
from stackml.features.target_encoding import NO_CODES, TargetEncoder
from stackml.foundation.digest import digest
from stackml.foundation.errors import SchemaError
from stackml.storage.fields import positions, refuse
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table

NUMBER = "q"
CATEGORY = "c"


@dataclass(frozen=True, eq=False)
class NativeView:
    """Numbers and codes side by side; some categories as the logarithm of their share.

    Attributes
    ----------
    frequencies : Frequencies
        Columns of the code block read by their share, and the shares learned.
    as_categories : tuple of int
        Those of them that are read as categories too, behind the code block.
    encoder : TargetEncoder
        Target codes, which are the last columns of the matrix.
    """

    frequencies: Frequencies
    encoder: TargetEncoder = NO_CODES
    as_categories: tuple[int, ...] = ()

    def types(self, schema: Schema) -> tuple[str, ...]:
        """Return ``"q"`` (quantity) or ``"c"`` (category) for each column of the matrix.

        Ordered categories are quantities: their codes follow the order.
        """
        codes = (
            NUMBER if column.ordered or position in self.frequencies.columns else CATEGORY
            for position, column in enumerate(schema.categories)
        )
        added = (CATEGORY,) * len(self.as_categories) + (NUMBER,) * self.encoder.width
        return (NUMBER,) * len(schema.tree_slots) + tuple(codes) + added

    def matrix(self, table: Table) -> npt.NDArray[np.float32]:
        """Return float32 of shape (n_rows, n_features), C order.

        NaN where a number is missing, and where a category is missing or unseen. It is the
        table's own block where there are no categories: never write into it.

        Raises
        ------
        SchemaError
            If the table has neither numbers nor categories.
        """
        return self._with_codes(self._plain(table), table)

    def _with_codes(self, plain: npt.NDArray[np.float32], table: Table) -> npt.NDArray[np.float32]:
        if not self.encoder.width:
            return plain
        check_levels(self.encoder.levels, table.schema)
        return np.concatenate([plain, self.encoder.encode(table.codes)], axis=1)

    def _plain(self, table: Table) -> npt.NDArray[np.float32]:
        if table.n_features == 0:
            raise SchemaError(
                "boosters read numbers and categories, and the table has neither; add such a column"
            )
        check_levels(self.frequencies.levels, table.schema)
        if table.codes.shape[1] == 0:
            return np.ascontiguousarray(table.tree_numbers, dtype=np.float32)
        n_slots, n_codes = table.tree_numbers.shape[1], table.codes.shape[1]
        width = n_slots + n_codes + len(self.as_categories)
        matrix = np.empty((table.n_rows, width), dtype=np.float32)
        matrix[:, :n_slots] = table.tree_numbers
        matrix[:, n_slots : n_slots + n_codes] = table.codes
        matrix[:, n_slots + n_codes :] = table.codes[:, list(self.as_categories)]
        codes = matrix[:, n_slots:]
        codes[codes < 0] = np.nan
        if self.frequencies.columns:
            at = [n_slots + column for column in self.frequencies.columns]
            matrix[:, at] = self.frequencies.encode(table.codes)
        return matrix

    @cached_property
    def digest(self) -> str:
        """Content digest: views of one digest make one matrix."""
        if self.encoder.width:
            return digest(self._plain_digest, self.encoder.to_state())
        return self._plain_digest

    @cached_property
    def _plain_digest(self) -> str:
        return digest("native", self.frequencies.columns, self.as_categories, *self.frequencies.tables)

    def shared(self, views: SharedViews) -> npt.NDArray[np.float32]:
        """Return the matrix of the rows being scored; what other views make alike is made once.

        Never write into it.
        """
        plain = views.once(self._plain_digest, self._plain)
        return views.once(self.digest, lambda table: self._with_codes(plain, table))

    def to_state(self) -> State:
        """Return the shares, and what else is read where there is any."""
        state: State = {"frequencies": self.frequencies.to_state()}
        if self.as_categories:
            state["as_categories"] = list(self.as_categories)
        return {**state, "encoder": self.encoder.to_state()} if self.encoder.width else state

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> NativeView:
        """Rebuild the view.

        Raises
        ------
        StorageError
            If a column is read as a category too that is not read by its share.
        """
        stored = state.get("encoder")
        encoder = NO_CODES if stored is None else TargetEncoder.from_state(stored)
        frequencies = Frequencies.from_state(state["frequencies"])
        as_categories = positions(state.get("as_categories", ()), "boosters: as_categories")
        if not set(as_categories) <= set(frequencies.columns):
            refuse("boosters: as_categories", "names a column that is not read by its share")
        return NativeView(frequencies, encoder, as_categories)


def values_of(codes: Codes) -> npt.NDArray[np.float32]:
    """Return codes of categories as numbers, NaN where one is missing or unseen; of the same shape."""
    values = codes.astype(np.float32)
    values[codes < 0] = np.nan
    return values


def learn_native_view(
    table: Table, rows: npt.NDArray[Any] | None = None, most_levels: int | None = None
) -> NativeView:
    """Return the view of a table, learned without the target.

    Parameters
    ----------
    table : Table
    rows : int64 ndarray, optional
        Rows shares are learned from; all by default.
    most_levels : int, optional
        Unordered categories with more values than this are read by their share; None reads
        every category as one.
    """
    counts = level_counts(table.schema)
    many = [
        position
        for position, column in enumerate(table.schema.categories)
        if most_levels is not None and not column.ordered and counts[position] > most_levels
    ]
    return NativeView(learn_frequencies(table.codes, many, counts, rows))
