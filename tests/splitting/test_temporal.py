"""Temporal folds: the past alone is learned from."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import ParameterError, SplitError
from stackml.splitting import Folds, GroupedTemporalSplitter, TemporalSplitter


def split(time: object, n_folds: int = 3, y: object = None, embargo: object = 0.0, **more: object) -> Folds:
    return TemporalSplitter(n_folds, embargo).split(  # type: ignore[arg-type]
        n_rows=len(time),  # type: ignore[arg-type]
        y_codes=y, groups=None, time=time, seed=0, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def sizes(folds: Folds) -> list[tuple[int, int]]:
    return [(len(fold.train), len(fold.held_out)) for fold in folds.folds]


def test_the_window_expands_in_equal_blocks() -> None:
    folds = split(np.arange(40))
    assert sizes(folds) == [(10, 10), (20, 10), (30, 10)]
    assert (folds.fold_of_row[:10] == -1).all()
    assert not folds.exchangeable


def test_equal_times_are_never_parted() -> None:
    time = np.repeat([1, 2, 3, 4, 5], [3, 50, 3, 3, 3])
    folds = split(time)
    assert [np.unique(time[fold.held_out]).tolist() for fold in folds.folds] == [[2], [3], [4, 5]]


def test_a_crowded_time_does_not_starve_the_later_blocks() -> None:
    time = np.concatenate([np.zeros(600), np.arange(1, 401)])
    assert [held for _, held in sizes(split(time, n_folds=4))] == [100] * 4


def test_the_embargo_leaves_out_what_lies_within_it() -> None:
    folds = split(np.arange(40), embargo=3)
    assert folds.folds[0].train.tolist() == list(range(7))
    assert folds.folds[0].held_out[0] == 10


@pytest.mark.parametrize("embargo", [2, dt.timedelta(days=2), np.timedelta64(48, "h"), pd.Timedelta("2D")])
def test_dates_and_their_embargo_in_days(embargo: object) -> None:
    time = np.datetime64("2024-01-01") + np.arange(20)
    folds = split(time, n_folds=1, embargo=embargo)
    assert folds.folds[0].train.tolist() == list(range(8))
    assert folds.folds[0].held_out.tolist() == list(range(10, 20))


@pytest.mark.parametrize(
    "time",
    [
        pd.date_range("2024-01-01", periods=8, tz="Europe/Zurich"),
        pd.Series(pd.date_range("2024-01-01", periods=8)),
        [dt.date(2024, 1, day) for day in range(1, 9)],
        [dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in range(1, 9)],
        np.array(range(8), dtype=object),
        np.array([0.5 * k for k in range(8)], dtype=object),
        pd.Series(range(8), dtype="Int64"),
        np.arange(8).astype("timedelta64[D]"),
        np.arange(8, dtype=np.uint64),
        1_700_000_000_000_000_000 + np.arange(8),
    ],
    ids=[
        "zone", "pandas", "dates", "datetimes", "int objects", "float objects", "Int64", "durations",
        "uint64", "epoch ns",
    ],
)  # fmt: skip
def test_time_of_any_kind(time: object) -> None:
    assert sizes(split(time)) == [(2, 2), (4, 2), (6, 2)]


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ([1.0, float("nan"), 3.0], "time: 1 missing value, first at row 1; give every row a time"),
        ([1.0, float("inf"), 3.0], "time: 1 missing value, first at row 1"),
        (
            np.array(["2024-01-01", "NaT", "2024-01-02"], "datetime64[D]"),
            "time: 1 missing value, first at row 1",
        ),
        (np.array([1, None, 2], dtype=object), "time: 1 missing value, first at row 1"),
        (["2024-01-01", "2024-01-02", "2024-01-03"], "time: expected numbers or dates.*'2024-01-01'.*parse"),
        (np.array([1, "x", 2], dtype=object), "time: expected numbers or dates, found 'x' at row 1"),
        ([7, 7, 7], r"all rows have the same time \(7\).*leave time out"),
    ],
)
def test_time_that_cannot_be_used(time: object, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        split(time)


def test_folds_are_lowered_to_the_distinct_times() -> None:
    folds = split([1, 1, 2, 2, 3], n_folds=5)
    assert folds.n_folds == 2
    assert folds.notes == ("5 folds were asked for; 2 folds are made from 3 distinct times",)
    assert split([1, 2]).notes == ("3 folds were asked for; 1 fold is made from 2 distinct times",)


def test_a_fold_that_would_learn_from_one_class() -> None:
    y = np.r_[np.zeros(10, int), np.tile([0, 1], 15)]
    with pytest.raises(
        SplitError,
        match="fold 0 would train on class 'no' alone: no other class among its 10 training rows before 10; "
        "use fewer folds",
    ):
        split(np.arange(40), y=y, class_names=["no", "yes"])
    assert split(np.arange(40), y=y, n_folds=1).n_folds == 1


def test_a_class_that_appears_late_is_noted() -> None:
    y = np.r_[np.tile([0, 1], 15), np.tile([0, 2], 5)]
    assert split(np.arange(40), y=y).notes == ("fold 2 holds out class '2', which it cannot learn",)


def test_an_embargo_longer_than_the_past() -> None:
    with pytest.raises(SplitError, match="fold 0: an embargo of 50 leaves no row before 10 to train on"):
        split(np.arange(40), embargo=50)


@pytest.mark.parametrize("embargo", [-1, float("nan"), "2d", np.timedelta64("NaT"), dt.timedelta(-1)])
def test_embargo_must_be_a_duration(embargo: object) -> None:
    with pytest.raises(ParameterError, match="give a duration of zero or more"):
        TemporalSplitter(3, embargo)  # type: ignore[arg-type]


def test_embargo_and_time_must_be_of_one_kind() -> None:
    with pytest.raises(ParameterError, match="time holds numbers, so the embargo must be one too"):
        split(np.arange(10), embargo=dt.timedelta(days=1))


def test_groups_of_the_held_out_block_are_not_learned_from() -> None:
    time, groups = np.arange(40), np.arange(40) % 13
    folds = GroupedTemporalSplitter(3).split(n_rows=40, y_codes=None, groups=groups, time=time, seed=0)
    assert folds.kind == "grouped_temporal"
    assert [len(fold.held_out) for fold in folds.folds] == [10, 10, 10]
    for fold in folds.folds:
        assert len(fold.train)
        assert not set(groups[fold.train]) & set(groups[fold.held_out])


def test_groups_that_never_end() -> None:
    with pytest.raises(SplitError, match=r"fold 0: every group seen before.*split by time alone"):
        GroupedTemporalSplitter(3).split(
            n_rows=40, y_codes=None, groups=np.arange(40) % 2, time=np.arange(40), seed=0
        )
