"""The typical row holds values that occur, column by column."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stackml.explain.typical import typical_row
from stackml.explain.words import Words, shown
from stackml.tables.schema import Overrides
from stackml.tables.table import Table


def usual(frame: pd.DataFrame, overrides: Overrides | None = None) -> dict[str, str]:
    table = Table.learn(frame, overrides)
    words = Words(frame, table, typical_row(table))
    return {c.name: words.usual(c) for c in table.schema.read}


def test_medians_and_commonest_values_in_the_users_words():
    stamps = pd.to_datetime(["2024-03-01 00:00", "2024-03-05 06:30", "2024-03-09 00:00", "2024-04-02 00:00"])
    frame = pd.DataFrame(
        {
            "count": [1, 2, 9, 40],
            "share": [0.1, 0.7, 0.2, np.nan],
            "shop": ["b", "a", "b", None],
            "gone": ["x", None, None, None],
            "rare": [3.0, np.nan, np.nan, np.nan],
            "half": [3.0, 4.0, np.nan, np.nan],
            "vip": [True, False, True, True],
            "when": stamps,
            "here": stamps.tz_localize("Europe/Paris"),
            "waited": pd.to_timedelta([1, 2, 3, 30], unit="h"),
            "account": [9_000_000_000_001, 9_000_000_000_003, 9_000_000_000_005, 20],
        }
    )
    assert usual(frame) == {
        "count": "2",
        "share": "0.2",
        "shop": "b",
        "gone": "missing",
        "rare": "missing",
        "half": "3",
        "vip": "True",
        "when": "2024-03-05 06:30:00",
        "here": "2024-03-05 06:30:00+01:00",
        "waited": "0 days 02:00:00",
        "account": "9000000000001",
    }


def test_dates_read_from_text_and_codes_that_are_names():
    frame = pd.DataFrame({"day": ["2024-01-03", "2024-02-01", "2024-05-01"], "code": [3, 7, 7]})
    found = usual(frame, Overrides(kinds={"day": "datetime"}, categories=["code"]))
    assert found == {"day": "2024-02-01", "code": "7"}


def test_slots_of_a_column_stay_together():
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=101, freq="7h"), "n": range(101)})
    table = Table.learn(frame)
    typical = typical_row(table)
    whole = np.hstack([table.numbers, table.codes])
    row = np.flatnonzero((whole == np.hstack([typical.numbers, typical.codes])).all(axis=1))
    assert row.tolist() == [50], "both columns rise together, so here the typical row is the middle one"
    assert typical.schema == table.schema


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=50), "b": rng.choice(["x", "y", None], 50)})
    table = Table.learn(frame)
    turned = typical_row(table.take(rng.permutation(50)))
    assert turned.digest == typical_row(table).digest


def test_numbers_are_written_as_people_write_them():
    given = [7, 7.0, 0.123456, 412.734, 1234.5678, 1_234_567.5, -0.5, 1e20, True, "text", 3e-7]
    assert [shown(v) for v in given] == [
        *("7", "7", "0.1235", "412.73", "1234.57", "1234567.50", "-0.5", "1e+20", "True", "text", "3e-07"),
    ]
