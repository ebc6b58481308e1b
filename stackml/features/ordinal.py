"""The view for forests: numbers as they are, categories as ranks, target codes and frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.frequency import Frequencies, learn_frequencies
from stackml.features.levels import Codes, check_columns, check_levels, level_counts, ranks
from stackml.features.scaling import Floats32, Scaler, learn_scaler, scaler_from_state
from stackml.features.shared import SharedViews
from stackml.features.target_encoding import NO_CODES, TargetEncoder, fit_target_encoder
from stackml.foundation.digest import digest
from stackml.storage.fields import positions
from stackml.storage.state import State
from stackml.tables.table import Table
from stackml.tables.target import Target

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OrdinalView:
    """A fitted view: makes the matrix of any table of the schema; NaN is missing or unseen.

    Attributes
    ----------
    ranked : tuple of int
        Code columns read as numbers: those that are ordered or have few levels.
    frequencies : Frequencies
        Of the other code columns.
    encoder : TargetEncoder
        Of the other code columns, or of none.
    scaler : Scaler, optional
        Of the numbers, for trees that split at random places between the extremes.
    """

    ranked: tuple[int, ...]
    frequencies: Frequencies
    encoder: TargetEncoder
    scaler: Scaler | None = None

    def transform(self, table: Table) -> Floats32:
        """Return the matrix, float32 of shape (n_rows, n_ordinal), C order."""
        check_levels((*self.frequencies.levels, *self.encoder.levels), table.schema)
        check_columns(self.ranked, table.codes.shape[1])
        numbers = _scaled(table.tree_numbers, self.scaler)
        return _joined(numbers, table.codes, self.ranked, self.frequencies, self.encoder.encode(table.codes))

    @cached_property
    def digest(self) -> str:
        """Content digest: views of one digest make one matrix."""
        return digest("ordinal", self.to_state())

    def shared(self, views: SharedViews) -> Floats32:
        """Return the matrix of the rows being scored; what other views make alike is made once."""
        return views.once(self.digest, lambda table: self._made(table, views))

    def _made(self, table: Table, views: SharedViews) -> Floats32:
        check_levels(self.encoder.levels, table.schema)
        plain = views.once(self._plain_digest, self._plain)
        encoded = self.encoder.encode(table.codes)
        return np.concatenate([plain, encoded], axis=1) if encoded.shape[1] else plain

    def _plain(self, table: Table) -> Floats32:
        return replace(self, encoder=NO_CODES).transform(table)

    @cached_property
    def _plain_digest(self) -> str:
        return digest("ordinal", replace(self, encoder=NO_CODES).to_state())

    def to_state(self) -> State:
        """Return all parts as plain data."""
        return {
            "ranked": list(self.ranked),
            "frequencies": self.frequencies.to_state(),
            "encoder": self.encoder.to_state(),
            "scaler": None if self.scaler is None else self.scaler.to_state(),
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> OrdinalView:
        """Rebuild the view."""
        return OrdinalView(
            positions(state["ranked"], "ordinal view: ranked"),
            Frequencies.from_state(state["frequencies"]),
            TargetEncoder.from_state(state["encoder"]),
            None if state["scaler"] is None else scaler_from_state(state["scaler"]),
        )


@dataclass(frozen=True, eq=False)
class PreparedOrdinal:
    """What the folds share.

    Attributes
    ----------
    table : Table
    numbers : float32 ndarray of shape (n_rows, n_slots)
        Every row's numbers, scaled where `plain` scales them.
    plain : OrdinalView
        The view without target codes; its frequencies name the columns to encode.
    """

    table: Table
    numbers: Floats32
    plain: OrdinalView

    def fit(self, target: Target, rows: Rows, seed: int) -> tuple[OrdinalView, Floats32]:
        """Add target codes learned from `rows`.

        Returns
        -------
        view : OrdinalView
        matrix : float32 ndarray of shape (n_train, n_ordinal)
            The training rows; their target codes come from inner folds without them.
        """
        columns, n_levels = self.plain.frequencies.columns, level_counts(self.table.schema)
        encoder, encoded = fit_target_encoder(self.table.codes, columns, n_levels, target, rows, seed)
        return replace(self.plain, encoder=encoder), self._matrix(rows, encoded)

    def fit_plain(self, rows: Rows) -> tuple[OrdinalView, Floats32]:
        """Return the view without target codes, and the matrix of `rows`."""
        return self.plain, self._matrix(rows, np.zeros((len(rows), 0), np.float32))

    def _matrix(self, rows: Rows, encoded: Floats32) -> Floats32:
        codes = self.table.codes[rows]
        return _joined(self.numbers[rows], codes, self.plain.ranked, self.plain.frequencies, encoded)


def prepare_ordinal(
    table: Table, rows: Rows | None, *, scaled: bool = False, max_ranked: int = 16
) -> PreparedOrdinal:
    """Choose what becomes of each category and learn frequencies and scales, without the target.

    Parameters
    ----------
    table : Table
    rows : int64 ndarray, optional
        Rows to learn from; all by default.
    scaled : bool
        Put numbers on a scale without heavy tails (experiments/0024-extra-trees-scale).
    max_ranked : int
        Unordered categories with more levels are not read as numbers.
    """
    n_levels = level_counts(table.schema)
    ordered = [column.ordered for column in table.schema.categories]
    ranked = tuple(i for i, n in enumerate(n_levels) if ordered[i] or n <= max_ranked)
    coded = [i for i in range(len(n_levels)) if i not in ranked]
    scaler = None
    if scaled:
        scaler = learn_scaler(table.tree_numbers if rows is None else table.tree_numbers[rows], "robust")
    frequencies = learn_frequencies(table.codes, coded, n_levels, rows)
    plain = OrdinalView(ranked, frequencies, NO_CODES, scaler)
    return PreparedOrdinal(table, _scaled(table.tree_numbers, scaler), plain)


def _scaled(numbers: Floats32, scaler: Scaler | None) -> Floats32:
    return numbers if scaler is None else scaler.ordered(numbers)


def _joined(
    numbers: Floats32,
    codes: Codes,
    ranked: tuple[int, ...],
    frequencies: Frequencies,
    encoded: npt.NDArray[np.float32],
) -> Floats32:
    places = ranks(codes[:, list(ranked)])
    return np.concatenate([numbers, places, frequencies.encode(codes), encoded], axis=1)
