"""The last line of a file: a sha256 over all bytes before it, kept in the zip's own comment.

The manifest proves every member's content. The seal proves the rest as well (headers, padding,
order), so that no byte of a file can change unseen. It tells damage, not authorship.
"""

from __future__ import annotations

import hashlib
from typing import BinaryIO

_MARK = b"stackml-sha256:"
_HEX = 64
_CHUNK = 1 << 20

BLANK = _MARK + b"0" * _HEX


def write_seal(stream: BinaryIO) -> None:
    """Fill in the seal of a file that ends with `BLANK`; `stream` is open for reading and writing."""
    end = stream.seek(0, 2) - _HEX
    digest = _digest(stream, end)
    stream.seek(end)
    stream.write(digest)


def seal_holds(stream: BinaryIO) -> bool:
    """Return whether a file ends with a seal, and the seal is right."""
    end = stream.seek(0, 2) - _HEX
    if end < len(_MARK):
        return False
    stream.seek(end - len(_MARK))
    if stream.read(len(_MARK)) != _MARK:
        return False
    return stream.read(_HEX) == _digest(stream, end)


def _digest(stream: BinaryIO, end: int) -> bytes:
    h = hashlib.sha256()
    stream.seek(0)
    while end > 0:
        chunk = stream.read(min(_CHUNK, end))
        if not chunk:
            break
        h.update(chunk)
        end -= len(chunk)
    return h.hexdigest().encode("ascii")
