"""Folds that follow time: learn from the past, be held to the future."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import SplitError
from stackml.splitting.base import Fold, Folds, Splitter, needed
from stackml.splitting.inputs import (
    Embargo,
    IntArray,
    Target,
    available_folds,
    check_embargo,
    check_n_folds,
    check_target,
    embargo_on,
    group_codes,
    time_axis,
)
from stackml.splitting.stratified import check_enough_rows

_LEAST_TIMES = 2


@final
@dataclass(frozen=True)
class TemporalSplitter(Splitter):
    """Cut time into ``n_folds + 1`` blocks; fold k learns from the blocks before the one it holds out.

    Blocks have about equal numbers of rows; rows of equal time are never parted. The first block
    is never held out. Folds depend on the times alone, neither on row order nor on the seed.

    Attributes
    ----------
    n_folds : int
        One or more; lowered with a note where there are fewer distinct times.
    embargo : float or timedelta
        Rows that lie within this span before the held-out block are not trained on. A number
        counts the units of a numeric time, or days where time is a date.
    """

    n_folds: int = 5
    embargo: Embargo = 0.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_n_folds(self.n_folds, 1)
        check_embargo(self.embargo)

    def split(
        self,
        *,
        n_rows: int,
        y_codes: ArrayLike | None,
        groups: ArrayLike | None,
        time: ArrayLike | None,
        seed: int,
        class_names: Sequence[str] | None = None,
    ) -> Folds:
        """Divide the rows by time; `groups` and `seed` are not read."""
        check_enough_rows(n_rows)
        target = check_target(y_codes, n_rows, class_names)
        axis = time_axis(needed(time, "time", self), n_rows)
        starts, notes = _block_starts(axis, self.n_folds)
        folds = past_and_future(axis, starts, self.embargo)
        notes += check_training(target, folds, axis)
        return Folds(folds, n_rows, "temporal", notes).prove(time=axis, embargo=self.embargo)


@final
@dataclass(frozen=True)
class GroupedTemporalSplitter(Splitter):
    """As `TemporalSplitter`, and a fold learns nothing from groups that its held-out block contains.

    Attributes
    ----------
    n_folds : int
        One or more; lowered with a note where there are fewer distinct times.
    embargo : float or timedelta
        As in `TemporalSplitter`.
    """

    n_folds: int = 5
    embargo: Embargo = 0.0

    def __post_init__(self) -> None:
        """Check the parameters."""
        check_n_folds(self.n_folds, 1)
        check_embargo(self.embargo)

    def split(
        self,
        *,
        n_rows: int,
        y_codes: ArrayLike | None,
        groups: ArrayLike | None,
        time: ArrayLike | None,
        seed: int,
        class_names: Sequence[str] | None = None,
    ) -> Folds:
        """Divide the rows by time, then part the groups; `seed` is not read."""
        check_enough_rows(n_rows)
        target = check_target(y_codes, n_rows, class_names)
        codes, _ = group_codes(needed(groups, "groups", self), n_rows)
        axis = time_axis(needed(time, "time", self), n_rows)
        starts, notes = _block_starts(axis, self.n_folds)
        folds = without_shared_groups(past_and_future(axis, starts, self.embargo), codes)
        notes += check_training(target, folds, axis)
        made = Folds(folds, n_rows, "grouped_temporal", notes)
        return made.prove(groups=codes, time=axis, embargo=self.embargo)


def past_and_future(axis: NDArray[Any], starts: NDArray[Any], embargo: Embargo) -> tuple[Fold, ...]:
    """Return one fold for each start: its rows up to the next start, learned from what lies before.

    Parameters
    ----------
    axis : ndarray of shape (n_rows,)
        Time of each row, as `time_axis` gives it.
    starts : ndarray of shape (n_folds,)
        First time of each held-out block, ascending.
    embargo : float or timedelta

    Raises
    ------
    SplitError
        If the embargo leaves a fold nothing to learn from.
    """
    gap = embargo_on(axis, embargo)
    block = np.searchsorted(starts, axis, side="right")
    folds = []
    for k, start in enumerate(starts):
        train = np.flatnonzero((block <= k) & (start - axis > gap))
        if not train.size:
            raise SplitError(
                f"fold {k}: an embargo of {embargo} leaves no row before {start} to train on; "
                "use a shorter embargo or fewer folds"
            )
        folds.append(Fold(train, np.flatnonzero(block == k + 1)))
    return tuple(folds)


def without_shared_groups(folds: tuple[Fold, ...], codes: IntArray) -> tuple[Fold, ...]:
    """Return the folds with the training rows left out whose group is also held out.

    Raises
    ------
    SplitError
        If that leaves a fold nothing to learn from.
    """
    parted = []
    for k, fold in enumerate(folds):
        held = np.zeros(int(codes.max()) + 1, dtype=bool)
        held[codes[fold.held_out]] = True
        train = fold.train[~held[codes[fold.train]]]
        if not train.size:
            raise SplitError(
                f"fold {k}: every group seen before its held-out rows appears among them again, so no row is "
                "left to train on; split by time alone or by groups alone"
            )
        parted.append(Fold(train, fold.held_out))
    return tuple(parted)


def check_training(target: Target, folds: tuple[Fold, ...], axis: NDArray[Any]) -> tuple[str, ...]:
    """Return a note for every class that a fold must predict without having seen it.

    Raises
    ------
    SplitError
        If a fold would learn from one class alone.
    """
    if target.codes is None or len(target.names) == 1:
        return ()
    notes = []
    for k, fold in enumerate(folds):
        counts = np.bincount(target.codes[fold.train], minlength=len(target.names))
        seen = np.flatnonzero(counts)
        if len(seen) == 1:
            raise SplitError(
                f"fold {k} would train on class '{target.names[seen[0]]}' alone: no other class among its "
                f"{len(fold.train)} training rows before {axis[fold.held_out].min()}; use fewer folds, "
                "so that the first block is longer"
            )
        unseen = np.unique(target.codes[fold.held_out][counts[target.codes[fold.held_out]] == 0])
        notes += [f"fold {k} holds out class '{target.names[c]}', which it cannot learn" for c in unseen]
    return tuple(notes)


def cut_times(axis: NDArray[Any], ends: NDArray[np.float64]) -> NDArray[Any]:
    """Return the distinct times at which blocks begin, so that each holds about its share of the rows.

    Parameters
    ----------
    axis : ndarray of shape (n_rows,)
    ends : ndarray of float64, shape (n_cuts,)
        Fraction of all rows that should lie before each cut, ascending within (0, 1); fewer
        cuts than distinct times.

    Returns
    -------
    ndarray of shape (n_cuts,)
        First time of each block after the first, strictly ascending.
    """
    distinct, counts = np.unique(axis, return_counts=True)
    before = np.concatenate([[0], np.cumsum(counts)])
    cuts: list[int] = []
    done_rows, done_share = 0.0, 0.0
    for k, end in enumerate(ends):
        # A crowded time takes the room of several blocks: what is left is shared out anew.
        goal = done_rows + (len(axis) - done_rows) * (end - done_share) / (1 - done_share)
        lowest, highest = (cuts[-1] if cuts else 0) + 1, len(distinct) - (len(ends) - k)
        right = int(np.clip(np.searchsorted(before, goal), lowest, highest))
        left = max(right - 1, lowest)
        cuts.append(left if goal - before[left] <= before[right] - goal else right)
        done_rows, done_share = float(before[cuts[-1]]), float(end)
    return np.asarray(distinct[cuts])


def check_enough_times(axis: NDArray[Any]) -> int:
    """Return the number of distinct times.

    Raises
    ------
    SplitError
        If there are fewer than two.
    """
    n_times = len(np.unique(axis))
    if n_times < _LEAST_TIMES:
        raise SplitError(
            f"all rows have the same time ({axis[0]}), so there is no past to learn from; give a finer time, "
            "or leave time out"
        )
    return n_times


def _block_starts(axis: NDArray[Any], asked: int) -> tuple[NDArray[Any], tuple[str, ...]]:
    n_times = check_enough_times(axis)
    n_folds, notes = available_folds(asked, n_times - 1, f"{n_times} distinct times")
    return cut_times(axis, np.arange(1, n_folds + 1) / (n_folds + 1)), notes
