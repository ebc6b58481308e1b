"""Features beside the predictions, as a linear combiner can read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from stackml.combiners.base import MetaFeatures
from stackml.combiners.inputs import FloatArray
from stackml.foundation.errors import DataError
from stackml.metrics.arrays import ones_like
from stackml.storage.fields import finite_array, positions, refuse
from stackml.storage.state import State
from stackml.tables.table import Table

_MOST_CODES = 20


def features_of(meta: MetaFeatures) -> Table:
    """Return the features that are passed through.

    Raises
    ------
    DataError
        If there are none, though the combiner was fitted with them.
    """
    if meta.features is None:
        raise DataError(
            "combiner: it was fitted with the features passed through, but these meta-features come without; "
            "give MetaFeatures(features=table)"
        )
    return meta.features


@final
@dataclass(frozen=True, eq=False)
class FittedColumns:
    """Standardised numbers and indicators of categories.

    Missing numbers become the median; categories of more than 20 codes are left out; a missing
    or unseen category has no indicator set.

    Attributes
    ----------
    slots : int64 ndarray of shape (n_kept,)
        Columns of the numeric block that vary.
    median, mean, scale : float64 ndarray of shape (n_kept,)
    indicators : int64 ndarray of shape (n_indicators, 2)
        Column of the code block, and the code that sets it.
    """

    slots: NDArray[np.int64]
    median: FloatArray
    mean: FloatArray
    scale: FloatArray
    indicators: NDArray[np.int64]

    @staticmethod
    def learn(table: Table, weight: FloatArray | None = None) -> FittedColumns:
        """Return the columns of a table and their scales, learned without the target."""
        w = ones_like(table.numbers, weight)
        w = w / w.sum()
        kept, stats = [], []
        for slot in table.schema.plain_slots.tolist():  # texts and embeddings are for the learners
            values = table.numbers[:, slot].astype(np.float64)
            known = ~np.isnan(values)
            if not known.any():
                continue
            median = float(np.median(values[known]))
            filled = np.where(known, values, median)
            mean = float(w @ filled)
            scale = float(np.sqrt(w @ (filled - mean) ** 2))
            if scale > 1e-12 * (1 + abs(mean)):
                kept.append(slot)
                stats.append((median, mean, scale))
        moments = np.array(stats, dtype=np.float64).reshape(-1, 3).T.copy()
        pairs = [
            (column, int(code))
            for column in range(table.codes.shape[1])
            for code in _few(np.unique(table.codes[:, column]))
        ]
        indicators = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return FittedColumns(np.array(kept, dtype=np.int64), moments[0], moments[1], moments[2], indicators)

    def read(self, table: Table) -> list[FloatArray]:
        """Return the columns, each float64 of shape (n_rows,)."""
        columns = []
        for slot, median, mean, scale in zip(self.slots, self.median, self.mean, self.scale, strict=True):
            values = table.numbers[:, slot].astype(np.float64)
            # Far-off values may not swing a linear model.
            filled = (np.where(np.isnan(values), median, values) - mean) / scale
            columns.append(np.clip(filled, -10.0, 10.0))
        columns += [(table.codes[:, c] == code).astype(np.float64) for c, code in self.indicators]
        return columns

    def to_state(self) -> State:
        """Return all that is needed to rebuild the columns."""
        return {
            "slots": self.slots,
            "median": self.median,
            "mean": self.mean,
            "scale": self.scale,
            "indicators": self.indicators,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the columns.

        Raises
        ------
        StorageError
            If its numbers have no meaning or other lengths.
        """
        slots = np.array(positions(state["slots"], "combiner: slots"), np.int64)
        median, mean, scale = (
            finite_array(state[name], f"combiner: {name} of features", slots.shape)
            for name in ("median", "mean", "scale")
        )
        indicators = np.asarray(state["indicators"])
        if indicators.dtype.kind != "i" or indicators.ndim != 2 or indicators.shape[1] != 2:
            refuse("combiner: indicators", "are not pairs of a column and a code")
        if not (scale > 0).all() or (indicators < 0).any():
            refuse("combiner: features", "have a scale or a code without a meaning")
        return cls(slots, median, mean, scale, indicators.astype(np.int64))


def _few(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the codes that get an indicator, from the distinct codes of a column."""
    present = codes[codes >= 0]
    return present if len(codes) > 1 and len(present) <= _MOST_CODES else present[:0]
