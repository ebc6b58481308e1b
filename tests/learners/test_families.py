"""What each family must be good at, and the corners the contract does not reach."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import FitError
from stackml.learners.anomaly import HBOSLearner, IsolationForestLearner, ranked
from stackml.learners.base import Budget, Learner
from stackml.learners.constant import FittedConstant
from stackml.learners.forest import ExtraTreesLearner, RandomForestLearner
from stackml.learners.linear import LogisticLearner, RidgeLearner
from stackml.learners.neighbors import NeighborsLearner
from stackml.learners.neural import MLPLearner, forward
from stackml.learners.solvers import RidgePath, fit_logistic, linear_scores
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

BINARY, REGRESSION = Problem("binary", 2), Problem("regression")
N = 500
ROWS, REST = np.arange(400), np.arange(400, N)


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    return Table.learn(pd.DataFrame(rng.normal(size=(N, 3)), columns=["a", "b", "c"]))


def fit(learner: Learner, table: Table, y: Target, rows: np.ndarray = ROWS, **given: object):
    budget = given.get("budget", Budget())
    return learner.fit(learner.prepare(table, None), y, rows, given.get("stop"), budget, 0)


@pytest.mark.parametrize(
    "learner", [RandomForestLearner(), ExtraTreesLearner(), NeighborsLearner(), MLPLearner(epochs=60)]
)
def test_an_interaction_is_learned(learner: Learner, table: Table) -> None:
    y = Target(BINARY, (table.numbers[:, 0] * table.numbers[:, 1] > 0).astype(np.int64))
    found = fit(learner, table, y, stop=REST).predict(table.take(REST))[:, 0] > 0.5
    assert (found == y.values[REST]).mean() > 0.8


@pytest.mark.parametrize("learner", [RidgeLearner(), MLPLearner(epochs=60), RandomForestLearner()])
def test_a_bend_is_learned(learner: Learner, table: Table) -> None:
    values = 1e6 + 1e3 * np.maximum(table.numbers[:, 0], 0).astype(np.float64)
    found = fit(learner, table, Target(REGRESSION, values), stop=REST).predict(table.take(REST))[:, 0]
    assert np.mean((found - values[REST]) ** 2) < 0.15 * values.var()


def test_logistic_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    X[:, 3] = X[:, 2] + 0.01 * X[:, 3]
    weight = rng.random(300) + 0.5
    for n_classes in (2, 3):
        y = np.clip(np.digitize(X[:, 0] + rng.normal(size=300), [0.0, 1.0][: n_classes - 1]), 0, 2)
        coef, intercept = fit_logistic(X, y, weight, n_classes, 0.5)
        other = LogisticRegression(C=0.5, tol=1e-8, max_iter=1000).fit(X.astype(float), y, weight)
        expected = other.coef_.T
        found = coef if n_classes == 2 else coef - coef.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected, atol=2e-3)
        np.testing.assert_allclose(
            intercept - intercept.mean(), other.intercept_ - other.intercept_.mean(), atol=2e-3
        )


def test_ridge_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 3)).astype(np.float32)
    y, weight = X @ np.array([1.0, -2.0, 0.0]) + 5 + rng.normal(size=200), rng.random(200) + 0.5
    coef, intercept = RidgePath.of(X, y, weight).solve(10.0)
    other = Ridge(alpha=10.0).fit(X.astype(float), y, weight)
    np.testing.assert_allclose(coef, other.coef_, rtol=1e-6)
    assert intercept == pytest.approx(other.intercept_)


def test_linear_scores_and_layers_do_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(700, 37)).astype(np.float32)
    coef, intercept = rng.normal(size=(37, 5)), rng.normal(size=5)
    np.testing.assert_allclose(linear_scores(X, coef, intercept), X @ coef + intercept, atol=1e-9)
    layers = [(coef.astype(np.float32), intercept.astype(np.float32))]
    for rows in (np.array([3]), np.arange(699, -1, -1), np.arange(13, 290)):
        np.testing.assert_array_equal(
            linear_scores(X[rows], coef, intercept), linear_scores(X, coef, intercept)[rows]
        )
        np.testing.assert_allclose(forward(X[rows], layers), forward(X, layers)[rows], atol=1e-6)


@pytest.mark.parametrize(
    "learner", [LogisticLearner(), RandomForestLearner(), NeighborsLearner(), MLPLearner()]
)
def test_one_class_gives_one_probability(learner: Learner, table: Table) -> None:
    model = fit(learner, table, Target(BINARY, np.zeros(N, np.int64)))
    assert isinstance(model, FittedConstant)
    found = model.predict(table)
    assert found.shape == (N, 1)
    assert 0 < found[0, 0] < 0.01


def test_all_weights_zero_is_refused(table: Table) -> None:
    y = Target(BINARY, np.arange(N) % 2, weight=np.zeros(N))
    with pytest.raises(FitError, match="logistic: none of the 400 training rows has a weight above zero"):
        fit(LogisticLearner(), table, y)


def test_the_clock_decides_the_number_of_trees_alone(table: Table) -> None:
    y = Target(BINARY, (table.numbers[:, 0] > 0).astype(np.int64))
    hurried = fit(RandomForestLearner(), table, y, budget=Budget(seconds=0.0))
    replayed = fit(RandomForestLearner(), table, y, budget=Budget(rounds=hurried.rounds))
    np.testing.assert_array_equal(replayed.predict(table), hurried.predict(table))
    unhurried = fit(RandomForestLearner(n_trees=25), table, y, budget=Budget(seconds=1e6))
    plain = fit(RandomForestLearner(n_trees=25), table, y)
    np.testing.assert_array_equal(unhurried.predict(table), plain.predict(table))


def test_forests_draw_a_pool_and_stay_small(table: Table) -> None:
    y = Target(REGRESSION, table.numbers[:, 0].astype(np.float64))
    model = fit(ExtraTreesLearner(max_rows_per_tree=50), table, y)
    again = fit(ExtraTreesLearner(max_rows_per_tree=50), table, y)
    np.testing.assert_array_equal(model.predict(table), again.predict(table))
    assert len(model.forest.left_step) < 100 * 60


def test_replayed_epochs_are_the_epochs_that_were_kept(table: Table) -> None:
    y = Target(BINARY, (table.numbers[:, 0] * table.numbers[:, 1] > 0).astype(np.int64))
    stopped = fit(MLPLearner(), table, y, stop=REST)
    replayed = fit(MLPLearner(), table, y, budget=Budget(rounds=stopped.rounds))
    np.testing.assert_array_equal(replayed.predict(table), stopped.predict(table))


def test_neighbors_keep_rare_classes_at_their_true_rate() -> None:
    rng = np.random.default_rng(0)
    table = Table.learn(pd.DataFrame(rng.normal(size=(6000, 2)), columns=["a", "b"]))
    y = Target(BINARY, (rng.random(6000) < 0.03).astype(np.int64))
    model = fit(NeighborsLearner(max_reference=800), table, y, rows=np.arange(6000))
    assert len(model.reference) == 800
    assert (model.outcome == 1).sum() > 90
    assert model.predict(table).mean() == pytest.approx(0.03, abs=0.006)


@pytest.mark.parametrize("learner", [IsolationForestLearner(), HBOSLearner()])
def test_strange_rows_rank_high_whatever_the_target(learner: Learner, table: Table) -> None:
    y = Target(BINARY, np.arange(N) % 2)
    model = fit(learner, table, y)
    other = fit(learner, table, Target(REGRESSION, np.zeros(N)))
    strange = replace(table, numbers=np.full((2, 3), 9.0, np.float32), codes=table.codes[:2])
    usual = replace(table, numbers=np.zeros((2, 3), np.float32), codes=table.codes[:2])
    assert model.predict(strange).min() > 0.98
    assert model.predict(usual).max() < 0.4
    np.testing.assert_array_equal(model.predict(table), other.predict(table))
    assert np.quantile(model.predict(table), [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.07)


def test_ranks_meet_ties_and_extremes() -> None:
    knots = np.array([0.0, 1.0, 1.0, 1.0, 2.0])
    np.testing.assert_allclose(
        ranked(np.array([-5.0, 0.0, 0.5, 1.0, 1.5, 9.0]), knots)[:, 0], [0, 0, 0.125, 0.5, 0.875, 1]
    )


def test_fewer_rows_get_more_trees_and_out_of_the_bag_more_still(table: Table) -> None:
    forest = RandomForestLearner()
    assert [forest.usual_rounds(n) for n in (500, 12_000, 20_000, 30_000, 10**6)] == [100, 100, 60, 40, 40]
    assert forest.paced(0.5).paced(0.5).usual_rounds(500) == 25
    assert forest.paced(0.01).usual_rounds(500) == 20
    y = Target(BINARY, (table.numbers[:, 0] > 0).astype(np.int64))
    for learner, n_trees in ((forest, 250), (RandomForestLearner(n_trees=50), 50)):
        model, _ = learner.fit_out_of_bag(learner.prepare(table), y, np.arange(N), Budget(), 0)
        assert model.rounds == n_trees
        assert learner.out_of_bag_effort == pytest.approx(1.4 * n_trees / learner.usual_rounds(N))
    extra = ExtraTreesLearner()
    model, voted = extra.fit_out_of_bag(extra.prepare(table), y, np.arange(N), Budget(), 0)
    assert model.rounds == 100  # 250 have voted
    again, said = extra.fit_out_of_bag(extra.prepare(table), y, np.arange(N), Budget(rounds=100), 0)
    assert again.rounds == 100
    np.testing.assert_array_equal(said, voted)
    assert RandomForestLearner(n_trees=50).usual_rounds(500) == 50
    assert RandomForestLearner(n_trees=50).paced(0.5).usual_rounds(500) == 25
