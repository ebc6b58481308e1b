"""Stratified folds: fair shares of every class, rare ones too."""

from __future__ import annotations

import numpy as np
import pytest

from stackml.foundation.errors import ParameterError, SplitError
from stackml.splitting import Folds, StratifiedSplitter


def split(y: object, n_folds: int = 5, seed: int = 0, names: list[str] | None = None) -> Folds:
    n_rows = len(y)  # type: ignore[arg-type]
    return StratifiedSplitter(n_folds).split(
        n_rows=n_rows, y_codes=y, groups=None, time=None, seed=seed, class_names=names
    )


@pytest.mark.parametrize("seed", range(4))
def test_sizes_and_class_counts_differ_by_one_at_most(seed: int) -> None:
    y = np.repeat([0, 1, 2, 3], [503, 61, 5, 2])
    folds = split(np.random.default_rng(seed).permutation(y), seed=seed)
    sizes = [len(fold.held_out) for fold in folds.folds]
    assert max(sizes) - min(sizes) <= 1
    permuted = np.random.default_rng(seed).permutation(y)
    counts = np.array([np.bincount(permuted[fold.held_out], minlength=4) for fold in folds.folds])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
    assert folds.kind == "stratified"
    assert folds.notes == ()


def test_a_class_of_two_rows_is_learned_in_every_fold() -> None:
    y = np.array([0] * 20 + [1] * 2)
    assert all(len(np.unique(y[fold.train])) == 2 for fold in split(y).folds)


def test_a_class_of_one_row_is_noted_by_name() -> None:
    folds = split([0] * 10 + [1] * 10 + [2], names=["x", "y", "z"])
    assert folds.notes == ("class 'z' has 1 row: the fold that holds it out cannot learn it",)


def test_a_number_is_spread_by_its_rank() -> None:
    y = np.random.default_rng(0).lognormal(size=200)
    means = [np.log(y[fold.held_out]).mean() for fold in split(y).folds]
    assert np.ptp(means) < 0.12


def test_without_target_the_folds_are_plain_and_shuffled() -> None:
    folds = StratifiedSplitter(5).split(n_rows=50, y_codes=None, groups=None, time=None, seed=0)
    assert folds.kind == "plain"
    assert [len(fold.held_out) for fold in folds.folds] == [10] * 5
    assert folds.folds[0].held_out.tolist() != list(range(10))


def test_folds_are_lowered_to_the_rows() -> None:
    folds = split([0, 1, 0], n_folds=5)
    assert folds.n_folds == 3
    assert "5 folds were asked for; 3 folds are made from 3 rows" in folds.notes


@pytest.mark.parametrize("n_folds", [1, 0, 2.5, True, "5"])
def test_number_of_folds_must_make_sense(n_folds: object) -> None:
    with pytest.raises(ParameterError, match="give an integer of 2 or more"):
        StratifiedSplitter(n_folds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b"], "target: expected integer class codes or floats"),
        ([0.5, float("nan")], "target: 1 missing value, first at row 1"),
        ([[0], [1]], r"target: expected one value for each of 2 rows, found shape \(2, 1\)"),
    ],
)
def test_a_target_that_cannot_be_used(y: object, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        split(y)


def test_class_names_must_cover_the_codes() -> None:
    with pytest.raises(SplitError, match="class codes run from 0 to 2, but 2 class names"):
        split([0, 1, 2], names=["a", "b"])
