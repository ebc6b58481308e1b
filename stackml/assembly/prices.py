"""What asking a model costs, measured as it is asked: rows in, answers out, on one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import process_time
from typing import Any

import pandas as pd

from stackml.foundation.threads import one_thread_each

TIMED_ROWS = 2000
TURNS = 3


def microseconds(
    ask: Sequence[Callable[[pd.DataFrame], Any]],
    frame: pd.DataFrame,
    turns: int = TURNS,
    most_rows: int = TIMED_ROWS,
) -> list[float]:
    """Return about the microseconds of processor time a row that each takes, on one thread.

    They are asked in turn, so that what else the machine does disturbs all alike, and the median of
    the turns counts. Encoding of columns counts. Of a handful of rows each costs more than of many.
    Compare these numbers, do not quote them.

    Parameters
    ----------
    ask : sequence of callable
    frame : DataFrame
    turns : int
        0 measures nothing and returns nan.
    most_rows : int
        Of the frame, from its beginning.
    """
    rows = frame.head(most_rows)
    seconds: list[list[float]] = [[] for _ in ask]
    with one_thread_each():
        for one in ask if turns else ():
            one(rows.head(1))  # builds what later calls have
        for _ in range(turns):
            for one, taken in zip(ask, seconds, strict=True):
                began = process_time()
                one(rows)
                taken.append(process_time() - began)
    return [1e6 * median(taken) / max(1, len(rows)) if taken else float("nan") for taken in seconds]
