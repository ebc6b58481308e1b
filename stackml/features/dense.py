"""The view for linear, neural and neighbour learners: a float32 matrix without gaps, near unit scale.

What needs no target (scales, one-hot columns, gaps, frequencies) is learned once for all folds; target
codes are added inside the fold (see `stackml.features.dense_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.frequency import Frequencies, learn_frequencies
from stackml.features.levels import (
    Codes,
    check_columns,
    check_levels,
    indicators,
    level_counts,
    one_hot_pairs,
    ranks,
)
from stackml.features.scaling import CLIP, Floats32, Scaler, Spread, learn_scaler, scaler_from_state
from stackml.features.shared import SharedViews
from stackml.features.target_encoding import TargetEncoder
from stackml.features.wide import NOTHING_WIDE, WideBlock, learn_wide
from stackml.foundation.digest import digest
from stackml.storage.fields import finite_array, finite_number, positions
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table

Rows = npt.NDArray[np.int64]

_BLOCK = 8192


@dataclass(frozen=True)
class DenseChoice:
    """What a dense view may be asked for.

    Attributes
    ----------
    spread : {"normal", "robust"}
        How numbers are scaled: through their quantiles, or by median and quartile range.
    hinges : tuple of float
        For each, every number also gives ``max(0, z - hinge)``, so a linear model can bend.
    one_hot_levels : int
        Categories with more levels are given target and frequency codes instead.
    texts : bool
        Whether coordinates of texts are read; linear models read their terms instead.
    """

    spread: Spread = "normal"
    hinges: tuple[float, ...] = ()
    one_hot_levels: int = 16
    texts: bool = True


@dataclass(frozen=True, eq=False)
class PlainDense:
    """The part of the view that never saw a target.

    Attributes
    ----------
    slots : int64 ndarray
        Columns of the numeric block that are read.
    scaler : Scaler
        Of those columns.
    gaps : int64 ndarray
        Positions within `slots` whose missing values get an indicator.
    hinges : tuple of float
    one_hot : tuple of (column, n_levels)
        Code columns with one output a level, and one for missing.
    ordered : tuple of int
        Code columns that are also read as numbers; `ranks` scales them.
    ranks : Scaler
    frequencies : Frequencies
        Of the code columns that have too many levels for one-hot.
    frequency_scaler : Scaler
    wide : WideBlock
        Coordinates of texts and embeddings.
    """

    slots: Rows
    scaler: Scaler
    gaps: Rows
    hinges: tuple[float, ...]
    one_hot: tuple[tuple[int, int], ...]
    ordered: tuple[int, ...]
    ranks: Scaler
    frequencies: Frequencies
    frequency_scaler: Scaler
    wide: WideBlock = NOTHING_WIDE

    def transform(self, table: Table) -> Floats32:
        """Return the rows of a table as float32 of shape (n_rows, n_plain)."""
        return _in_blocks(self._rows, self._checked(table))

    def narrow(self, table: Table) -> Floats32:
        """Return what of the rows takes work to make, float32 of shape (n_rows, n_narrow).

        `widened` makes the rows of `transform` from it, by a comparison or a copy for each column.
        """
        return _in_blocks(self._narrow, self._checked(table))

    def widened(self, narrow: Floats32, codes: Codes) -> Floats32:
        """Return rows of `transform`.

        Parameters
        ----------
        narrow : float32 ndarray of shape (n_rows, n_narrow)
        codes : int32 ndarray of shape (n_rows, n_categories)
            Codes of the same rows.
        """
        n = len(self.slots)
        numbers, gaps, rest = (
            narrow[:, :n],
            narrow[:, n : n + len(self.gaps)],
            narrow[:, n + len(self.gaps) :],
        )
        parts = [numbers]
        parts += [np.maximum(numbers - np.float32(hinge), 0) for hinge in self.hinges]
        parts += [gaps, indicators(codes, self.one_hot), rest]
        return np.concatenate(parts, axis=1)

    def _checked(self, table: Table) -> Table:
        check_levels((*self.one_hot, *self.frequencies.levels), table.schema)
        check_columns(self.slots, table.numbers.shape[1])
        check_columns(self.gaps, len(self.slots))
        check_columns(self.ordered, table.codes.shape[1])
        self.wide.check(table.numbers.shape[1])
        return table

    def _rows(self, all_numbers: Floats32, codes: Codes) -> Floats32:
        return self.widened(self._narrow(all_numbers, codes), codes)

    def _narrow(self, all_numbers: Floats32, codes: Codes) -> Floats32:
        block = all_numbers[:, self.slots]
        parts = [
            self.scaler.transform(block),
            np.isnan(block[:, self.gaps]).astype(np.float32),
            self.ranks.transform(ranks(codes[:, list(self.ordered)])),
            self.frequency_scaler.transform(self.frequencies.encode(codes)),
            *self.wide.parts(all_numbers),
        ]
        return np.concatenate(parts, axis=1)

    @cached_property
    def digest(self) -> str:
        """Content digest: parts of one digest make one matrix."""
        return digest("dense", self.to_state())

    def to_state(self) -> State:
        """Return all parts as plain data."""
        wide = {"wide": self.wide.to_state()} if len(self.wide.slots) or len(self.wide.gaps) else {}
        return {
            "slots": self.slots,
            "scaler": self.scaler.to_state(),
            "gaps": self.gaps,
            "hinges": list(self.hinges),
            "one_hot": [list(pair) for pair in self.one_hot],
            "ordered": list(self.ordered),
            "ranks": self.ranks.to_state(),
            "frequencies": self.frequencies.to_state(),
            "frequency_scaler": self.frequency_scaler.to_state(),
            **wide,
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> PlainDense:
        """Rebuild the plain part."""
        return PlainDense(
            np.array(positions(state["slots"], "dense view: slots"), np.int64),
            scaler_from_state(state["scaler"]),
            np.array(positions(state["gaps"], "dense view: gaps"), np.int64),
            tuple(finite_number(hinge, "dense view: hinges") for hinge in state["hinges"]),
            one_hot_pairs(state["one_hot"]),
            positions(state["ordered"], "dense view: ordered"),
            scaler_from_state(state["ranks"]),
            Frequencies.from_state(state["frequencies"]),
            scaler_from_state(state["frequency_scaler"]),
            WideBlock.from_state(state["wide"]) if "wide" in state else NOTHING_WIDE,
        )


@dataclass(frozen=True, eq=False)
class DenseView:
    """A fitted view: makes the matrix of any table of the schema.

    Attributes
    ----------
    plain : PlainDense
    encoder : TargetEncoder
    unit : float32 ndarray of shape (n_encoded,)
        Standard deviation of the training rows' target codes, which divides them.
    """

    plain: PlainDense
    encoder: TargetEncoder
    unit: Floats32

    def transform(self, table: Table) -> Floats32:
        """Return the matrix, float32 of shape (n_rows, n_dense), within about ±8."""
        return self.shared(SharedViews(table))

    def shared(self, views: SharedViews) -> Floats32:
        """Return the matrix of the rows being scored; never write into it.

        The part without target codes, which is most of the work, is made once for all views.
        """
        check_levels(self.encoder.levels, views.table.schema)
        plain = views.once(self.plain.digest, self.plain.transform)
        if not self.encoder.columns:
            return plain
        encoded = self.encoder.encode(views.table.codes)
        return np.concatenate([plain, in_unit(encoded, self.unit)], axis=1)

    def to_state(self) -> State:
        """Return all parts as plain data."""
        return {"plain": self.plain.to_state(), "encoder": self.encoder.to_state(), "unit": self.unit}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> DenseView:
        """Rebuild the view."""
        return DenseView(
            PlainDense.from_state(state["plain"]),
            TargetEncoder.from_state(state["encoder"]),
            finite_array(state["unit"], "dense view: unit", (None,)),
        )


def learn_plain(seen: Table, choice: DenseChoice) -> PlainDense:
    """Learn scales, gaps, levels and frequencies from a table."""
    n_levels = level_counts(seen.schema)
    coarse = _coarse(seen.schema)
    slots = np.array([i for i in seen.schema.plain_slots if coarse[i]], np.int64)
    block = seen.numbers[:, slots]
    few = [i for i, n in enumerate(n_levels) if n <= choice.one_hot_levels]
    many = [i for i, n in enumerate(n_levels) if n > choice.one_hot_levels]
    ordered = tuple(i for i, column in enumerate(seen.schema.categories) if column.ordered)
    frequencies = learn_frequencies(seen.codes, many, n_levels, None)
    return PlainDense(
        slots,
        learn_scaler(block, choice.spread),
        np.flatnonzero(np.isnan(block).any(axis=0)),
        choice.hinges,
        tuple((i, n_levels[i]) for i in few),
        ordered,
        learn_scaler(ranks(seen.codes[:, list(ordered)]), "robust"),
        frequencies,
        learn_scaler(frequencies.encode(seen.codes), "robust"),
        learn_wide(seen, choice.texts),
    )


def _coarse(schema: Schema) -> list[bool]:
    # The fine part of a split number is what float32 rounds off: noise on a common scale.
    fine = {slot for column in schema.read for slot in column.slots[1 : column.parts]}
    return [slot not in fine for slot in schema.number_slots]


def in_unit(encoded: Floats32, unit: Floats32) -> Floats32:
    """Return target codes in their unit."""
    return np.clip(encoded / unit, -CLIP, CLIP)


def _in_blocks(make: Callable[[Floats32, Codes], Floats32], table: Table) -> Floats32:
    """Return rows made of a table's numbers and codes, a block at a time."""
    first = make(table.numbers[:_BLOCK], table.codes[:_BLOCK])
    if table.n_rows <= _BLOCK:
        return first
    # The parts of all rows at once would take the matrix's memory a second time.
    matrix = np.empty((table.n_rows, first.shape[1]), np.float32)
    matrix[:_BLOCK] = first
    for begin in range(_BLOCK, table.n_rows, _BLOCK):
        span = slice(begin, begin + _BLOCK)
        matrix[span] = make(table.numbers[span], table.codes[span])
    return matrix
