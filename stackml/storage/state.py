"""The shape of everything stored: a tree of JSON values, arrays and blobs.

A fitted object describes itself as a `State` and is rebuilt from one. A state is data:
it holds no class path, no code and no object array.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

StateValue: TypeAlias = (
    "bool | int | float | str | bytes | np.ndarray | list[StateValue] | dict[str, StateValue] | None"
)
State: TypeAlias = dict[str, StateValue]
