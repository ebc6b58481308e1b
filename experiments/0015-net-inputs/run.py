"""Nets that read numbers whole, in pieces and as hats: out-of-fold losses and seconds on the same folds.

    STACKML_DATA=... python experiments/0015-net-inputs/run.py > result.csv        [tables, else all 14]
"""

import sys
import warnings

import numpy as np

from stackml import StackClassifier, StackRegressor
from stackml.datasets import dataset_card, dataset_cards, load_dataset
from stackml.learners.catalog import make_learner

warnings.simplefilter("ignore")
MOST_ROWS = 3000
FORMS = {
    "plain": {"pieces": 0, "hats": False},
    **{f"pieces {n}": {"pieces": n, "hats": False} for n in (8, 16)},
    **{f"hats {n}": {"pieces": n, "hats": True} for n in (8, 16)},
}
LEARNERS = [
    (f"{name} {form}", make_learner(name, **given))
    for name in ("realmlp", "tabm")
    for form, given in FORMS.items()
]

print("table,rows,learner,form,loss,core_seconds")
for name in sys.argv[1:] or [n for n in dataset_cards() if dataset_card(n).kind == "real"]:
    data = load_dataset(name)
    rows = np.random.default_rng(0).permutation(len(data.frame))[:MOST_ROWS]
    frame = data.frame.iloc[rows].reset_index(drop=True)
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    make = StackRegressor if data.card.use == "regression" else StackClassifier
    stack = make(LEARNERS, combiner="mean", calibration="none", folds=5, n_jobs=2, random_state=0)
    stack.fit(X, frame[data.target], groups=frame[data.group] if data.group else None)
    for row in stack.leaderboard_.itertuples():
        if row.kind == "net":
            learner, _, form = row.name.partition(" ")
            print(f"{name},{len(X)},{learner},{form},{row.loss:.6g},{row.fit_seconds:.2f}", flush=True)
