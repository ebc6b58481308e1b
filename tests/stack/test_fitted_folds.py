"""A tight limit fits few of the folds, where models of all rows will predict."""

import json

import numpy as np
import pandas as pd
import pytest

from stackml.assembly.loading import load
from stackml.foundation.errors import ParameterError
from stackml.oof.plan import ALL_ROWS
from stackml.stack import StackClassifier, StackRegressor

LEARNERS = ["lightgbm", "xgboost", "extra_trees", "logistic"]
TIGHT = {"work_limit": 8.0, "refit": True}


def table(n=13_000):
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=list("abcde"))
    X["shop"] = rng.choice(["one", "two", "three"], n)
    odds = 2 * (X.a + X.b * X.c + (X.shop == "one") - 0.5)
    return X, (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(int)


@pytest.fixture(scope="module")
def fitted():
    X, y = table()
    return StackClassifier(LEARNERS, **TIGHT).fit(X, y), X, y


def folds_of(stack, name="lightgbm"):
    return {fit["fold"] for fit in stack.plan_["fits"] if fit["learner"] == name} - {ALL_ROWS, None}


def test_a_tight_limit_fits_two_folds_of_five_and_says_so(fitted):
    stack, _, y = fitted
    assert folds_of(stack) == {0, 1}
    assert "2 of 5 folds were fitted within the limit" in " ".join(stack.plan_["notes"])
    known = stack.oof_.notna().all(axis=1)
    assert known.mean() == pytest.approx(0.4, abs=0.001)
    assert y[known].mean() == pytest.approx(y.mean(), abs=0.001)
    board = stack.leaderboard_.set_index("name")
    assert np.isfinite(board.loc["stack", ["score", "loss"]].astype(float)).all()
    asked = board.index[board.weight > 0]
    assert len(asked) > 1
    assert all(len(stack.learners_[name].models) == 1 for name in asked)


def test_its_score_is_that_of_new_rows(fitted):
    stack, _, _ = fitted
    X, y = table(16_000)
    X, y = X[13_000:], y[13_000:]
    p = stack.predict_proba(X)[:, 1]
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert stack.leaderboard_.set_index("name").loc["stack", "loss"] == pytest.approx(loss, abs=0.02)


def test_its_plan_is_repeated_without_the_limit(fitted):
    stack, X, y = fitted
    again = StackClassifier(LEARNERS, refit=True, plan=json.loads(json.dumps(stack.plan_))).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X[:500]), stack.predict_proba(X[:500]))
    np.testing.assert_array_equal(again.oof_, stack.oof_)


@pytest.mark.parametrize(
    "asked",
    [{"folds": 5}, {"refit": False}, {"work_limit": 1000.0}, {"work_limit": None}],
    ids=["folds asked for", "fold models predict", "a wide limit", "no limit"],
)
def test_all_folds_are_fitted_otherwise(asked):
    X, y = table(12_600)
    stack = StackClassifier(["lightgbm"], **{"work_limit": 3.0, "refit": True, **asked}).fit(X, y)
    assert folds_of(stack) == {0, 1, 2, 3, 4}
    assert stack.oof_.notna().all(axis=None)


@pytest.mark.parametrize("kind", ["few rows", "a rare class"])
def test_all_folds_are_fitted_where_few_would_tell_a_combiner_too_little(kind):
    X, y = table(4000 if kind == "few rows" else 13_000)
    if kind == "a rare class":
        y[np.flatnonzero(y == 1)[90:]] = 0
    stack = StackClassifier(["lightgbm"], work_limit=3.0, refit=True).fit(X, y)
    assert len(folds_of(stack)) == stack.plan_["n_folds"]
    assert "folds were fitted" not in " ".join(stack.plan_["notes"])


@pytest.mark.parametrize("given", ["groups", "time"])
def test_all_folds_are_fitted_where_some_would_not_look_like_all(given):
    X, y = table()
    rows = {"groups": np.arange(len(X)) // 650, "time": np.arange(len(X))}
    stack = StackClassifier(["lightgbm"], work_limit=3.0, refit=True).fit(X, y, **{given: rows[given]})
    assert len(folds_of(stack)) == stack.plan_["n_folds"] > 3


def test_a_limit_of_work_fits_as_many_whatever_runs_at_once():
    X, y = table()
    found = [StackClassifier(["logistic"], work_limit=1.2, refit=True, n_jobs=n).fit(X, y) for n in (1, 4)]
    assert folds_of(found[0], "logistic") == folds_of(found[1], "logistic") == {0, 1, 2, 3}
    np.testing.assert_array_equal(*(stack.predict_proba(X[:200]) for stack in found))


def test_an_update_divides_its_rows_anew():
    X, y = table()
    stack = StackClassifier(["logistic"], work_limit=1.2, refit=True).fit(X, y)
    assert stack.oof_.isna().any(axis=None)
    X, y = table(16_000)
    stack.update(X[13_000:], y[13_000:], time=np.arange(3000), ways="refit_new")
    assert len(stack.learners_["logistic"].models) == 1
    assert "folds were fitted" not in " ".join(stack.plan_["notes"])


@pytest.mark.parametrize("stated", [0, -1, 1.5, "two", True])
def test_a_plan_with_no_number_of_folds_is_refused(fitted, stated):
    stack, X, y = fitted
    with pytest.raises(ParameterError, match=r"its 'folds_fitted' is .*, not a number of folds"):
        StackClassifier(LEARNERS, refit=True, plan={**stack.plan_, "folds_fitted": stated}).fit(X, y)


def test_it_can_be_stored_changed_and_made_smaller(tmp_path):
    X, y = table()
    stack = StackClassifier(LEARNERS, **TIGHT).fit(X, y)
    before = stack.predict_proba(X[:100])
    stack.save(tmp_path / "a.stack")
    np.testing.assert_array_equal(load(tmp_path / "a.stack").predict_proba(X[:100]), before)
    stack.add_learner("random_forest")
    assert "random_forest" in stack.learners_
    stack.drop_learner("random_forest")
    student = stack.distill(X)
    assert np.isfinite(student.predict_proba(X[:100])).all()
    stack.compact()
    assert np.isfinite(stack.predict_proba(X[:100])).all()
    assert len(stack.transform(X[:100])) == 100


def test_numbers_are_predicted_as_well():
    X, y = table()
    stack = StackRegressor(["lightgbm", "ridge"], work_limit=1.0, refit=True).fit(X, X.a + X.b + y)
    assert folds_of(stack) == {0, 1}
    assert stack.leaderboard_.set_index("name").loc["stack", "score"] < 0.5
