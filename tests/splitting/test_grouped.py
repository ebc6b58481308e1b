"""Grouped folds: whole groups, balanced classes, fast for many groups."""

from __future__ import annotations

import time as clock

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import SplitError
from stackml.splitting import Folds, GroupedSplitter


def split(groups: object, y: object = None, n_folds: int = 5, **more: object) -> Folds:
    n_rows = len(groups)  # type: ignore[arg-type]
    return GroupedSplitter(n_folds).split(
        n_rows=n_rows,
        y_codes=y,
        groups=groups,
        time=None,
        seed=0,
        **more,  # type: ignore[arg-type]
    )


def test_rows_and_classes_are_balanced() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, 2000)
    y = (rng.random(2000) < 0.05).astype(int)
    folds = split(groups, y)
    assert np.ptp([len(fold.held_out) for fold in folds.folds]) <= 5
    assert np.ptp([y[fold.held_out].sum() for fold in folds.folds]) <= 3


def test_a_huge_group_leaves_its_fold_to_itself() -> None:
    groups = np.concatenate([np.zeros(500, int), np.arange(1, 501)])
    sizes = sorted(len(fold.held_out) for fold in split(groups).folds)
    assert sizes == [125, 125, 125, 125, 500]


def test_a_class_that_lies_in_two_groups_is_on_both_sides() -> None:
    groups = np.repeat(np.arange(20), 5)
    y = np.zeros(100, int)
    y[[0, 99]] = 1
    for fold in split(groups, y).folds:
        assert y[fold.train].any()


def test_one_hundred_thousand_rows_are_quick() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 70_000, 100_000)
    start = clock.perf_counter()
    split(groups, rng.integers(0, 2, 100_000))
    assert clock.perf_counter() - start < 5


@pytest.mark.parametrize(
    "groups",
    [
        ["a", "b", "a", "c"],
        np.array(["a", "b", "a", "c"], dtype=object),
        np.array([1, "b", 1, (2, 3)], dtype=object),
        pd.Series(["a", "b", "a", "c"], dtype="string"),
        pd.Series(["a", "b", "a", "c"], dtype="category"),
        [1.5, 2.5, 1.5, 3.5],
        np.array(["2020-01-01", "2020-01-02", "2020-01-01", "2020-01-03"], dtype="datetime64[D]"),
    ],
    ids=["text", "objects", "mixed", "pandas string", "pandas category", "floats", "dates"],
)
def test_groups_of_any_kind(groups: object) -> None:
    folds = split(groups, n_folds=3)
    assert folds.n_folds == 3
    assert folds.fold_of_row[0] == folds.fold_of_row[2]


@pytest.mark.parametrize(
    "groups",
    [
        [1.0, float("nan"), 2.0, 3.0],
        np.array(["a", None, "b", "c"], dtype=object),
        pd.Series(["a", pd.NA, "b", "c"], dtype="string"),
        np.array(["2020-01-01", "NaT", "2020-01-02", "2020-01-03"], dtype="datetime64[D]"),
    ],
    ids=["nan", "None", "NA", "NaT"],
)
def test_a_row_without_group_is_named(groups: object) -> None:
    with pytest.raises(SplitError, match="groups: 1 missing value, first at row 1; give every row a group"):
        split(groups)


def test_many_missing_groups_are_shortened() -> None:
    with pytest.raises(SplitError, match=r"groups: 8 missing values, first at row 0, 1, 2, 3, 4, \.\.\.;"):
        split([float("nan")] * 8)


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(SplitError, match=r"all rows are of one group.*leave groups out"):
        split(["a"] * 5)


def test_groups_of_another_length() -> None:
    with pytest.raises(
        SplitError, match=r"groups: expected one value for each of 3 rows, found shape \(2,\)"
    ):
        GroupedSplitter().split(n_rows=3, y_codes=None, groups=[1, 2], time=None, seed=0)


def test_folds_are_lowered_to_the_groups() -> None:
    folds = split(["a", "b", "a", "c"])
    assert folds.notes == ("5 folds were asked for; 3 folds are made from 3 groups",)


def test_two_classes_of_which_one_lies_in_one_group() -> None:
    with pytest.raises(SplitError, match=r"train on class 'no' alone: class 'yes' lies in too few groups"):
        split([1, 1, 2, 2, 3, 3], [0, 0, 0, 1, 0, 0], class_names=["no", "yes"])


def test_three_classes_of_which_one_lies_in_one_group() -> None:
    folds = split([1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 0, 2], n_folds=3, class_names=["a", "b", "c"])
    assert len(folds.notes) == 1
    assert "class 'c' is in the groups of fold" in folds.notes[0]
