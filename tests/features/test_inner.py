"""Inner divisions keep groups whole and never look ahead."""

import numpy as np
import pytest

from stackml.features.inner import inner_holdout, inner_parts
from stackml.tables.target import Problem, Target

N = 200
ROWS = np.arange(20, N)


def target(*, groups: bool = False, time: bool = False) -> Target:
    rng = np.random.default_rng(0)
    return Target(
        Problem("binary", 2),
        rng.integers(0, 2, N),
        groups=rng.integers(0, 25, N) if groups else None,
        time=rng.integers(0, 60, N).astype(float) if time else None,
    )


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("time", [False, True])
def test_every_row_is_applied_to_once_and_never_learned_from_there(groups: bool, time: bool) -> None:
    y = target(groups=groups, time=time)
    parts = inner_parts(y, ROWS, 5, seed=1)
    applied = np.concatenate([part.apply for part in parts])
    np.testing.assert_array_equal(np.sort(applied), np.arange(len(ROWS)))
    for part in parts:
        assert not np.intersect1d(part.learn, part.apply).size
        if groups:
            assert y.groups is not None
            assert not np.intersect1d(y.groups[ROWS][part.learn], y.groups[ROWS][part.apply]).size
        if time and part.learn.size:
            assert y.time is not None
            assert y.time[ROWS][part.learn].max() < y.time[ROWS][part.apply].min()


def test_classes_are_spread_over_the_parts() -> None:
    y = target()
    shares = [y.values[ROWS][part.apply].mean() for part in inner_parts(y, ROWS, 5, seed=1)]
    assert max(shares) - min(shares) < 0.06


def test_the_holdout_is_the_latest_part() -> None:
    y = target(time=True)
    part = inner_holdout(y, ROWS, seed=1)
    assert y.time is not None
    assert y.time[ROWS][part.apply].max() == y.time[ROWS].max()


def test_one_group_or_one_moment_gives_an_empty_holdout() -> None:
    y = Target(Problem("binary", 2), np.arange(N) % 2, groups=np.zeros(N, np.int64))
    assert not inner_holdout(y, ROWS, seed=1).apply.size
    still = Target(Problem("binary", 2), np.arange(N) % 2, time=np.zeros(N))
    assert not inner_holdout(still, ROWS, seed=1).apply.size
