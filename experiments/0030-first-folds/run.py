"""Within a limit, how many of five folds should be fitted before other learners have their turn?

    STACKML_DATA=... python experiments/0030-first-folds/run.py PRESET SECONDS banksim letter ... > more.csv

Fits a stack with all five folds, with two and with three of them alone, and with two first and others as far as the limit
pays, one after the other, on four fifths of a table's rows, and scores it on the rest. Nothing else should be running.
"""

import sys
import time
import warnings

import numpy as np

import stackml.stack.dividing as dividing
from stackml import StackClassifier, StackRegressor
from stackml.datasets import load_dataset
from stackml.metrics import get_metric
from stackml.oof import Engine

WAYS = {"all five": (5, False), "two": (2, False), "three": (3, False), "two first": (2, True)}
METRICS = {"regression": "rmse", "multiclass": "log_loss", "binary": "roc_auc", "fraud": "average_precision"}
further, first = Engine.further_folds, dividing.first_folds


def divided(name):
    """Return rows to learn from and to judge by, their targets, what is known of columns, and the metric."""
    data = load_dataset(name)
    frame = data.frame.sample(frac=1.0, random_state=0)
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    y, n = frame[data.target].to_numpy(), int(0.8 * len(frame))
    kind = "binary" if len(np.unique(y)) == 2 else "multiclass"
    use = data.card.use if data.card.use in METRICS else kind
    schema = {"categories": [c for c in data.category_codes if c in X]}
    return X[:n], y[:n], X[n:], y[n:], schema, get_metric(METRICS[use], "regression" if use == "regression" else kind)


def fitted(rows, preset, seconds, n_folds, more):
    """Return the score on rows held out, the seconds of the fit and the folds fitted."""
    X, y, asked, truth, schema, metric = rows
    # In haste or not: as if there were no time at all.
    dividing.first_folds = lambda *given, n_rarest: max(n_folds, first(*given[:-1], 0.0, n_rarest=n_rarest))
    Engine.further_folds = further if more else lambda _, result, __: result
    kind = StackRegressor if metric.name == "rmse" else StackClassifier
    stack = kind(preset, time_limit=seconds, n_jobs=2, metric=metric.name, schema=schema)
    began = time.perf_counter()
    stack.fit(X, y)
    took = time.perf_counter() - began
    if metric.name == "rmse":
        return metric.kernel(truth, stack.predict(asked), None), took, stack.plan_["n_folds"]
    said = stack.predict_proba(asked)
    codes = np.searchsorted(stack.classes_, truth)
    return metric.kernel(codes, said[:, 1] if said.shape[1] == 2 else said, None), took, stack.plan_["n_folds"]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    preset, seconds = sys.argv[1], float(sys.argv[2])
    print("table,metric,preset,limit,way,folds,score,seconds")
    for name in sys.argv[3:]:
        rows = divided(name)
        for way, how in WAYS.items():
            score, took, folds = fitted(rows, preset, seconds, *how)
            print(f"{name},{rows[-1].name},{preset},{seconds:g},{way},{folds},{score:.6g},{took:.1f}", flush=True)
