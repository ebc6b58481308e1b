"""What a splitter is given, checked once: target, groups and time as plain arrays."""

from __future__ import annotations

import datetime as dt
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import ParameterError, SplitError

IntArray = NDArray[np.int64]
Embargo = float | dt.timedelta | np.timedelta64

_SHOWN = 5
_MICROSECONDS_PER_DAY = 86_400_000_000
_COARSE_BINS = 10


@dataclass(frozen=True, eq=False)
class Target:
    """What the rows are balanced by: classes, a number, or nothing.

    Attributes
    ----------
    codes : ndarray of int64, shape (n_rows,), or None
        Class of each row in ``0 .. n_classes - 1``, every class present.
    values : ndarray of float64, shape (n_rows,), or None
        The number to be predicted.
    names : tuple of str
        Name of each class, for messages.
    n_rows : int
    """

    codes: IntArray | None
    values: NDArray[np.float64] | None
    names: tuple[str, ...]
    n_rows: int

    def strata(self, size: int, rng: np.random.Generator) -> IntArray:
        """Return the stratum of each row: its class, or its block of `size` neighbours by value."""
        if self.codes is not None:
            return self.codes
        if self.values is None:
            return np.zeros(self.n_rows, dtype=np.int64)
        shuffled = rng.permutation(self.n_rows)
        order = shuffled[np.argsort(self.values[shuffled], kind="stable")]
        rank = np.empty(self.n_rows, dtype=np.int64)
        rank[order] = np.arange(self.n_rows)
        return rank // max(1, size)

    def coarse(self) -> IntArray:
        """Return classes, or at most ten quantile bins of the value; equal values share a bin."""
        if self.codes is not None:
            return self.codes
        if self.values is None:
            return np.zeros(self.n_rows, dtype=np.int64)
        edges = np.quantile(self.values, np.linspace(0, 1, _COARSE_BINS + 1)[1:-1])
        bins = np.searchsorted(np.unique(edges), self.values, side="right")
        return np.unique(bins, return_inverse=True)[1].reshape(-1).astype(np.int64)


def check_target(y: ArrayLike | None, n_rows: int, class_names: Sequence[str] | None = None) -> Target:
    """Read the target: integers are class codes, floats are numbers to predict.

    Raises
    ------
    SplitError
        If the length is wrong, a value is missing, or the values are neither.
    """
    if y is None:
        return Target(None, None, (), n_rows)
    values = _column(y, n_rows, "target")
    if values.dtype.kind in "biu":
        labels, codes = np.unique(values, return_inverse=True)
        return Target(codes.reshape(-1).astype(np.int64), None, _names(labels, class_names), n_rows)
    if values.dtype.kind != "f":
        raise SplitError(
            f"target: expected integer class codes or floats, found {values.dtype}; encode the classes as "
            "0, 1, 2 ... first"
        )
    _refuse(~np.isfinite(values), "target", "drop those rows or fill the target")
    return Target(None, values.astype(np.float64), (), n_rows)


def group_codes(groups: ArrayLike, n_rows: int) -> tuple[IntArray, int]:
    """Return the code of each row's group, and the number of groups.

    Codes follow the sorted group values, so they do not depend on the order of the rows.

    Raises
    ------
    SplitError
        If the length is wrong or a row has no group.
    """
    values = _column(groups, n_rows, "groups")
    if values.dtype.kind in "OT":
        return _codes_of_objects(values.astype(object))
    _refuse(_missing(values), "groups", "give every row a group, or drop those rows")
    labels, codes = np.unique(values, return_inverse=True)
    return codes.reshape(-1).astype(np.int64), len(labels)


def time_axis(time: ArrayLike, n_rows: int) -> NDArray[Any]:
    """Return the time of each row as int64, float64, datetime64 or timedelta64.

    Raises
    ------
    SplitError
        If the length is wrong, a time is missing or infinite, or times are text.
    """
    values = _column(time, n_rows, "time")
    if values.dtype.kind in "OT":
        values = _times_of_objects(values.astype(object))
    if values.dtype.kind in "bui":
        # uint64 beyond int64 would wrap round in a difference.
        return values.astype(np.float64 if values.dtype == np.uint64 else np.int64)
    if values.dtype.kind not in "fmM":
        raise SplitError(
            f"time: expected numbers or dates, found {values.dtype} (row 0 holds {values.flat[0]!r}); "
            "parse the column into dates or numbers first"
        )
    bad = ~np.isfinite(values) if values.dtype.kind == "f" else np.isnat(values)
    _refuse(bad, "time", "give every row a time, or drop those rows")
    return values.astype(np.float64) if values.dtype.kind == "f" else values


