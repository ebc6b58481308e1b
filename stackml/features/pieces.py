"""Numbers by the piece of their column's range they lie in, for learners that bend with effort.

The piecewise-linear encoding of Gorishniy, Rubachev and Babenko (2022, "On Embeddings for Numerical
Features in Tabular Deep Learning"): a column's quantiles divide its range, and each piece tells which
part of it lies below the number, from 0 to 1. The differences of neighbouring pieces are hats, 1 at one
quantile and 0 at the next: they say the same, but an effect of one value touches no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats32: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.int64]
_Rising: TypeAlias = tuple[Rows, Floats32, Floats32, Rows | None]

_FAR = 1e30  # beyond every number

_LEAST_VALUES = 3  # a column of two has no inner quantile


@dataclass(frozen=True, eq=False)
class Pieces:
    """The pieces of the numbers that stand first in a matrix.

    Attributes
    ----------
    columns : int64 ndarray of shape (n_pieces,)
        Column each piece is of, ascending.
    low, rate : float32 ndarray of shape (n_pieces,)
        Where a piece begins, and one over its width.
    hats : bool
        Whether hats are given instead; one more than pieces for each column that is divided.
    """

    columns: Rows
    low: Floats32
    rate: Floats32
    hats: bool = False

    @property
    def width(self) -> int:
        """Number of columns `beside` adds."""
        *_, kept = self._rising
        return len(self.columns) if kept is None else len(kept)

    def beside(self, matrix: Floats32) -> Floats32:
        """Return a matrix with the pieces, or hats, of its rows to its right.

        Parameters
        ----------
        matrix : float32 ndarray of shape (n_rows, n_columns)

        Returns
        -------
        float32 ndarray of shape (n_rows, n_columns + width)
            `matrix` itself where there are no pieces.
        """
        if not len(self.columns):
            return matrix
        n_rows, n_columns = matrix.shape
        columns, low, rate, kept = self._rising
        found = np.empty((n_rows, n_columns + self.width), np.float32)
        found[:, :n_columns] = matrix
        rising = matrix[:, columns]
        rising -= low
        rising *= rate
        if kept is None:
            np.clip(rising, 0, 1, out=found[:, n_columns:])
            return found
        np.clip(rising, 0, 1, out=rising)
        found[:, n_columns:] = (rising[:, :-1] - rising[:, 1:])[:, kept]
        return found

    @cached_property
    def _rising(self) -> _Rising:
        """What is clipped: the pieces; for hats one more before each column's, always 1, and one after, 0."""
        if not self.hats:
            return self.columns, self.low, self.rate, None
        begins = np.flatnonzero(np.diff(self.columns, prepend=-1))
        # Where one column ends the next begins: its end is put in first.
        at = np.concatenate([begins[1:], [len(self.columns)], begins])
        own = self.columns[begins]
        columns = np.insert(self.columns, at, [*own, *own])
        low = np.insert(self.low, at, np.repeat(np.array([_FAR, -_FAR], np.float32), len(begins)))
        rate = np.insert(self.rate, at, np.float32(1))
        return columns, low, rate, np.flatnonzero(columns[:-1] == columns[1:])


NO_PIECES = Pieces(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.float32))


def pieces_between(places: Sequence[Floats32], most: int, hats: bool = False) -> Pieces:
    """Return the pieces between values of each column.

    Parameters
    ----------
    places : sequence of float32 ndarray
        For each column, its quantiles without repetition, ascending.
    most : int
        Pieces of one column at most. One with fewer than three values is not divided.
    hats : bool
        See `Pieces`.
    """
    columns, low, high = [], [], []
    for column, values in enumerate(places):
        if most < 1 or len(values) < _LEAST_VALUES:
            continue
        n = min(most, len(values) - 1)
        edges = values[np.round(np.linspace(0, len(values) - 1, n + 1)).astype(np.int64)]
        columns += [column] * n
        low.append(edges[:-1])
        high.append(edges[1:])
    if not columns:
        return NO_PIECES
    lows = np.concatenate(low)
    return Pieces(np.array(columns), lows, 1 / np.maximum(np.concatenate(high) - lows, 1e-6), hats)
