import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackml.tables import Table
from stackml.tables.precision import Rounding, choose_rounding, split_parts


def told_apart(values):
    """Number of distinct rows of the float32 parts."""
    parts = split_parts(
        np.asarray(values, dtype=np.float64), choose_rounding(np.asarray(values, dtype=float))
    )
    return len(set(zip(*(p.tolist() for p in parts), strict=True)))


@pytest.mark.parametrize(
    "values",
    [
        1.7e9 + np.arange(1000.0),
        1.7e9 + np.arange(0, 3 * 365 * 86400, 7919.0),
        1e15 + np.arange(500.0),
        np.arange(500) * 0.01 + 98_765_432.0,
        np.array([16_777_216.0, 16_777_217.0, 3.0]),
        1e9 + np.random.default_rng(0).normal(size=300),
        np.random.default_rng(0).integers(0, 2**52, 2000).astype(float),
    ],
    ids=["seconds", "years of seconds", "ids", "cents", "edge", "shifted noise", "random ids"],
)
def test_values_that_differ_stay_apart(values):
    assert told_apart(values) == len(np.unique(values))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-(2**48), 2**48), min_size=2, max_size=40))
def test_any_whole_numbers_stay_apart(values):
    assert told_apart(values) == len(set(values))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) > 1e-20), min_size=1, max_size=40))
def test_three_parts_keep_every_bit(values):
    parts = split_parts(np.array(values), Rounding(parts=3))
    np.testing.assert_array_equal(np.sum([p.astype(np.float64) for p in parts], axis=0), values)


def test_plain_columns_are_left_alone():
    assert choose_rounding(np.array([1.0, 2.5, np.nan, 1e6])) == Rounding()
    assert choose_rounding(np.random.default_rng(0).lognormal(size=5000)).parts == 1


def test_a_table_keeps_timestamps_apart_and_scores_new_ones_alike():
    seconds = 1.6e9 + np.arange(0, 10**8, 10_007.0)
    table = Table.learn(pd.DataFrame({"at": seconds, "x": np.arange(len(seconds)) % 7}))
    assert len(np.unique(table.numbers[:, :-1], axis=0)) == len(seconds)
    again = Table.of(pd.DataFrame({"x": [3], "at": [seconds[17]]}), table.schema)
    assert np.array_equal(again.numbers[0, :-1], table.numbers[17, :-1])
