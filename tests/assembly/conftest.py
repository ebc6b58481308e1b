"""A table on which a line is right for half of the rows, and trees for all."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pandas as pd
import pytest

import stackml

FIT, ALL = 1500, 3000


@cache
def _table() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(size=(ALL, 3)), columns=["a", "b", "c"])
    rows["shop"] = rng.choice(["x", "y"], ALL)
    z = rows["a"] + 3 * rows["b"] * rows["c"] * (rows["shop"] == "x")
    return rows, (z + 0.5 * rng.normal(size=ALL)).to_numpy()


@cache
def _labels(problem: str) -> np.ndarray:
    _, z = _table()
    if problem == "regression":
        return z
    names = np.array(["high", "low", "mid"] if problem == "multiclass" else ["no", "yes"])
    return names[pd.qcut(z, len(names), labels=False)]


@cache
def _fitted(problem: str, learner: str):
    make = stackml.StackRegressor if problem == "regression" else stackml.StackClassifier
    return make([learner], folds=3, n_jobs=1).fit(_table()[0][:FIT], _labels(problem)[:FIT])


@cache
def _router(problem: str = "binary", *, known: bool = False, **aim):
    weak = _fitted(problem, "ridge" if problem == "regression" else "logistic")
    made = stackml.Router(weak, _fitted(problem, "lightgbm"), n_jobs=1, **aim)
    taken = slice(0, FIT) if known else slice(FIT, ALL)
    return made.fit(_table()[0][taken], _labels(problem)[taken])


@pytest.fixture
def rows() -> pd.DataFrame:
    return _table()[0]


@pytest.fixture
def labels():
    """Return ``labels(problem)``, one a row."""
    return _labels


@pytest.fixture
def fitted():
    """Return ``fitted(problem, learner)``, a stack of the first rows."""
    return _fitted


@pytest.fixture
def router():
    """Return ``router(problem, **aim)``, learned from the rows its models have not seen."""
    return _router


@pytest.fixture
def on_training_rows():
    """Return a router learned from out-of-fold predictions, so that the other rows are new to it."""
    return partial(_router, known=True)


@pytest.fixture
def weak():
    return _fitted("binary", "logistic")


@pytest.fixture
def strong():
    return _fitted("binary", "lightgbm")
