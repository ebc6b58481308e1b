"""A state as JSON text with references to members, and back.

Values JSON has no word for are objects with one tag: ``{"$array": member}`` (with ``"dtype"``
where the stored array is narrower than the real one), ``{"$blob": member}``, ``{"$float": "nan"}``
and ``{"$int": "0x..."}``. A user's key that begins with ``$`` is written with a second ``$``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias

import numpy as np

from stackml.foundation.errors import StorageError
from stackml.storage.npy import check_dtype, narrow
from stackml.storage.state import State, StateValue

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_PLAIN_INT = 2**63  # beyond it readers of JSON disagree, and Python caps decimal digits


class Encoder:
    """Turn a state into JSON values, handing arrays and blobs to `put`.

    Parameters
    ----------
    put : callable
        ``put(kind, value) -> member name`` with kind ``"array"`` or ``"blob"``.
    where : str
        What is being written, for messages.
    """

    def __init__(self, put: Callable[[str, np.ndarray | bytes], str], where: str) -> None:
        self._put = put
        self._where = where

    def encode(self, value: Any, at: str = "state") -> Any:
        """Return the JSON form of `value`; `at` is its place in the tree, for messages."""
        if isinstance(value, dict):
            return {self._key(key, at): self.encode(item, f"{at}.{key}") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.encode(item, f"{at}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, np.ndarray):
            return self._array(value, at)
        if isinstance(value, bytes):
            return {"$blob": self._put("blob", value)}
        return self._scalar(value.item() if isinstance(value, np.generic) else value, at)

    def _key(self, key: object, at: str) -> str:
        if not isinstance(key, str):
            raise StorageError(f"{self._where}: {at} has the key {key!r}; keys of a state must be text")
        return f"${key}" if key.startswith("$") else key

    def _array(self, array: np.ndarray, at: str) -> dict[str, str]:
        if isinstance(array, np.ma.MaskedArray):
            raise StorageError(f"{self._where}: {at} is a masked array; store values and mask as two arrays")
        array = np.asarray(array)
        check_dtype(array.dtype, f"{self._where}: {at}")
        stored = narrow(array)
        reference = {"$array": self._put("array", stored)}
        return reference if stored is array else reference | {"dtype": array.dtype.str}

    def _scalar(self, value: object, at: str) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return int(value) if -_PLAIN_INT <= value < _PLAIN_INT else {"$int": hex(value)}
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"$float": str(float(value))}
        raise StorageError(
            f"{self._where}: {at} is a {type(value).__name__}; a state holds JSON values, arrays and bytes"
        )


class Decoder:
    """Turn JSON values back into a state.

    Parameters
    ----------
    get_array : callable
        ``get_array(member, dtype or None) -> ndarray``.
    get_blob : callable
        ``get_blob(member) -> bytes``.
    where : str
        What is being read, for messages.
    """

    def __init__(
        self,
        get_array: Callable[[str, str | None], np.ndarray],
        get_blob: Callable[[str], bytes],
        where: str,
    ) -> None:
        self._get_array = get_array
        self._get_blob = get_blob
        self._where = where

    def decode(self, value: Any) -> StateValue:
        """Return the state value of a JSON value.

        Raises
        ------
        StorageError
            If a tag is unknown or malformed.
        """
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if any(key.startswith("$") and not key.startswith("$$") for key in value):
            return self._tagged(value)
        return {key.removeprefix("$"): self.decode(item) for key, item in value.items()}

    def _tagged(self, value: Mapping[str, Any]) -> StateValue:
        if not all(isinstance(item, str) for item in value.values()):
            self._refuse(value)
        match dict(value):
            case {"$array": member, **rest} if set(rest) <= {"dtype"}:
                return self._get_array(member, rest.get("dtype"))
            case {"$blob": member, **rest} if not rest:
                return self._get_blob(member)
            case {"$float": text, **rest} if not rest and text in _FLOATS:
                return _FLOATS[text]
            case {"$int": text, **rest} if not rest:
                with suppress(ValueError):
                    return int(text, 16)
        return self._refuse(value)

    def _refuse(self, value: Mapping[str, Any]) -> NoReturn:
        raise StorageError(
            f"{self._where}: has a tag that means nothing: {str(value)[:80]!r}; the file is damaged"
        )


def to_json(value: Any) -> bytes:
    """Return compact JSON bytes; keys keep their order."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def from_json(data: bytes | bytearray, where: str) -> dict[str, Any]:
    """Parse a JSON object, refusing repeated keys and NaN words.

    Raises
    ------
    StorageError
        If it is not such JSON, or is nested beyond reason.
    """
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{where}: not readable as JSON; the file is damaged") from error
    if not isinstance(value, dict):
        raise StorageError(f"{where}: holds a {type(value).__name__}, not an object; the file is damaged")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is repeated")
    return result


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def state_of(value: StateValue, where: str) -> State:
    """Return a decoded value as a state, or refuse it."""
    if not isinstance(value, dict):
        raise StorageError(f"{where}: state.json does not hold an object; the file is damaged")
    return value
