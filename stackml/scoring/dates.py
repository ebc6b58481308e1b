"""Dates written as text: the file's first one says the form, and every batch reads by it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from stackml.foundation.errors import DataError


class DateReader:
    """Turns text columns into dates; remembers the form each is written in.

    Parameters
    ----------
    names : iterable of str
        Columns that hold dates.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._forms: dict[str, str | None] = {}

    def read(self, frame: pd.DataFrame, start: int, where: str) -> pd.DataFrame:
        """Return the frame with dates in place of text; `start` is the place of its first row.

        Raises
        ------
        DataError
            If a value is no date of the form the file began with; it names file, column and row.
        """
        changed = {name: self._dates(frame[name], start, where) for name in self._names}
        return frame.assign(**changed) if changed else frame

    def _dates(self, column: pd.Series, start: int, where: str) -> pd.Series:
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            return column
        present = column.dropna()
        if len(present) and column.name not in self._forms:
            first = present.iloc[0]
            self._forms[str(column.name)] = _form_of(first)
        form = self._forms.get(str(column.name))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # pandas on dates that follow no one form
            try:
                return pd.to_datetime(column, format=form)
            except (ValueError, TypeError) as error:
                parsed = pd.to_datetime(column, format=form, errors="coerce")
                raise DataError(_no_date(column, parsed, form, start, where)) from error


def _form_of(first: object) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the day may well come first
        return guess_datetime_format(first) if isinstance(first, str) else None


def _no_date(column: pd.Series, parsed: pd.Series, form: str | None, start: int, where: str) -> str:
    wrong = np.flatnonzero(parsed.isna().to_numpy() & column.notna().to_numpy())
    row = int(wrong[0]) if wrong.size else 0
    like = f" written like the first one ({form})" if form else ""
    return f"{where}: column '{column.name}', row {start + row}: {column.iloc[row]!r} is not a date{like}"
