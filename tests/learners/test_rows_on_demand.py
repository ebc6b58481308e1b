"""Learners of the dense view: the same models where its rows are made when asked for, in little memory."""

import numpy as np
import pandas as pd
import pytest

from stackml.features import dense_rows
from stackml.learners import solvers
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

N = 600
ROWS, STOP, REST = np.arange(400), np.arange(400, 500), np.arange(500, N)
CLASSES, NUMBERS = Problem("binary", 2), Problem("regression")


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(N, 4)), columns=list("abcd"))
    frame["few"] = rng.choice(["x", "y", None], N)
    frame["many"] = [f"m{i}" for i in rng.integers(0, 40, N)]
    return Table.learn(frame)


def predicted(name: str, table: Table, problem: Problem) -> np.ndarray:
    values = table.numbers[:, 0] + table.numbers[:, 1] ** 2
    y = Target(problem, values.astype(np.float64) if problem is NUMBERS else (values > 1).astype(np.int64))
    learner = make_learner(name)
    model = learner.fit(learner.prepare(table), y, ROWS, STOP, Budget(), seed=3)
    return model.predict(table.take(REST))


@pytest.mark.parametrize("name", ["mlp", "realmlp", "tabm", "neighbors", "logistic", "ridge"])
def test_models_are_the_same(name: str, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = NUMBERS if name == "ridge" else CLASSES
    whole = predicted(name, table, problem)
    monkeypatch.setattr(dense_rows, "_KEPT", 0)
    np.testing.assert_array_equal(predicted(name, table, problem), whole)


def test_a_logistic_fit_in_blocks_finds_the_same_optimum(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predicted("logistic", table, CLASSES)
    monkeypatch.setattr(dense_rows, "_KEPT", 0)
    monkeypatch.setattr(solvers, "_DOUBLE", 0)
    monkeypatch.setattr(solvers, "_BLOCK", 64)
    np.testing.assert_allclose(predicted("logistic", table, CLASSES), whole, atol=2e-3)
