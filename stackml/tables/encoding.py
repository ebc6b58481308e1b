"""One column at a time: what kind it is, and its values as float32 parts or int32 codes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types as pdt

from stackml.foundation.errors import DataError, SchemaError
from stackml.tables.embedding import holds_vectors
from stackml.tables.precision import Rounding, split_parts
from stackml.tables.schema import Column, Kind

MISSING = -1
UNSEEN = -2
FLOAT32_MAX = float(np.finfo(np.float32).max)
TEXT_LENGTH = 40.0


def kind_of(series: pd.Series) -> Kind:
    """Return what a column looks like."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if pdt.is_datetime64_any_dtype(dtype):
        return "datetime"
    if pdt.is_bool_dtype(dtype) or pdt.is_numeric_dtype(dtype) or pdt.is_timedelta64_dtype(dtype):
        return "number"
    present = series.dropna()
    if len(present) and holds_vectors(present):
        return "embedding"
    if present.empty or _all_numbers(present):
        return "number"
    if all(isinstance(value, date) for value in present.iloc[:1000]):
        return "datetime"
    return "text" if _reads_as_text(present) else "category"


def _all_numbers(present: pd.Series) -> bool:
    if present.dtype != object:
        return False
    head = present.iloc[:1000]
    if any(isinstance(value, str) for value in head):
        return False
    try:
        return bool(pd.to_numeric(present, errors="coerce").notna().all())
    except OverflowError:  # a whole number no float holds: it is refused where it is read
        return True


def _reads_as_text(present: pd.Series) -> bool:
    # Not by pandas' strings: those of Arrow refuse the half of a surrogate pair that cut texts end with.
    head = [str(value) for value in present.iloc[:2000]]
    return sum(map(len, head)) > TEXT_LENGTH * len(head) and len(set(head)) > 0.5 * len(head)


def numbers_of(series: pd.Series, name: str) -> npt.NDArray[np.float64]:
    """Return a column as float64 with NaN for missing.

    Raises
    ------
    DataError
        If a value is no number or is infinite; the message names column, row and value.
    """
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":  # first: of one row the questions take longest
        return _checked_range(series.to_numpy().astype(np.float64), name)
    if pdt.is_datetime64_any_dtype(dtype):
        return _seconds(series)
    if pdt.is_complex_dtype(dtype):
        raise DataError(
            f"column '{name}': Complex data not supported; give real and imaginary parts as two columns"
        )
    if pdt.is_timedelta64_dtype(dtype):
        values = series.dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan)
    elif pdt.is_bool_dtype(dtype) or pdt.is_numeric_dtype(dtype):
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = _parsed_numbers(series, name)
    return _checked_range(values, name)


def _checked_range(values: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
    """Return the values, none of which is infinite or beyond float32."""
    if not np.isfinite(values).all():
        _refuse_infinity(values, name)
    size = np.abs(values)
    if (size > FLOAT32_MAX).any():
        row = int(np.nanargmax(size))
        raise DataError(
            f"column '{name}', row {row}: {values[row]:g} is beyond float32 (3.4e38); rescale the column"
        )
    return values


def datetimes_of(series: pd.Series) -> pd.Series:
    """Return a column of dates, or of text that says dates, as datetimes.

    Raises
    ------
    SchemaError
        If a value is no date, or a number, which may count seconds, days or nanoseconds.
    """
    if pdt.is_datetime64_any_dtype(series.dtype):
        return series
    if pdt.is_numeric_dtype(series.dtype) and series.notna().any():
        row = int(series.notna().to_numpy().argmax())
        raise SchemaError(
            f"column '{series.name}', row {row}: {series.iloc[row]} is a number, where a date is needed; "
            "convert the column first, for instance with pandas.to_datetime(column, unit='s')"
        )
    try:
        return pd.to_datetime(series)
    except (ValueError, TypeError) as error:
        parsed = pd.to_datetime(series, errors="coerce")
        wrong = np.flatnonzero(parsed.isna().to_numpy() & series.notna().to_numpy())
        where = f"row {wrong[0]}: {series.iloc[int(wrong[0])]!r}" if wrong.size else str(error)
        raise SchemaError(f"column '{series.name}', {where} is not a date") from None


def _seconds(series: pd.Series) -> npt.NDArray[np.float64]:
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    stamps = series.to_numpy(dtype="datetime64[us]")
    seconds = stamps.astype(np.int64).astype(np.float64) / 1e6
    seconds[np.isnat(stamps)] = np.nan
    return seconds


def _parsed_numbers(series: pd.Series, name: str) -> npt.NDArray[np.float64]:
    try:
        converted = pd.to_numeric(series, errors="coerce")
    except OverflowError:
        raise _endless(series, name) from None
    values: npt.NDArray[np.float64] = converted.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.isnan(values) & series.notna().to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"column '{name}', row {row}: {series.iloc[row]!r} is not a number "
            f"({int(wrong.sum())} such row(s)); mend the value, or declare the column a category with "
            f"schema={{'categories': ['{name}']}}"
        )
    return values


