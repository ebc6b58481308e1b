"""Folds prove themselves when they are made."""

from __future__ import annotations

import numpy as np
import pytest

from stackml.foundation.errors import ParameterError, SplitError
from stackml.splitting import Fold, Folds


def folds(*sides: tuple[list[int], list[int]], n_rows: int = 4) -> Folds:
    return Folds(tuple(Fold(train, held) for train, held in sides), n_rows, "plain")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (
            [([0, 1], [2, 3]), ([2, 3, 0], [0, 1])],
            "fold 1: row 0 is trained on and held out in the same fold",
        ),
        ([([0, 1], [2, 3]), ([0, 1], [3])], "fold 1: row 3 was already held out in fold 0"),
        ([([0, 4], [2])], "fold 0: train names row 4, but rows run from 0 to 3"),
        ([([0], [-1])], "fold 0: held_out names row -1"),
        ([([0, 1, 1], [2])], "fold 0: train names row 1 more than once"),
        ([([0], [])], "fold 0: held_out has no rows"),
        ([], "no folds"),
    ],
)
def test_what_is_not_disjoint_is_refused(sides: list[tuple[list[int], list[int]]], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        folds(*sides)


def test_row_numbers_must_be_integers() -> None:
    with pytest.raises(SplitError, match="expected a list of row numbers, found float64"):
        folds(([0.5], [1]))  # type: ignore[list-item]


def test_kind_must_be_known() -> None:
    with pytest.raises(ParameterError, match="kind='random': expected one of stratified"):
        Folds((Fold(np.array([0]), np.array([1])),), 2, "random")  # type: ignore[arg-type]


def test_a_shared_group_is_found() -> None:
    made = folds(([0, 1], [2, 3]))
    assert made.prove(groups=["a", "a", "b", "b"]) is made
    with pytest.raises(SplitError, match="fold 0: row 3 is held out, but row 1 of the same group"):
        made.prove(groups=["a", "b", "c", "b"])


def test_a_training_row_from_the_future_is_found() -> None:
    made = folds(([0, 1], [2, 3]))
    made.prove(time=[1, 2, 3, 4])
    with pytest.raises(SplitError, match=r"fold 0: row 1 \(time 3\) is trained on"):
        made.prove(time=[1, 3, 3, 4])
    with pytest.raises(SplitError, match=r"fold 0: row 1 \(time 2\)"):
        made.prove(time=[1, 2, 3, 4], embargo=1)


def test_rows_never_held_out_have_no_fold() -> None:
    made = folds(([0, 1], [3]))
    assert made.fold_of_row.tolist() == [-1, -1, -1, 0]
    assert made.fold_of_row.dtype == np.int32
    assert made.held_out_rows.tolist() == [3]


def test_the_digest_is_of_the_rows_not_of_the_notes() -> None:
    fold = Fold(np.array([0]), np.array([1]))
    plain, noted = Folds((fold,), 2, "plain"), Folds((fold,), 2, "plain", ("a note",))
    assert plain.digest() == noted.digest() != Folds((fold,), 3, "plain").digest()


def test_the_given_arrays_stay_the_callers_own() -> None:
    train = np.array([0, 1])
    fold = Fold(train, np.array([2]))
    train[0] = 9
    assert fold.train.tolist() == [0, 1]
