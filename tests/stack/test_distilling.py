"""One booster that says what the stack says: it agrees, it is a stack like any other, it needs no labels."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import stackml
from stackml.datasets import load_dataset
from stackml.foundation.errors import DataError, ParameterError
from stackml.metrics import get_metric
from stackml.stack import StackClassifier, StackRegressor
from stackml.stack.shrinking.distilling import _copies
from stackml.stack.shrinking.inventing import invented_rows
from stackml.tables.table import Table
from stackml.tables.target import Problem


@pytest.fixture(scope="module")
def credit():
    """A fitted stack, the rows it was fitted on, and others."""
    data = load_dataset("credit_sim", n_rows=3000)
    X, y = data.frame.drop(columns=[data.target, *data.drop]), data.frame[data.target]
    stack = StackClassifier(["lightgbm", "extra_trees", "logistic"], "mean", n_jobs=1).fit(X[:2000], y[:2000])
    return stack, X[:2000], X[2000:]


@pytest.fixture(scope="module")
def student(credit):
    stack, seen, _ = credit
    return stack.distill(seen, learner="lightgbm")


def test_it_agrees_with_the_stack_on_rows_neither_has_seen(credit, student):
    stack, _, unseen = credit
    whole, small = (s.predict_proba(unseen)[:, 1] for s in (stack, student))
    assert np.corrcoef(whole, small)[0, 1] > 0.9
    done = student.fitted_.card["distilled"]
    assert done["taught"] == "out of fold"
    assert done["of"] == ["lightgbm", "extra_trees", "logistic"]
    assert done["rows"] == 2000
    assert done["held_out"] == pytest.approx(300, abs=3)
    assert 0.5 < done["r2"] < 1
    assert 0.8 < done["agreement"] <= 1
    assert done["us_per_row"]["student"] < done["us_per_row"]["teacher"]
    json.dumps(student.fitted_.card)


def test_a_forest_learns_it_too(credit):
    stack, seen, unseen = credit
    forest = stack.distill(seen[:500], learner="random_forest", invented=0)
    assert list(forest.learners_) == ["distilled"]
    assert forest.fitted_.card["distilled"]["agreement"] > 0.7
    assert np.isfinite(forest.predict_proba(unseen)).all()


def test_it_is_a_stack_like_any_other(credit, student, tmp_path):
    stack, _, unseen = credit
    assert type(student) is StackClassifier
    assert np.array_equal(student.classes_, stack.classes_)
    assert list(student.learners_) == ["distilled"]
    assert student.fitted_.combiner.kind == "single"
    assert student.leaderboard_["name"].tolist() == ["stack", "distilled"]
    assert [fit["fold"] for fit in student.plan_["fits"]] == [0, -1]
    why = student.explain(unseen[:2], n_permutations=2)
    assert np.allclose(why.contributions.sum(axis=1) + why.baseline, why.prediction)
    student.save(tmp_path / "s.stack")
    again = stackml.load(tmp_path / "s.stack")
    assert np.array_equal(again.predict_proba(unseen), student.predict_proba(unseen))
    assert again.fitted_.card == student.fitted_.card
    with pytest.raises(ParameterError, match="add_learner needs the rows"):
        student.add_learner("logistic")


def test_no_score_is_claimed_for_rows_whose_labels_leaked(student):
    assert student.leaderboard_["score"].isna().all()


def test_the_table_of_the_fit_is_known_until_the_stack_is_stored(credit, tmp_path):
    _, seen, unseen = credit
    data = load_dataset("credit_sim", n_rows=3000)
    stack = StackClassifier(["logistic"], folds=2, n_jobs=1).fit(seen, data.frame[data.target][:2000])

    def taught(stack, rows):
        return stack.distill(rows, learner="logistic").fitted_.card["distilled"]["taught"]

    assert taught(stack, seen) == "out of fold"
    assert taught(stack, unseen) == "predictions"
    assert taught(stack, seen[:1000]) == "predictions"
    stack.compact()
    assert taught(stack, seen) == "out of fold"
    stack.save(tmp_path / "a.stack")
    assert taught(stackml.load(tmp_path / "a.stack"), seen) == "predictions"


def test_more_classes(rows, three):
    stack = StackClassifier(["logistic", "extra_trees"], folds=3, n_jobs=1).fit(rows, three)
    found = stack.distill(rows).predict_proba(rows)
    assert np.allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == stack.predict_proba(rows).argmax(axis=1)).mean() > 0.7


def test_numbers(rows, score):
    stack = StackRegressor(["ridge", "extra_trees"], folds=3, n_jobs=1).fit(rows, score)
    student = stack.distill(rows)
    assert type(student) is StackRegressor
    assert student.fitted_.card["distilled"]["agreement"] is None
    assert np.corrcoef(student.predict(rows), stack.predict(rows))[0, 1] > 0.8


@pytest.mark.parametrize(
    "given", [{"groups": np.arange(150) // 3}, {"time": np.arange(150)}], ids=["groups", "time"]
)
def test_rows_without_an_honest_prediction_are_left_out(rows, binary, given):
    stack = StackClassifier(["logistic", "extra_trees"], folds=5, n_jobs=1).fit(rows, binary, **given)
    student = stack.distill(rows)
    taught = int(stack.oof_["stack"].notna().sum())
    assert student.fitted_.card["distilled"]["rows"] == taught
    assert ("time" in given) == (taught < 150)


def test_the_same_seed_gives_the_same_student(rows, binary):
    stack = StackClassifier(["logistic", "extra_trees"], folds=2, n_jobs=1).fit(rows, binary)
    one, other = (stack.distill(rows).predict_proba(rows) for _ in "12")
    assert np.array_equal(one, other)


def test_what_cannot_be_taught_is_said(rows, binary, score):
    stack = StackClassifier(["logistic"], folds=2, n_jobs=1).fit(rows, binary)
    with pytest.raises(DataError, match=r"distill: 5 row\(s\) with a prediction of the stack to learn from"):
        stack.distill(rows[:5])
    with pytest.raises(ParameterError, match="'hbos' does not predict a binary target; use 'lightgbm'"):
        stack.distill(rows, learner="hbos")
    with pytest.raises(ParameterError, match="cannot be fitted to a binary target"):
        stack.distill(rows, learner="ridge")
    with pytest.raises(ParameterError, match="unknown learner 'lightgmb'; did you mean 'lightgbm'"):
        stack.distill(rows, learner="lightgmb")


def test_each_row_is_taught_with_all_its_weight():
    soft = np.array([[0.7, 0.298, 0.002], [0.2, 0.3, 0.5]])
    copies = _copies(soft, np.array([0, 1]), Problem("multiclass", 3))
    assert copies.row.tolist() == [0, 0, 1, 1, 1]
    assert copies.values.tolist() == [0, 1, 0, 1, 2]
    assert np.bincount(copies.row, copies.weight) == pytest.approx([1, 1])
    two = _copies(np.array([[np.nan], [0.25], [1.0]]), np.array([1, 2]), Problem("binary", 2))
    assert two.row.tolist() == [1, 1, 2]
    assert two.weight.tolist() == [0.75, 0.25, 1.0]
    assert two.first_of(np.array([2, 1])).tolist() == [2, 0]


def test_invented_rows_are_put_together_from_real_ones():
    days = pd.date_range("2024-01-01", periods=50)
    frame = pd.DataFrame({"a": np.arange(50.0), "day": days, "k": [f"v{i % 10}" for i in range(50)]})
    table = Table.learn(frame)
    made = invented_rows(table, 400, np.random.default_rng(0))
    assert made.n_rows == 400
    assert np.isin(made.numbers[:, 0], table.numbers[:, 0]).all()
    dates = {tuple(row) for row in table.numbers[:, 1:].tolist()}
    assert all(tuple(row) in dates for row in made.numbers[:, 1:].tolist()), "a date stays a date"
    assert np.isin(made.codes, table.codes).all()
    assert 0.3 < (made.numbers[:, 0] % 10 != made.codes[:, 0]).mean() < 0.6, "columns are mixed"


def test_rows_to_invent_can_be_stated(rows, binary, three):
    stack = StackClassifier(["logistic"], folds=2, n_jobs=1).fit(rows, binary)

    def done(**given):
        return stack.distill(rows, learner="logistic", **given).fitted_.card["distilled"]

    n_taught = 150 - done()["held_out"]
    assert done()["invented"] == 4 * n_taught
    assert done(invented=0)["invented"] == 0
    more = StackClassifier(["logistic"], folds=2, n_jobs=1).fit(rows, three).distill(rows, learner="logistic")
    assert more.fitted_.card["distilled"]["invented"] == 0
    assert done(invented=0.5)["invented"] == round(0.5 * n_taught)
    for wrong in (-1, "many", True, float("nan")):
        with pytest.raises(ParameterError, match=r"invented=.* must be rows to invent for each real one"):
            done(invented=wrong)


def test_a_student_of_a_real_table_is_near_its_stack(real_data):
    data = load_dataset("adult", data_dir=real_data, n_rows=4000)
    X, y = data.frame.drop(columns=[data.target, *data.drop]), data.frame[data.target]
    stack = StackClassifier(["lightgbm", "extra_trees", "logistic"], n_jobs=1).fit(X[:3000], y[:3000])
    auc = get_metric("roc_auc")
    both = stack, stack.distill(X[:3000])
    whole, small = (auc.value(y[3000:].to_numpy(), s.predict_proba(X[3000:])[:, 1]) for s in both)
    assert small > whole - 0.01


def test_a_distilled_stack_is_logged(student, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    from stackml.tracking.learner_runs import learner_records

    assert mlflow is not None
    (record,) = learner_records(student)
    names = {measure.name: measure.value for measure in record.measures}
    assert names["megabytes"] > 0
    assert names["us_per_row"] > 0
