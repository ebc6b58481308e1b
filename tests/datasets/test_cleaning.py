from __future__ import annotations

import pandas as pd
import pytest

from stackml.datasets.catalog import dataset_cards
from stackml.datasets.cleaning import CLEANINGS, PAST_DUE, clean
from stackml.foundation.errors import ParameterError


def cleaned(name: str, **columns: list[object]) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    before = frame.copy(deep=True)
    found = clean(frame, [name])
    pd.testing.assert_frame_equal(frame, before)
    return found


def test_single_quotes_are_stripped_from_quoted_columns_alone():
    found = cleaned("strip_single_quotes", gender=["'M'", None], word=["it's", "o'"], amount=[1.5, 2.0])
    assert found["gender"].iloc[0] == "M"
    assert found["gender"].isna().tolist() == [False, True]
    assert found["word"].tolist() == ["it's", "o'"]


def test_question_marks_become_missing():
    found = cleaned("question_mark_is_missing", race=["?", "Asian?"], n=[1, 2])
    assert found["race"].isna().tolist() == [True, False]
    assert found["n"].tolist() == [1, 2]


def test_past_due_codes_become_missing_and_counts_stay():
    found = cleaned("past_due_codes_are_missing", **{name: [0, 96, 98, 13] for name in PAST_DUE})
    for name in PAST_DUE:
        assert found[name].isna().tolist() == [False, True, True, False]


def test_age_zero_becomes_missing():
    assert cleaned("zero_age_is_missing", age=[0, 21])["age"].isna().tolist() == [True, False]


def test_zero_claim_entries_become_missing():
    found = cleaned(
        "zero_claim_entries_are_missing",
        Age=[0, 34],
        MonthClaimed=["0", "Jan"],
        DayOfWeekClaimed=["0", "Monday"],
    )
    assert found.isna().all(axis=1).tolist() == [True, False]


def test_total_charges_become_numbers():
    found = cleaned("total_charges_is_a_number", TotalCharges=["29.85", " "])
    assert found["TotalCharges"].iloc[0] == 29.85
    assert found["TotalCharges"].isna().tolist() == [False, True]


def test_every_cleaning_is_used_by_a_table_and_every_used_one_exists():
    used = {name for card in dataset_cards().values() for name in card.clean}
    assert used == set(CLEANINGS)


def test_an_unknown_cleaning_is_named_with_the_nearest():
    with pytest.raises(
        ParameterError, match="unknown cleaning 'zero_age_missing'; did you mean 'zero_age_is_missing'"
    ):
        clean(pd.DataFrame(), ["zero_age_missing"])
