"""Read the part of Universal Binary JSON that XGBoost writes, never past the end of the bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

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
_LONG = "L"
_BEFORE_LENGTH = b"#L"
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


@dataclass(frozen=True)
class _Field:
    """How a key and its value were written in one mapping, and so are likely to be in the next.

    Attributes
    ----------
    key : str
    head : bytes
        The key, and what stands before the length of its list of numbers.
    form : dtype, optional
        Of the numbers; None for any other value, which `head` then does not reach.
    """

    key: str
    head: bytes
    form: np.dtype[Any] | None


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
        kind = self.kind()
        if kind == _LONG:
            number = int.from_bytes(self.take(8), "big", signed=True)
        else:
            number = self.value(kind, _DEEPEST)
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

    def mapping(self, depth: int, like: Sequence[_Field] = (), seen: list[_Field] | None = None) -> Any:
        """Return a mapping; `like` is how others beside it were written, `seen` takes up how this one is."""
        result: dict[str, Any] = {}
        for field in like:
            if not self._data.startswith(field.head, self.at):
                break
            self.at += len(field.head)
            result[field.key] = (
                self.value(self.kind(), depth) if field.form is None else self.numbers(field.form)
            )
        while self.peek() != "}":
            start = self.at
            key = self.text()
            if key in result:
                _refuse(f"the key {key[:40]!r} is repeated")
            named = self.at
            result[key] = self.value(self.kind(), depth)
            if seen is not None:
                seen.append(self._field(key, start, named, result[key]))
        self.take(1)
        return result

    def _field(self, key: str, start: int, named: int, value: Any) -> _Field:
        if isinstance(value, np.ndarray):
            head = self._data[start : self.at - value.nbytes - 8]
            if head.endswith(_BEFORE_LENGTH):
                return _Field(key, head, value.dtype)
        return _Field(key, self._data[start:named], None)

    def sequence(self, depth: int) -> Any:
        if self.peek() == "$":
            self.take(1)
            form = _NUMBERS.get(self.kind())
            if form is None or self.kind() != "#":
                _refuse("a list is of an unknown type")
            return self.numbers(form, self.count())
        if self.kind() != "#":
            _refuse("a list does not say its length")
        values: list[Any] = []
        fields: list[_Field] = []  # of the first mapping: trees are many, and written alike
        for _ in range(self.count()):
            kind = self.kind()
            if kind == "{" and depth < _DEEPEST:
                values.append(self.mapping(depth + 1, fields, None if fields else fields))
            else:
                values.append(self.value(kind, depth))
        return values

    def numbers(self, form: np.dtype[Any], n: int | None = None) -> npt.NDArray[Any]:
        if n is None:
            n = int.from_bytes(self.take(8), "big", signed=True)
        start, end = self.at, self.at + n * form.itemsize
        if not start <= end <= len(self._data):
            _refuse("it ends too early")
        self.at = end
        return np.frombuffer(self._data, form, n, start)


def _refuse(reason: str) -> NoReturn:
    raise StorageError(f"xgboost: the stored model is not readable as UBJSON: {reason}; the file is damaged")
