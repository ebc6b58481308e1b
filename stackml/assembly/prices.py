"""What asking a model costs, measured as it is asked: rows in, answers out, on one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from stackml.foundation.timing import microseconds_per_row

TIMED_ROWS = 2000


def microseconds(ask: Sequence[Callable[[pd.DataFrame], Any]], frame: pd.DataFrame) -> list[float]:
    """Return about the microseconds of processor time a row that each takes; encoding of columns counts.

    Parameters
    ----------
    ask : sequence of callable
    frame : DataFrame
        At most its first 2000 rows are asked about.
    """
    rows = frame.head(TIMED_ROWS)
    for one in ask:
        one(rows.head(1))  # builds what later calls have
    return microseconds_per_row([partial(one, rows) for one in ask], len(rows))
