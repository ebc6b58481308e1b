"""One booster, one split, several ways to read categories of more than a hundred values.

    STACKML_DATA=... python experiments/0002-many-valued-categories/run.py fraud_sim banksim > result.csv
    python experiments/0002-many-valued-categories/run.py 20000,1000,1.0,0.3 20000,60,0.0,0.02 > made.csv

Four numbers make a table: rows, values of its category, the standard deviation of what they add to the
log odds, share of ones.
"""

import sys
import warnings

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from stackml.datasets import load_dataset
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.splitting import holdout_split
from stackml.tables import Overrides, Problem, Table, Target

warnings.simplefilter("ignore")
WAYS = {
    "lightgbm, native, little smoothing": (
        "lightgbm", {"cat_smooth": 10.0, "cat_l2": 10.0, "most_levels": 100_000},
    ),
    "lightgbm, native, smoothing 50": ("lightgbm", {"most_levels": 100_000}),
    "lightgbm, share above 100 values": ("lightgbm", {"most_levels": 100, "target_codes": False}),
    "lightgbm, share and target codes above 100": ("lightgbm", {"most_levels": 100}),
    "lightgbm, share and target codes above 30": ("lightgbm", {}),
    "lightgbm, share and target codes above 10": ("lightgbm", {"most_levels": 10}),
    "xgboost, native": ("xgboost", {"most_levels": 100_000}),
    "xgboost, share above 100 values": ("xgboost", {}),
}


def published(name):
    """Return a known table, its target, and the columns that divide its rows."""
    data = load_dataset(name, n_rows=None if name.endswith("_sim") else 60_000)
    frame = data.frame
    groups = frame[data.group].to_numpy() if data.group else None
    time = None if data.group or not data.time else frame[data.time].to_numpy()
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    codes = [c for c in data.category_codes if c in X]
    return X, frame[data.target].to_numpy().astype(int), groups, time, codes


def made(n_rows, n_values, effect, share):
    """Return rows of one category and eight numbers."""
    rng = np.random.default_rng(0)
    n = int(1.25 * n_rows)
    value = rng.choice(n_values, n, p=rng.dirichlet(np.ones(n_values)))
    X = pd.DataFrame(rng.normal(size=(n, 8)), columns=list("abcdefgh"))
    odds = (effect * rng.normal(size=n_values)[value] + X.a * np.where(X.b > 0, 1, -1) + 0.5 * X.c).to_numpy()
    level = brentq(lambda at: expit(odds + at).mean() - share, -20, 20)
    y = (rng.random(n) < expit(odds + level)).astype(int)
    return X.assign(value=[f"v{i}" for i in value]), y, None, None, []


def part(rows, y, groups, time):
    """Return rows to learn from and rows held out, divided by group or time where there is one."""
    groups, time = (None if values is None else values[rows] for values in (groups, time))
    fold = holdout_split(n_rows=len(rows), y_codes=y[rows], groups=groups, time=time).folds[0]
    return rows[fold.train], rows[fold.held_out]


print("table,way,average_precision,roc_auc,log_loss,rounds")
for name in sys.argv[1:]:
    n_rows, n_values, *odds = (float(x) for x in name.split(",")) if "," in name else (0, 0)
    X, y, groups, time, codes = made(int(n_rows), int(n_values), *odds) if odds else published(name)
    learned, held_out = part(np.arange(len(X)), y, groups, time)
    rows, stop = part(learned, y, groups, time)
    table = Table.learn(X, Overrides(categories=codes))
    when = None if time is None else pd.Series(time).rank(method="dense").to_numpy()
    who = None if groups is None else pd.factorize(groups)[0]
    target = Target(Problem("binary", 2), y, groups=who, time=when)
    for way, (kind, given) in WAYS.items():
        learner = make_learner(kind, **given)
        model = learner.fit(learner.prepare(table), target, rows, stop, Budget(), 0)
        p, t = model.predict(table.take(held_out))[:, 0], y[held_out]
        scores = average_precision_score(t, p), roc_auc_score(t, p), log_loss(t, p)
        print(f'"{name}","{way}",' + ",".join(f"{s:.5f}" for s in scores) + f",{model.rounds}", flush=True)
