"""Folds that keep every group on one side, balanced in rows and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import SplitError
from stackml.foundation.randomness import stream
from stackml.splitting.base import Folds, Splitter, folds_from_assignment, needed
from stackml.splitting.inputs import (
    IntArray,
    Target,
    available_folds,
    check_n_folds,
    check_target,
    group_codes,
)
from stackml.splitting.stratified import check_enough_rows

_LEAST_GROUPS = 2


@final
@dataclass(frozen=True)
class GroupedSplitter(Splitter):
    """Assign whole groups to folds, so that rows and classes are balanced as the groups allow.

    Groups are placed one after another, those that hold the largest share of some class first,
    each where it adds least to the imbalance. The assignment depends on the groups, their
    classes and the seed, not on the order of the rows.

    Attributes
    ----------
    n_folds : int
        Two or more; lowered with a note where there are fewer groups.
    """

    n_folds: int = 5

    def __post_init__(self) -> None:
        """Check the number of folds."""
        check_n_folds(self.n_folds, 2)

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
        """Divide the rows by group; `time` is not read."""
        check_enough_rows(n_rows)
        target = check_target(y_codes, n_rows, class_names)
        codes, n_groups = group_codes(needed(groups, "groups", self), n_rows)
        check_enough_groups(n_groups)
        n_folds, notes = available_folds(self.n_folds, n_groups, f"{n_groups} groups")
        rng = stream(seed, "splitting", "grouped")
        fold_of_group = place_groups(codes, target.coarse(), np.full(n_folds, 1 / n_folds), rng)
        fold_of_row = fold_of_group[codes]
        notes += lonely_class_notes(target, fold_of_row)
        return folds_from_assignment(fold_of_row, n_folds, "grouped", notes).prove(groups=codes)


def place_groups(
    codes: IntArray, classes: IntArray, shares: NDArray[np.float64], rng: np.random.Generator
) -> IntArray:
    """Place groups into parts greedily, each where the imbalance grows least.

    The imbalance is the sum over parts and classes (and all rows together, as one more class)
    of the squared fraction of the class held by the part, over the share the part should have.

    Parameters
    ----------
    codes, classes : ndarray of int64, shape (n_rows,)
        Group and class of each row, both dense from 0.
    shares : ndarray of float64, shape (n_parts,)
        Wished fraction of the rows, positive, adding up to 1.
    rng : numpy.random.Generator
        Breaks ties between like groups.

    Returns
    -------
    ndarray of int64, shape (n_groups,)
        Part of each group.
    """
    fractions = _class_fractions(codes, classes)
    n_groups = len(fractions)
    shuffled = rng.permutation(n_groups)
    weight = fractions.max(axis=1)[shuffled]
    order = shuffled[np.argsort(-weight, kind="stable")]
    own = (fractions**2).sum(axis=1)
    doubled = 2 * fractions
    filled = np.zeros((len(shares), fractions.shape[1]))
    part = np.empty(n_groups, dtype=np.int64)
    for group in order:
        chosen = int(((filled @ doubled[group] + own[group]) / shares).argmin())
        part[group] = chosen
        filled[chosen] += fractions[group]
    return part


def check_enough_groups(n_groups: int) -> None:
    """Refuse fewer than two groups.

    Raises
    ------
    SplitError
    """
    if n_groups < _LEAST_GROUPS:
        raise SplitError(
            "all rows are of one group, so no group can be held out; give a finer grouping, "
            "or leave groups out"
        )


def lonely_class_notes(target: Target, fold_of_row: IntArray) -> tuple[str, ...]:
    """Return a note for every class whose rows are all held out by the same fold.

    Raises
    ------
    SplitError
        If that leaves a fold with only one class to learn.
    """
    if target.codes is None:
        return ()
    counts = np.zeros((int(fold_of_row.max()) + 1, len(target.names)), dtype=np.int64)
    np.add.at(counts, (fold_of_row, target.codes), 1)
    fold_of_class = np.where((counts > 0).sum(axis=0) == 1, counts.argmax(axis=0), -1)
    for fold in np.unique(fold_of_class[fold_of_class >= 0]):
        left = np.flatnonzero(fold_of_class != fold)
        if len(left) == 1 and len(target.names) > 1:
            lonely = int(np.flatnonzero(fold_of_class == fold)[0])
            raise SplitError(
                f"fold {fold} would train on class '{target.names[left[0]]}' alone: class "
                f"'{target.names[lonely]}' lies in too few groups to be on both sides; gather more groups "
                "with that class, or leave groups out"
            )
    return tuple(
        f"class '{target.names[c]}' is in the groups of fold {fold_of_class[c]} alone, which cannot learn it"
        for c in np.flatnonzero(fold_of_class >= 0)
        if len(target.names) > 1
    )


def _class_fractions(codes: IntArray, classes: IntArray) -> NDArray[np.float64]:
    n_groups, n_classes = int(codes.max()) + 1, int(classes.max()) + 1
    counts = np.bincount(codes * n_classes + classes, minlength=n_groups * n_classes)
    by_class = counts.reshape(n_groups, n_classes).astype(np.float64)
    full = np.column_stack([by_class, by_class.sum(axis=1)])
    return np.asarray(full / full.sum(axis=0))
