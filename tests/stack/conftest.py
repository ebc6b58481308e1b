"""Small tables and cheap stacks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stackml.stack import StackClassifier, StackRegressor

N_ROWS = 150


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """Numbers, one with gaps, and a category."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(N_ROWS, 3)), columns=["a", "b", "c"])
    frame.loc[::11, "b"] = np.nan
    frame["k"] = rng.choice(["u", "v", "w"], N_ROWS)
    return frame


@pytest.fixture(scope="session")
def score(rows: pd.DataFrame) -> np.ndarray:
    """A number the rows say something about."""
    noise = np.random.default_rng(8).normal(size=N_ROWS)
    return (rows["a"] + (rows["k"] == "u") * 1.5 + 0.5 * noise).to_numpy()


@pytest.fixture(scope="session")
def binary(score: np.ndarray) -> np.ndarray:
    """0 and 1."""
    return (score > np.median(score)).astype(np.int64)


@pytest.fixture(scope="session")
def three(score: np.ndarray) -> np.ndarray:
    """0, 1 and 2."""
    return np.digitize(score, np.quantile(score, [0.3, 0.7]))


def _classifier(**given):
    return StackClassifier(**{"learners": ["logistic"], "folds": 2, "combiner": "mean", "n_jobs": 1, **given})


def _regressor(**given):
    return StackRegressor(**{"learners": ["ridge"], "folds": 2, "combiner": "mean", "n_jobs": 1, **given})


@pytest.fixture(scope="session")
def classifier():
    """Return a maker of cheap classifiers."""
    return _classifier


@pytest.fixture(scope="session")
def regressor():
    """Return a maker of cheap regressors."""
    return _regressor
