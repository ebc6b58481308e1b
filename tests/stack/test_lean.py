"""The presets made to be called often ask few learners."""

import json

import numpy as np
import pandas as pd
import pytest

from stackml.assembly.loading import load
from stackml.foundation.errors import ParameterError
from stackml.learners.catalog import preset_names
from stackml.stack import StackClassifier
from stackml.tables.target import Problem

NAMES = preset_names("fast", Problem("binary", 2))


@pytest.fixture(scope="module")
def noisy():
    # A line and noise: what several learners know of it is the same.
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(4000, 4)), columns=list("abcd"))
    return X, (rng.random(4000) < 1 / (1 + np.exp(-X.a - X.b))).astype(int)


@pytest.fixture(scope="module")
def fast(noisy):
    X, y = noisy
    return StackClassifier("fast").fit(X, y)


def asked(stack):
    board = stack.leaderboard_.set_index("name")
    return set(board.index[board.weight > 0])


def test_a_preset_for_scoring_leaves_out_what_others_know(noisy, fast):
    X, y = noisy
    assert fast.plan_["combiner"] in ("single", "logistic")
    assert fast.plan_["lean"]
    whole = StackClassifier(list(NAMES), combiner="mean").fit(X, y)
    assert len(asked(fast)) < len(asked(whole)) == len(NAMES)
    losses = [s.leaderboard_.set_index("name").loc["stack", "loss"] for s in (fast, whole)]
    assert losses[0] < 1.005 * losses[1]


def test_other_learners_and_presets_are_combined_by_any_combiner(noisy):
    X, y = noisy
    stack = StackClassifier(["lightgbm", "logistic"]).fit(X[:500], y[:500])
    assert not stack.plan_["lean"]
    assert len(stack.plan_["tried"]) > 2


def test_the_plan_of_a_preset_is_repeated(noisy, fast, tmp_path):
    X, y = noisy
    plan = json.loads(json.dumps(fast.plan_))
    again = StackClassifier("fast", plan=plan).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), fast.predict_proba(X))
    named = StackClassifier(list(NAMES), plan=plan).fit(X, y)
    np.testing.assert_array_equal(named.predict_proba(X), fast.predict_proba(X))
    with pytest.raises(
        ParameterError, match="the combiner was recorded with kind='auto', and has kind='mean'"
    ):
        StackClassifier("fast", combiner="mean", plan=plan).fit(X, y)
    fast.save(tmp_path / "fast.stack")
    np.testing.assert_array_equal(load(tmp_path / "fast.stack").predict_proba(X), fast.predict_proba(X))


def test_the_plan_of_one_made_smaller_is_repeated(noisy):
    X, y = noisy
    stack = StackClassifier("fast").fit(X, y).compact()
    again = StackClassifier("fast", plan=json.loads(json.dumps(stack.plan_))).fit(X, y)
    assert asked(again) == asked(stack)
    np.testing.assert_allclose(again.predict_proba(X), stack.predict_proba(X), atol=0.02)
