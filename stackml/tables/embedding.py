"""Columns whose cells are vectors of one length, such as embeddings of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.foundation.digest import digest
from stackml.foundation.errors import DataError
from stackml.foundation.threads import one_thread_each
from stackml.storage.fields import finite_array, finite_number, refuse
from stackml.storage.state import State

Floats32: TypeAlias = npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float64]

PLAIN_WIDTH: Final = 64  # vectors up to here are read number by number
WIDTH: Final = 256  # principal components kept of longer ones
MOST_ROWS: Final = 20_000  # that components are learned from
MOST_CELLS: Final = 20_000_000  # of the matrix they are learned from
SMALL: Final = 1024  # numbers in a vector; the axes of longer ones are found by a randomised method
MOST_NUMBERS: Final = 65_536  # in a vector
_STEPS = 2**20  # of a value, and of a coefficient: 20 + 20 + 16 bits of a sum stay near 53
_BEYOND = 4.0  # values further out than so many times the training rows' largest are cut off


@dataclass(frozen=True, eq=False)
class EmbeddingEncoder:
    """How a column of vectors becomes numbers.

    Attributes
    ----------
    dimension : int
        Length of each vector.
    rotation : float64 ndarray of shape (dimension, width)
        Principal axes, strongest first, as whole numbers; of width 0 where vectors are read as they are.
    centre : float64 ndarray of shape (dimension,)
        Subtracted before rotating; of length 0 where nothing is rotated.
    step : float
        Unit of a vector's values before rotating.
    """

    dimension: int
    rotation: Floats
    centre: Floats
    step: float = 1.0

    @property
    def width(self) -> int:
        """Number of coordinates."""
        return int(self.rotation.shape[1]) or self.dimension

    @property
    def trees_read(self) -> int:
        """Number of coordinates, the strongest of long vectors, that trees read."""
        return min(PLAIN_WIDTH, self.width)

    def read(self, vectors: Floats32) -> Floats32:
        """Return coordinates, float32 of shape (n_rows, width); NaN where a vector is missing.

        Values and axes are rounded to whole multiples of a step. Sums of whole numbers are exact in
        float64, so a row's coordinates depend on no batch, thread or processor.
        """
        if not self.rotation.shape[1]:
            return vectors
        with np.errstate(invalid="ignore"):
            whole = np.rint((vectors.astype(np.float64) - self.centre) / self.step)
        missing = np.isnan(whole[:, 0])
        whole[missing] = 0.0
        found = np.clip(whole, -_STEPS, _STEPS) @ self.rotation
        coordinates = (found * (self.step / _STEPS)).astype(np.float32)
        coordinates[missing] = np.nan
        return coordinates

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return digest("embedding", self.to_state())

    def to_state(self) -> State:
        """Return all parts as plain data."""
        return {
            "kind": "embedding",
            "dimension": self.dimension,
            "rotation": self.rotation.astype(np.int32),
            "centre": self.centre,
            "step": self.step,
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> EmbeddingEncoder:
        """Rebuild the encoder.

        Raises
        ------
        StorageError
            If its parts do not fit together.
        """
        dimension, rotation, what = state["dimension"], state["rotation"], "an embedding column"
        if type(dimension) is not int or not 1 <= dimension <= MOST_NUMBERS:
            refuse(what, f"has vectors of {dimension!r:.40} numbers")
        fits = isinstance(rotation, np.ndarray) and rotation.dtype.kind == "i" and rotation.ndim == 2
        if not fits or rotation.shape[0] != dimension or rotation.shape[1] > WIDTH:
            refuse(what, "has axes that do not fit its vectors")
        if rotation.size and np.abs(rotation.astype(np.int64)).max() > _STEPS:
            refuse(what, "has axes longer than 1")
        centre = finite_array(state["centre"], f"{what}: centre", (dimension if rotation.shape[1] else 0,))
        step = finite_number(state["step"], f"{what}: step")
        if step <= 0:
            refuse(what, f"has the step {step}")
        return EmbeddingEncoder(dimension, rotation.astype(np.float64), centre, step)


def learn_embedding(vectors: Floats32) -> EmbeddingEncoder:
    """Learn how vectors are read, without a target.

    Vectors of at most 64 numbers are read as they are. Of longer ones up to 256 principal components
    are kept, strongest first, so that trees can read the first few and others all.

    Parameters
    ----------
    vectors : float32 ndarray of shape (n_rows, dimension)
        NaN rows are missing; at least one is not.
    """
    dimension = vectors.shape[1]
    present = vectors[~np.isnan(vectors[:, 0])]
    if dimension <= PLAIN_WIDTH:
        return EmbeddingEncoder(dimension, np.zeros((dimension, 0)), np.zeros(0))
    most = min(MOST_ROWS, MOST_CELLS // dimension)
    present = present[:: -(-len(present) // most)].astype(np.float64)
    centre = present.mean(axis=0)
    off = present - centre
    axes = _principal_axes(off, min(WIDTH, dimension))
    furthest = float(np.abs(off).max()) or 1.0
    return EmbeddingEncoder(dimension, np.rint(axes * _STEPS), centre, _BEYOND * furthest / _STEPS)


def _principal_axes(off: Floats, width: int) -> Floats:
    with one_thread_each():
        if off.shape[1] <= SMALL:
            axes = np.linalg.eigh(off.T @ off)[1][:, ::-1][:, :width]
        else:
            from sklearn.utils.extmath import randomized_svd

            axes = randomized_svd(off, min(width, len(off)), random_state=0)[2].T
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return np.asarray(axes * signs)


def holds_vectors(present: pd.Series) -> bool:
    """Return whether the cells of a column, none missing, are lists or arrays of numbers."""
    first = present.iloc[0]
    if not isinstance(first, list | tuple | np.ndarray) or not len(first):
        return False
    return np.asarray(first).dtype.kind in "fiub"


def vectors_of(series: pd.Series, name: str, dimension: int | None = None) -> Floats32:
    """Return the cells of a column as rows of one matrix.

    Parameters
    ----------
    series : Series of lists, tuples or arrays of numbers
    name : str
        For messages.
    dimension : int, optional
        The length a vector must have; by default that of the first one.

    Returns
    -------
    float32 ndarray of shape (n_rows, dimension)
        Rows of NaN are missing.

    Raises
    ------
    DataError
        If a cell is no vector, has another length or holds a value that is not finite; the message
        names column and row.
    """
    cells = series.astype(object).to_numpy()
    rows = np.flatnonzero(series.notna().to_numpy()).tolist()
    parts = [_vector(cells[row], name, row) for row in rows]
    known = dimension is not None
    expected = dimension if dimension is not None else (len(parts[0]) if parts else 1)
    found = np.full((len(cells), expected), np.nan, np.float32)
    for row, part in zip(rows, parts, strict=True):
        if len(part) != expected:
            other = "the stack was trained on" if known else f"row {rows[0]} has"
            raise _refusal(name, row, f"a vector of {len(part)} numbers, where {other} {expected}")
    if parts:
        with np.errstate(over="ignore"):
            found[rows] = np.array(parts, np.float32)
    for row in rows:
        if not np.isfinite(found[row]).all() and not np.isnan(found[row]).all():
            raise _refusal(
                name, row, "a vector with a value that is missing, infinite or beyond float32 (3.4e38)"
            )
    return found


def _vector(cell: Any, name: str, row: int) -> npt.NDArray[Any]:
    if isinstance(cell, str):
        raise _refusal(
            name,
            row,
            "text where a vector is needed; a CSV file has no vectors: keep them in a Parquet file, or "
            "turn cells into lists first, for instance with json.loads",
        )
    if not isinstance(cell, list | tuple | np.ndarray):
        raise _refusal(name, row, f"a {type(cell).__name__} where a vector is needed")
    try:
        array = np.asarray(cell)
        array = array.astype(np.float64) if array.dtype == object else array
    except (TypeError, ValueError):
        raise _refusal(name, row, "a list that is no vector of numbers") from None
    if array.ndim != 1 or not array.size or array.dtype.kind not in "fiub":
        raise _refusal(
            name, row, f"an array of shape {array.shape} and type {array.dtype}, not a vector of numbers"
        )
    return array


def _refusal(name: str, row: int, found: str) -> DataError:
    return DataError(
        f"column '{name}', row {row}: {found}; give every row a list of as many finite numbers, or None"
    )
