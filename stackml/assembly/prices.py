"""What asking a model costs, measured as it is asked: rows in, answers out, on one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import pandas as pd

from stackml.foundation.threads import one_thread_each

TIMED_ROWS = 2000
_TIMES = 3


def microseconds(ask: Sequence[Callable[[pd.DataFrame], Any]], frame: pd.DataFrame) -> list[float]:
    """Return the microseconds a row that each takes, asked in turn: the least of three.

    Encoding of columns counts. At most 2000 rows are asked about; of a handful of rows each costs
    more than of many.

    Parameters
    ----------
    ask : sequence of callable
    frame : DataFrame
    """
    rows = frame.head(TIMED_ROWS)
    best = [float("inf")] * len(ask)
    with one_thread_each():
        for one in ask:
            one(rows.head(1))  # builds what later calls have
        for _ in range(_TIMES):
            for place, one in enumerate(ask):
                began = perf_counter()
                one(rows)
                best[place] = min(best[place], 1e6 * (perf_counter() - began) / len(rows))
    return best
