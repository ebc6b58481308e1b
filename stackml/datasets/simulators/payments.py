"""Ordinary card payments: the merchants, the customers and what they buy when nothing is wrong."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stackml.foundation.randomness import stream

DAYS: Final = 180
DAY: Final = 86_400
N_AREAS: Final = 12
N_MERCHANTS: Final = 240
AREAS: Final = tuple(f"area_{i:02d}" for i in range(N_AREAS))
CHANNELS: Final = ("pos", "online", "app", "atm")
CATEGORIES: Final = (
    "groceries", "fuel", "restaurant", "clothing", "travel",
    "electronics", "jewellery", "gift_cards", "digital", "cash",
)  # fmt: skip
CATEGORY_SHARE: Final = np.array([0.30, 0.11, 0.16, 0.11, 0.04, 0.06, 0.02, 0.03, 0.12, 0.05])
CATEGORY_LOG_AMOUNT: Final = np.array([0.0, 0.3, -0.2, 0.5, 1.7, 1.3, 1.6, 0.3, -0.8, 0.8])
CATEGORY_ONLINE: Final = np.array([0.05, 0.0, 0.1, 0.4, 0.8, 0.5, 0.2, 0.7, 1.0, 0.0])
HOUR_WEIGHT: Final = np.array(
    [1, 0.6, 0.4, 0.3, 0.3, 0.6, 1.5, 3, 5, 5, 5, 6, 8, 7, 5, 5, 6, 8, 9, 8, 6, 4, 3, 2], dtype=np.float64
)

Columns = dict[str, NDArray[Any]]


def make_merchants() -> Columns:
    """Return the 240 merchants; ``centre_x`` and ``centre_y`` are the areas' centres, in km."""
    # The same merchants for every seed, so that a later batch meets the shops of the training table.
    rng = stream(0, "fraud", "merchants")
    drawn = rng.choice(len(CATEGORIES), N_MERCHANTS - len(CATEGORIES), p=CATEGORY_SHARE)
    category = np.concatenate([np.arange(len(CATEGORIES)), drawn])
    area = rng.integers(N_AREAS, size=N_MERCHANTS)
    centre = rng.uniform(0, 300, size=(N_AREAS, 2))
    place = centre[area] + rng.normal(0, 8, size=(N_MERCHANTS, 2))
    return {
        "category": category,
        "area": area,
        "x": place[:, 0],
        "y": place[:, 1],
        "weight": rng.gamma(1.2, size=N_MERCHANTS) + 0.05,
        "centre_x": centre[:, 0],
        "centre_y": centre[:, 1],
    }


def make_customers(n: int, merchants: Columns, seed: int) -> Columns:
    """Return `n` customers: home (km), log of the usual amount (cents), devices (seconds)."""
    rng = stream(seed, "fraud", "customers")
    area = rng.choice(N_AREAS, size=n, p=np.linspace(2, 0.5, N_AREAS) / np.linspace(2, 0.5, N_AREAS).sum())
    return {
        "area": area,
        "x": merchants["centre_x"][area] + rng.normal(0, 10, n),
        "y": merchants["centre_y"][area] + rng.normal(0, 10, n),
        "log_spend": rng.normal(7.9, 0.45, n),
        "spread": rng.uniform(0.45, 0.8, n),
        "rate": rng.gamma(2.0, size=n) + 0.1,
        "online": rng.beta(2, 3, size=n),
        "device_since": -rng.exponential(400, n) * DAY,
        # Two in five replace the device once during the time, honestly.
        "device_new": np.where(rng.random(n) < 0.4, rng.uniform(0, DAYS, n), np.inf) * DAY,
    }


def time_of_day(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return seconds after midnight, drawn as people shop."""
    hour = rng.choice(24, size=n, p=HOUR_WEIGHT / HOUR_WEIGHT.sum())
    return np.asarray((hour + rng.random(n)) * 3600)


def _shop(
    category: NDArray[np.int64], area: NDArray[np.int64], merchants: Columns, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Choose a merchant of the category, nine times in ten of the area where there is one."""
    chosen = np.empty(len(category), dtype=np.int64)
    weight = merchants["weight"]
    for c in range(len(CATEGORIES)):
        for a in range(N_AREAS):
            here = np.flatnonzero((category == c) & (area == a))
            pull = weight * (merchants["category"] == c)
            near = pull * (merchants["area"] == a)
            mix = pull / pull.sum() if near.sum() == 0 else 0.1 * pull / pull.sum() + 0.9 * near / near.sum()
            chosen[here] = rng.choice(N_MERCHANTS, size=len(here), p=mix)
    return chosen


def _channel(
    category: NDArray[np.int64], online_share: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    n = len(category)
    online = rng.random(n) < np.clip(CATEGORY_ONLINE[category] * (0.5 + 1.25 * online_share), 0, 1)
    remote = np.where(rng.random(n) < 0.45, 2, 1)
    return np.where(category == CATEGORIES.index("cash"), 3, np.where(online, remote, 0))


def choose_payers(n: int, customers: Columns, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the customers (row numbers) of `n` payments; who pays more often is drawn more often."""
    share = customers["rate"] / customers["rate"].sum()
    return np.asarray(rng.choice(len(share), size=n, p=share))


def ordinary_payments(
    who: NDArray[np.int64], customers: Columns, merchants: Columns, rng: np.random.Generator
) -> Columns:
    """Make one payment for each customer in `who`, as that customer would."""
    n = len(who)
    day = rng.integers(DAYS, size=n)
    # Saturdays are busier, Sundays quieter: a share of Sunday's payments moves a day back.
    day = np.where((day % 7 == 6) & (rng.random(n) < 0.4), day - 1, day)
    category = rng.choice(len(CATEGORIES), size=n, p=CATEGORY_SHARE)
    travelling = rng.random(n) < 0.05
    area = np.where(travelling, rng.integers(N_AREAS, size=n), customers["area"][who]).astype(np.int64)
    # Digital goods range from a song to a year's subscription.
    spread = customers["spread"][who] * np.where(category == CATEGORIES.index("digital"), 1.6, 1.0)
    log_amount = customers["log_spend"][who] + CATEGORY_LOG_AMOUNT[category] + spread * rng.standard_normal(n)
    seconds = (day * DAY + time_of_day(n, rng)).astype(np.int64)
    return {
        "seconds": seconds,
        "who": who,
        "merchant": _shop(category, area, merchants, rng),
        "amount": np.exp(log_amount),
        "channel": _channel(category, customers["online"][who], rng),
        "device_start": device_start(who, seconds, customers, rng),
        "scenario": np.zeros(n, dtype=np.int64),
    }


def device_start(
    who: NDArray[np.int64], seconds: NDArray[np.int64], customers: Columns, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the second (from the first midnight) at which the device in use was first seen."""
    replaced = customers["device_new"][who]
    start = np.where(seconds >= replaced, replaced, customers["device_since"][who])
    # A borrowed device or a cleared browser looks new.
    return np.where(rng.random(len(who)) < 0.06, seconds - rng.exponential(2 * DAY, len(who)), start)
