"""Contributions add up, ignore what the model ignores, and are what theory says where it says something."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackml.explain.attribution import attribute, walk_orders
from stackml.explain.typical import typical_row
from stackml.foundation.errors import ParameterError
from stackml.tables.table import Table


def table_of(n_rows: int, n_numbers: int, n_categories: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"n{i}": rng.normal(size=n_rows).round(1) for i in range(n_numbers)})
    for i in range(n_categories):
        frame[f"c{i}"] = rng.choice(["u", "v", "w"], n_rows)
    frame = frame.mask(pd.DataFrame(rng.random(frame.shape) < 0.1, columns=frame.columns))
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, n_rows), unit="h")
    return Table.learn(frame)


def cells(table: Table) -> np.ndarray:
    return np.nan_to_num(np.hstack([table.numbers, table.codes]).astype(np.float64), nan=-3.0)


def tangled(table: Table) -> np.ndarray:
    """Every column interacts with every other; three outputs that sum to 1."""
    x = np.tanh(cells(table) / 5.0)
    raw = np.stack([x.sum(axis=1), np.prod(1.1 + x, axis=1), x.max(axis=1) * x.min(axis=1)], axis=1)
    odds = np.exp(raw - raw.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(1, 12),
    n_numbers=st.integers(1, 5),
    n_categories=st.integers(0, 3),
    n_background=st.integers(1, 4),
    n_permutations=st.integers(1, 9),
    batch_rows=st.sampled_from([1, 7, 50_000]),
    seed=st.integers(0, 10**6),
)
def test_contributions_sum_to_prediction_minus_baseline(
    n_rows, n_numbers, n_categories, n_background, n_permutations, batch_rows, seed
):
    whole = table_of(40, n_numbers, n_categories, seed)
    rows, background = whole.take(np.arange(n_rows)), whole.take(np.arange(40 - n_background, 40))
    found = attribute(
        tangled, rows, background, n_permutations=n_permutations, seed=seed, batch_rows=batch_rows
    )
    assert found.contributions.shape == (n_rows, len(whole.schema.read))
    assert np.abs(found.contributions.sum(axis=1) + found.baseline - found.prediction).max() < 1e-9
    everywhere = tangled(rows)
    assert np.array_equal(found.prediction, everywhere.max(axis=1))
    assert np.array_equal(found.outputs, everywhere.argmax(axis=1))


def test_a_sum_is_divided_exactly_whatever_the_orders():
    table = table_of(30, 4, 2, 1)
    slopes = np.linspace(-2, 3, table.n_features)

    def linear(seen: Table) -> np.ndarray:
        return (cells(seen) @ slopes)[:, None]

    background = table.take(np.arange(20, 30))
    found = attribute(linear, table, background, n_permutations=1)
    pulled = (cells(table) - cells(background).mean(axis=0)) * slopes
    columns = [c.name for c in table.schema.read]
    owners = [c for c in columns for _ in table.schema.by_name[c].slots]
    owners += [c.name for c in table.schema.categories]
    expected = np.stack([pulled[:, [o == c for o in owners]].sum(axis=1) for c in columns], axis=1)
    assert found.contributions == pytest.approx(expected, abs=1e-9)
    assert owners.count("when") > 1, "the slots of a date are of one column"


def test_two_columns_that_work_together_share_alike():
    table = table_of(25, 6, 0, 2)

    def product(seen: Table) -> np.ndarray:
        return seen.numbers[:, :1].astype(np.float64) * seen.numbers[:, 1:2]

    rows = table.take(np.flatnonzero(~np.isnan(table.numbers[:, :2]).any(axis=1)))
    background = rows.take(np.array([3]))
    found = attribute(product, rows, background, n_permutations=2)
    a, b = rows.numbers[:, 0].astype(float), rows.numbers[:, 1].astype(float)
    expected = (a - a[3]) * (b + b[3]) / 2  # Shapley value of a product of two
    assert found.contributions[:, 0] == pytest.approx(expected, abs=1e-9)
    assert found.contributions[:, 1] == pytest.approx((b - b[3]) * (a + a[3]) / 2, abs=1e-9)
    assert not found.contributions[:, 2:].any(), "what the model ignores gets 0"


def test_three_columns_are_exact_and_alike_where_they_act_alike():
    frame = pd.DataFrame(np.random.default_rng(0).integers(1, 9, (20, 3)), columns=["a", "b", "c"])
    table = Table.learn(frame)

    def product(seen: Table) -> np.ndarray:
        return seen.numbers.astype(np.float64).prod(axis=1, keepdims=True)

    zero = Table(table.schema, np.zeros((1, 3), np.float32), np.zeros((1, 0), np.int32))
    found = attribute(product, table, zero, n_permutations=6)
    assert found.contributions == pytest.approx(np.repeat(product(table) / 3, 3, axis=1))


def test_a_column_as_in_the_background_gets_nothing_and_costs_nothing():
    table = table_of(20, 5, 1, 3)
    typical = typical_row(table)
    seen = []

    def counting(rows: Table) -> np.ndarray:
        seen.append(rows.n_rows)
        return tangled(rows)

    numbers = np.repeat(typical.numbers, 2, axis=0)
    numbers[:, 0] += 1
    numbers[1, 1] += 1
    near = Table(table.schema, numbers, np.repeat(typical.codes, 2, axis=0))
    found = attribute(counting, near, typical, n_permutations=8)
    assert not found.contributions[0, 1:].any()
    assert not found.contributions[1, 2:].any()
    assert sum(seen) == 2 + 1 + 8, "the ends, and one step of the row with two changes on each walk"


def test_a_row_is_explained_alike_in_any_company():
    table = table_of(30, 5, 2, 4)
    background = table.take(np.arange(3))
    whole = attribute(tangled, table, background).contributions
    order = np.random.default_rng(0).permutation(30)
    assert attribute(tangled, table.take(order), background).contributions == pytest.approx(
        whole[order], abs=1e-12
    )
    alone = attribute(tangled, table.take(np.array([7])), background, batch_rows=3).contributions
    assert alone[0] == pytest.approx(whole[7], abs=1e-12)


def test_equal_seeds_agree_and_others_come_near():
    table = table_of(30, 6, 2, 5)
    background = typical_row(table)
    first = attribute(tangled, table, background, seed=1).contributions
    assert np.array_equal(first, attribute(tangled, table, background, seed=1).contributions)
    other = attribute(tangled, table, background, seed=2).contributions
    assert not np.array_equal(first, other)

    def error(n_permutations: int) -> float:
        found = attribute(tangled, table, background, n_permutations=n_permutations).contributions
        return float(np.abs(found - truth).mean())

    truth = attribute(tangled, table, background, n_permutations=1000, seed=9).contributions
    assert error(64) < 0.5 * error(2)


def test_orders_come_in_pairs_and_more_keep_the_first():
    orders = walk_orders(9, 8, 0)
    assert np.array_equal(orders[1::2], orders[::2, ::-1])
    assert np.array_equal(walk_orders(9, 5, 0), orders[:5])
    assert (np.sort(orders, axis=1) == np.arange(9)).all()
    assert len({tuple(o) for o in walk_orders(3, 8, 0).tolist()}) == 6


def test_the_rows_given_are_not_touched_and_batches_stay_small():
    table = table_of(30, 4, 1, 6)
    background = table.take(np.arange(5))
    before = table.digest, background.digest
    sizes = []

    def measured(rows: Table) -> np.ndarray:
        sizes.append(rows.n_rows)
        return tangled(rows)

    attribute(measured, table, background, batch_rows=50)
    assert max(sizes) <= 50
    fresh = (
        Table(table.schema, table.numbers, table.codes),
        Table(table.schema, background.numbers, background.codes),
    )
    assert tuple(t.digest for t in fresh) == before


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True])
def test_a_number_of_orders_without_meaning(wrong):
    table = table_of(5, 2, 0, 7)
    with pytest.raises(ParameterError, match=r"n_permutations=.*give"):
        attribute(tangled, table, table, n_permutations=wrong)
