"""Card payments over 180 days, with five kinds of fraud whose workings are known.

The world
    Customers live in one of 12 areas and have a spending level, a rate of paying, an online
    share and a device that may be replaced once. The 240 merchants (the same ones for every
    seed) have an area, one of 10 categories and a popularity.

The fraud (1.9 % of rows), each kind visible through other columns
    ``stolen_card``  4 to 10 payments within hours, far from home, in resaleable goods: `n_tx_24h`,
    `distance_km` and `category` together.
    ``compromised_merchant``  ordinary amounts at one of eight merchants inside a window of 40 days:
    `merchant_id` and `time` together, and somewhat `distance_km`.
    ``card_testing``  3 to 5 small digital charges within minutes, then a large one.
    ``takeover``  2 to 4 large online payments from a device first seen lately, mostly at night.
    ``unnoticeable``  like any other payment of that customer: the part nobody can find.

After `drift_at` the mix moves from stolen cards to takeovers, which then happen by day too.
Honest customers travel, replace and borrow devices, pay small digital sums and buy expensive
things, so no single column decides.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from stackml.datasets.simulators.columns import blank, clock, labels, require_rows, text
from stackml.datasets.simulators.fraud_scenarios import SCENARIOS, fraudulent_payments
from stackml.datasets.simulators.payments import (
    AREAS,
    CATEGORIES,
    CHANNELS,
    DAY,
    Columns,
    choose_payers,
    make_customers,
    make_merchants,
    ordinary_payments,
)
from stackml.datasets.simulators.velocity import add_velocity
from stackml.foundation.errors import ParameterError
from stackml.foundation.randomness import stream

FRAUD_SHARE: Final = 0.019


def simulate_fraud(
    n_rows: int = 40_000, seed: int = 0, *, drift_at: float | None = None, truth: bool = False
) -> pd.DataFrame:
    """Return card payments in the order of time.

    Parameters
    ----------
    n_rows : int
        Payments, 50 or more.
    seed : int
        Equal arguments give an equal table.
    drift_at : float in (0, 1), optional
        Fraction of the 180 days after which the mix of fraud kinds changes.
    truth : bool
        Add the column ``scenario``, which no bank would have.

    Returns
    -------
    pandas.DataFrame
        One row a payment, columns ``transaction_id`` (int64), ``time`` (datetime64[ns], never
        falling), ``customer_id``, ``merchant_id``, ``home_area``, ``category``, ``channel`` (text),
        ``amount`` (int64, cents), ``hour`` (int64, 0 to 23), ``device_age_days`` (online and app
        alone), ``distance_km`` (card present alone), the velocity columns of
        `stackml.datasets.simulators.velocity.add_velocity`, and ``fraud`` (int8, 1 is fraud).

    Raises
    ------
    ParameterError
        If `n_rows` is below 50 or `drift_at` is outside (0, 1).

    Examples
    --------
    >>> payments = simulate_fraud(2_000, seed=1)
    >>> bool(payments["time"].is_monotonic_increasing)
    True
    """
    require_rows(n_rows)
    if drift_at is not None and not 0.0 < drift_at < 1.0:
        raise ParameterError(f"drift_at: a fraction of time between 0 and 1; found {drift_at}")
    n_fraud = max(2, round(FRAUD_SHARE * n_rows))
    merchants = make_merchants()
    customers = make_customers(max(40, n_rows // 40), merchants, seed)
    rng = stream(seed, "fraud", "honest")
    honest = ordinary_payments(choose_payers(n_rows - n_fraud, customers, rng), customers, merchants, rng)
    fraud = fraudulent_payments(n_fraud, customers, merchants, drift_at, stream(seed, "fraud", "scenarios"))
    rows = {name: np.concatenate([honest[name], fraud[name]]) for name in honest}
    order = np.argsort(rows["seconds"], kind="stable")
    rows = {name: values[order] for name, values in rows.items()}
    return _frame(rows, customers, merchants, stream(seed, "fraud", "missing"), truth)


def _frame(
    rows: Columns, customers: Columns, merchants: Columns, rng: np.random.Generator, truth: bool
) -> pd.DataFrame:
    n, who, merchant = len(rows["who"]), rows["who"], rows["merchant"]
    remote = np.isin(rows["channel"], (1, 2))
    east, north = (customers[side][who] - merchants[side][merchant] for side in ("x", "y"))
    distance = np.hypot(east, north)
    age = np.maximum(rows["seconds"] - rows["device_start"], 0) / DAY
    category = np.where(rng.random(n) < 0.015, -1, merchants["category"][merchant])
    frame = pd.DataFrame(
        {
            "transaction_id": np.arange(1, n + 1, dtype=np.int64),
            "time": clock("2024-01-01", rows["seconds"]),
            "customer_id": labels("C", who),
            "merchant_id": labels("M", merchant, width=4),
            "home_area": text(AREAS, customers["area"][who]),
            "category": text(CATEGORIES, category),
            "channel": text(CHANNELS, rows["channel"]),
            "amount": np.maximum(np.round(rows["amount"]), 10).astype(np.int64),
            "hour": (rows["seconds"] % DAY // 3600).astype(np.int64),
            "device_age_days": blank(np.round(age, 2), ~remote | (rng.random(n) < 0.05)),
            "distance_km": blank(np.round(distance, 1), remote | (rng.random(n) < 0.02)),
        }
    )
    frame = add_velocity(frame)
    frame["fraud"] = (rows["scenario"] > 0).astype(np.int8)
    if truth:
        frame["scenario"] = text(SCENARIOS, rows["scenario"]).to_numpy()
    return frame
