"""Boosters with larger steps: loss of held-out rows, seconds and rounds, each fitted once.

    STACKML_DATA=... python experiments/0016-hurried-boosters/run.py > result.csv        [tables, else all 14]
"""

import sys
import warnings

import numpy as np

from stackml import StackClassifier, StackRegressor
from stackml.datasets import dataset_card, dataset_cards, load_dataset
from stackml.learners.catalog import make_learner
from stackml.splitting.base import Fold, Folds

warnings.simplefilter("ignore")
MOST_ROWS, HELD_OUT = 40_000, 1 / 3
RATES = {
    "lightgbm": (0.05, 0.1, 0.2),
    "lightgbm_large": (0.03, 0.06, 0.12, 0.2),
    "lightgbm_extra": (0.05, 0.12, 0.25),
    "xgboost": (0.05, 0.12),
    "xgboost_shallow": (0.05, 0.12, 0.25),
    "catboost": (0.05, 0.12, 0.25),
}
LEARNERS = [
    (f"{name} {rate}", make_learner(name, learning_rate=rate)) for name, rates in RATES.items() for rate in rates
]

print("table,rows,learner,rate,loss,rounds,core_seconds")
for name in sys.argv[1:] or [n for n in dataset_cards() if dataset_card(n).kind == "real"]:
    data = load_dataset(name)
    rows = np.random.default_rng(0).permutation(len(data.frame))[:MOST_ROWS]
    frame = data.frame.iloc[rows].reset_index(drop=True)
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    first = int(HELD_OUT * len(X))
    held_out, train = np.split(np.arange(len(X)), [first])
    make = StackRegressor if data.card.use == "regression" else StackClassifier
    folds = Folds((Fold(train, held_out),), len(X), "plain")
    stack = make(LEARNERS, combiner="mean", calibration="none", folds=folds, n_jobs=2, random_state=0)
    stack.fit(X, frame[data.target])
    for row in stack.leaderboard_.itertuples():
        learner, _, rate = row.name.partition(" ")
        if rate:
            print(f"{name},{len(X)},{learner},{rate},{row.loss:.6g},{row.rounds:.0f},{row.fit_seconds:.2f}", flush=True)
