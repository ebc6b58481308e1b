"""What a stack says about rows it did not learn from, and whether it knows some rows already."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.stack.estimator import BaseStack
from stackml.tables.table import Table
from stackml.tables.target import Target


def out_of_fold(model: Any, table: Table) -> npt.NDArray[np.float64] | None:
    """Return a stack's out-of-fold predictions, if the table is the one it was fitted on in this process.

    Parameters
    ----------
    model : object
        Whatever a user calls a model.
    table : Table
        Of the stack's schema.

    Returns
    -------
    float64 ndarray of shape (n_rows, n_outputs), or None
        NaN for rows that were never held out.
    """
    if not isinstance(model, BaseStack) or not hasattr(model, "oof_"):
        return None
    if table.digest != (model._table_digest if model._built is None else model._built.sources.table.digest):
        return None
    return model.oof_.iloc[:, -model.fitted_.problem.n_outputs :].to_numpy(np.float64)


def known_target(model: Any) -> Target | None:
    """Return the target a stack was fitted to, with groups and time, while its rows are there."""
    return model._built.target if isinstance(model, BaseStack) and model._built is not None else None


def share_known(model: Any, table: Table) -> float:
    """Return the share of rows that stand in a stack's training table, beyond what chance would bring.

    Rows repeat themselves in tables of few columns: what a training table repeats of its own is
    taken off. 0 where the training table is not there.
    """
    if not isinstance(model, BaseStack) or model._built is None:
        return 0.0
    trained, asked = _keys(model._built.sources.table), _keys(table)
    repeated = pd.Series(trained).duplicated(keep=False).mean()
    return max(0.0, float(np.isin(asked, trained).mean() - repeated))


def _keys(table: Table) -> npt.NDArray[np.uint64]:
    bits = np.hstack([np.ascontiguousarray(table.numbers).view(np.int32), table.codes])
    return np.asarray(pd.util.hash_pandas_object(pd.DataFrame(bits), index=False).to_numpy())
