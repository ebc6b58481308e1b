"""Estimators from outside: what they see, what they answer, how they are stored."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from stackml.foundation.errors import StorageError
from stackml.learners.base import Budget
from stackml.learners.catalog import restore_learner
from stackml.learners.sklearn import SklearnLearner
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

N = 150
ROWS = np.arange(100)


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    x = np.where(rng.random(N) < 0.1, np.nan, rng.normal(size=N))
    return Table.learn(pd.DataFrame({"x": x, "z": rng.normal(size=N), "c": rng.choice(["a", "b"], N)}))


def target(n_classes: int) -> Target:
    rng = np.random.default_rng(1)
    if n_classes == 0:
        return Target(Problem("regression"), rng.normal(size=N))
    kind = "binary" if n_classes == 2 else "multiclass"
    return Target(Problem(kind, n_classes), rng.integers(0, n_classes, N))


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (DecisionTreeClassifier(), True),
        (DecisionTreeClassifier(random_state=0), False),
        (make_pipeline(StandardScaler(), DecisionTreeClassifier()), True),
        (GaussianNB(), False),
    ],
)
def test_another_seed_is_worth_a_fit_where_a_random_state_is_open(estimator, expected):
    assert SklearnLearner("mine", estimator).seeded is expected


def fit(estimator: object, table: Table, y: Target):
    learner = SklearnLearner("given", estimator)
    return learner.fit(learner.prepare(table, None), y, ROWS, None, Budget(), 3)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        DecisionTreeClassifier(max_depth=3),
        LinearSVC(),
        RidgeClassifier(),
        KNeighborsClassifier(3),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda e: type(e).__name__,
)
def test_classifiers_answer_with_probabilities(estimator: object, n_classes: int, table: Table) -> None:
    y = target(n_classes)
    found = fit(estimator, table, y).predict(table)
    assert found.shape == (N, y.problem.n_outputs)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    if n_classes == 3:
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_an_absent_class_has_a_column_of_zeros(table: Table) -> None:
    y = target(3)
    rows = ROWS[y.values[ROWS] != 1]
    learner = SklearnLearner("given", GaussianNB())
    model = learner.fit(learner.prepare(table, None), y, rows, None, Budget(), 0)
    np.testing.assert_array_equal(model.predict(table)[:, 1], 0.0)


def test_the_given_object_is_not_fitted_and_seeds_are_set(table: Table) -> None:
    estimator = DecisionTreeClassifier(splitter="random")
    one, two = (fit(estimator, table, target(2)).predict(table) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not hasattr(estimator, "tree_")
    assert estimator.random_state is None


def test_weights_reach_those_who_take_them(table: Table) -> None:
    y = target(2)
    heavy = Target(y.problem, y.values, weight=np.where(y.values == 1, 50.0, 1.0))
    assert fit(GaussianNB(), table, heavy).predict(table).mean() > 0.9
    assert fit(KNeighborsClassifier(3), table, heavy).predict(table).mean() < 0.9


def test_a_stored_estimator_predicts_the_same(table: Table) -> None:
    for estimator, y in ((LinearRegression(), target(0)), (LogisticRegression(), target(2))):
        model = fit(estimator, table, y)
        again = restore_learner("sklearn", model.to_state())
        np.testing.assert_array_equal(again.predict(table), model.predict(table))


def test_types_that_are_not_trusted_are_named_and_then_accepted(table: Table) -> None:
    model = fit(SVC(), table, target(2))
    tree = fit(KNeighborsClassifier(3, algorithm="kd_tree"), table, target(2))
    assert restore_learner("sklearn", model.to_state()).kind == "sklearn"
    with pytest.raises(StorageError, match=r"not trusted: .*sklearn\.neighbors\._kd_tree\.KDTree;") as caught:
        restore_learner("sklearn", tree.to_state())
    assert "trusted=" in str(caught.value)
    names = ["sklearn.neighbors._kd_tree.KDTree", "sklearn.metrics._dist_metrics.EuclideanDistance64"]
    again = restore_learner("sklearn", tree.to_state(), trusted=names)
    np.testing.assert_array_equal(again.predict(table), tree.predict(table))