def _endless(series: pd.Series, name: str) -> DataError:
    long = [isinstance(value, int) and abs(value) > FLOAT32_MAX for value in series]
    row = long.index(True)
    return DataError(
        f"column '{name}', row {row}: a whole number beyond float32 (3.4e38); rescale the column"
    )


def _refuse_infinity(values: npt.NDArray[np.float64], name: str) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.flatnonzero(infinite)[0])
        raise DataError(
            f"column '{name}', row {row}: {values[row]} is infinite ({int(infinite.sum())} such row(s)); "
            "replace infinities by a number, or by NaN to mean missing"
        )


def labels_of(values: Any) -> list[str]:
    """Return category values as text: whole floats as integers, so 3, 3.0 and '3' are one value."""
    return [_label(value) for value in values]


def _label(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def factorized(series: pd.Series) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return codes into a list of labels; -1 is missing. Labels can repeat (3 and '3')."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.cat.codes.to_numpy().astype(np.int64), labels_of(series.cat.categories)
    try:
        codes, uniques = pd.factorize(series, use_na_sentinel=True)
    except TypeError:
        raise unhashable(series) from None
    return np.asarray(codes, dtype=np.int64), labels_of(uniques)


def unhashable(series: pd.Series) -> DataError:
    """Return the error that names the first cell no vocabulary could hold."""
    odd = np.array([value.__hash__ is None for value in series.astype(object)])
    row = int(odd.argmax())
    return DataError(
        f"column '{series.name}', row {row}: a cell holds a {type(series.iloc[row]).__name__} "
        f"({int(odd.sum())} such row(s)); make columns of its parts, or leave the column out"
    )


def codes_of(series: pd.Series, vocabulary: Mapping[str, int]) -> npt.NDArray[np.int32]:
    """Return a category column as codes: -1 missing, -2 a value the vocabulary lacks."""
    codes, labels = factorized(series)
    known = np.fromiter((vocabulary.get(label, UNSEEN) for label in labels), np.int32, len(labels))
    lookup = np.append(known, np.int32(MISSING))  # index -1 reads the last entry
    result: npt.NDArray[np.int32] = lookup[codes]
    return result


def code_of(value: Any, vocabulary: Mapping[str, int]) -> int:
    """Return the code of one category value, which can be hashed."""
    if type(value) is str:
        return vocabulary.get(value, UNSEEN)
    return MISSING if pd.isna(value) else vocabulary.get(_label(value), UNSEEN)


def slot_values(series: pd.Series, column: Column) -> list[npt.NDArray[np.float32]]:
    """Return the float32 slots of a number or datetime column, in the order of `Column.slots`."""
    if column.kind == "number" and pdt.is_datetime64_any_dtype(series.dtype):
        raise SchemaError(
            f"column '{column.name}' holds dates, and numbers when the stack was trained; convert it as then"
        )
    values = numbers_of(series, column.name)
    slots = split_parts(values, Rounding(column.offset, column.parts))
    for part in column.calendar:
        slots.append(calendar_part(values, part))
    return slots


def calendar_part(seconds: npt.NDArray[np.float64], part: str) -> npt.NDArray[np.float32]:
    """Return month (1-12), day (1-31), day_of_week (0 Monday - 6) or hour (0-23) of epoch seconds."""
    missing = np.isnan(seconds)
    stamps = pd.DatetimeIndex(np.where(missing, 0.0, seconds).astype("datetime64[s]"))
    values = np.asarray(getattr(stamps, part), dtype=np.float32).copy()
    values[missing] = np.nan
    return values
