"""Boosters stopped by the loss alone and by a ranking metric within the guard, on the same rows.

    STACKML_DATA=... python experiments/0007-stopping-on-a-metric/run.py bank_marketing banksim > result.csv
"""

import sys
import warnings

import numpy as np

from stackml.datasets import load_dataset
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.splitting import holdout_split
from stackml.tables import Overrides, Problem, Table, Target

warnings.simplefilter("ignore")
METRICS = ("roc_auc", "average_precision", "recall_at_5%")
LOSS = get_metric("log_loss")


def two_parts(rows, y, groups, seed, share):
    given = None if groups is None else groups[rows]
    fold = holdout_split(n_rows=len(rows), y_codes=y[rows], groups=given, seed=seed, share=share).folds[0]
    return np.sort(rows[fold.train]), np.sort(rows[fold.held_out])


print("table,learner,seed,metric,positives,gain,loss_change,rounds,rounds_of_loss")
for name in sys.argv[1:]:
    data = load_dataset(name)
    frame = data.frame.sample(min(len(data.frame), 30_000), random_state=0).reset_index(drop=True)
    y = frame[data.target].to_numpy().astype(np.int64)
    groups = frame[data.group].to_numpy() if data.group else None
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    table = Table.learn(X, Overrides(categories=[c for c in data.category_codes if c in X]))
    target = Target(Problem("binary", 2), y)
    for kind in ("lightgbm", "xgboost"):
        learner = make_learner(kind, follow_metric=True)
        prepared = learner.prepare(table)
        for seed in range(4):
            part, held_out = two_parts(np.arange(len(y)), y, groups, seed, 0.3)
            rows, stop = two_parts(part, y, groups, seed + 100, 0.2)
            fitted = {m: learner.fit(prepared, target, rows, stop, Budget(metric=m), seed) for m in ("", *METRICS)}
            p = {m: f.predict(table.take(held_out))[:, 0].astype(np.float64) for m, f in fitted.items()}
            for m in METRICS:
                gain = get_metric(m).value(y[held_out], p[m]) - get_metric(m).value(y[held_out], p[""])
                loss = LOSS.value(y[held_out], p[m]) - LOSS.value(y[held_out], p[""])
                numbers = f"{y[stop].sum()},{gain:.6f},{loss:.6f},{fitted[m].rounds},{fitted[''].rounds}"
                print(f"{name},{kind},{seed},{m},{numbers}", flush=True)
