"""A small table with and without a stack of a larger one: learning curves.

    python experiments/0013-transfer/transfer.py DATA [CASE ...]

Cases: "same" (a lender of the same kind: gmsc split in two), "unrelated" (a stack fitted to a shuffled
target) and "shifted" (the source knows young applicants, the new table older ones). Writes
results.csv beside this file.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import stackml
from stackml.metrics import get_metric, paired_difference

SIZES = (100, 300, 1000, 3000)
SEEDS = (0, 1, 2)
LEARNERS = ["lightgbm", "logistic", "extra_trees"]
SOURCE_ROWS, TEST_ROWS = 10_000, 10_000


def rows_of(folder: Path, case: str, seed: int) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
    frame = pd.read_parquet(folder / "gmsc.parquet").sample(60_000, random_state=seed).reset_index(drop=True)
    frame = frame.drop(columns=[c for c in frame.columns if c.lower().startswith(("unnamed", "id"))])
    y = frame.pop("SeriousDlqin2yrs").to_numpy().astype(int)
    if case == "shifted":
        young = (frame["age"] < 40).to_numpy()
        return frame[young][:SOURCE_ROWS], y[young][:SOURCE_ROWS], frame[~young], y[~young]
    source = y[:SOURCE_ROWS].copy()
    if case == "unrelated":
        source = np.random.default_rng(seed).permutation(source)
    return frame[:SOURCE_ROWS], source, frame[SOURCE_ROWS:], y[SOURCE_ROWS:]


def run(case: str, seed: int, folder: Path) -> list[dict]:
    X0, y0, X, y = rows_of(folder, case, seed)
    make = lambda learners: stackml.StackClassifier(learners, folds=5, n_jobs=1, random_state=seed)  # noqa: E731
    old = make(LEARNERS).fit(X0, y0)
    test, truth, metric = X[-TEST_ROWS:], y[-TEST_ROWS:], get_metric("roc_auc")
    results = []
    for n in SIZES:
        said = {"old alone": old.predict_proba(test)[:, 1]}
        for name, more in {
            "new rows alone": [],
            "frozen": [("old", stackml.frozen(old))],
            "warm start": [("warm", stackml.warm_start(old))],
            "both": [("old", stackml.frozen(old)), ("warm", stackml.warm_start(old))],
        }.items():
            said[name] = make([*more, *LEARNERS]).fit(X[:n], y[:n]).predict_proba(test)[:, 1]
        for name, prediction in said.items():
            gap = paired_difference(metric, truth, prediction, said["new rows alone"], seed=seed)
            results.append(
                {
                    "case": case, "seed": seed, "rows": n, "stack": name,
                    "roc_auc": metric.value(truth, prediction),
                    "log_loss": get_metric("log_loss").value(truth, prediction),
                    "gain": gap.value, "low": gap.low, "high": gap.high,
                }
            )  # fmt: skip
            print(results[-1], flush=True)
    return results


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    data, cases = Path(sys.argv[1]), sys.argv[2:] or ["same", "shifted", "unrelated"]
    every = [row for case in cases for seed in SEEDS for row in run(case, seed, data)]
    pd.DataFrame(every).round(5).to_csv(Path(__file__).with_name(f"results-{'-'.join(cases)}.csv"), index=False)
