"""Column kernels the simulators share: text from codes, clocks, values gone missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stackml.foundation.errors import ParameterError

MINIMUM_ROWS = 50


def require_rows(n_rows: int) -> None:
    """Refuse a table too small to hold the structure a simulator promises.

    Raises
    ------
    ParameterError
        If `n_rows` is below 50.
    """
    if n_rows < MINIMUM_ROWS:
        raise ParameterError(f"n_rows: a simulated table has at least {MINIMUM_ROWS} rows; found {n_rows}")


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-x))``, in (0, 1), same shape."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def text(words: Sequence[str], codes: NDArray[np.int64]) -> pd.Series:
    """Return the words that the codes stand for; a negative code is missing."""
    found = pd.Series(np.asarray(words, dtype=object)[codes], dtype="str")
    return found.mask(codes < 0)


def labels(prefix: str, numbers: NDArray[np.int64], width: int = 6) -> pd.Series:
    """Return identifiers such as ``C000012`` for non-negative numbers."""
    unique, inverse = np.unique(numbers, return_inverse=True)
    return text([f"{prefix}{n:0{width}d}" for n in unique], inverse)


def blank(values: NDArray[np.float64], missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return a float64 copy with NaN where `missing` is true."""
    return np.where(missing, np.nan, values)


def clock(start: str, seconds: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Return datetime64[ns] stamps, `seconds` whole seconds after midnight of day `start`."""
    return np.datetime64(start, "ns") + seconds.astype("timedelta64[s]")
