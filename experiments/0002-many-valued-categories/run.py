"""One booster, one split, several ways to read categories of more than a hundred values.

    STACKML_DATA=... python experiments/0002-many-valued-categories/run.py fraud_sim diabetes130 banksim > result.csv
"""

import sys
import warnings

from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from stackml.datasets import load_dataset
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.splitting import holdout_split
from stackml.tables import Overrides, Problem, Table, Target

warnings.simplefilter("ignore")
WAYS = {
    "lightgbm, native, little smoothing": ("lightgbm", {"cat_smooth": 10.0, "cat_l2": 10.0}),
    "lightgbm, native, smoothing 50": ("lightgbm", {}),
    "lightgbm, share above 100 values": ("lightgbm", {"most_levels": 100}),
    "xgboost, native": ("xgboost", {"most_levels": 100_000}),
    "xgboost, share above 100 values": ("xgboost", {}),
}
print("table,way,average_precision,roc_auc,log_loss,rounds")
for name in sys.argv[1:]:
    data = load_dataset(name, n_rows=None if name.endswith("_sim") else 60_000)
    frame = data.frame
    y = frame[data.target].to_numpy().astype(int)
    groups = frame[data.group] if data.group else None
    time = None if groups is not None or not data.time else frame[data.time]
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    outer = holdout_split(n_rows=len(X), y_codes=y, groups=groups, time=time).folds[0]
    part = outer.train
    inner = holdout_split(
        n_rows=len(part), y_codes=y[part],
        groups=None if groups is None else groups.to_numpy()[part],
        time=None if time is None else time.to_numpy()[part],
    ).folds[0]
    rows, stop, held_out = part[inner.train], part[inner.held_out], outer.held_out
    table = Table.learn(X, Overrides(categories=[c for c in data.category_codes if c in X]))
    target = Target(Problem("binary", 2), y)
    for way, (kind, given) in WAYS.items():
        learner = make_learner(kind, **given)
        model = learner.fit(learner.prepare(table), target, rows, stop, Budget(), 0)
        p, t = model.predict(table.take(held_out))[:, 0], y[held_out]
        scores = average_precision_score(t, p), roc_auc_score(t, p), log_loss(t, p)
        print(f'{name},"{way}",' + ",".join(f"{s:.5f}" for s in scores) + f",{model.rounds}", flush=True)
