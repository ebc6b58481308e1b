"""Arrays as ``.npy`` bytes: written plainly, and parsed only after their header is proven honest."""

from __future__ import annotations

import io
import math
import re
import warnings
from typing import Any

import numpy as np

from stackml.foundation.errors import StorageError

# Booleans, numbers, text, bytes, times. Objects would need pickle; records have no use here.
_KINDS = "biufcUSmM"
_MAX_HEADER = 10_000
_NUMBER_BYTES = {"f": 8, "c": 16}
_NARROWER = {"f": ("f4",), "i": ("i1", "i2", "i4"), "u": ("u1", "u2", "u4")}
_NUMBER = re.compile(r"[<>][fiu][248]")
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_dtype(dtype: np.dtype[Any], where: str) -> None:
    """Refuse a dtype that cannot be stored as plain bytes on every platform.

    Raises
    ------
    StorageError
        For object, record, zero-width and extended-precision dtypes.
    """
    if dtype.hasobject or dtype.kind not in _KINDS or dtype.subdtype is not None:
        raise StorageError(
            f"{where}: dtype {dtype} cannot be stored; use numbers, booleans, dates or text of fixed width"
        )
    if dtype.itemsize == 0 or dtype.itemsize > _NUMBER_BYTES.get(dtype.kind, dtype.itemsize):
        raise StorageError(f"{where}: dtype {dtype} has a width that differs between machines; cast it first")


def narrow(array: np.ndarray) -> np.ndarray:
    """Return the array in the smallest number type that gives back every bit, else as it is."""
    for code in _NARROWER.get(array.dtype.kind, ()):
        small = np.dtype(code)
        if small.itemsize >= array.dtype.itemsize or not array.dtype.isnative:
            break
        if array.size and _loses_nothing(array, small):
            return array.astype(small, order="K")
    return array


def _loses_nothing(array: np.ndarray, small: np.dtype[Any]) -> bool:
    if array.dtype.kind != "f":
        bounds = np.iinfo(small)
        return bool(array.min() >= bounds.min and array.max() <= bounds.max)
    with np.errstate(all="ignore"):
        back = array.astype(small, order="K").astype(array.dtype, order="K")
    # Bits are compared, since -0.0 equals 0.0 and nan equals nothing.
    bits = np.dtype(f"u{array.dtype.itemsize}")
    return bool(np.array_equal(back.view(bits), array.view(bits)))


def npy_parts(array: np.ndarray) -> tuple[bytes, memoryview]:
    """Return the header and the raw bytes of an array, without copying a contiguous one."""
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    header = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    if array.size == 0:
        return header.getvalue(), memoryview(b"")
    flat = array.reshape(-1, order="F" if not array.flags.c_contiguous else "C")
    return header.getvalue(), flat.view(np.uint8).data


def array_from_npy(data: bytes | bytearray | memoryview, where: str) -> np.ndarray:
    """Return the array held in ``.npy`` bytes, as a view on them.

    Parameters
    ----------
    data : bytes-like
        One whole member; the array is writable where `data` is.
    where : str
        File and member, for messages.

    Raises
    ------
    StorageError
        If the header is damaged, asks for an object dtype, or promises another size than is there.
    """
    view = memoryview(data)
    shape, fortran, dtype, start = _read_header(view, where)
    check_dtype(dtype, where)
    promised, found = math.prod(shape) * dtype.itemsize, len(view) - start
    if promised != found:
        raise StorageError(
            f"{where}: its header promises {promised} bytes and {found} are there; the file is damaged"
        )
    try:
        flat = np.frombuffer(view, dtype, offset=start) if found else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")
    except (ValueError, OverflowError) as error:
        raise StorageError(f"{where}: shape {shape} is not possible; the file is damaged") from error


def wider_dtype(stored: np.dtype[Any], real: str, where: str) -> np.dtype[Any]:
    """Return the dtype a narrowed array had.

    Raises
    ------
    StorageError
        If `real` is not a wider number type of the same kind.
    """
    wide = np.dtype(real) if _NUMBER.fullmatch(real) else stored
    if wide.kind != stored.kind or wide.itemsize <= stored.itemsize:
        raise StorageError(
            f"{where}: holds {stored}, which does not widen to {real[:20]!r}; the file is damaged"
        )
    return wide


def _read_header(view: memoryview, where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    stream = io.BytesIO(view[: _MAX_HEADER + 16])
    try:
        # Numpy parses the header as a literal: it runs nothing, and its length is capped.
        version = np.lib.format.read_magic(stream)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            shape, fortran, dtype = _HEADER_READERS[version](stream, max_header_size=_MAX_HEADER)
    except Exception as error:
        raise StorageError(f"{where}: not a readable .npy header; the file is damaged") from error
    if any(isinstance(n, bool) or n < 0 for n in shape):
        raise StorageError(f"{where}: shape {shape} is not possible; the file is damaged")
    return shape, fortran, dtype, stream.tell()
