"""The stated start of a net: a seed, so that the first weights can be drawn again and need no room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stackml.foundation.errors import ParameterError
from stackml.storage.fields import refuse

_MOST = 2**63


def checked_start(start: Any, kind: str) -> None:
    """Raise `ParameterError` where a start is no seed: None, or an integer of at least 0."""
    if start is None:
        return
    if isinstance(start, bool) or not isinstance(start, int | np.integer) or not 0 <= start < _MOST:
        raise ParameterError(f"{kind}: start must be a seed (an integer of 0 or more) or None, not {start!r}")


def start_from_state(state: Mapping[str, Any], kind: str) -> int | None:
    """Return the stored start; models fitted without one have none.

    Raises
    ------
    StorageError
        If it is no seed.
    """
    start = state.get("start")
    if start is None:
        return None
    if type(start) is not int or not 0 <= start < _MOST:
        refuse(f"{kind}: start", f"is {start!r:.40}, not a seed")
    return int(start)
