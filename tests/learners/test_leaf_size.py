"""Leaves are as small as the target allows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from stackml.learners.base import Budget
from stackml.learners.forest import ExtraTreesLearner, RandomForestLearner
from stackml.learners.leaf_size import choose_leaf, endless_loss, usual_leaves
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

BINARY = Problem("binary", 2)
THREE = Problem("multiclass", 3)


def rows(n=3000, noise=0.0, seed=0):
    """Return a matrix and a target of fine stripes, a share of it by chance."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 3)).astype(np.float32)
    y = (np.floor(X[:, 0] * 40) + np.floor(X[:, 1] * 4)).astype(np.int64) % 2
    return X, np.where(rng.random(n) < noise, rng.integers(0, 2, n), y)


def forest(_, leaf):
    return RandomForestRegressor(min_samples_leaf=leaf, max_features=2, random_state=0)


def test_sizes_to_choose_from():
    assert usual_leaves(BINARY, 60_000, weighted=False) == (75, 9, 1)
    assert usual_leaves(BINARY, 1_000, weighted=False) == (5, 2, 1)
    assert usual_leaves(THREE, 1_000, weighted=True) == (5, 2, 2)
    assert usual_leaves(Problem("regression", 0), 60_000, weighted=False) == (4,)


def test_a_clean_target_gets_leaves_of_one_row_and_a_noisy_one_large_leaves():
    for noise, leaf in ((0.0, 1), (0.8, 40)):
        X, y = rows(noise=noise)
        assert choose_leaf((40, 6, 1), forest, (X, y, None), BINARY, 0, 3000) == leaf


def test_the_choice_is_repeated_exactly():
    X, y = rows(n=30_000, noise=0.3)
    found = {choose_leaf((37, 6, 1), forest, (X, y, None), BINARY, 3, 30_000) for _ in range(2)}
    assert len(found) == 1


@pytest.mark.parametrize("problem", [BINARY, THREE])
def test_a_few_trees_tell_the_error_of_many(problem):
    X, y = rows(noise=0.4)
    if problem is THREE:
        y = y + (np.arange(len(y)) % 2)
        make, chosen = RandomForestClassifier, np.eye(3)
    else:
        make, chosen = RandomForestRegressor, None
    options = {"min_samples_leaf": 3, "bootstrap": True}
    many = make(n_estimators=400, random_state=1, oob_score=True, **options).fit(X, y)
    said = many.oob_prediction_ if chosen is None else many.oob_decision_function_
    truth = y if chosen is None else chosen[y]
    real = np.mean((said - truth) ** 2) * (1 if chosen is None else 3)
    few = [
        endless_loss(make(n_estimators=5, random_state=s, **options).fit(X, y), X, y, None, problem)
        for s in range(8)
    ]
    assert np.mean(few) == pytest.approx(real, rel=0.05)


def test_rows_that_weigh_nothing_say_nothing():
    X, y = rows(noise=0.4)
    weight = np.where(np.arange(3000) < 1500, 1.0, 0.0)
    grown = RandomForestRegressor(n_estimators=5, random_state=0, bootstrap=True).fit(X, y)
    half = endless_loss(grown, X, y, weight, BINARY)
    other = np.where(weight > 0, y, 1 - y)
    assert endless_loss(grown, X, other, weight, BINARY) == half


@pytest.mark.parametrize("kind", [RandomForestLearner, ExtraTreesLearner])
@pytest.mark.parametrize(("noise", "leaf"), [(0.0, 1), (0.9, 5)])
def test_forests_learn_a_clean_target_finely_and_a_noisy_one_coarsely(kind, noise, leaf):
    X, y = rows(noise=noise)
    table, target = Table.learn(pd.DataFrame(X, columns=list("abc"))), Target(BINARY, y)
    said = []
    for learner in (kind(), kind(min_samples_leaf=leaf)):
        fitted = learner.fit(learner.prepare(table), target, np.arange(3000), None, Budget(rounds=20), 0)
        said.append(fitted.predict(table))
    np.testing.assert_array_equal(*said)


def test_leaves_of_one_row_can_be_chosen_where_trees_draw_a_part_of_the_rows():
    X, y = rows(n=40_000)
    assert choose_leaf((12, 3, 1), forest, (X, y, None), BINARY, 0, 10_000) == 1


@pytest.mark.parametrize("kind", [RandomForestLearner, ExtraTreesLearner])
def test_rows_in_groups_or_in_time_get_the_largest_leaves(kind):
    X, y = rows()
    table = Table.learn(pd.DataFrame(X, columns=list("abc")))
    for told in ({"groups": np.arange(3000) // 20}, {"time": np.arange(3000.0)}):
        said = []
        for learner in (kind(), kind(min_samples_leaf=5)):
            fitted = learner.fit(
                learner.prepare(table), Target(BINARY, y, **told), np.arange(3000), None, Budget(rounds=20), 0
            )
            said.append(fitted.predict(table))
        np.testing.assert_array_equal(*said)


@pytest.mark.parametrize("kind", [RandomForestLearner, ExtraTreesLearner])
def test_hurried_forests_and_those_that_tell_the_time_alone_choose_no_leaves(kind, monkeypatch):
    X, y = rows(n=1500)
    table, target = Table.learn(pd.DataFrame(X, columns=list("abc"))), Target(BINARY, y)

    def chosen(*_):
        raise AssertionError("five trees of each size were grown")

    monkeypatch.setattr("stackml.learners.forest.choose_leaf", chosen)
    for learner, budget in ((kind().paced(0.3), Budget()), (kind(), Budget(rounds=4, is_probe=True))):
        fitted = learner.fit(learner.prepare(table), target, np.arange(1500), None, budget, 0)
        assert fitted.rounds
    with pytest.raises(AssertionError):
        kind().fit(kind().prepare(table), target, np.arange(1500), None, Budget(rounds=4), 0)
