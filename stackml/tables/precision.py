"""Rounding to float32 without merging values that differ.

Learners read float32. A timestamp in seconds, an account number or a large amount in cents
needs more than float32's 24 bits, so it is shifted to its middle first, or, where that is
not enough, kept as two float32 parts whose sum is the value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

EXACT_LIMIT = float(2**23)  # integers up to here keep a safe distance in float32
DECIMALS = (1.0, 10.0, 100.0, 1000.0, 10000.0)
TOLERATED_SHARE = 0.01


@dataclass(frozen=True)
class Rounding:
    """How a float64 column becomes float32: ``value - offset`` in `parts` parts."""

    offset: float = 0.0
    parts: int = 1


def choose_rounding(values: FloatArray) -> Rounding:
    """Return the smallest rounding that keeps apart what differs.

    Values that lie on a decimal grid (integers, cents, up to four decimals) are never
    merged. Values of a continuous measurement may be merged where they differ by less than
    float32 resolves, as long as this touches less than one in a hundred of them.

    Parameters
    ----------
    values : float64 ndarray of shape (n_rows,)
        NaN is missing; infinities are not allowed here.
    """
    present = values[~np.isnan(values)]
    if present.size == 0 or np.array_equal(present.astype(np.float32).astype(np.float64), present):
        return Rounding()
    grid = _grid(present)
    low, high = float(present.min()), float(present.max())
    if grid and max(abs(low), abs(high)) * grid < EXACT_LIMIT:
        return Rounding()
    middle = float(np.floor(low + (high - low) / 2.0))
    if grid and (high - low) / 2.0 * grid < EXACT_LIMIT:
        return Rounding(offset=middle)
    unique = np.unique(present)
    tolerated = 0.0 if grid else TOLERATED_SHARE
    for rounding in (Rounding(), Rounding(offset=middle)):
        if merged_share(unique, rounding.offset) <= tolerated:
            return rounding
    return Rounding(offset=middle, parts=2)


def merged_share(unique: FloatArray, offset: float) -> float:
    """Return the share of sorted unique values that float32 cannot tell from the one before."""
    if unique.size < 2:
        return 0.0
    rounded = (unique - offset).astype(np.float32)
    return float(np.mean(rounded[1:] == rounded[:-1]))


def split_parts(values: FloatArray, rounding: Rounding) -> list[npt.NDArray[np.float32]]:
    """Return the float32 parts of a column, coarse first."""
    left = values - rounding.offset if rounding.offset else values
    parts = []
    for _ in range(rounding.parts):
        parts.append(left.astype(np.float32))
        left = left - parts[-1].astype(np.float64)
    return parts


def _grid(present: FloatArray) -> float:
    """Return the power of ten that makes all values whole numbers, or 0."""
    for scale in DECIMALS:
        scaled = present * scale
        if np.all(np.abs(scaled - np.rint(scaled)) <= np.maximum(1e-6, 4.0 * np.spacing(np.abs(scaled)))):
            return scale
    return 0.0
