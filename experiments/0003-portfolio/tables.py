"""The tables of the experiment: published ones, simulated ones and made ones, divided and sampled."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification, make_friedman1
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from stackml.datasets import load_dataset

TRAIN_ROWS = {
    "telco_churn": 5_000, "wine_quality": 5_000, "vehicle_claims": 5_000, "bike_sharing": 5_000,
    "letter": 2_000, "banksim": 10_000,
}  # fmt: skip
MOST_TRAIN, MOST_TEST = 4_000, 8_000
REAL = (
    "german_credit", "telco_churn", "wine_quality", "vehicle_claims", "bike_sharing", "california_housing",
    "taiwan_default", "adult", "bank_marketing", "gmsc", "diamonds", "diabetes130", "banksim", "letter",
)  # fmt: skip
SIMULATED = ("fraud_sim", "credit_sim", "readmission_sim")
MADE = ("made_noise", "made_friedman", "made_levels")
TABLES = REAL[:-1] + SIMULATED + MADE + REAL[-1:]


def _real(name):
    folder = Path(os.environ["STACKML_DATA"])
    cards = [json.loads(line) for line in (folder / "cards.jsonl").read_text().splitlines()]
    card = next(c for c in cards if c["name"] == name)
    frame = pd.read_parquet(folder / f"{name}.parquet")
    frame = frame[frame[card["target"]].notna()].reset_index(drop=True)
    if card["positive"] is not None:
        frame[card["target"]] = (frame[card["target"]] == card["positive"]).astype(int)
    return frame, card


def _simulated(name):
    data = load_dataset(name)
    use = data.card.use
    return data.frame, {"use": use, "target": data.target, "group": data.group, "time": data.time,
                        "drop": list(data.drop), "positive": 1}  # fmt: skip


def _made(name):
    rng = np.random.default_rng(7)
    if name == "made_noise":
        X, y = make_classification(
            20_000, 30, n_informative=10, n_redundant=5, n_clusters_per_class=4, flip_y=0.1, class_sep=0.8,
            weights=[0.8], random_state=3,
        )  # fmt: skip
        return pd.DataFrame(X, columns=[f"x{i}" for i in range(30)]).assign(y=y), {
            "use": "binary",
            "positive": 1,
        }
    if name == "made_friedman":
        X, y = make_friedman1(20_000, 12, noise=2.0, random_state=3)
        return pd.DataFrame(X, columns=[f"x{i}" for i in range(12)]).assign(y=y), {"use": "regression"}
    n = 20_000
    sizes = (400, 60, 12)
    codes = [np.minimum(rng.zipf(1.3, n) - 1, size - 1) for size in sizes]
    numbers = rng.normal(size=(n, 6))
    logit = sum(rng.normal(scale=0.7, size=size)[code] for size, code in zip(sizes, codes, strict=True))
    slopes = rng.normal(scale=0.8, size=12)[codes[2]]
    logit = logit + slopes * numbers[:, 0] + 0.6 * numbers[:, 1] * numbers[:, 2] + np.abs(numbers[:, 3]) - 2.0
    frame = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(6)])
    for i, code in enumerate(codes):
        frame[f"c{i}"] = [f"v{c}" for c in code]
    frame["y"] = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    return frame, {"use": "binary", "positive": 1}


def load(name, seed=0):
    """Return train and test frames and targets, the metric and the kind of problem."""
    make = _real if name in REAL else _simulated if name in SIMULATED else _made
    frame, card = make(name)
    target = card.get("target", "y")
    drop = list(card.get("drop") or [])
    if card.get("time"):
        frame = frame.sort_values(card["time"], kind="stable").reset_index(drop=True)
        cut = int(len(frame) * 0.8)
        train, test = frame.iloc[:cut], frame.iloc[cut:]
    elif card.get("group"):
        splitter = GroupShuffleSplit(1, test_size=0.2, random_state=seed)
        i, j = next(splitter.split(frame, groups=frame[card["group"]]))
        train, test = frame.iloc[i], frame.iloc[j]
        drop.append(card["group"])
    else:
        by = None if card["use"] == "regression" else frame[target]
        train, test = train_test_split(frame, test_size=0.2, random_state=seed, stratify=by)
    train = _sample(train, TRAIN_ROWS.get(name, MOST_TRAIN), seed)
    test = _sample(test, 10_000 if name in ("bike_sharing", "wine_quality") else MOST_TEST, seed)
    if card["use"] == "regression":
        metric, kind = "rmse", "regression"
    elif card.get("positive") is not None:
        metric, kind = ("average_precision" if card["use"] == "fraud" else "roc_auc"), "binary"
    else:
        metric, kind = "log_loss", "multiclass"
        known = set(train[target].unique())
        test = test[test[target].isin(known)]
    parts = [part.drop(columns=[target, *drop]).reset_index(drop=True) for part in (train, test)]
    return parts[0], train[target].to_numpy(), parts[1], test[target].to_numpy(), metric, kind


def _sample(frame, most, seed):
    return frame if len(frame) <= most else frame.sample(most, random_state=seed).sort_index()
