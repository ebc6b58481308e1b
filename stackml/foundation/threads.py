"""Threads: one place that says how many, and that idle OpenMP threads sleep.

An OpenMP team that spins while it waits makes small fits tens of times slower on a busy
machine, and the policy is read once, when the library loads. `stackml/__init__.py` asks for it
before anything brings OpenMP.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any


def let_idle_threads_sleep() -> None:
    """Ask OpenMP teams to sleep while they wait, unless the user asked for something else."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def available_cores() -> int:
    """Return the cores this process may use: affinity and the container's quota counted."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        cores = os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    try:
        limit, period = quota.read_text(encoding="ascii").split()[:2]
    except (OSError, ValueError):
        return cores
    if limit == "max":
        return cores
    return max(1, min(cores, int(int(limit) / int(period))))


def resolve_jobs(n_jobs: int | None) -> int:
    """Return the number of workers meant by `n_jobs` (None and -1: all available cores)."""
    if n_jobs is None or n_jobs == -1:
        return available_cores()
    if n_jobs < -1:
        return max(1, available_cores() + 1 + n_jobs)
    return max(1, int(n_jobs))


class _Limit:
    """One limit for the whole process: the first who asks sets it, the last who leaves lifts it.

    The limit is global to the libraries. Callers that overlap in time and each restored what
    they had found would leave it set for ever.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._holders = 0
        self._limiter: Any = None

    def enter(self) -> None:
        from threadpoolctl import threadpool_limits

        with self._lock:
            if self._holders == 0:
                self._limiter = threadpool_limits(limits=1)
            self._holders += 1

    def leave(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._limiter.restore_original_limits()


_LIMIT = _Limit()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread per caller while several tasks run side by side."""
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
