"""Content digests: equal content, equal digest, whatever the process or the day."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np


def digest(*parts: Any) -> str:
    """Return the sha256 (hex, 64 characters) of a sequence of values.

    Parameters
    ----------
    *parts : str, bytes, int, float, bool, None, list, tuple, dict or numpy.ndarray
        Arrays count by dtype, shape and bytes; object arrays are refused.

    Raises
    ------
    TypeError
        If a part has a type whose bytes are not defined.
    """
    h = hashlib.sha256()
    for part in parts:
        _feed(h, part)
    return h.hexdigest()


def _feed(h: Any, part: Any) -> None:
    if isinstance(part, np.ndarray):
        if part.dtype.hasobject:
            raise TypeError("object arrays have no stable bytes; digest their text instead")
        h.update(f"a{part.dtype.str}{part.shape}".encode())
        h.update(np.ascontiguousarray(part).data if part.size else b"")
    elif isinstance(part, bytes):
        h.update(b"b%d:" % len(part))
        h.update(part)
    elif isinstance(part, list | tuple):
        h.update(b"l%d:" % len(part))
        for item in part:
            _feed(h, item)
    elif isinstance(part, dict):
        h.update(b"d%d:" % len(part))
        for key in sorted(part, key=str):
            _feed(h, str(key))
            _feed(h, part[key])
    elif part is None or isinstance(part, str | bool | int | float | np.generic):
        value = part.item() if isinstance(part, np.generic) else part
        text = json.dumps(value).encode()
        h.update(b"j%d:" % len(text))
        h.update(text)
    else:
        raise TypeError(f"cannot digest a {type(part).__name__}")
