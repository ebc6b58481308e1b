"""Folds: who may learn from whom, proven when they are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.digest import digest
from stackml.foundation.errors import ParameterError, SplitError
from stackml.splitting.inputs import Embargo, IntArray, embargo_on, group_codes, time_axis

Kind = Literal["stratified", "plain", "grouped", "temporal", "grouped_temporal"]


@dataclass(frozen=True, eq=False)
class Fold:
    """Row numbers of one fold; the arrays are copies and read-only.

    Attributes
    ----------
    train : ndarray of int64, shape (n_train,)
        Rows to learn from.
    held_out : ndarray of int64, shape (n_held_out,)
        Rows to predict.
    """

    train: IntArray
    held_out: IntArray

    def __post_init__(self) -> None:
        """Take read-only copies."""
        object.__setattr__(self, "train", _frozen_rows(self.train, "train"))
        object.__setattr__(self, "held_out", _frozen_rows(self.held_out, "held_out"))


@dataclass(frozen=True, eq=False)
class Folds:
    """The folds of one set of rows, proven disjoint by the constructor.

    Attributes
    ----------
    folds : tuple of Fold
    n_rows : int
    kind : {"stratified", "plain", "grouped", "temporal", "grouped_temporal"}
    notes : tuple of str
        What a person should know: folds lowered, classes that a fold cannot learn.

    Raises
    ------
    SplitError
        If a side is empty, a row number is out of range or repeated, a row is on both sides
        of a fold, or a row is held out twice; the message names fold and first such row.
    """

    folds: tuple[Fold, ...]
    n_rows: int
    kind: Kind
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Prove what holds for every kind of fold."""
        if self.kind not in get_args(Kind):
            raise ParameterError(f"kind={self.kind!r}: expected one of {', '.join(get_args(Kind))}")
        if not self.folds:
            raise SplitError("no folds: at least one is needed")
        object.__setattr__(self, "folds", tuple(self.folds))
        object.__setattr__(self, "notes", tuple(self.notes))
        holder = np.full(self.n_rows, -1, dtype=np.int64)
        for k, fold in enumerate(self.folds):
            trained = _marked(fold.train, self.n_rows, f"fold {k}: train")
            _marked(fold.held_out, self.n_rows, f"fold {k}: held_out")
            both = fold.held_out[trained[fold.held_out]]
            if both.size:
                raise SplitError(f"fold {k}: row {both[0]} is trained on and held out in the same fold")
            twice = fold.held_out[holder[fold.held_out] >= 0]
            if twice.size:
                raise SplitError(f"fold {k}: row {twice[0]} was already held out in fold {holder[twice[0]]}")
            holder[fold.held_out] = k

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return len(self.folds)

    @property
    def exchangeable(self) -> bool:
        """Whether fold models may stand for each other: false where folds follow time."""
        return self.kind not in ("temporal", "grouped_temporal")

    @cached_property
    def fold_of_row(self) -> NDArray[np.int32]:
        """Fold that holds each row out, int32 of shape (n_rows,); -1 where none does."""
        holder = np.full(self.n_rows, -1, dtype=np.int32)
        for k, fold in enumerate(self.folds):
            holder[fold.held_out] = k
        holder.setflags(write=False)
        return holder

    @cached_property
    def held_out_rows(self) -> IntArray:
        """Rows held out by some fold, ascending, int64."""
        rows = np.flatnonzero(self.fold_of_row >= 0).astype(np.int64)
        rows.setflags(write=False)
        return rows

    def first(self, n_folds: int) -> Folds:
        """Return the first folds alone: the rows of the others are held out by none, but trained on."""
        return Folds(self.folds[:n_folds], self.n_rows, self.kind, self.notes)

    def digest(self) -> str:
        """Return the sha256 of kind and row numbers; notes do not count."""
        parts: list[NDArray[Any]] = [side for fold in self.folds for side in (fold.train, fold.held_out)]
        return digest("folds", self.kind, int(self.n_rows), parts)

    def prove(
        self, groups: ArrayLike | None = None, time: ArrayLike | None = None, embargo: Embargo = 0.0
    ) -> Self:
        """Prove that no group is on both sides of a fold and that training comes before held-out rows.

        Parameters
        ----------
        groups : array-like of shape (n_rows,), optional
        time : array-like of shape (n_rows,), optional
            Numbers or dates.
        embargo : float or timedelta
            Least gap between training and held-out rows, in time units (days for dates).

        Returns
        -------
        Folds
            Itself.

        Raises
        ------
        SplitError
            Naming the fold and the first offending row.
        """
        if groups is not None:
            codes, n_groups = group_codes(groups, self.n_rows)
            for k, fold in enumerate(self.folds):
                _prove_groups(k, fold, codes, n_groups)
        if time is not None:
            axis = time_axis(time, self.n_rows)
            gap = embargo_on(axis, embargo)
            for k, fold in enumerate(self.folds):
                _prove_time(k, fold, axis, gap)
        return self


