"""A table in XGBoost's bins, cut once; the rows of a fold are put in the same bins a block at a time."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.native import NativeView
from stackml.learners.base import Rows

_BLOCK = 16_384  # rows that are copied out of the table at a time


class BinnedMatrix:
    """A table as XGBoost reads it, and the bins of its values.

    Parameters
    ----------
    view : NativeView
        How the table was read.
    matrix : float32 ndarray of shape (n_rows, n_features)
        Never write into it: it can be the table's own block.
    types : tuple of str
        Of the columns, in XGBoost's words.
    max_bin : int
    rows : int64 ndarray, optional
        Those that bins are learned from; all by default.
    """

    def __init__(
        self,
        view: NativeView,
        matrix: npt.NDArray[np.float32],
        types: tuple[str, ...],
        max_bin: int,
        rows: Rows | None,
    ) -> None:
        self.view = view
        self.matrix = matrix
        self._types = list(types)
        self._settings = {"enable_categorical": True, "max_bin": max_bin, "nthread": 1}
        seen = matrix if rows is None else matrix[np.sort(rows)]
        self._bins = _library().QuantileDMatrix(seen, feature_types=self._types, **self._settings)
        # Where the cuts are is all that parts read of it: the table's rows in them would be one copy more.
        self._bins = self.part(np.zeros(1, dtype=np.int64))

    def part(self, rows: Rows) -> Any:
        """Return some rows in these bins, an `xgboost.QuantileDMatrix` without label."""
        blocks = _blocks()(self.matrix, rows, self._types)
        return _library().QuantileDMatrix(blocks, ref=self._bins, **self._settings)


def _library() -> Any:
    import xgboost

    return xgboost


@cache
def _blocks() -> Any:
    """Return the class that hands rows to the library a block at a time."""

    class Blocks(_library().DataIter):  # type: ignore[misc]  # imported when it is needed
        def __init__(self, matrix: npt.NDArray[np.float32], rows: Rows, types: list[str]) -> None:
            self._matrix, self._rows, self._types = matrix, rows, types
            self._first = 0
            super().__init__()

        def reset(self) -> None:
            self._first = 0

        def next(self, input_data: Any) -> bool:
            if self._first >= len(self._rows):
                return False
            some = self._rows[self._first : self._first + _BLOCK]
            input_data(data=self._matrix[some], feature_types=self._types)
            self._first += _BLOCK
            return True

    return Blocks
