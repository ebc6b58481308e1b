"""Whether models seem to have learned from the rows they are asked about."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.alike import shown
from stackml.assembly.base import FittedModel, Part, leaves
from stackml.assembly.label_texts import text_of
from stackml.foundation.errors import StackmlWarning
from stackml.metrics.catalog import per_row_loss
from stackml.stack.fitted import FittedStack
from stackml.stack.honest import share_known
from stackml.stack.leaderboard import STACK
from stackml.tables.table import Table

__all__ = ["among_its_own", "too_good", "too_good_leaf", "warn_of_seen"]

FloatArray = npt.NDArray[np.float64]

_LEAST_ROWS = 20
_KNOWN_ROWS = 0.1  # of the rows: more than that many are no accident
_TOO_GOOD = 0.8  # times the loss of its own out-of-fold predictions


def too_good(model: FittedStack, outputs: FloatArray, values: npt.NDArray[np.generic]) -> str | None:
    """Return in words that a stack's loss is far below that of its own out-of-fold predictions, or None.

    Parameters
    ----------
    model : FittedStack
    outputs : float64 ndarray of shape (n_rows, n_outputs)
    values : ndarray of shape (n_rows,)
        The truth: class codes in the order of the columns of `outputs`, or numbers. Fewer than 20 tell
        nothing.
    """
    board = {row.get("name"): row.get("loss") for row in model.card.get("leaderboard", [])}
    before = board.get(STACK)
    if not isinstance(before, float) or not np.isfinite(before) or len(values) < _LEAST_ROWS:
        return None
    losses = per_row_loss(model.problem.kind, values, shown(outputs, model.problem))
    before = before**2 if model.problem.is_regression else before
    error = losses.std() / np.sqrt(len(losses))
    now = float(losses.mean())
    if now >= _TOO_GOOD * before - 3 * error:
        return None
    return (
        f"its loss here is {now:.4g}, and was {before:.4g} on rows held out in its fit, so it seems to have "
        "learned from these rows"
    )


def too_good_leaf(
    model: FittedModel, rows: pd.DataFrame, truth: FloatArray | Sequence[str], n_jobs: int = 1
) -> str | None:
    """Return `too_good` of the first stack in a model that is, or None.

    Parameters
    ----------
    model : FittedModel
    rows : DataFrame of shape (n_rows, n_columns)
    truth : float64 ndarray or sequence of str, of length n_rows
        Numbers, or labels as `text_of` gives them. A stack is judged by the rows whose labels it knows, if
        there are 20.
    n_jobs : int
    """
    for stack in leaves(model):
        kept, values = np.arange(len(rows)), np.asarray(truth)
        if not stack.problem.is_regression:
            code = {text_of(label): at for at, label in enumerate(stack.classes)}
            values = np.asarray([code.get(text, -1) for text in truth], dtype=np.int64)
            kept = np.flatnonzero(values >= 0)
        if len(kept) < _LEAST_ROWS:
            continue
        outputs = Part("", stack).predict(rows.iloc[kept], n_jobs=n_jobs)
        found = too_good(stack, outputs, values[kept])
        if found is not None:
            return found
    return None


def among_its_own(model: Any, table: Table) -> str | None:
    """Return in words that rows stand in the training table of a stack fitted in this process, or None.

    Parameters
    ----------
    model : object
        Whatever a user calls a model.
    table : Table
        Of the stack's schema.
    """
    known = share_known(model, table)
    if known <= _KNOWN_ROWS:
        return None
    return f"at least {known:.0%} of these rows are among those it was fitted on"


def warn_of_seen(name: str, why: str, *, out_of_fold: bool, stacklevel: int) -> None:
    """Warn that what is learned from these rows will trust a model too much.

    Parameters
    ----------
    name, why : str
    out_of_fold : bool
        Whether out-of-fold predictions are taken where they are there, which is a way out.
    stacklevel : int
        As `warnings.warn` takes it in the caller.
    """
    instead = (
        ", or the whole training table of a stack fitted in this process, whose out-of-fold predictions are "
        "then used"
    )
    warnings.warn(
        f"model '{name}': {why}; what is learned here will trust it too much. Give rows it never saw"
        f"{instead if out_of_fold else ''}",
        StackmlWarning,
        stacklevel=stacklevel + 1,
    )
