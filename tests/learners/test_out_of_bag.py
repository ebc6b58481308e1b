"""Forests that predict each row by the trees that did not draw it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackml.learners.base import Budget, Learner
from stackml.learners.catalog import LEARNERS
from stackml.learners.constant import FittedConstant
from stackml.learners.forest import ExtraTreesLearner, RandomForestLearner
from stackml.learners.growing import grow
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

N = 240
NO_BUDGET = Budget()
BINARY, THREE, REGRESSION = Problem("binary", 2), Problem("multiclass", 3), Problem("regression")
# The size of leaves is stated: one that is chosen hangs a little on every row.
FORESTS = [
    RandomForestLearner(n_trees=40, min_samples_leaf=2),
    ExtraTreesLearner(n_trees=40, min_samples_leaf=2),
]
every_forest = pytest.mark.parametrize("learner", FORESTS, ids=lambda learner: learner.kind)


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    return Table.learn(
        pd.DataFrame(
            {
                "x": rng.normal(size=N),
                "z": rng.lognormal(size=N),
                "town": [f"t{k}" for k in rng.integers(0, 40, N)],
            }
        )
    )


def target_of(table: Table, problem: Problem) -> Target:
    rng = np.random.default_rng(1)
    score = table.numbers[:, 0] + 0.3 * rng.normal(size=N)
    if problem.is_regression:
        return Target(problem, score.astype(np.float64))
    return Target(problem, np.searchsorted([0.0, 1.0][: problem.n_classes - 1], score).astype(np.int64))


def out_of_bag(learner: Learner, table: Table, y: Target, rows=None, budget=NO_BUDGET):
    rows = np.arange(N) if rows is None else rows
    return learner.fit_out_of_bag(learner.prepare(table), y, rows, budget, 3)


@every_forest
@pytest.mark.parametrize("problem", [BINARY, THREE, REGRESSION], ids=lambda problem: problem.kind)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_row_s_own_target_never_reaches_its_prediction(learner, problem, weighted, table) -> None:
    y = target_of(table, problem)
    if weighted:
        y = replace(y, weight=np.random.default_rng(2).random(N) + 0.5)
    _, before = out_of_bag(learner, table, y)
    assert np.isfinite(before).all()
    for row in (0, 17, 101, N - 1):
        values = y.values.copy()
        values[row] = values[row] + 100.0 if problem.is_regression else (values[row] + 1) % problem.n_classes
        _, after = out_of_bag(learner, table, replace(y, values=values))
        np.testing.assert_array_equal(after[row], before[row])
        assert (after != before).any()


@every_forest
def test_the_only_row_of_a_class_is_predicted_as_if_it_had_another(learner, table) -> None:
    alone = np.zeros(N, np.int64)
    alone[5] = 1
    _, before = out_of_bag(learner, table, Target(BINARY, alone))
    model, after = out_of_bag(learner, table, Target(BINARY, np.zeros(N, np.int64)))
    np.testing.assert_array_equal(after[5], before[5])
    assert isinstance(model, FittedConstant)
    assert (after == 0).all()


@every_forest
@pytest.mark.parametrize("problem", [BINARY, THREE, REGRESSION], ids=lambda problem: problem.kind)
def test_predictions_are_honest_and_of_the_model_s_form(learner, problem, table) -> None:
    y = target_of(table, problem)
    model, found = out_of_bag(learner, table, y)
    assert found.dtype == np.float32
    assert found.shape == (N, problem.n_outputs)
    assert model.predict(table).shape == found.shape
    if problem.is_regression:
        assert np.corrcoef(found[:, 0], y.values)[0, 1] > 0.8
    elif problem.kind == "binary":
        assert ((found[:, 0] > 0.5) == y.values).mean() > 0.8
    else:
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
        assert (found.argmax(axis=1) == y.values).mean() > 0.7


@every_forest
def test_rows_that_no_tree_draws_are_predicted_by_all(learner, table) -> None:
    y = target_of(table, BINARY)
    weight = np.ones(N)
    weight[:30] = 0.0
    model, found = out_of_bag(learner, table, replace(y, weight=weight))
    np.testing.assert_array_equal(found[:30], model.predict(table)[:30])
    small = replace(learner, max_rows_per_tree=20)
    model, found = out_of_bag(small, table, y)
    assert (found == model.predict(table)).all(axis=1).sum() >= N - 80
    assert np.isfinite(found).all()


@every_forest
def test_predictions_follow_the_order_of_the_rows_asked_for(learner, table) -> None:
    y = target_of(table, BINARY)
    rows = np.arange(0, N, 2)
    shuffled = np.random.default_rng(0).permutation(rows)
    _, in_order = out_of_bag(learner, table, y, rows)
    _, found = out_of_bag(learner, table, y, shuffled)
    np.testing.assert_array_equal(found, in_order[np.searchsorted(rows, shuffled)])


@every_forest
def test_trees_are_grown_until_every_row_has_a_vote(learner, table) -> None:
    y = target_of(table, BINARY)
    model, found = out_of_bag(learner, table, y, budget=Budget(seconds=0.0))
    assert np.isfinite(found).all()
    assert 1 < model.rounds < 40
    again, replayed = out_of_bag(learner, table, y, budget=Budget(rounds=model.rounds))
    np.testing.assert_array_equal(replayed, found)
    np.testing.assert_array_equal(again.predict(table), model.predict(table))
    _, few = out_of_bag(learner, table, y, budget=Budget(rounds=1))
    assert 0.5 < np.isnan(few).mean() < 0.8


class OneTreeASecond:
    """An estimator that takes a second of its own clock for a tree."""

    def __init__(self) -> None:
        self.now, self.n_trees, self.wanted = 0.0, 0, 0

    def set_params(self, n_estimators: int) -> None:
        self.wanted = n_estimators

    def fit(self, matrix, values, sample_weight) -> None:
        self.now, self.n_trees = self.now + self.wanted - self.n_trees, self.wanted


@pytest.mark.parametrize(("seconds", "n_trees"), [(7.0, 7), (0.0, 1), (25.0, 25), (1000.0, 40)])
def test_no_more_trees_are_grown_than_the_clock_has_time_for(seconds, n_trees, monkeypatch) -> None:
    slow = OneTreeASecond()
    monkeypatch.setattr("stackml.learners.growing.monotonic", lambda: slow.now)
    grow(slow, (None, None, None), Budget(seconds=seconds), 40)
    assert slow.n_trees == n_trees


@every_forest
def test_no_class_is_called_impossible_and_an_absent_one_gets_a_part_of_half_a_vote(learner, table) -> None:
    y = target_of(table, THREE)
    rows = np.flatnonzero(y.values != 1)
    model, found = out_of_bag(learner, table, y, rows)
    folds = learner.fit(learner.prepare(table), y, rows, None, NO_BUDGET, 3)
    for said in (found, model.predict(table), folds.predict(table)):
        assert said.min() > 0
        np.testing.assert_allclose(said.sum(axis=1), 1.0, atol=1e-6)
    for said in (model.predict(table), folds.predict(table)):
        np.testing.assert_allclose(said[:, 1], 0.5 / 3 / (model.rounds + 0.5), rtol=1e-3)


def test_only_forests_predict_out_of_bag_and_extra_trees_for_two_classes_alone(table) -> None:
    able = {name: entry.learner.out_of_bag for name, entry in LEARNERS.items() if entry.learner.out_of_bag}
    assert able == {
        "random_forest": {"binary", "multiclass", "regression"},
        "extra_trees": {"binary"},
    }
    ridge = LEARNERS["ridge"].learner
    with pytest.raises(NotImplementedError, match="ridge does not predict out of bag; fit it on folds"):
        out_of_bag(ridge, table, target_of(table, REGRESSION))
