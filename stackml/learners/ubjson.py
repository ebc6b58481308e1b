"""Read the part of Universal Binary JSON that XGBoost writes, never past the end of the bytes."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from stackml.foundation.errors import StorageError

_NUMBERS = {
    kind: np.dtype(form)
    for kind, form in {
        "i": "i1",
        "U": "u1",
        "I": ">i2",
        "l": ">i4",
        "L": ">i8",
        "d": ">f4",
        "D": ">f8",
    }.items()
}
_WORDS = {"T": True, "F": False, "N": None}
_DEEPEST = 32


def read_ubjson(data: bytes) -> Any:
    """Return the value that the bytes hold.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    object
        Dictionaries, lists, text, numbers, and NumPy arrays for lists of one number type.

    Raises
    ------
    StorageError
        If the bytes are not exactly one value.
    """
    reader = _Reader(data)
    value = reader.value(reader.kind(), 0)
    if reader.at != len(data):
        _refuse("bytes follow its end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, n: int) -> bytes:
        if not 0 <= n <= len(self._data) - self.at:
            _refuse("it ends too early")
        self.at += n
        return self._data[self.at - n : self.at]

    def kind(self) -> str:
        return self.take(1).decode("latin-1")

    def peek(self) -> str:
        return self._data[self.at : self.at + 1].decode("latin-1")

    def count(self) -> int:
        number = self.value(self.kind(), _DEEPEST)
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            _refuse("a length is no number")
        return number

    def text(self) -> str:
        try:
            return self.take(self.count()).decode("utf-8")
        except UnicodeDecodeError:
            _refuse("a text is not UTF-8")

    def value(self, kind: str, depth: int) -> Any:
        if kind in _NUMBERS:
            form = _NUMBERS[kind]
            return np.frombuffer(self.take(form.itemsize), dtype=form)[0].item()
        if kind in _WORDS:
            return _WORDS[kind]
        if kind == "S":
            return self.text()
        if depth >= _DEEPEST or kind not in ("{", "["):
            _refuse(f"it holds {kind!r} where a value should be")
        return self.mapping(depth + 1) if kind == "{" else self.sequence(depth + 1)

    def mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while self.peek() != "}":
            key = self.text()
            if key in result:
                _refuse(f"the key {key[:40]!r} is repeated")
            result[key] = self.value(self.kind(), depth)
        self.take(1)
        return result

    def sequence(self, depth: int) -> Any:
        if self.peek() == "$":
            self.take(1)
            form = _NUMBERS.get(self.kind())
            if form is None or self.kind() != "#":
                _refuse("a list is of an unknown type")
            n = self.count()
            return np.frombuffer(self.take(n * form.itemsize), dtype=form)
        if self.kind() != "#":
            _refuse("a list does not say its length")
        return [self.value(self.kind(), depth) for _ in range(self.count())]


def _refuse(reason: str) -> NoReturn:
    raise StorageError(f"xgboost: the stored model is not readable as UBJSON: {reason}; the file is damaged")
