"""What each model says about the same rows, and what it takes to say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.alike import in_order
from stackml.assembly.base import FittedAssembly
from stackml.assembly.label_texts import text_of
from stackml.assembly.seen import too_good, too_good_leaf
from stackml.foundation.errors import DataError
from stackml.foundation.timing import microseconds_per_row
from stackml.workflow.candidates import Candidate

TIMED_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class Answered:
    """What a model said about rows.

    Attributes
    ----------
    prediction : float64 ndarray
        In the shape metrics read: (n_rows,), multiclass (n_rows, n_classes).
    asked : mapping of str to float
        Of an assembly: the share of rows each part was asked about. Empty for a stack.
    """

    prediction: npt.NDArray[np.float64]
    asked: dict[str, float] = field(default_factory=dict)

    @property
    def calls_per_row(self) -> float:
        """How many models were asked about a row, on average; 1 for what is no assembly."""
        return sum(self.asked.values()) if self.asked else 1.0


def answered(
    candidate: Candidate, rows: pd.DataFrame, classes: Sequence[object], n_jobs: int = 1
) -> Answered:
    """Return what a model says about rows, its classes in a given order.

    Raises
    ------
    DataError
        If the rows are not what the model reads; the message names the model.
    """
    part = candidate.part
    asked: dict[str, float] = {}
    try:
        if isinstance(part.model, FittedAssembly):
            found = part.model.answers(rows, n_jobs=n_jobs)
            outputs = found.values
            shares = found.calls / max(1, len(rows))
            asked = {one.name: float(share) for one, share in zip(part.model.parts, shares, strict=True)}
        else:
            outputs = part.predict(rows, n_jobs=n_jobs)
    except DataError as error:
        raise type(error)(f"model '{candidate.name}': {error}") from error
    outputs = in_order(outputs, part.model, classes)
    return Answered(outputs[:, 0] if outputs.shape[1] == 1 else outputs, asked)


def seen_notes(
    candidates: Sequence[Candidate],
    said: Mapping[str, Answered],
    rows: pd.DataFrame,
    y: npt.NDArray[Any],
    classes: Sequence[object],
) -> list[str]:
    """Return a sentence on each model whose loss here says that it has learned from these rows.

    Parameters
    ----------
    candidates : sequence of Candidate
    said : mapping of name to Answered
    rows : DataFrame of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
        Codes in the order of `classes`, or numbers.
    classes : sequence
        In whose order the predictions are; empty for numbers.
    """
    truth: Any = [text_of(classes[code]) for code in y[:TIMED_ROWS]] if classes else y[:TIMED_ROWS]
    found = []
    for candidate in candidates:
        model, outputs = candidate.part.model, said[candidate.name].prediction
        if isinstance(model, FittedAssembly):
            why = too_good_leaf(model, rows.head(TIMED_ROWS), truth)
            why = why and f"of a model in it, {why}"
        else:
            why = too_good(model, outputs[:, None] if outputs.ndim == 1 else outputs, y)
        if why is not None:
            found.append(f"{candidate.name}: {why}; the scores here flatter it")
    return found


def us_per_row(candidates: Sequence[Candidate], rows: pd.DataFrame, turns: int) -> list[float]:
    """Return about the microseconds of processor time that each model takes a row, as in batch scoring.

    Parameters
    ----------
    candidates : sequence of Candidate
        Each has predicted before.
    rows : DataFrame
        At most its first 10,000 are asked about.
    turns : int
        0 measures nothing and returns nan.
    """
    timed = rows.head(TIMED_ROWS)
    ask = [partial(candidate.part.predict, timed, n_jobs=1) for candidate in candidates]
    return microseconds_per_row(ask, len(timed), turns)
