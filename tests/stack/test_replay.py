"""Plans: a recorded fit is repeated bit for bit, or refused where it cannot be."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from stackml.combiners import SimplexCombiner
from stackml.foundation.errors import ParameterError
from stackml.learners.catalog import make_learner
from stackml.stack import StackClassifier
from stackml.stack.replay import _text

MADE = {"learners": ["logistic", "extra_trees"], "folds": 3, "combiner": "auto"}
ROUNDS = ["lightgbm", "xgboost", "extra_trees", "mlp", "logistic"]


def replay(stack, rows, y, **given):
    again = StackClassifier(**{**stack.get_params(), "plan": stack.plan_, **given})
    return again.fit(rows, y)


@pytest.mark.parametrize(("strict", "layers"), [(False, 1), (True, 1), (False, 2)])
def test_a_plan_repeats_a_fit(classifier, rows, binary, strict, layers):
    stack = classifier(learners=ROUNDS, strict=strict, layers=layers).fit(rows, binary)
    again = replay(stack, rows, binary)
    assert np.array_equal(again.predict_proba(rows), stack.predict_proba(rows))
    assert np.array_equal(again.oof_, stack.oof_)
    assert without_seconds(again.plan_) == without_seconds(stack.plan_)


def test_a_plan_repeats_a_fit_over_time(classifier, rows, binary):
    stack = classifier(learners=ROUNDS, folds=3).fit(rows, binary, time=np.arange(150))
    again = StackClassifier(**{**stack.get_params(), "plan": stack.plan_}).fit(
        rows, binary, time=np.arange(150)
    )
    assert np.array_equal(again.predict_proba(rows), stack.predict_proba(rows))


@pytest.mark.parametrize("strict", [False, True])
def test_a_plan_repeats_a_fit_whose_clock_ran_out(classifier, rows, binary, strict):
    many = pd.concat([rows] * 20, ignore_index=True)
    y = np.tile(binary, 20)
    y = np.where(np.random.default_rng(1).random(len(y)) < 0.2, 1 - y, y)
    patient = ("patient", make_learner("lightgbm", learning_rate=0.003))  # wants hundreds of rounds
    stack = classifier(learners=[patient], strict=strict, time_limit=0.4).fit(many, y)
    unhurried = classifier(learners=[patient], strict=strict).fit(many, y)
    assert stack.plan_["fits"][0]["rounds"] < unhurried.plan_["fits"][0]["rounds"]
    again = replay(stack, many, y)
    assert np.array_equal(again.predict_proba(many), stack.predict_proba(many))
    assert np.array_equal(again.oof_, stack.oof_, equal_nan=True)


def test_a_plan_brings_its_own_seed_and_way_of_stopping(classifier, rows, binary):
    stack = classifier(learners=["lightgbm", "extra_trees"], random_state=None, strict=True).fit(rows, binary)
    again = replay(stack, rows, binary, strict=False, random_state=5)
    assert np.array_equal(again.predict_proba(rows), stack.predict_proba(rows))


def test_a_plan_survives_its_way_through_json(classifier, rows, binary):
    stack = classifier(learners=["lightgbm", "logistic"]).fit(rows, binary)
    again = replay(stack, rows, binary, plan=json.loads(json.dumps(stack.plan_)))
    assert np.array_equal(again.predict_proba(rows), stack.predict_proba(rows))


def test_a_plan_of_other_learners_is_refused(classifier, rows, binary):
    plan = classifier(**MADE).fit(rows, binary).add_learner("lightgbm").plan_
    with pytest.raises(ParameterError, match="plan: learners= lacks 'lightgbm', which the plan fitted"):
        classifier(**MADE, plan=plan).fit(rows, binary)


def test_a_plan_of_a_combiner_that_auto_does_not_know_is_refused(classifier, rows, binary):
    plan = classifier(**{**MADE, "combiner": "vote"}).fit(rows, binary).plan_
    with pytest.raises(ParameterError, match=r"the combiner was recorded with kind='vote', .* repeat a plan"):
        classifier(**{**MADE, "combiner": "auto"}, plan=plan).fit(rows, binary)


@pytest.mark.parametrize(
    ("then", "now", "message"),
    [
        (
            {"learners": [("booster", make_learner("lightgbm", num_leaves=7)), "logistic"]},
            {"learners": [("booster", make_learner("lightgbm", num_leaves=9)), "logistic"]},
            r"learner 'booster' was recorded with num_leaves=7, and has num_leaves=9 here",
        ),
        (
            {"learners": [("booster", make_learner("lightgbm", max_rounds=5)), "logistic"]},
            {"learners": [("booster", make_learner("xgboost", max_rounds=5)), "logistic"]},
            r"learner 'booster' was recorded with kind='lightgbm', and has kind='xgboost' here",
        ),
        (
            {"learners": [("near", make_pipeline(StandardScaler(), KNeighborsClassifier(5))), "logistic"]},
            {"learners": [("near", make_pipeline(StandardScaler(), KNeighborsClassifier(9))), "logistic"]},
            r"'near' was recorded with estimator__\w+__n_neighbors=5, and has .*n_neighbors=9 here",
        ),
        (
            {"learners": ["lightgbm", "logistic"], "combiner": SimplexCombiner(pull=500.0)},
            {"learners": ["lightgbm", "logistic"], "combiner": SimplexCombiner(pull=5.0)},
            r"the combiner was recorded with pull=500, and has pull=5 here",
        ),
        (
            {"learners": ["lightgbm", "logistic"], "combiner": SimplexCombiner(pull=500.0)},
            {"learners": ["lightgbm", "logistic"], "combiner": "auto"},
            r"the combiner was recorded with kind='simplex', and has kind='auto' here",
        ),
    ],
)
def test_a_plan_of_other_parameters_is_refused(classifier, rows, binary, then, now, message):
    plan = json.loads(json.dumps(classifier(**then).fit(rows, binary).plan_))
    assert classifier(**then, plan=plan).fit(rows, binary).plan_["asked"] == plan["asked"]
    with pytest.raises(ParameterError, match=message):
        classifier(**now, plan=plan).fit(rows, binary)


def test_a_plan_of_a_version_that_recorded_no_parameters_is_repeated(classifier, rows, binary):
    stack = classifier(learners=ROUNDS).fit(rows, binary)
    older = {name: value for name, value in stack.plan_.items() if name != "asked"}
    again = replay(stack, rows, binary, plan=older)
    assert np.array_equal(again.predict_proba(rows), stack.predict_proba(rows))


def test_a_plan_knows_a_function_by_its_name(classifier, rows, binary):
    def estimator(function):
        return make_pipeline(FunctionTransformer(function), LogisticRegression())

    def plus_one(X):
        return X + 1

    plan = classifier(learners=[("shifted", estimator(plus_one)), "logistic"]).fit(rows, binary).plan_
    assert "0x" not in json.dumps(plan["asked"])
    assert "plus_one" in json.dumps(plan["asked"])


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (7, np.int64(7), True),
        (0.1, np.float64(0.1), True),
        ((1, 10), (1.0, 10.0), True),
        (np.random.RandomState(0), np.random.RandomState(0), True),
        ({"b", "a", "c"}, {"c", "b", "a"}, True),
        (True, 1, False),
        (np.arange(5000), np.where(np.arange(5000) == 2500, 0, np.arange(5000)), False),
        (LogisticRegression, KNeighborsClassifier, False),
    ],
)
def test_parameters_have_one_text_where_they_are_equal(one, other, equal):
    assert (_text(one) == _text(other)) == equal


def test_a_stack_made_smaller_is_repeated_from_its_plan(classifier, rows, binary):
    stack = classifier(learners=["logistic", "neighbors", "extra_trees"], combiner="auto").fit(rows, binary)
    stack.compact()
    again = replay(stack, rows, binary)
    assert np.array_equal(again.predict_proba(rows), stack.predict_proba(rows))


@pytest.mark.parametrize("asked", [{}, {"learners": {}}, {"learners": "all", "combiner": None}, "none"])
def test_a_damaged_plan_is_refused(classifier, rows, binary, asked):
    plan = {**classifier(**MADE).fit(rows, binary).plan_, "asked": asked}
    with pytest.raises(ParameterError, match=r"plan: its 'asked' cannot be read .* as it was"):
        classifier(**MADE, plan=plan).fit(rows, binary)


def without_seconds(plan):
    return {**plan, "fits": [{k: v for k, v in fit.items() if k != "seconds"} for fit in plan["fits"]]}
