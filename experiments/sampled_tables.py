"""Real tables as experiments on single learners read them: a sample, its first four fifths to learn from."""

import numpy as np

from stackml.datasets import load_dataset
from stackml.tables import Overrides, Problem, Table, Target

METRICS = {"regression": "rmse", "multiclass": "log_loss", "binary": "roc_auc"}


def sampled_table(name, most_rows, seed):
    """Return table and target of rows to learn from, and of rows to judge by."""
    data = load_dataset(name)
    frame = data.frame.sample(min(most_rows, len(data.frame)), random_state=seed)
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    y = frame[data.target].to_numpy()
    problem = Problem("regression", 0)
    if data.card.use != "regression":
        classes, y = np.unique(y, return_inverse=True)
        problem = Problem("binary" if len(classes) == 2 else "multiclass", len(classes))
    n = int(0.8 * len(X))
    table = Table.learn(X[:n], Overrides(categories=[c for c in data.category_codes if c in X]))
    return table, Target(problem, y[:n]), Table.of(X[n:], table.schema), Target(problem, y[n:])
