"""Intervals that hold for several differences at once."""

from __future__ import annotations

import numpy as np

from stackml.foundation.errors import DataError
from stackml.metrics.arrays import FloatArray

_NO_SPREAD = 1e-12


def simultaneous_intervals(
    values: FloatArray, draws: FloatArray, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Return intervals that cover all true values together in about `level` of all cases.

    Each is ``value - c * s`` to ``value + c * s``: `s` is the bootstrap's standard deviation of that
    value, and `c` the `level` quantile, over resamples, of the largest ``abs(draw - value) / s``
    among all values. Values that move together, as models scored on the same rows do, make `c`
    smaller than Bonferroni's. With one value it is the usual interval. The set of all pairwise
    differences stays covered whichever pair is looked at afterwards, so a best model may be
    picked on the same rows.

    Parameters
    ----------
    values : float64 ndarray of shape (n,)
    draws : float64 ndarray of shape (n_resamples, n)
        The same values on each resample; resamples where one has no value (nan) are left out.
    level : float
        Within (0, 1).

    Returns
    -------
    low, high : float64 ndarray of shape (n,)
        nan where fewer than two resamples have a value. A value that no resample moves is an
        interval of its own.

    Raises
    ------
    DataError
        If the shapes do not belong together.

    References
    ----------
    P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing, Wiley, 1993 (the largest of
    several studentized values). J. P. Romano and M. Wolf, Exact and approximate stepdown methods
    for multiple hypothesis testing, JASA 100 (2005), 94-108 (its first step). J. C. Hsu, Multiple
    Comparisons, Chapman & Hall, 1996 (comparisons with the best).
    """
    if values.ndim != 1 or draws.ndim != 2 or draws.shape[1] != len(values):
        raise DataError(f"draws of shape {draws.shape} do not belong to values of shape {values.shape}")
    known = draws[np.isfinite(draws).all(axis=1)]
    if len(known) < 2:
        nothing = np.full(len(values), np.nan)
        return nothing, nothing.copy()
    spread = known.std(axis=0, ddof=1)
    moved = spread > _NO_SPREAD
    if not moved.any():
        return values.copy(), values.copy()
    largest = (np.abs(known - values)[:, moved] / spread[moved]).max(axis=1)
    reach = float(np.quantile(largest, level, method="higher")) * np.where(moved, spread, 0.0)
    return values - reach, values + reach
