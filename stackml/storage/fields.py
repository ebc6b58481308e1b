"""Fields of a state that others may have written: proved to be what they should be, or refused."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import StorageError


def finite_array(
    value: Any, what: str, shape: tuple[int | None, ...], *, infinite: bool = False
) -> npt.NDArray[Any]:
    """Return an array of floats.

    Parameters
    ----------
    value : object
    what : str
        What is being read, for messages.
    shape : tuple of int or None
        Length of each dimension; None is any.
    infinite : bool
        Whether infinity has a meaning here; NaN never has.

    Raises
    ------
    StorageError
        If it is no array of floats, has another shape or holds NaN or infinity.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        refuse(what, "is not an array of floats")
    if value.ndim != len(shape) or any(
        n is not None and n != m for n, m in zip(shape, value.shape, strict=True)
    ):
        refuse(what, f"has the shape {value.shape}")
    if np.isnan(value).any() or (not infinite and np.isinf(value).any()):
        refuse(what, "holds a value that is not finite")
    return value


def finite_number(value: Any, what: str) -> float:
    """Return a finite float.

    Raises
    ------
    StorageError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        refuse(what, f"is {value!r:.40}, not a finite number")
    return float(value)


def positions(value: Any, what: str, *, repeated: bool = False) -> tuple[int, ...]:
    """Return a list or array of integers, 0 or more and each there once, unless `repeated` allows more.

    Raises
    ------
    StorageError
        If it is something else.
    """
    items = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(items, list | tuple) or not all(type(item) is int and item >= 0 for item in items):
        refuse(what, "is not a list of positions")
    if not repeated and len(set(items)) != len(items):
        refuse(what, "names a position twice")
    return tuple(items)


def names(value: Any, what: str) -> tuple[str, ...]:
    """Return a list of texts, each there once.

    Raises
    ------
    StorageError
        If it is something else.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        refuse(what, "is not a list of names")
    if len(set(value)) != len(value):
        refuse(what, "holds a name twice")
    return tuple(value)


def one_of(value: Any, known: tuple[str, ...], what: str) -> Any:
    """Return a word that is among the known ones.

    Raises
    ------
    StorageError
        If it is not.
    """
    if not isinstance(value, str) or value not in known:
        refuse(what, f"is {value!r:.40}; known: {', '.join(known)}")
    return value


def refuse(what: str, why: str) -> NoReturn:
    """Raise `StorageError`: `what` of a file is not usable."""
    raise StorageError(f"{what} {why}; the file is damaged")
