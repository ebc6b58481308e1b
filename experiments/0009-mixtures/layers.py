"""What ``layers="auto"`` decides and costs, and whether it was right on held-out rows.

    STACKML_DATA=... python experiments/0009-mixtures/layers.py 4000 2 adult noise > layers.csv

Arguments: training rows, seeds, tables ("noise": columns and target that know nothing of each other;
"adult!": adult with its target permuted). One line a table and seed: the trial of layer 2, what out-of-fold
scores would have said of it, and the gain of two layers over one on held-out rows, all in percent of
the loss of one layer; the cost of the trial in percent of the seconds of all fits of layer 1.
"""

import sys
import tempfile
import warnings

import numpy as np
import pandas as pd
from combiners import LEARNERS, interval, prepared

import stackml
from stackml.decision.base import loss_rows
from stackml.tables.table import Table

warnings.simplefilter("ignore")


def noise(n_rows, seed):
    rng = np.random.default_rng(seed)
    parts = []
    for n in (n_rows, 3 * n_rows):
        X = pd.DataFrame(rng.normal(size=(n, 10)), columns=[f"x{i}" for i in range(10)])
        X["k"] = pd.Categorical(rng.integers(0, 200, n).astype(str))
        parts.append((X, (rng.random(n) < 0.3).astype(np.int64), None))
    return False, [], *parts


def given(name, n_rows, seed):
    if name == "noise":
        return noise(n_rows, seed)
    is_number, categories, (X, y, groups), held_out = prepared(name.rstrip("!"), n_rows, seed)
    if name.endswith("!"):
        y = np.random.default_rng(seed).permutation(y)
        held_out = (held_out[0], np.random.default_rng(seed + 1).permutation(held_out[1]), held_out[2])
    return is_number, categories, (X, y, groups), held_out


if __name__ == "__main__":
    print("table,seed,kept,asked,trial,trial_se,out_of_fold,held_out,low,high,cost,third,reason")
    for name in sys.argv[3:]:
        for seed in range(int(sys.argv[2])):
            is_number, categories, (X, y, groups), (X_new, y_new, groups_new) = given(
                name, int(sys.argv[1]), seed
            )
            made = stackml.StackRegressor if is_number else stackml.StackClassifier
            with tempfile.TemporaryDirectory() as cache:
                common = {
                    "combiner": "simplex", "schema": {"categories": categories}, "random_state": seed, "n_jobs": 1
                }  # fmt: skip
                one, two = (
                    made(LEARNERS[is_number], layers=n, cache_dir=cache, **common).fit(X, y, groups=groups)
                    for n in (1, 2)
                )
                auto = made(LEARNERS[is_number], layers="auto", **common).fit(X, y, groups=groups)
            trial, *more = auto.plan_["layers_tried"]
            codes = y_new if is_number else np.searchsorted(one.classes_, y_new)
            losses = [
                loss_rows(s.fitted_.predict(Table.of(X_new, s.fitted_.schema)), codes, s.fitted_.problem)
                for s in (one, two)
            ]
            unit = losses[0].mean() / 100
            gain = (losses[0] - losses[1]) / unit
            units = np.arange(len(y_new)) if groups_new is None else groups_new
            low, high = interval(gain, units, np.random.default_rng(0))
            said = [s.leaderboard_.query("name == 'stack'")["loss"].iloc[0] ** (2 if is_number else 1) for s in (one, two)]
            first = sum(sum(run.seconds) for run in auto._built.layers[0].fitted)
            below = trial["loss_below"] / 100
            print(
                f"{name},{seed},{auto.plan_['layers']},{trial['asked']},{trial['gain'] / below:.3f},"
                f"{trial['standard_error'] / below:.3f},{(said[0] - said[1]) / said[0] * 100:.3f},{gain.mean():.3f},"
                f"{low:.3f},{high:.3f},{100 * trial['seconds'] / first:.1f},"
                f"{more[0]['reason'] if more else ''},{trial['reason'].replace(',', ';')}",
                flush=True,
            )
