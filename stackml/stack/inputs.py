"""What comes into a fit beside the features, checked: target, groups, time and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.foundation.errors import DataError
from stackml.tables.target import Problem, Target


@dataclass(frozen=True, eq=False)
class EncodedTarget:
    """Target values and the labels their codes stand for."""

    values: npt.NDArray[Any]
    classes: npt.NDArray[Any]
    problem: Problem


def as_column(values: Any, name: str, n_rows: int | None = None) -> npt.NDArray[Any]:
    """Return a one-dimensional array of the right length.

    Raises
    ------
    DataError
        If it has another shape or length.
    """
    array = _to_array(values)
    if array.ndim == 2 and array.shape[1] == 1:
        if name == "y":
            import warnings

            from sklearn.exceptions import DataConversionWarning

            warnings.warn(
                "A column-vector y was passed when a 1d array was expected; it is read as one column",
                DataConversionWarning,
                stacklevel=4,
            )
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{name} should be a 1d array, got an array of shape {array.shape} instead")
    if n_rows is not None and len(array) != n_rows:
        raise DataError(
            f"X and {name} have different numbers of rows: Found input variables with inconsistent "
            f"numbers of samples: [{n_rows}, {len(array)}]"
        )
    return array


def _to_array(values: Any) -> npt.NDArray[Any]:
    if isinstance(values, pd.Series | pd.Index):
        if isinstance(values.dtype, np.dtype):
            return np.asarray(values)
        present = values.dropna()
        if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_integer_dtype(values.dtype):
            kind = bool if pd.api.types.is_bool_dtype(values.dtype) else np.int64
            if len(present) == len(values):
                return values.to_numpy(dtype=kind)
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        if pd.api.types.is_float_dtype(values.dtype):
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            return np.asarray(values)
        return np.asarray(values.astype(object))
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    return np.asarray(values)


def classification_target(y: Any, n_rows: int) -> EncodedTarget:
    """Return class codes in the order of the sorted labels.

    Raises
    ------
    DataError
        If values are missing, or fewer than two classes occur.
    ValueError
        If `y` holds continuous numbers.
    """
    from sklearn.utils.multiclass import check_classification_targets

    array = as_column(y, "y", n_rows)
    refuse_missing(array, "y", "a row without a class cannot be learned from; drop it")
    if array.dtype == object:
        array = _plain(array)
    try:
        check_classification_targets(array)
    except ValueError as error:
        raise DataError(f"{error} For numbers that are no classes use StackRegressor.") from None
    classes, codes = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise DataError(
            f"y holds one class only ({classes.tolist()[0]!r}, {n_rows} rows): "
            "a classifier needs at least two classes"
        )
    kind = "binary" if len(classes) == 2 else "multiclass"
    problem = Problem("binary" if kind == "binary" else "multiclass", len(classes))
    return EncodedTarget(codes.astype(np.int64), classes, problem)


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    kinds = {type(value) for value in array}
    if kinds <= {bool, np.bool_}:
        return array.astype(bool)
    if kinds <= {int, np.int64, np.int32}:
        return array.astype(np.int64)
    if all(issubclass(kind, int | float | np.number) and kind is not bool for kind in kinds):
        return array.astype(np.float64)
    if len(kinds) > 1 and not all(issubclass(kind, str) for kind in kinds):
        named = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise DataError(f"y mixes labels of different types ({named}); make them all text or all numbers")
    return array


def regression_target(y: Any, n_rows: int) -> EncodedTarget:
    """Return float64 values.

    Raises
    ------
    DataError
        If values are missing, infinite or no numbers.
    """
    array = as_column(y, "y", n_rows)
    try:
        values = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"y holds values that are no numbers ({error}); is this a classification?") from None
    refuse_missing(values, "y", "a row without a value cannot be learned from; drop it")
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise DataError(
            f"Input y contains infinity: row {infinite[0]} is {values[infinite[0]]} "
            f"({infinite.size} such row(s)); drop or mend them"
        )
    return EncodedTarget(values, np.empty(0), Problem("regression"))


def refuse_missing(array: npt.NDArray[Any], name: str, then: str) -> None:
    """Raise `DataError` naming the first missing row."""
    missing = np.flatnonzero(np.asarray(pd.isna(array)))
    if missing.size:
        raise DataError(
            f"Input {name} contains NaN: {missing.size} missing value(s), first at row {missing[0]}; {then}"
        )


def checked_weight(sample_weight: Any, n_rows: int) -> npt.NDArray[np.float64] | None:
    """Return weights as float64, or None where all rows weigh the same.

    Raises
    ------
    DataError
        If weights are negative, missing, infinite or all zero.
    """
    if sample_weight is None:
        return None
    if np.isscalar(sample_weight):
        if isinstance(sample_weight, int | float | np.number) and sample_weight > 0:
            return None
        raise DataError(
            f"sample_weight={sample_weight!r} does not weigh rows; give one above 0 for each ({n_rows})"
        )
    try:
        weight = as_column(sample_weight, "sample_weight", n_rows).astype(np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"sample_weight holds values that are no numbers ({error})") from None
    wrong = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if wrong.size:
        raise DataError(
            f"sample_weight, row {wrong[0]}: {weight[wrong[0]]} is not a weight; weights are finite and >= 0"
        )
    if not weight.any():
        raise DataError("sample_weight is zero for every row; nothing could be learned")
    return None if np.all(weight == 1.0) else weight


def assemble_target(
    encoded: EncodedTarget, n_rows: int, groups: Any, time: Any, sample_weight: Any
) -> Target:
    """Return the target with weights, group codes and time on one axis."""
    codes = stamps = None
    dated = False
    if groups is not None:
        array = as_column(groups, "groups", n_rows)
        refuse_missing(array, "groups", "give every row a group")
        codes = pd.factorize(array)[0].astype(np.int64)
    if time is not None:
        array = as_column(time, "time", n_rows)
        refuse_missing(array, "time", "give every row a time")
        stamps = _stamps(array)
        dated = array.dtype.kind not in "iufb"
    weight = checked_weight(sample_weight, n_rows)
    return Target(encoded.problem, encoded.values, weight, codes, stamps, dated)


def _stamps(array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if array.dtype.kind in "iufb":
        return array.astype(np.float64)
    try:
        stamps = pd.to_datetime(pd.Series(array)).to_numpy(dtype="datetime64[us]")
    except (ValueError, TypeError) as error:
        raise DataError(f"time holds values that are neither numbers nor dates ({error})") from None
    return stamps.astype(np.int64).astype(np.float64) / 1e6 / 86400.0  # days, as embargo counts them


def plain_labels(groups: Any) -> npt.NDArray[Any] | None:
    """Return groups as they were given, object ndarray of shape (n_rows,), or None."""
    return None if groups is None else np.asarray(pd.Series(as_column(groups, "groups")).astype(object))
