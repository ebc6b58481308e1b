"""Category codes as positions in a lookup table: missing first, then the vocabulary, then unseen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.storage.fields import finite_array, positions, refuse
from stackml.storage.state import State
from stackml.tables.encoding import UNSEEN
from stackml.tables.schema import Schema

Codes = npt.NDArray[np.int32]


def level_of(codes: npt.NDArray[Any], n_levels: int) -> npt.NDArray[np.int64]:
    """Return 0 for missing, ``code + 1`` for a known level and ``n_levels + 1`` for an unseen one.

    Parameters
    ----------
    codes : int ndarray of any shape
        -1 is missing, -2 unseen.
    n_levels : int
        Length of the vocabulary.
    """
    return np.where(codes == UNSEEN, n_levels + 1, codes + 1).astype(np.int64)


def table_length(n_levels: int) -> int:
    """Return the length of a table that `level_of` indexes."""
    return n_levels + 2


def level_counts(schema: Schema) -> tuple[int, ...]:
    """Return the length of the vocabulary of each column of the code block."""
    return tuple(len(column.vocabulary) for column in schema.categories)


def indicators(codes: Codes, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.float32]:
    """Return, for each code column, one column for missing and one a level; an unseen level is all zeros.

    Parameters
    ----------
    codes : int32 ndarray of shape (n_rows, n_categories)
    pairs : sequence of (column, n_levels)

    Returns
    -------
    float32 ndarray of shape (n_rows, sum of n_levels + 1)
    """
    widths = np.array([n_levels + 1 for _, n_levels in pairs], np.int64)
    first, width = np.cumsum(widths) - widths, int(widths.sum())
    read = codes[:, [column for column, _ in pairs]]
    places = np.where(read == UNSEEN, width, first + read + 1)
    found = np.zeros((len(codes), width + 1), np.float32)  # the last column takes the unseen
    found[np.arange(len(codes))[:, None], places] = 1.0
    return found[:, :width]


def ranks(codes: Codes) -> npt.NDArray[np.float32]:
    """Return codes as numbers of the same shape; NaN where missing or unseen."""
    return np.where(codes < 0, np.float32(np.nan), codes).astype(np.float32)


def pack(tables: list[npt.NDArray[np.float32]], width: int) -> State:
    """Return tables of shape (length, width) as one array and their lengths."""
    joined = np.concatenate(tables) if tables else np.zeros((0, width), np.float32)
    return {"values": joined, "lengths": np.array([len(t) for t in tables], np.int64)}


def unpack(state: Any) -> list[npt.NDArray[np.float32]]:
    """Return the tables that `pack` joined.

    Raises
    ------
    StorageError
        If the values are not finite, or the lengths are not those of tables in them.
    """
    values = finite_array(state["values"], "a table of categories", (None, None))
    lengths = state["lengths"]
    if not isinstance(lengths, np.ndarray) or lengths.ndim != 1 or lengths.dtype.kind != "i":
        refuse("a table of categories", "has no lengths")
    if (lengths < table_length(0)).any() or (lengths > len(values)).any() or lengths.sum() != len(values):
        refuse("a table of categories", "is not as long as it should be")
    return np.split(values, np.cumsum(lengths)[:-1]) if len(lengths) else []


def one_hot_pairs(value: Any) -> tuple[tuple[int, int], ...]:
    """Return stored pairs of a code column and its number of levels.

    Raises
    ------
    StorageError
        If they are something else.
    """
    pairs = tuple((column, n) for column, n in value)
    positions([column for column, _ in pairs], "the list of one-hot columns")
    if not all(type(n) is int and n >= 0 for _, n in pairs):
        refuse("the list of one-hot columns", "has a number of levels without a meaning")
    return pairs


def check_levels(pairs: Iterable[tuple[int, int]], schema: Schema) -> None:
    """Refuse a view whose code columns have other levels than those of the table it is to read.

    Parameters
    ----------
    pairs : iterable of (column, n_levels)
    schema : Schema
        Of the table.

    Raises
    ------
    StorageError
    """
    counts = level_counts(schema)
    for column, n in pairs:
        if not 0 <= column < len(counts) or counts[column] != n:
            refuse("a model", f"reads {n} levels of category {column}, which the columns do not have")


def check_columns(columns: Sequence[int] | npt.NDArray[np.int64], n_columns: int) -> None:
    """Refuse a view that reads columns beyond those of its table.

    Raises
    ------
    StorageError
    """
    if len(columns) and not 0 <= min(columns) <= max(columns) < n_columns:
        refuse("a model", f"reads column {max(columns)} of {n_columns}")
