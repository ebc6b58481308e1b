"""Frozen, each way, and the way chosen: before a change and after it.

    python experiments/0012-adaptation/adapt.py DATA [TABLE ...]

DATA is the folder of Parquet files. Writes results.csv beside this file.
"""

from __future__ import annotations

import copy
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from stackml import StackClassifier, StackRegressor
from stackml.datasets.simulators import simulate_credit
from stackml.metrics import get_metric, paired_difference

WAYS = ("recalibrate", "reweight", "continue", "refit", "refit_new", "auto")
LEARNERS = ["lightgbm", "xgboost_shallow", "extra_trees"]
SEEDS = (0, 1, 2)


def credit(seed: int, folder: Path) -> dict:
    frame = simulate_credit(13_000, seed=seed, change_at=7_000).drop(columns="application_id")
    y = frame.pop("default").to_numpy()
    cuts = {"before": (0, 4_000, 5_500, 7_000), "after": (0, 4_000, 8_500, 13_000)}
    # After the change the update sees the rows that came since, which begin with it.
    return {"X": frame, "y": y, "cuts": cuts, "from": {"before": 4_000, "after": 7_000}, "metric": "roc_auc"}


def banksim(seed: int, folder: Path) -> dict:
    frame = pd.read_parquet(folder / "banksim.parquet").sample(24_000, random_state=seed).sort_values("step")
    y = frame.pop("fraud").to_numpy().astype(int)
    frame = frame.drop(columns=["step", "customer", "zipcodeOri", "zipMerchant"]).reset_index(drop=True)
    cuts = {"early": (0, 8_000, 12_000, 16_000), "late": (0, 8_000, 18_000, 24_000)}
    return {
        "X": frame,
        "y": y,
        "cuts": cuts,
        "from": {"early": 8_000, "late": 14_000},
        "metric": "average_precision",
    }


def bike(seed: int, folder: Path) -> dict:
    frame = pd.read_parquet(folder / "bike_sharing.parquet")
    y = frame.pop("cnt").to_numpy().astype(float)
    frame = frame.drop(columns=[c for c in ("instant", "dteday", "casual", "registered") if c in frame])
    frame = frame.drop(columns=[c for c in ("yr", "mnth") if c in frame])  # a year not seen says nothing
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(len(frame), 12_000, replace=False))
    frame, y = frame.iloc[rows].reset_index(drop=True), y[rows]
    cuts = {"first year": (0, 3_500, 4_700, 5_900), "second year": (0, 3_500, 8_500, 12_000)}
    return {
        "X": frame,
        "y": y,
        "cuts": cuts,
        "from": {"first year": 3_500, "second year": 6_500},
        "metric": "rmse",
    }


TABLES = {"credit_sim": credit, "banksim": banksim, "bike_sharing": bike}


def said(stack, rows: pd.DataFrame) -> np.ndarray:
    return stack.predict_proba(rows)[:, 1] if hasattr(stack, "predict_proba") else stack.predict(rows)


def run(table: str, seed: int, folder: Path) -> list[dict]:
    found = TABLES[table](seed, folder)
    X, y, metric = found["X"], found["y"], get_metric(found["metric"])
    regresses = metric.name == "rmse"
    learners = [*LEARNERS, "ridge" if regresses else "logistic"]
    make = StackRegressor if regresses else StackClassifier
    results = []
    for period, (_, fitted_to, until, end) in found["cuts"].items():
        start = found["from"][period]
        base = make(learners, metric=metric.name, folds=3, n_jobs=1, random_state=seed)
        base.fit(X[:fitted_to], y[:fitted_to])
        truth, rows = y[until:end], X[until:end]
        frozen = said(base, rows)
        for way in ("frozen", *WAYS):
            stack, began = copy.deepcopy(base), time.perf_counter()
            if way != "frozen":
                stack.update(X[start:until], y[start:until], ways=way)
            seconds = time.perf_counter() - began
            now = said(stack, rows)
            gap = paired_difference(metric, truth, now, frozen, seed=seed)
            chosen = stack.fitted_.card.get("updates", [{}])[-1].get("chosen", "") if way == "auto" else ""
            results.append(
                {
                    "table": table, "seed": seed, "period": period, "way": way, "chosen": chosen,
                    "score": metric.value(truth, now), "gain": gap.value, "low": gap.low, "high": gap.high,
                    "seconds": round(seconds, 1),
                }
            )  # fmt: skip
            print(results[-1], flush=True)
    return results


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    data, tables = Path(sys.argv[1]), sys.argv[2:] or list(TABLES)
    every = [row for table in tables for seed in SEEDS for row in run(table, seed, data)]
    pd.DataFrame(every).round(5).to_csv(
        Path(__file__).with_name(f"results-{'-'.join(tables)}.csv"), index=False
    )
