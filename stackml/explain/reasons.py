"""Reason codes: the columns that speak loudest for a row's prediction, each in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.explain.words import MISSING_WORD, Words
from stackml.foundation.errors import ParameterError
from stackml.tables.schema import WIDE, Column

COLUMNS: Final = ("row", "rank", "column", "value", "typical", "contribution", "sentence")
AUDIBLE: Final = 1e-3  # of the row's strongest contribution; what is weaker is no reason


def reason_codes(
    contributions: npt.NDArray[np.float64],
    words: Words,
    subjects: Sequence[str],
    *,
    k: int = 3,
    both_ways: bool = False,
) -> pd.DataFrame:
    """Return the strongest columns of each row.

    Parameters
    ----------
    contributions : float64 ndarray of shape (n_rows, n_columns)
        In the order of the columns the schema reads.
    words : Words
        What stands in the cells.
    subjects : sequence of str, of length n_rows
        What is raised or lowered, such as "the probability".
    k : int
        Columns a row, 1 or more; a row has fewer where fewer push its prediction up.
    both_ways : bool
        Whether columns that pull the prediction down count too, by their size.

    Returns
    -------
    DataFrame
        One line a reason, strongest first: ``row`` (of the frame's index), ``rank`` from 1,
        ``column``, ``value`` and ``typical`` (text, in the user's units), ``contribution`` and
        ``sentence``.

    Raises
    ------
    ParameterError
        If `k` is below 1.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ParameterError(f"k={k!r}: give the number of reasons a row, 1 or more")
    strength = np.abs(contributions) if both_ways else contributions
    least = AUDIBLE * np.abs(contributions).max(axis=1, initial=0.0)
    usual: dict[str, str] = {}
    found: list[tuple[Any, ...]] = []
    for row, order in enumerate(np.argsort(-strength, axis=1, kind="stable")[:, :k]):
        kept = [at for at in order if strength[row, at] > least[row]]
        for rank, at in enumerate(kept, start=1):
            column = words.table.schema.read[at]
            typical = usual.setdefault(column.name, words.usual(column))
            value, amount = words.value(row, column), float(contributions[row, at])
            said = _said(column, value, typical, unseen=words.unseen(row, column))
            sentence = f"{said} {_moves(amount, subjects[row])}"
            label = words.frame.index[row]
            found.append((label, rank, column.name, value, typical, amount, sentence))
    frame = pd.DataFrame(found, columns=list(COLUMNS))
    return frame if found else frame.astype({"rank": np.int64, "contribution": np.float64})


def _said(column: Column, value: str, typical: str, *, unseen: bool) -> str:
    name, usually = column.name, f"(typically {typical})"
    if value == MISSING_WORD:
        return f"{name} is missing {usually}" if column.kind not in WIDE else f"{name} is missing"
    if column.kind in WIDE:
        return f"the {column.kind} of '{name}'"
    return f"{name} = {value}, never seen in training, {usually}" if unseen else f"{name} = {value} {usually}"


def _moves(amount: float, subject: str) -> str:
    return f"{'raises' if amount > 0 else 'lowers'} {subject} by {_size(abs(amount))}"


def _size(amount: float) -> str:
    if amount >= 100:
        return f"{amount:,.0f}"
    return f"{amount:.1f}" if amount >= 1 else f"{amount:.2g}"
