"""What every splitter of the catalog promises.

All: no row on both sides of a fold, each row held out at most once, the same seed the same
folds, inputs never modified, groups and time proven. Exchangeable kinds hold every row out once.
Row order: grouped and temporal folds follow the rows wherever they stand; stratified folds
keep their sizes and class counts, not their members.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackml.foundation.errors import SplitError
from stackml.splitting import SPLITTERS, Folds, SplitterEntry, choose_splitter

every_splitter = pytest.mark.parametrize("entry", SPLITTERS, ids=lambda entry: entry.name)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows(n: int = 120, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "n_rows": n,
        "y_codes": rng.integers(0, 3, n),
        "groups": rng.integers(0, n // 3, n),
        "time": rng.integers(0, n // 2, n),
    }


def split(entry: SplitterEntry, data: dict[str, Any], n_folds: int = 4, seed: int = 0) -> Folds:
    return entry.build(n_folds, 0.0).split(**data, seed=seed)


def as_lists(folds: Folds) -> list[tuple[list[int], list[int]]]:
    return [(fold.train.tolist(), fold.held_out.tolist()) for fold in folds.folds]


@every_splitter
def test_no_row_is_on_both_sides_and_none_is_held_out_twice(entry: SplitterEntry) -> None:
    folds = split(entry, rows())
    held = [row for fold in folds.folds for row in fold.held_out.tolist()]
    assert len(held) == len(set(held))
    for fold in folds.folds:
        assert not set(fold.train.tolist()) & set(fold.held_out.tolist())
    assert folds.held_out_rows.tolist() == sorted(held)
    assert folds.n_folds == 4


@every_splitter
def test_exchangeable_folds_hold_every_row_out_once(entry: SplitterEntry) -> None:
    folds = split(entry, rows())
    assert folds.exchangeable is not entry.needs_time
    assert (len(folds.held_out_rows) == 120) is folds.exchangeable
    assert (folds.fold_of_row >= 0).all() == folds.exchangeable


@every_splitter
def test_same_seed_same_folds(entry: SplitterEntry) -> None:
    data = rows()
    first, again, other = (split(entry, data, seed=seed) for seed in (3, 3, 4))
    assert as_lists(first) == as_lists(again)
    assert first.digest() == again.digest()
    assert (first.digest() != other.digest()) is first.exchangeable


@every_splitter
def test_row_order(entry: SplitterEntry) -> None:
    data = rows()
    order = np.random.default_rng(1).permutation(120)
    moved = {key: value[order] if key != "n_rows" else value for key, value in data.items()}
    before, after = split(entry, data), split(entry, moved)
    if entry.name == "stratified":
        for one, two in zip(before.folds, after.folds, strict=True):
            counts = [np.bincount(data["y_codes"][one.held_out]), np.bincount(moved["y_codes"][two.held_out])]
            assert counts[0].tolist() == counts[1].tolist()
    else:
        assert before.fold_of_row[order].tolist() == after.fold_of_row.tolist()
        for one, two in zip(before.folds, after.folds, strict=True):
            assert sorted(order[two.train].tolist()) == one.train.tolist()


@every_splitter
def test_inputs_are_not_modified_and_folds_are_read_only(entry: SplitterEntry) -> None:
    data = rows()
    kept = {key: np.copy(value) for key, value in data.items()}
    for value in data.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    folds = split(entry, data)
    for key, value in kept.items():
        assert np.array_equal(value, data[key])
    with pytest.raises(ValueError, match="read-only"):
        folds.folds[0].train[0] = 0


@every_splitter
def test_groups_and_time_are_honoured(entry: SplitterEntry) -> None:
    data = rows()
    folds = split(entry, data)
    for fold in folds.folds:
        if entry.needs_groups:
            assert not set(data["groups"][fold.train]) & set(data["groups"][fold.held_out])
        if entry.needs_time:
            assert data["time"][fold.train].max() < data["time"][fold.held_out].min()


@every_splitter
def test_fewest_rows(entry: SplitterEntry) -> None:
    if entry.needs_time:
        # Two rows of two classes leave one class to learn from; two rows of a number do not.
        folds = split(entry, {"n_rows": 2, "y_codes": [0.5, 1.5], "groups": [1, 2], "time": [1, 2]})
        assert as_lists(folds) == [([0], [1])]
    elif entry.needs_groups:
        folds = split(entry, {"n_rows": 4, "y_codes": [0, 1, 0, 1], "groups": [1, 1, 2, 2], "time": None})
        assert sorted(held for _, held in as_lists(folds)) == [[0, 1], [2, 3]]
    else:
        folds = split(entry, {"n_rows": 2, "y_codes": [0, 1], "groups": None, "time": None})
        assert sorted(held for _, held in as_lists(folds)) == [[0], [1]]
        assert any("class '0' has 1 row" in note for note in folds.notes)
    assert any("folds were asked for" in note for note in folds.notes)


@every_splitter
@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows(entry: SplitterEntry, n: int) -> None:
    data = {"n_rows": n, "y_codes": np.zeros(n, int), "groups": np.zeros(n), "time": np.zeros(n)}
    with pytest.raises(SplitError, match="at least 2 are needed"):
        split(entry, data)


@every_splitter
def test_what_is_needed_is_asked_for(entry: SplitterEntry) -> None:
    data = rows() | {"groups": None, "time": None}
    if entry.needs_groups or entry.needs_time:
        with pytest.raises(SplitError, match=r"needs (groups|time)=, which was not given"):
            split(entry, data)
    else:
        split(entry, data)


@every_splitter
@pytest.mark.parametrize("y", [None, np.arange(120) / 7], ids=["no target", "number"])
def test_no_classes(entry: SplitterEntry, y: Any) -> None:
    assert split(entry, rows() | {"y_codes": y}).n_folds == 4


@quick
@given(
    groups=st.lists(st.integers(0, 12), min_size=2, max_size=80),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 99),
)
def test_no_group_is_ever_on_both_sides(groups: list[int], n_folds: int, seed: int) -> None:
    splitter = choose_splitter(n_folds, groups_given=True, time_given=False, embargo=0)
    given_rows: dict[str, Any] = {"n_rows": len(groups), "y_codes": None, "groups": groups, "time": None}
    if len(set(groups)) < 2:
        with pytest.raises(SplitError, match="all rows are of one group"):
            splitter.split(**given_rows, seed=seed)
        return
    folds = splitter.split(**given_rows, seed=seed)
    assert folds.n_folds == min(n_folds, len(set(groups)))
    fold_of_group: dict[int, set[int]] = {}
    for group, fold in zip(groups, folds.fold_of_row.tolist(), strict=True):
        fold_of_group.setdefault(group, set()).add(fold)
    assert all(len(seen) == 1 for seen in fold_of_group.values())


@quick
@given(
    time=st.lists(st.integers(0, 30) | st.floats(0, 30), min_size=2, max_size=80),
    n_folds=st.integers(1, 6),
    embargo=st.sampled_from([0.0, 1.0, 2.5]),
)
def test_the_future_is_never_learned_from(time: list[float], n_folds: int, embargo: float) -> None:
    splitter = choose_splitter(n_folds, groups_given=False, time_given=True, embargo=embargo)
    axis = np.asarray(time, dtype=float)
    try:
        folds = splitter.split(n_rows=len(time), y_codes=None, groups=None, time=time, seed=0)
    except SplitError:
        folds = None
    if folds is None:
        assert np.ptp(axis) == 0 or embargo > 0
        return
    for fold in folds.folds:
        assert axis[fold.held_out].min() - axis[fold.train].max() > embargo
        inside = (axis >= axis[fold.held_out].min()) & (axis <= axis[fold.held_out].max())
        assert np.flatnonzero(inside).tolist() == fold.held_out.tolist()
    assert folds.fold_of_row.max() == folds.n_folds - 1
