"""Freed memory goes back to the system where the C library can give it."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from stackml.foundation.memory import give_back_freed_memory

HOLES = """
import ctypes, os
from stackml.foundation.memory import give_back_freed_memory
page = os.sysconf("SC_PAGE_SIZE")
held = lambda: int(open("/proc/self/statm").read().split()[1]) * page
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = []
for _ in range(3000):
    blocks.append(libc.malloc(60_000))
    ctypes.memset(blocks[-1], 1, 60_000)
for block in blocks[:-1]:  # the last keeps the heap from shrinking by itself
    libc.free(block)
before = held()
give_back_freed_memory()
print(before - held())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no such call")
def test_holes_in_the_heap_are_given_back():
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100e6  # of 180 MB


def test_nothing_happens_where_there_is_no_such_call(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    give_back_freed_memory()
