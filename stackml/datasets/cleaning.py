"""Named cleanings: what a published table needs before it says what it means.

Each is a pure function from frame to frame; the catalog lists them per table by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import pandas as pd

from stackml.foundation.errors import ParameterError, near_miss

Cleaning = Callable[[pd.DataFrame], pd.DataFrame]

PAST_DUE: Final = (
    "NumberOfTime30-59DaysPastDueNotWorse",
    "NumberOfTime60-89DaysPastDueNotWorse",
    "NumberOfTimes90DaysLate",
)


def _text_columns(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns if pd.api.types.is_string_dtype(frame[name].dtype)]


def strip_single_quotes(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn ``'M'`` into ``M`` in all text columns that carry such quotes."""
    quoted = [name for name in _text_columns(frame) if frame[name].str.startswith("'", na=False).any()]
    return frame.assign(**{name: frame[name].str.strip("'") for name in quoted})


def question_mark_is_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn the text ``?`` into a missing value."""
    return frame.assign(**{name: frame[name].mask(frame[name] == "?") for name in _text_columns(frame)})


def past_due_codes_are_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn 96 and 98 in the three past-due counts, codes and not counts, into missing values."""
    return frame.assign(**{name: frame[name].mask(frame[name].isin((96, 98))) for name in PAST_DUE})


def zero_age_is_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn an age of 0 (column ``age``) into a missing value."""
    return frame.assign(age=frame["age"].mask(frame["age"] == 0))


def zero_claim_entries_are_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn 0 in the age and in the month and weekday of a claim into missing values."""
    return frame.assign(
        Age=frame["Age"].mask(frame["Age"] == 0),
        MonthClaimed=frame["MonthClaimed"].mask(frame["MonthClaimed"] == "0"),
        DayOfWeekClaimed=frame["DayOfWeekClaimed"].mask(frame["DayOfWeekClaimed"] == "0"),
    )


def total_charges_is_a_number(frame: pd.DataFrame) -> pd.DataFrame:
    """Read ``TotalCharges`` as float64; its blanks (customers of no month yet) are missing."""
    return frame.assign(TotalCharges=pd.to_numeric(frame["TotalCharges"], errors="coerce").astype("float64"))


CLEANINGS: Final[Mapping[str, Cleaning]] = {
    function.__name__: function
    for function in (
        strip_single_quotes,
        question_mark_is_missing,
        past_due_codes_are_missing,
        zero_age_is_missing,
        zero_claim_entries_are_missing,
        total_charges_is_a_number,
    )
}


def clean(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return the frame after the named cleanings, in their order; the input is not modified.

    Raises
    ------
    ParameterError
        If a name is not in `CLEANINGS`.
    """
    for name in names:
        if name not in CLEANINGS:
            raise ParameterError(f"unknown cleaning '{name}'{near_miss(name, CLEANINGS)}")
        frame = CLEANINGS[name](frame)
    return frame
