"""How many cases people can look at: the threshold that never flags more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stackml.decision.thresholds import cut_points
from stackml.foundation.errors import DataError, ParameterError


@dataclass(frozen=True)
class Capacity:
    """A threshold that keeps within a review capacity.

    Attributes
    ----------
    threshold : float
        Flag where the probability is this or more; infinity flags nothing.
    flagged : int
        Rows flagged; fewer than `allowed` where ties would exceed it.
    allowed : int
        Rows that may be flagged.
    n_rows : int
    """

    threshold: float
    flagged: int
    allowed: int
    n_rows: int


def capacity_threshold(
    probability: ArrayLike, *, share: float | None = None, number: int | None = None
) -> Capacity:
    """Return the lowest threshold that flags at most a share or a number of these rows.

    Rows of equal probability are flagged together or not at all.

    Parameters
    ----------
    probability : array-like of shape (n_rows,) or (n_rows, 1)
    share : float, optional
        Within [0, 1]; rounded down to whole rows.
    number : int, optional
        0 or more. Give either `share` or `number`.

    Raises
    ------
    ParameterError
        If not exactly one of `share` and `number` is given, or it is out of range.
    DataError
        If there are no rows or a probability is missing.
    """
    p = np.asarray(probability, dtype=np.float64).reshape(-1)
    if not p.size or not np.isfinite(p).all():
        raise DataError("capacity: give at least one row, and a finite probability for each")
    allowed = min(_allowed(p.size, share, number), p.size)
    distinct, counts = np.unique(p, return_counts=True)
    flagged = np.concatenate([[0], np.cumsum(counts[::-1])])
    at = int(np.searchsorted(flagged, allowed, side="right")) - 1
    return Capacity(float(cut_points(distinct)[at]), int(flagged[at]), allowed, int(p.size))


def _allowed(n_rows: int, share: float | None, number: int | None) -> int:
    if (share is None) == (number is None):
        raise ParameterError("capacity: give either share= or number=, and only one of them")
    if share is not None:
        if not 0 <= share <= 1:
            raise ParameterError(
                f"capacity: share={share} must lie within 0 and 1; 0.01 is one case in a hundred"
            )
        # 0.07 * 100 is 7.000000000000001, 0.29 * 100 is 28.999999999999996: both are meant exactly.
        return int(np.floor(share * n_rows + 1e-9))
    assert number is not None
    if number < 0:
        raise ParameterError(f"capacity: number={number} must be 0 or more")
    return int(number)
