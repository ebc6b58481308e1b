"""Class labels as a file keeps them, and the array they come back as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import StorageError
from stackml.storage.fields import refuse
from stackml.storage.state import State

_DTYPES = frozenset(
    {"bool", "str", "object", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


def dtype_name(labels: npt.NDArray[Any]) -> str:
    """Return the name of a dtype a file keeps, or "" for another."""
    name = "str" if labels.dtype.kind == "U" else labels.dtype.name
    return name if name in _DTYPES else ""


def labels_array(labels: Sequence[Any], dtype: str = "") -> npt.NDArray[Any]:
    """Return class labels as the array `classes_` holds."""
    return np.array(list(labels), dtype=dtype) if dtype else np.asarray(list(labels))


def labels_to_state(labels: Sequence[Any], dtype: str) -> State:
    """Return labels and the name of their dtype.

    Raises
    ------
    StorageError
        If a label is something a file does not keep.
    """
    for value in labels:
        if not isinstance(value, str | bool | int | float):
            raise StorageError(
                f"the class label {value!r} is a {type(value).__name__}; "
                "a file keeps text, numbers and booleans"
            )
    return {"labels": list(labels), "dtype": dtype}


def labels_from_state(state: Mapping[str, Any]) -> tuple[tuple[Any, ...], str]:
    """Return stored labels and the name of their dtype ("" in early files).

    Raises
    ------
    StorageError
        If they are not distinct texts, numbers or booleans, or not of that dtype.
    """
    labels, dtype = state["labels"], state.get("dtype", "")
    if not isinstance(labels, list) or not all(isinstance(x, str | bool | int | float) for x in labels):
        refuse("the class labels", "are not texts, numbers or booleans")
    kinds = {str if isinstance(x, str) else bool if isinstance(x, bool) else float for x in labels}
    if len(kinds) > 1 or not all(isfinite(x) for x in labels if not isinstance(x, str)):
        refuse("the class labels", "are of different types or not finite")
    if len(set(labels)) != len(labels):
        refuse("the class labels", "hold one label twice")
    if not isinstance(dtype, str) or (dtype and dtype not in _DTYPES):
        refuse("the class labels", f"have the unknown dtype {dtype!r:.40}")
    try:
        kept = labels_array(labels, dtype).tolist() == labels
    except (OverflowError, ValueError, TypeError):
        kept = False
    if not kept:
        refuse("the class labels", f"are not of the dtype {dtype!r}")
    return tuple(labels), dtype
