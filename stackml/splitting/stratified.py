"""Folds of exchangeable rows, each with its fair share of every class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from stackml.foundation.errors import SplitError
from stackml.foundation.randomness import stream
from stackml.splitting.base import Folds, Kind, Splitter, folds_from_assignment
from stackml.splitting.inputs import IntArray, Target, available_folds, check_n_folds, check_target

_LEAST_ROWS = 2


@final
@dataclass(frozen=True)
class StratifiedSplitter(Splitter):
    """Shuffle the rows into folds whose sizes and class counts differ by one row at most.

    Classes are spread as evenly as their rows allow, also where a class has fewer rows than
    there are folds. A number to predict is spread by its rank; without a target the folds are
    plain. Which rows share a fold depends on seed and row order; the counts do not.

    Attributes
    ----------
    n_folds : int
        Two or more; lowered with a note where there are fewer rows.
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
        """Divide the rows; `groups` and `time` are not read."""
        check_enough_rows(n_rows)
        target = check_target(y_codes, n_rows, class_names)
        n_folds, notes = available_folds(self.n_folds, n_rows, f"{n_rows} rows")
        rng = stream(seed, "splitting", "stratified")
        fold_of_row = deal(target.strata(n_folds, rng), n_folds, rng)
        kind: Kind = "plain" if y_codes is None else "stratified"
        return folds_from_assignment(fold_of_row, n_folds, kind, notes + single_row_notes(target))


def deal(strata: IntArray, n_folds: int, rng: np.random.Generator) -> IntArray:
    """Deal rows into folds like cards, stratum after stratum.

    One deal runs through all strata, so fold sizes and the counts of every stratum
    differ by one at most.

    Parameters
    ----------
    strata : ndarray of int64, shape (n_rows,)
    n_folds : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int64, shape (n_rows,)
        Values in ``0 .. n_folds - 1``.
    """
    shuffled = rng.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    fold_of_row = np.empty(len(strata), dtype=np.int64)
    fold_of_row[order] = np.arange(len(strata)) % n_folds
    return fold_of_row


def check_enough_rows(n_rows: int) -> None:
    """Refuse fewer than two rows.

    Raises
    ------
    SplitError
    """
    if n_rows < _LEAST_ROWS:
        rows = "1 row" if n_rows == 1 else f"{n_rows} rows"
        raise SplitError(f"{rows} cannot be divided into folds; at least 2 are needed: add rows")


def single_row_notes(target: Target) -> tuple[str, ...]:
    """Return a note for every class that has one row."""
    if target.codes is None:
        return ()
    alone = np.flatnonzero(np.bincount(target.codes) == 1)
    return tuple(
        f"class '{target.names[c]}' has 1 row: the fold that holds it out cannot learn it" for c in alone
    )
