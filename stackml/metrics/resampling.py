"""Bootstrap weights: how often each row is drawn, rows of one group together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import DataError
from stackml.foundation.randomness import stream
from stackml.metrics.arrays import FloatArray


def resamples(
    n_rows: int, weight: FloatArray | None, groups: ArrayLike | None, n_resamples: int, seed: int
) -> Iterator[FloatArray]:
    """Yield the weights of each resample, float64 of shape (n_rows,).

    Parameters
    ----------
    n_rows : int
    weight : float64 ndarray of shape (n_rows,), optional
        Multiplied by how often a row is drawn.
    groups : array-like of shape (n_rows,), optional
        Rows of one group are drawn together.
    n_resamples, seed : int

    Raises
    ------
    DataError
        If `groups` has another shape.
    """
    rng = stream(seed, "metrics", "bootstrap")
    codes, n_units = (None, n_rows) if groups is None else _unit_codes(groups, n_rows)
    for _ in range(n_resamples):
        counts = np.bincount(rng.integers(n_units, size=n_units), minlength=n_units).astype(np.float64)
        rows = counts if codes is None else counts[codes]
        yield rows if weight is None else rows * weight


def _unit_codes(groups: ArrayLike, n_rows: int) -> tuple[NDArray[np.int64], int]:
    values = np.asarray(groups)
    if values.shape != (n_rows,):
        raise DataError(f"groups: expected one value for each of {n_rows} rows, found shape {values.shape}")
    if values.dtype.kind == "O":
        code: dict[object, int] = {}
        codes = [code.setdefault(item, len(code)) for item in values.tolist()]
        return np.array(codes, dtype=np.int64), len(code)
    labels, inverse = np.unique(values, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64), len(labels)
