"""The dense, ordinal and plain views: shape, gaps, unseen values, states, and no look at the target."""

import numpy as np
import pandas as pd
import pytest

from stackml.features.dense import DenseChoice, DenseView
from stackml.features.dense_rows import prepare_dense
from stackml.features.ordinal import OrdinalView, prepare_ordinal
from stackml.features.plain import PlainView, learn_plain
from stackml.tables.schema import Overrides
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

N = 300
Y = Target(Problem("binary", 2), np.random.default_rng(9).integers(0, 2, N))
ROWS = np.arange(200)


def frame(seed: int = 0, n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "gaps": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "few": rng.choice(["a", "b", "c"], n),
            "many": [f"m{i}" for i in rng.integers(0, 30, n)],
            "size": rng.choice(["s", "m", "l"], n),
        }
    )


@pytest.fixture
def table() -> Table:
    return Table.learn(frame(), Overrides(ordered={"size": ["s", "m", "l"]}))


def strange(table: Table) -> Table:
    rows = frame(seed=1, n=6)
    rows.loc[0, ["few", "many", "size"]] = "new"
    rows.loc[1, ["few", "many", "size"]] = None
    rows.loc[2, ["x", "gaps"]] = np.nan
    return Table.of(rows, table.schema)


def test_dense_has_no_gaps_and_the_columns_it_promises(table: Table) -> None:
    view, matrix = prepare_dense(table, None, DenseChoice(hinges=(0.0,))).fit(Y, ROWS, seed=1)
    # Two numbers with a hinge each, one gap, 4 + 4 one-hot, one rank, one frequency, one target code.
    assert matrix.shape == (200, 2 + 2 + 1 + 4 + 4 + 1 + 1 + 1)
    assert matrix.dtype == np.float32
    scored = view.transform(strange(table))
    assert np.isfinite(scored).all()
    assert np.abs(scored).max() <= 8
    assert scored[0, 5:9].sum() == 0.0  # an unseen level is no level
    assert scored[1, 5] == 1.0  # missing is a level of its own
    assert scored[2, 4] == 1.0  # the gap is told


def test_dense_rows_are_the_same_by_either_way(table: Table) -> None:
    prepared = prepare_dense(table, None, DenseChoice())
    view, _ = prepared.fit(Y, ROWS, seed=1)
    np.testing.assert_array_equal(prepared.matrix_of(view, ROWS), view.transform(table.take(ROWS)))


@pytest.mark.parametrize("choice", [DenseChoice(), DenseChoice("robust", (-1.0, 1.0), 2)])
def test_a_rebuilt_dense_view_is_equal_bit_for_bit(table: Table, choice: DenseChoice) -> None:
    view, _ = prepare_dense(table, None, choice).fit(Y, ROWS, seed=1)
    again = DenseView.from_state(view.to_state())
    np.testing.assert_array_equal(again.transform(strange(table)), view.transform(strange(table)))


@pytest.mark.parametrize("scaled", [False, True])
def test_ordinal_keeps_gaps_and_rebuilds(table: Table, scaled: bool) -> None:
    view, matrix = prepare_ordinal(table, None, scaled=scaled).fit(Y, ROWS, seed=1)
    assert matrix.shape == (200, 2 + 2 + 1 + 1)
    assert np.isnan(matrix[:, 1]).sum() == np.isnan(table.numbers[ROWS, 1]).sum()
    scored = view.transform(strange(table))
    assert np.isnan(scored[:2, 2:4]).all()
    again = OrdinalView.from_state(view.to_state())
    np.testing.assert_array_equal(again.transform(strange(table)), scored)


def test_plain_keeps_units_and_fills_gaps_only_when_asked(table: Table) -> None:
    view = learn_plain(table, None)
    raw = view.transform(table, fill_gaps=False)
    np.testing.assert_array_equal(raw[:, :2], table.numbers)
    assert np.isfinite(view.transform(strange(table), fill_gaps=True)).all()
    again = PlainView.from_state(view.to_state())
    np.testing.assert_array_equal(
        again.transform(strange(table), fill_gaps=True), view.transform(strange(table), fill_gaps=True)
    )


def test_scales_learned_from_the_past_do_not_know_the_rest(table: Table) -> None:
    numbers = table.numbers.copy()
    numbers[200:] = 1e6
    future = Table(table.schema, numbers, table.codes)
    before = prepare_dense(table, ROWS, DenseChoice()).of(np.arange(200))
    np.testing.assert_array_equal(prepare_dense(future, ROWS, DenseChoice()).of(np.arange(200)), before)


def test_a_dense_view_is_the_same_in_blocks_and_for_the_rows_of_a_fold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pandas as pd

    from stackml.features import dense, dense_rows

    rng = np.random.default_rng(0)
    many = [f"v{i}" for i in range(30)]
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=100),
            "k": rng.choice(["a", "b", None], 100),
            "o": pd.Categorical(rng.choice(["low", "high"], 100), ["low", "high"], ordered=True),
            "m": rng.choice(many, 100),
        }
    )
    frame.loc[::7, "x"] = np.nan
    table, y = Table.learn(frame), Target(Problem("binary", 2), rng.integers(0, 2, 100))
    choice, rows = dense.DenseChoice(hinges=(0.0, 1.0)), rng.permutation(100)[:80]
    kept = dense_rows.prepare_dense(table, None, choice)
    monkeypatch.setattr(dense, "_BLOCK", 33)
    monkeypatch.setattr(dense_rows, "_KEPT", 0)
    made = dense_rows.prepare_dense(table, None, choice)
    assert (kept.is_narrow, made.is_narrow) == (False, True)
    assert made.matrix.shape[1] < kept.matrix.shape[1]
    np.testing.assert_array_equal(made.of(rows), kept.of(rows))
    np.testing.assert_array_equal(made.plain.transform(table), kept.matrix)
    (_, whole), (view, lazy) = kept.fit(y, rows, 3), made.fit(y, rows, 3)
    assert isinstance(lazy, dense_rows.DenseRows)
    assert (len(lazy), lazy.shape, lazy.size) == (len(whole), whole.shape, whole.size)
    np.testing.assert_array_equal(lazy[:], whole)
    np.testing.assert_array_equal(lazy[5:9], whole[5:9])
    np.testing.assert_array_equal(lazy[np.array([7, 0])], whole[[7, 0]])
    np.testing.assert_array_equal(made.matrix_of(view, rows), view.transform(table.take(rows)))
