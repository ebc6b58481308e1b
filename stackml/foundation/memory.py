"""What a long computation leaves with the allocator is given back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back_freed_memory() -> None:
    """Ask the C library to return what was freed but kept for later; do nothing where it has no such call.

    Threads that each fit models on a large table leave holes in their heaps. Whatever comes next would
    stand on top of them, and the process would peak higher than any of its steps.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)
