"""Coordinates of texts and embeddings on a common scale, one scale a column.

Coordinates of one text or embedding are not scaled one by one: the later ones say less, and would be
blown up to the size of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.levels import check_columns
from stackml.features.scaling import CLIP, Floats32
from stackml.storage.fields import finite_array, positions, refuse
from stackml.storage.state import State
from stackml.tables.table import Table

_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class WideBlock:
    """How the coordinates of all text and embedding columns are read.

    Attributes
    ----------
    slots : int64 ndarray of shape (n_coordinates,)
        Columns of the numeric block.
    centre, unit : float32 ndarray of shape (n_coordinates,)
        Means, and the largest standard deviation among the coordinates of the column.
    gaps : int64 ndarray
        Columns of the numeric block, one for each text or embedding that is missing somewhere; each
        gives an indicator.
    """

    slots: npt.NDArray[np.int64]
    centre: Floats32
    unit: Floats32
    gaps: npt.NDArray[np.int64]

    def parts(self, numbers: Floats32) -> list[Floats32]:
        """Return scaled coordinates (missing is 0) and indicators of gaps; nothing without columns."""
        if not len(self.slots) and not len(self.gaps):
            return []
        z = np.clip((numbers[:, self.slots] - self.centre) / self.unit, -CLIP, CLIP)
        z[np.isnan(z)] = 0.0
        return [z, np.isnan(numbers[:, self.gaps]).astype(np.float32)]

    def check(self, n_slots: int) -> None:
        """Refuse a block that reads beyond the numbers of its table.

        Raises
        ------
        StorageError
        """
        check_columns(self.slots, n_slots)
        check_columns(self.gaps, n_slots)

    def to_state(self) -> State:
        """Return all parts as plain data."""
        return {"slots": self.slots, "centre": self.centre, "unit": self.unit, "gaps": self.gaps}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> WideBlock:
        """Rebuild the block.

        Raises
        ------
        StorageError
            If its parts have no meaning or other lengths.
        """
        slots = np.array(positions(state["slots"], "texts and embeddings: slots"), np.int64)
        centre = finite_array(state["centre"], "texts and embeddings: centre", slots.shape)
        unit = finite_array(state["unit"], "texts and embeddings: unit", slots.shape)
        gaps = np.array(positions(state["gaps"], "texts and embeddings: gaps"), np.int64)
        if (unit <= 0).any():
            refuse("texts and embeddings", "have a unit that is none")
        return WideBlock(slots, centre.astype(np.float32), unit.astype(np.float32), gaps)


NOTHING_WIDE = WideBlock(
    np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
)


def learn_wide(seen: Table, texts: bool = True) -> WideBlock:
    """Learn means and units of coordinates, without the target.

    Parameters
    ----------
    seen : Table
        Rows to learn from.
    texts : bool
        Whether texts are read beside embeddings; whether one is missing is read either way.
    """
    spans = seen.schema.wide
    if not spans:
        return NOTHING_WIDE
    of_texts = seen.schema.text_starts
    slots, centres, units, gaps = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0)], []
    for first, end in spans:
        block = seen.numbers[:, first:end]
        missing = np.isnan(block[:, 0])
        present = block[~missing].astype(np.float64)
        if missing.any():
            gaps.append(first)
        if not texts and first in of_texts:
            continue
        slots.append(np.arange(first, end))
        centres.append(present.mean(axis=0) if len(present) else np.zeros(end - first))
        spread = float(present.std(axis=0).max()) if len(present) else 1.0
        units.append(np.full(end - first, spread if spread > _LEAST else 1.0))
    return WideBlock(
        np.concatenate(slots),
        np.concatenate(centres).astype(np.float32),
        np.concatenate(units).astype(np.float32),
        np.array(gaps, np.int64),
    )