def embargo_on(axis: NDArray[Any], embargo: Any) -> Any:
    """Return the embargo in the axis's own units (a plain number counts days on a date axis).

    Raises
    ------
    ParameterError
        If the embargo is a timedelta where time is a number.
    """
    is_span = isinstance(embargo, dt.timedelta | np.timedelta64)
    if axis.dtype.kind not in "mM":
        if is_span:
            raise ParameterError(f"embargo={embargo!r}: time holds numbers, so the embargo must be one too")
        return float(embargo)
    if is_span:
        return np.timedelta64(embargo, "us") if isinstance(embargo, dt.timedelta) else embargo
    return np.timedelta64(round(float(embargo) * _MICROSECONDS_PER_DAY), "us")


def check_embargo(embargo: Any) -> None:
    """Refuse an embargo that is negative, not finite, or no duration at all.

    Raises
    ------
    ParameterError
    """
    if isinstance(embargo, dt.timedelta):
        good = embargo >= dt.timedelta(0)
    elif isinstance(embargo, np.timedelta64):
        good = bool(embargo >= np.timedelta64(0))
    else:
        good = isinstance(embargo, numbers.Real) and 0 <= float(embargo) < float("inf")
    if not good:
        raise ParameterError(f"embargo={embargo!r}: give a duration of zero or more")


def check_n_folds(n_folds: Any, least: int) -> None:
    """Refuse a number of folds below `least` or not an integer.

    Raises
    ------
    ParameterError
    """
    if isinstance(n_folds, bool) or not isinstance(n_folds, numbers.Integral) or int(n_folds) < least:
        raise ParameterError(f"n_folds={n_folds!r}: give an integer of {least} or more")


def available_folds(asked: int, available: int, what: str) -> tuple[int, tuple[str, ...]]:
    """Return how many folds can be made, and the note that says why when fewer than asked."""
    if available >= asked:
        return int(asked), ()
    folds = "fold is" if available == 1 else "folds are"
    return int(available), (f"{asked} folds were asked for; {available} {folds} made from {what}",)


def row_list(bad: NDArray[np.bool_]) -> str:
    """Return the first row numbers where `bad` holds, as text."""
    rows = np.flatnonzero(bad)
    more = ", ..." if len(rows) > _SHOWN else ""
    return ", ".join(str(row) for row in rows[:_SHOWN]) + more


def _names(labels: NDArray[Any], class_names: Sequence[str] | None) -> tuple[str, ...]:
    if class_names is None:
        return tuple(str(label) for label in labels.tolist())
    if int(labels.min(initial=0)) < 0 or int(labels.max(initial=0)) >= len(class_names):
        raise SplitError(
            f"target: class codes run from {labels.min()} to {labels.max()}, but {len(class_names)} class "
            "names were given"
        )
    return tuple(str(class_names[int(label)]) for label in labels)


def _column(values: ArrayLike, n_rows: int, name: str) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (n_rows,):
        raise SplitError(f"{name}: expected one value for each of {n_rows} rows, found shape {column.shape}")
    return column


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    if values.dtype.kind in "mM":
        return np.asarray(np.isnat(values))
    return np.zeros(len(values), dtype=bool)


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - only a missing value differs from itself
    except TypeError:  # pandas' NA answers neither yes nor no
        return True


def _refuse(bad: NDArray[np.bool_], name: str, advice: str) -> None:
    count = int(bad.sum())
    if count:
        values = "value" if count == 1 else "values"
        raise SplitError(f"{name}: {count} missing {values}, first at row {row_list(bad)}; {advice}")


def _codes_of_objects(values: NDArray[np.object_]) -> tuple[IntArray, int]:
    items = values.tolist()
    bad = np.fromiter((_is_missing(item) for item in items), dtype=bool, count=len(items))
    _refuse(bad, "groups", "give every row a group, or drop those rows")
    try:
        labels = sorted(set(items))
    except TypeError:  # mixed kinds have no order of their own
        labels = sorted(set(items), key=lambda item: (type(item).__name__, repr(item)))
    code = {label: position for position, label in enumerate(labels)}
    return np.fromiter((code[item] for item in items), dtype=np.int64, count=len(items)), len(labels)


def _times_of_objects(values: NDArray[np.object_]) -> NDArray[Any]:
    items = values.tolist()
    bad = np.fromiter((_is_missing(item) for item in items), dtype=bool, count=len(items))
    _refuse(bad, "time", "give every row a time, or drop those rows")
    if all(isinstance(item, dt.date) for item in items):
        return np.array([_naive(item) for item in items], dtype="datetime64[us]")
    if all(isinstance(item, numbers.Integral) for item in items):
        return np.array([int(item) for item in items])
    if all(isinstance(item, numbers.Real) for item in items):
        return np.array([float(item) for item in items])
    odd = next(r for r, item in enumerate(items) if not isinstance(item, numbers.Real | dt.date))
    raise SplitError(
        f"time: expected numbers or dates, found {items[odd]!r} at row {odd}; "
        "parse the column into dates or numbers first"
    )


def _naive(value: dt.date) -> dt.datetime:
    if not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    # Rebuilt field by field: a Timestamp would warn about its nanoseconds.
    return dt.datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
    )
