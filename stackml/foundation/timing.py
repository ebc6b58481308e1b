"""What calls cost, measured beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time
from typing import Any

from stackml.foundation.threads import one_thread_each

TURNS = 3
LEAST_SECONDS = 0.02  # of a turn: some clocks tick in sixtieths of a second


def microseconds_per_row(ask: Sequence[Callable[[], Any]], n_rows: int, turns: int = TURNS) -> list[float]:
    """Return about the microseconds of processor time a row that each call takes, on one thread.

    They are called in turn, so that what else the machine does disturbs all alike, and the median of
    the turns counts. Of a handful of rows each costs more than of many. Compare these numbers, do not
    quote them.

    Parameters
    ----------
    ask : sequence of callable
        Called before: what later calls have is built.
    n_rows : int
        Rows that each call is about.
    turns : int
        0 measures nothing and returns nan.
    """
    seconds: list[list[float]] = [[] for _ in ask]
    with one_thread_each():
        for _ in range(turns):
            for one, taken in zip(ask, seconds, strict=True):
                taken.append(_seconds(one))
    return [1e6 * median(taken) / max(1, n_rows) if taken else float("nan") for taken in seconds]


def _seconds(one: Callable[[], Any]) -> float:
    began, n_calls, passed = process_time(), 0, 0.0
    while passed < LEAST_SECONDS:
        one()
        n_calls += 1
        passed = process_time() - began
    return passed / n_calls
