"""The choice of a splitter, and the one outer division."""

from __future__ import annotations

import numpy as np
import pytest

from stackml.foundation.errors import ParameterError, SplitError
from stackml.splitting import (
    GroupedSplitter,
    GroupedTemporalSplitter,
    Splitter,
    StratifiedSplitter,
    TemporalSplitter,
    choose_splitter,
    get_splitter,
    holdout_split,
)


@pytest.mark.parametrize(
    ("groups", "time", "expected"),
    [
        (False, False, StratifiedSplitter(4)),
        (True, False, GroupedSplitter(4)),
        (False, True, TemporalSplitter(4, 0.0)),
        (True, True, GroupedTemporalSplitter(4, 0.0)),
    ],
)
def test_what_is_given_decides(groups: bool, time: bool, expected: Splitter) -> None:
    assert choose_splitter(4, groups_given=groups, time_given=time, embargo=0.0) == expected


def test_the_embargo_is_handed_on() -> None:
    assert choose_splitter(4, groups_given=False, time_given=True, embargo=7) == TemporalSplitter(4, 7)


def test_an_embargo_without_time() -> None:
    with pytest.raises(ParameterError, match="embargo=7 needs time=, which was not given"):
        choose_splitter(4, groups_given=True, time_given=False, embargo=7)


def test_a_near_miss_is_named() -> None:
    assert get_splitter("grouped").needs_groups
    with pytest.raises(ParameterError, match="unknown splitter 'group'; did you mean 'grouped'"):
        get_splitter("group")


def rows(n: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (rng.random(n) < 0.1).astype(int), rng.integers(0, 100, n), rng.integers(0, 200, n)


def test_holdout_of_classes() -> None:
    y, _, _ = rows()
    split = holdout_split(n_rows=500, y_codes=y, seed=1)
    held = split.folds[0].held_out
    assert (split.kind, split.n_folds) == ("stratified", 1)
    assert len(split.folds[0].train) + len(held) == 500
    assert y[held].sum() == round(0.2 * y.sum())
    assert abs(len(held) - 100) <= 1
    assert split.digest() == holdout_split(n_rows=500, y_codes=y, seed=1).digest()
    assert split.digest() != holdout_split(n_rows=500, y_codes=y, seed=2).digest()


def test_holdout_of_rare_classes() -> None:
    y = np.repeat([0, 1, 2], [20, 2, 1])
    split = holdout_split(n_rows=23, y_codes=y, class_names=["a", "b", "z"])
    assert np.bincount(y[split.folds[0].held_out], minlength=3).tolist() == [4, 1, 0]
    assert split.notes == ("class 'z' has 1 row: it is trained on and not held out",)


@pytest.mark.parametrize("y", [None, np.random.default_rng(0).lognormal(size=500)], ids=["none", "number"])
def test_holdout_without_classes(y: np.ndarray | None) -> None:
    split = holdout_split(n_rows=500, y_codes=y)
    assert len(split.folds[0].held_out) == 100
    assert split.kind == ("plain" if y is None else "stratified")


def test_holdout_of_two_rows() -> None:
    assert len(holdout_split(n_rows=2, y_codes=[0, 1]).folds[0].held_out) == 1
    with pytest.raises(SplitError, match="1 row cannot be divided"):
        holdout_split(n_rows=1, y_codes=[0])


def test_holdout_of_groups() -> None:
    y, groups, _ = rows()
    split = holdout_split(n_rows=500, y_codes=y, groups=groups)
    fold = split.folds[0]
    assert split.kind == "grouped"
    assert not set(groups[fold.train]) & set(groups[fold.held_out])
    assert abs(len(fold.held_out) - 100) <= 3
    assert abs(y[fold.held_out].sum() - 0.2 * y.sum()) <= 3


@pytest.mark.parametrize("sizes", [[1, 1], [50, 1], [1, 1, 90]])
def test_holdout_of_few_groups(sizes: list[int]) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    fold = holdout_split(n_rows=len(groups), y_codes=None, groups=groups).folds[0]
    assert len(fold.train) >= len(fold.held_out)


def test_holdout_where_one_group_has_all_of_a_class() -> None:
    y, groups = np.r_[np.zeros(10, int), np.ones(2, int)], np.r_[np.arange(10), [10, 10]]
    for seed in range(20):
        fold = holdout_split(n_rows=12, y_codes=y, groups=groups, seed=seed, share=0.4).folds[0]
        assert y[fold.train].any()
    with pytest.raises(SplitError, match=r"would leave class .* alone to train on"):
        holdout_split(n_rows=12, y_codes=y, groups=y)


def test_holdout_of_the_latest() -> None:
    y, _, time = rows()
    split = holdout_split(n_rows=500, y_codes=y, time=time, embargo=5)
    fold = split.folds[0]
    assert split.kind == "temporal"
    assert time[fold.held_out].min() - time[fold.train].max() > 5
    assert abs(len(fold.held_out) - 100) <= 3
    assert set(np.flatnonzero(time >= time[fold.held_out].min())) == set(fold.held_out.tolist())


def test_holdout_of_the_latest_and_their_groups() -> None:
    y, groups, time = rows()
    groups = groups * 3 + time // 70
    split = holdout_split(n_rows=500, y_codes=y, groups=groups, time=time)
    fold = split.folds[0]
    assert split.kind == "grouped_temporal"
    assert time[fold.train].max() < time[fold.held_out].min()
    assert not set(groups[fold.train]) & set(groups[fold.held_out])


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1, float("nan")])
def test_share_must_be_a_fraction(share: float) -> None:
    with pytest.raises(ParameterError, match="give a fraction between 0 and 1"):
        holdout_split(n_rows=10, y_codes=None, share=share)


def test_holdout_embargo_without_time() -> None:
    with pytest.raises(ParameterError, match="needs time="):
        holdout_split(n_rows=10, y_codes=None, embargo=1)
