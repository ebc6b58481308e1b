"""Reasons are the strongest pushes, in words a person can check."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stackml.explain.reasons import COLUMNS, reason_codes
from stackml.explain.typical import typical_row
from stackml.explain.words import Words
from stackml.foundation.errors import ParameterError
from stackml.tables.table import Table

KNOWN = pd.DataFrame(
    {
        "n_tx_24h": [1, 1, 1, 7],
        "shop": ["fuel", "fuel", "pos", "pos"],
        "income": [1200.0, 42000, 42000, np.nan],
    }
)


def words(rows: pd.DataFrame = KNOWN) -> Words:
    learned = Table.learn(KNOWN)
    return Words(rows, Table.of(rows, learned.schema), typical_row(learned))


def codes(contributions, rows: pd.DataFrame, subject: str = "the probability", **given) -> pd.DataFrame:
    return reason_codes(np.asarray(contributions, float), words(rows), [subject] * len(rows), **given)


def test_sentences():
    rows = pd.DataFrame({"n_tx_24h": [7], "shop": ["crypto"], "income": [np.nan]}, index=["t-9"])
    found = codes([[0.21, 0.104, 0.0031]], rows)
    assert list(found.columns) == list(COLUMNS)
    assert found["sentence"].tolist() == [
        "n_tx_24h = 7 (typically 1) raises the probability by 0.21",
        "shop = crypto, never seen in training, (typically fuel) raises the probability by 0.1",
        "income is missing (typically 42000) raises the probability by 0.0031",
    ]
    assert found[["row", "rank", "column", "value", "typical"]].values.tolist() == [
        ["t-9", 1, "n_tx_24h", "7", "1"],
        ["t-9", 2, "shop", "crypto", "fuel"],
        ["t-9", 3, "income", "missing", "42000"],
    ]


def test_only_what_pushes_up_and_no_more_than_k():
    rows = KNOWN.iloc[:3]
    found = codes([[0.2, -0.5, 0.3], [-0.1, -0.2, 0.0], [0.5, 1e-9, 0.5]], rows, k=2)
    assert found["row"].tolist() == [0, 0, 2, 2]
    assert found["column"].tolist() == ["income", "n_tx_24h", "n_tx_24h", "income"]
    assert found["rank"].tolist() == [1, 2, 1, 2]
    assert codes([[-1, -1, 0]], KNOWN.iloc[:1]).empty


def test_both_ways_by_size():
    found = codes([[200.4, -1000.4, 1.26]], KNOWN.iloc[:1], "the prediction", both_ways=True)
    assert [s.split(") ")[1] for s in found["sentence"]] == [
        "lowers the prediction by 1,000",
        "raises the prediction by 200",
        "raises the prediction by 1.3",
    ]


@pytest.mark.parametrize("wrong", [0, 1.5, False])
def test_a_number_of_reasons_without_meaning(wrong):
    with pytest.raises(ParameterError, match=r"k=.*1 or more"):
        codes([[1, 1, 1]], KNOWN.iloc[:1], k=wrong)
