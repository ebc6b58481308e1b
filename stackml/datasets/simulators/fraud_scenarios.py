"""The five kinds of card fraud, each a change made to ordinary payments of the victim."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stackml.datasets.simulators.payments import (
    CATEGORIES,
    CATEGORY_LOG_AMOUNT,
    DAY,
    DAYS,
    N_MERCHANTS,
    Columns,
    choose_payers,
    device_start,
    ordinary_payments,
    time_of_day,
)

N_WINDOWS: Final = 8
WINDOW_DAYS: Final = 40
SCENARIOS: Final = (
    "honest", "stolen_card", "compromised_merchant", "card_testing", "takeover", "unnoticeable",
)  # fmt: skip
SCENARIO_SHARE: Final = np.array([0.0, 0.32, 0.15, 0.18, 0.25, 0.10])
SCENARIO_SHARE_AFTER: Final = np.array([0.0, 0.10, 0.17, 0.23, 0.40, 0.10])
SCENARIO_SIZE: Final = np.array([[1, 2], [4, 11], [1, 2], [4, 7], [2, 5], [1, 2]])


def fraudulent_payments(
    n: int, customers: Columns, merchants: Columns, drift_at: float | None, rng: np.random.Generator
) -> Columns:
    """Make `n` fraudulent payments: incidents first, then the payments of each."""
    start = rng.uniform(0, DAYS - 1, n)
    late = np.zeros(n, dtype=bool) if drift_at is None else start > drift_at * DAYS
    kind = np.where(late, _draw_kinds(SCENARIO_SHARE_AFTER, n, rng), _draw_kinds(SCENARIO_SHARE, n, rng))
    size = rng.integers(SCENARIO_SIZE[kind, 0], SCENARIO_SIZE[kind, 1])
    of = np.repeat(np.arange(n), size)[:n]
    step = np.arange(n) - np.searchsorted(of, of)
    rows = ordinary_payments(choose_payers(n, customers, rng)[of], customers, merchants, rng)
    rows["scenario"] = kind[of]
    rows["seconds"] = (np.floor(start) * DAY + time_of_day(n, rng))[of].astype(np.int64)
    _stolen_card(rows, step, merchants, rng)
    _compromised_merchant(rows, customers, merchants, rng)
    _card_testing(rows, step, size[of], customers, merchants, rng)
    rows["device_start"] = device_start(rows["who"], rows["seconds"], customers, rng)
    _takeover(rows, step, late[of], of, customers, merchants, rng)
    rows["seconds"] = np.minimum(rows["seconds"], DAYS * DAY - 1)
    return rows


def _draw_kinds(share: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    # An incident of ten payments is drawn a tenth as often, so that `share` counts payments.
    per_incident = share / (SCENARIO_SIZE.sum(axis=1) - 1) * 2
    return np.asarray(rng.choice(len(SCENARIOS), size=n, p=per_incident / per_incident.sum()))


def _pick(
    categories: tuple[str, ...], merchants: Columns, n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    fit = np.isin(merchants["category"], [CATEGORIES.index(c) for c in categories]) * merchants["weight"]
    return np.asarray(rng.choice(N_MERCHANTS, size=n, p=fit / fit.sum()))


def _stolen_card(
    rows: Columns, step: NDArray[np.int64], merchants: Columns, rng: np.random.Generator
) -> None:
    n, here = len(step), rows["scenario"] == 1
    goods = _pick(("electronics", "jewellery", "fuel", "clothing"), merchants, n, rng)
    gap = (step * 1500 * rng.uniform(0.3, 1.7, n)).astype(np.int64)
    rows["merchant"] = np.where(here, goods, rows["merchant"])
    rows["channel"] = np.where(here, 0, rows["channel"])
    rows["seconds"] = np.where(here, rows["seconds"] + gap, rows["seconds"])
    rows["amount"] = np.where(here, rows["amount"] * rng.uniform(1.2, 3.0, n), rows["amount"])


def _compromised_merchant(
    rows: Columns, customers: Columns, merchants: Columns, rng: np.random.Generator
) -> None:
    n, here = len(rows["who"]), rows["scenario"] == 2
    shops = _pick(("groceries", "restaurant", "fuel", "clothing"), merchants, N_WINDOWS, rng)
    opening = np.linspace(0, DAYS - WINDOW_DAYS, N_WINDOWS)
    window = rng.integers(N_WINDOWS, size=n)
    day = np.floor(opening[window] + rng.uniform(0, WINDOW_DAYS, n))
    seconds = (day * DAY + rows["seconds"] % DAY).astype(np.int64)
    offset = customers["log_spend"][rows["who"]] + CATEGORY_LOG_AMOUNT[merchants["category"][shops[window]]]
    rows["seconds"] = np.where(here, seconds, rows["seconds"])
    rows["merchant"] = np.where(here, shops[window], rows["merchant"])
    rows["channel"] = np.where(here, 0, rows["channel"])
    rows["amount"] = np.where(here, np.exp(offset + 0.6 * rng.standard_normal(n)) * 1.2, rows["amount"])


def _card_testing(
    rows: Columns,
    step: NDArray[np.int64],
    size: NDArray[np.int64],
    customers: Columns,
    merchants: Columns,
    rng: np.random.Generator,
) -> None:
    n, here = len(step), rows["scenario"] == 3
    last = step == size - 1
    goods, songs = (_pick(kinds, merchants, n, rng) for kinds in (("electronics", "travel"), ("digital",)))
    shop = np.where(last, goods, songs)
    gap = np.where(last, size * 300 + rng.uniform(1800, 20_000, n), step * 300 + rng.uniform(0, 250, n))
    large = np.exp(customers["log_spend"][rows["who"]]) * rng.uniform(3, 9, n)
    rows["merchant"] = np.where(here, shop, rows["merchant"])
    rows["channel"] = np.where(here, 1, rows["channel"])
    rows["seconds"] = np.where(here, rows["seconds"] + gap, rows["seconds"]).astype(np.int64)
    rows["amount"] = np.where(here, np.where(last, large, rng.uniform(60, 500, n)), rows["amount"])


def _takeover(
    rows: Columns,
    step: NDArray[np.int64],
    late: NDArray[np.bool_],
    of: NDArray[np.int64],
    customers: Columns,
    merchants: Columns,
    rng: np.random.Generator,
) -> None:
    n, here = len(step), rows["scenario"] == 4
    by_night = np.where(late, 0.3, 0.65) > rng.random(n)[of]
    night = rows["seconds"] // DAY * DAY + rng.uniform(0, 5 * 3600, n)[of]
    seconds = np.where(by_night, night, rows["seconds"]) + step * rng.uniform(200, 1500, n)
    rows["seconds"] = np.where(here, seconds, rows["seconds"]).astype(np.int64)
    first = (rows["seconds"] - step * 1500 - rng.exponential(0.6 * DAY, n)[of]).astype(np.float64)
    rows["device_start"] = np.where(here, first, rows["device_start"])
    rows["merchant"] = np.where(
        here, _pick(("gift_cards", "electronics", "digital"), merchants, n, rng), rows["merchant"]
    )
    rows["channel"] = np.where(here, np.where(rng.random(n) < 0.6, 2, 1), rows["channel"])
    large = np.exp(customers["log_spend"][rows["who"]]) * rng.uniform(0.8, 4, n)
    rows["amount"] = np.where(here, large, rows["amount"])
