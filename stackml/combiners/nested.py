"""Folds of folds: combiners judged on rows they never saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stackml.combiners.base import Combiner, Context, MetaFeatures
from stackml.combiners.inputs import FloatArray, Rows
from stackml.foundation.errors import DataError, SplitError
from stackml.foundation.randomness import stream
from stackml.splitting.base import Fold, Folds, folds_from_assignment
from stackml.splitting.temporal import TemporalSplitter
from stackml.tables.target import Target

_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Split:
    """One fold for combiners.

    Attributes
    ----------
    train, held_out : int64 ndarray
        Rows to fit the combiner on, and to predict.
    context : Context
        What a combiner fitted on `train` may know: its folds number those rows alone.
    """

    train: Rows
    held_out: Rows
    context: Context


def nested_splits(target: Target, context: Context) -> Iterator[Split]:
    """Yield the folds along which combiners are judged.

    They are the context's folds, with the rows to learn from that each of them proves it may
    use: all other rows where rows are exchangeable, no row of a held-out group, and the past
    alone where folds follow time (so that the first fold is never held out).

    Parameters
    ----------
    target : Target
        Of the rows of the meta-features.
    context : Context
        Without folds, up to five are dealt: by time where there is time (learning from the past
        alone, and from no group of the rows held out), by group where there are groups, else
        by class. There are none where all rows are of one time, or of one group.

    Raises
    ------
    DataError
        If the folds are of other rows.
    """
    folds = own_folds(target, context)
    if folds is None:
        return
    for fold in folds.folds:
        yield Split(fold.train, fold.held_out, replace(context, folds=restricted(folds, fold.train)))


def own_folds(target: Target, context: Context) -> Folds | None:
    """Return the folds of the target's rows; None where no row can be learned from and another held out.

    Raises
    ------
    DataError
        If the context's folds are of other rows.
    """
    n = target.n_rows
    folds = context.folds
    if folds is None:
        return _dealt(target, context.seed)
    if n == folds.n_rows:
        return folds
    if n == folds.held_out_rows.size:
        return restricted(folds, folds.held_out_rows)
    raise DataError(
        f"combiner: {n} rows of meta-features, but the folds are of {folds.n_rows} rows, "
        f"{folds.held_out_rows.size} of them held out; give either all rows or those held out"
    )


def restricted(folds: Folds, rows: Rows) -> Folds | None:
    """Return the folds of some rows alone, numbered anew; None where no fold has both sides left."""
    position = np.full(folds.n_rows, -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    made = []
    for fold in folds.folds:
        train, held_out = position[fold.train], position[fold.held_out]
        train, held_out = train[train >= 0], held_out[held_out >= 0]
        if train.size and held_out.size:
            made.append(Fold(train, held_out))
    return Folds(tuple(made), len(rows), folds.kind) if made else None


def _dealt(target: Target, seed: int) -> Folds | None:
    if target.time is not None:
        return _forward(target)
    n_rows = target.n_rows
    chance = stream(seed, "combiner folds")
    if target.groups is not None:
        _, unit = np.unique(target.groups, return_inverse=True)
        n_units = int(unit.max()) + 1
        ranked = chance.permutation(n_units)[unit]
        n_folds = min(_FOLDS, n_units)
        codes = ranked % n_folds
    else:
        n_folds = min(_FOLDS, n_rows)
        keys = (
            (chance.random(n_rows),)
            if target.problem.is_regression
            else (chance.random(n_rows), target.values)
        )
        codes = np.empty(n_rows, dtype=np.int64)
        codes[np.lexsort(keys)] = np.arange(n_rows) % n_folds
    if n_folds < 2:
        return None
    return folds_from_assignment(codes, n_folds, "grouped" if target.groups is not None else "plain", ())


def _forward(target: Target) -> Folds | None:
    """Return folds that learn from the past alone, and from no group they hold out."""
    try:
        folds = TemporalSplitter(_FOLDS).split(
            n_rows=target.n_rows, y_codes=None, groups=None, time=target.time, seed=0
        )
    except SplitError:
        return None
    groups = target.groups
    if groups is None:
        return folds
    parted = [(f.train[~np.isin(groups[f.train], groups[f.held_out])], f.held_out) for f in folds.folds]
    made = tuple(Fold(train, held_out) for train, held_out in parted if train.size)
    return Folds(made, target.n_rows, "grouped_temporal") if made else None


def nested_predictions(
    combiner: Combiner, meta: MetaFeatures, target: Target, context: Context
) -> FloatArray:
    """Return predictions of every row by a combiner that was fitted without it.

    Parameters
    ----------
    combiner : Combiner
    meta : MetaFeatures
        Out-of-fold predictions of all rows, or of those that some fold held out.
    target : Target
        Of the same rows.
    context : Context

    Returns
    -------
    float64 ndarray of shape (n_rows, n_outputs)
        NaN where no combiner was fitted without the row (the first fold, where folds follow time).

    Raises
    ------
    DataError
        If rows do not belong together.
    """
    if meta.n_rows != target.n_rows:
        raise DataError(
            f"combiner: {meta.n_rows} rows of meta-features and {target.n_rows} of the target do not belong "
            "together"
        )
    result = np.full((meta.n_rows, meta.problem.n_outputs), np.nan)
    for split in nested_splits(target, context):
        fitted = combiner.fit(meta.take(split.train), target.take(split.train), split.context)
        result[split.held_out] = fitted.predict(meta.take(split.held_out))
    return result
