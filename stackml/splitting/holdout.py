"""One outer division into rows to learn from and rows never seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from stackml.foundation.errors import ParameterError, SplitError
from stackml.foundation.randomness import stream
from stackml.splitting.base import Fold, Folds, Kind
from stackml.splitting.grouped import check_enough_groups, place_groups
from stackml.splitting.inputs import (
    Embargo,
    IntArray,
    Target,
    check_embargo,
    check_target,
    group_codes,
    time_axis,
)
from stackml.splitting.stratified import check_enough_rows
from stackml.splitting.temporal import (
    check_enough_times,
    check_training,
    cut_times,
    past_and_future,
    without_shared_groups,
)

_BIN_ROWS = 10


def holdout_split(
    *,
    n_rows: int,
    y_codes: ArrayLike | None,
    groups: ArrayLike | None = None,
    time: ArrayLike | None = None,
    seed: int = 0,
    share: float = 0.2,
    embargo: Embargo = 0.0,
    class_names: Sequence[str] | None = None,
) -> Folds:
    """Hold out one part of the rows: the latest where time is given, whole groups where groups are.

    Parameters
    ----------
    n_rows : int
    y_codes : array-like of shape (n_rows,) or None
        Integers are class codes; floats are a number to predict.
    groups, time : array-like of shape (n_rows,), optional
        With both, the latest rows are held out and their groups are not trained on.
    seed : int
        Not read where time is given.
    share : float
        Wished fraction of the rows to hold out, within (0, 1); met as closely as groups,
        equal times and classes of few rows allow.
    embargo : float or timedelta
        Span before the held-out rows that is not trained on; needs time.
    class_names : sequence of str, optional
        For notes and errors.

    Returns
    -------
    Folds
        With one fold; its kind is that of the splitter for the same inputs.

    Raises
    ------
    SplitError
        If the rows cannot be divided.
    ParameterError
        If `share` lies outside (0, 1), or an embargo is given without time.
    """
    if not 0 < share < 1:
        raise ParameterError(f"share={share!r}: give a fraction between 0 and 1, as 0.2")
    check_embargo_needs_time(embargo, time is not None)
    check_enough_rows(n_rows)
    target = check_target(y_codes, n_rows, class_names)
    codes = None if groups is None else group_codes(groups, n_rows)[0]
    if time is not None:
        return _latest(target, time, codes, share, embargo)
    if codes is not None:
        return _whole_groups(target, codes, share, seed)
    held_out, notes = _stratified(target, share, stream(seed, "splitting", "holdout", "stratified"))
    kind: Kind = "plain" if y_codes is None else "stratified"
    return Folds((_fold(held_out, n_rows),), n_rows, kind, notes)


def check_embargo_needs_time(embargo: Embargo, time_given: bool) -> None:
    """Refuse an embargo that would have no effect.

    Raises
    ------
    ParameterError
    """
    check_embargo(embargo)
    if not time_given and bool(embargo):
        raise ParameterError(
            f"embargo={embargo!r} needs time=, which was not given; give it or drop the embargo"
        )


def _latest(target: Target, time: ArrayLike, codes: IntArray | None, share: float, embargo: Embargo) -> Folds:
    axis = time_axis(time, target.n_rows)
    check_enough_times(axis)
    folds = past_and_future(axis, cut_times(axis, np.array([1 - share])), embargo)
    if codes is not None:
        folds = without_shared_groups(folds, codes)
    notes = check_training(target, folds, axis)
    kind: Kind = "temporal" if codes is None else "grouped_temporal"
    return Folds(folds, target.n_rows, kind, notes).prove(groups=codes, time=axis, embargo=embargo)


def _whole_groups(target: Target, codes: IntArray, share: float, seed: int) -> Folds:
    sizes = np.bincount(codes)
    check_enough_groups(len(sizes))
    rng = stream(seed, "splitting", "holdout", "grouped")
    part = place_groups(codes, target.coarse(), np.array([1 - share, share]), rng)
    for side in (0, 1):
        if not (part == side).any():
            part[int(sizes.argmin())] = side
    _train_on_every_class(target, codes, part)
    held_out = part[codes] == 1
    notes = _unseen_notes(target, held_out)
    fold = _fold(np.flatnonzero(held_out), target.n_rows)
    return Folds((fold,), target.n_rows, "grouped", notes).prove(groups=codes)


def _train_on_every_class(target: Target, codes: IntArray, part: IntArray) -> None:
    if target.codes is None:
        return
    for code in range(len(target.names)):
        its_groups = np.unique(codes[target.codes == code])
        others = np.setdiff1d(np.arange(len(part)), its_groups)
        if not part[its_groups].all() or not others.size:
            continue
        part[its_groups] = 0
        if not part.any():
            part[others[np.bincount(codes)[others].argmin()]] = 1


def _unseen_notes(target: Target, held_out: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[str, ...]:
    if target.codes is None:
        return ()
    trained = np.unique(target.codes[~held_out])
    if len(trained) == 1 and len(target.names) > 1:
        raise SplitError(
            f"holding groups out would leave class '{target.names[trained[0]]}' alone to train on: the other "
            "classes lie in too few groups to be on both sides; gather more such groups, or leave groups out"
        )
    return tuple(
        f"class '{name}' is in the held-out groups alone and cannot be learned"
        for code, name in enumerate(target.names)
        if code not in trained
    )


def _stratified(target: Target, share: float, rng: np.random.Generator) -> tuple[IntArray, tuple[str, ...]]:
    n_rows = target.n_rows
    strata = target.strata(max(_BIN_ROWS, round(1 / share)), rng)
    counts = np.bincount(strata)
    # A class of two rows or more is on both sides; one of a single row is trained on.
    quota = np.clip(np.round(share * counts), 1, np.maximum(counts - 1, 1)).astype(np.int64)
    quota[counts <= 1] = 0
    if not quota.any():
        return np.array([int(rng.integers(n_rows))], dtype=np.int64), ()
    shuffled = rng.permutation(n_rows)
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    place = np.arange(n_rows) - np.repeat(np.cumsum(counts) - counts, counts)
    notes = tuple(
        f"class '{target.names[c]}' has 1 row: it is trained on and not held out"
        for c in np.flatnonzero(counts == 1)
        if target.codes is not None
    )
    return np.sort(order[place < quota[strata[order]]]), notes


def _fold(held_out: IntArray, n_rows: int) -> Fold:
    train = np.ones(n_rows, dtype=bool)
    train[held_out] = False
    return Fold(np.flatnonzero(train), held_out)