class Splitter(ABC):
    """A description of how to divide rows; equal descriptions and seeds give equal folds."""

    @abstractmethod
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
        """Divide the rows.

        Parameters
        ----------
        n_rows : int
        y_codes : array-like of shape (n_rows,) or None
            Integers are class codes; floats are a number to predict.
        groups : array-like of shape (n_rows,) or None
            Any hashable values without missing ones; read by the grouped splitters alone.
        time : array-like of shape (n_rows,) or None
            Numbers or dates without missing ones; read by the temporal splitters alone.
        seed : int
        class_names : sequence of str, optional
            Name of class code i at position i, for notes and errors.

        Returns
        -------
        Folds
            Row numbers in ascending order within each side.

        Raises
        ------
        SplitError
            If the rows cannot be divided; the message says what to do next.
        """


def needed(values: ArrayLike | None, name: str, splitter: Splitter) -> ArrayLike:
    """Return `values`, or raise the error that says who needs them.

    Raises
    ------
    SplitError
        If they are None.
    """
    if values is None:
        raise SplitError(f"{type(splitter).__name__} needs {name}=, which was not given")
    return values


def folds_from_assignment(fold_of_row: IntArray, n_folds: int, kind: Kind, notes: tuple[str, ...]) -> Folds:
    """Return the folds in which every row is held out by its own fold and trained on by all others."""
    order = np.argsort(fold_of_row, kind="stable")
    ends = np.cumsum(np.bincount(fold_of_row, minlength=n_folds))
    held_out = np.split(order, ends[:-1])
    folds = tuple(Fold(np.flatnonzero(fold_of_row != k), held_out[k]) for k in range(n_folds))
    return Folds(folds, len(fold_of_row), kind, notes)


def _frozen_rows(rows: ArrayLike, side: str) -> IntArray:
    values = np.asarray(rows)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise SplitError(
            f"{side}: expected a list of row numbers, found {values.dtype} of shape {values.shape}"
        )
    copy = np.array(values, dtype=np.int64)
    copy.setflags(write=False)
    return copy


def _marked(rows: IntArray, n_rows: int, where: str) -> NDArray[np.bool_]:
    if not rows.size:
        raise SplitError(f"{where} has no rows")
    outside = rows[(rows < 0) | (rows >= n_rows)]
    if outside.size:
        raise SplitError(f"{where} names row {outside[0]}, but rows run from 0 to {n_rows - 1}")
    mark = np.zeros(n_rows, dtype=bool)
    mark[rows] = True
    if int(mark.sum()) != rows.size:
        first = int(np.argmax(np.bincount(rows, minlength=n_rows) > 1))
        raise SplitError(f"{where} names row {first} more than once")
    return mark


def _prove_groups(k: int, fold: Fold, codes: IntArray, n_groups: int) -> None:
    trained = np.zeros(n_groups, dtype=bool)
    trained[codes[fold.train]] = True
    clash = fold.held_out[trained[codes[fold.held_out]]]
    if clash.size:
        row = int(clash[0])
        other = int(fold.train[codes[fold.train] == codes[row]][0])
        raise SplitError(f"fold {k}: row {row} is held out, but row {other} of the same group is trained on")


def _prove_time(k: int, fold: Fold, axis: NDArray[Any], gap: Any) -> None:
    start = axis[fold.held_out].min()
    late = fold.train[~(start - axis[fold.train] > gap)]
    if late.size:
        raise SplitError(
            f"fold {k}: row {late[0]} (time {axis[late[0]]}) is trained on, but lies not far enough "
            f"before the held-out rows, which begin at {start}"
        )
