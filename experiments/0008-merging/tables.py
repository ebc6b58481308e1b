"""Subsamples of real tables, and paired differences over the rows of several seeds."""

import numpy as np

from stackml.datasets import load_dataset
from stackml.metrics.catalog import per_row_loss

TABLES = ("adult", "california_housing", "gmsc")


def parts(name, seed, sizes):
    """Return pairs (X, y) of so many rows each, drawn without replacement."""
    data = load_dataset(name)
    frame = data.frame.sample(sum(sizes), random_state=seed).reset_index(drop=True)
    y = frame[data.target].to_numpy()
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    ends = np.cumsum([0, *sizes])
    return [(X.iloc[a:b].reset_index(drop=True), y[a:b]) for a, b in zip(ends[:-1], ends[1:], strict=True)]


def losses(stack, X, y):
    """Return log loss in nats, or squared error over the variance of y, row by row."""
    said = stack.fitted_.predict(stack._table(X))
    kind = stack.fitted_.problem.kind
    if kind == "regression":
        return (said[:, 0] - y) ** 2 / y.var()
    codes = np.array([list(stack.fitted_.classes).index(v) for v in y.tolist()])
    return per_row_loss(kind, codes, said[:, 0] if kind == "binary" else said)


def interval(differences, n=1000, seed=0):
    """Return the mean over all rows of all seeds and its 95 % bootstrap interval over rows."""
    pooled = np.concatenate(differences)
    rng = np.random.default_rng(seed)
    means = [pooled[rng.integers(0, len(pooled), len(pooled))].mean() for _ in range(n)]
    return pooled.mean(), *np.quantile(means, [0.025, 0.975])
