"""Velocity features: what a customer did before a payment, from earlier rows alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DAY = 86_400


def add_velocity(payments: pd.DataFrame) -> pd.DataFrame:
    """Return the payments with four columns about the same customer's earlier rows.

    Row i depends on rows before i alone, so the features of a table cut short equal the first
    rows of the features of the whole.

    Parameters
    ----------
    payments : pandas.DataFrame
        Columns ``customer_id``, ``time`` (datetime64, never falling) and ``amount`` (int64, cents).

    Returns
    -------
    pandas.DataFrame
        A copy with ``n_tx_24h`` (int64, payments in the 24 hours before), ``amount_24h`` (int64,
        their sum in cents), ``hours_since_last`` (float64, NaN on the first payment) and
        ``amount_ratio_to_usual`` (float64, amount over the mean of all earlier ones, NaN on the first).
    """
    who = pd.factorize(payments["customer_id"])[0].astype(np.int64)
    seconds = payments["time"].to_numpy().astype("datetime64[s]").astype(np.int64)
    seconds = seconds - (seconds.min() if len(seconds) else 0)
    amount = payments["amount"].to_numpy(dtype=np.int64)
    order = np.argsort(who, kind="stable")
    who, seconds, amount = who[order], seconds[order], amount[order]
    row = np.arange(len(who))
    first = np.searchsorted(who, who)
    # Customer and clock in one rising key; customers lie more than a day apart on it.
    key = who * (seconds.max(initial=0) + 2 * DAY) + seconds
    recent = np.maximum(np.searchsorted(key, key - DAY), first)
    total = np.concatenate([[0], np.cumsum(amount)])
    before = row - first
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = np.where(before > 0, (total[row] - total[first]) / before, np.nan)
    previous = np.where(before > 0, seconds - seconds[np.maximum(row - 1, 0)], np.nan)
    return payments.assign(
        n_tx_24h=_back(row - recent, order),
        amount_24h=_back(total[row] - total[recent], order),
        hours_since_last=_back(np.round(previous / 3600, 3), order),
        amount_ratio_to_usual=_back(np.round(amount / usual, 4), order),
    )


def _back(values: NDArray[Any], order: NDArray[np.int64]) -> NDArray[Any]:
    placed = np.empty_like(values)
    placed[order] = values
    return placed
