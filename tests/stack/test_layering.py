"""A further layer is fitted where rows that nothing was learned from say that it helps."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np
import pandas as pd
import pytest

import stackml
from stackml.foundation.errors import ParameterError
from stackml.learners.catalog import make_learner
from stackml.oof.budget import Clock
from stackml.oof.engine import Engine
from stackml.splitting import Fold, Folds
from stackml.splitting.stratified import StratifiedSplitter
from stackml.stack.layering import Growth, halves

LEARNERS = ["ridge", "lightgbm"]


def waves(n, seed=0):
    """A wave along the sum of columns: trees find it in what a linear learner proposes."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 12)), columns=[f"x{i}" for i in range(12)])
    z = X.sum(axis=1) / 12**0.5
    return X, (z + 2 * np.sin(4 * z) + 0.3 * rng.normal(size=n)).to_numpy()


def noise(n, seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=list("abcde"))
    X["many"] = rng.integers(0, 100, n).astype(str)
    return X, (rng.random(n) < 0.3).astype(int)


def regressor(**given):
    return stackml.StackRegressor(**{"learners": LEARNERS, "combiner": "simplex", "n_jobs": 1, **given})


@pytest.fixture(scope="module")
def grown():
    X, y = waves(1800)
    return regressor(layers="auto").fit(X, y)


def test_a_layer_that_helps_is_kept_and_the_plan_says_why(grown):
    X_new, y_new = waves(2000, 1)
    one = regressor().fit(*waves(1800))
    assert grown.plan_["layers"] >= 2
    assert np.mean((grown.predict(X_new) - y_new) ** 2) < 0.6 * np.mean((one.predict(X_new) - y_new) ** 2)
    trial = grown.plan_["layers_tried"][0]
    assert trial["helps"]
    assert trial["layer"] == 2
    assert trial["gain"] > 2 * trial["standard_error"] > 0
    assert trial["loss"] == pytest.approx(trial["loss_below"] - trial["gain"])
    assert set(trial["learners"]) == set(LEARNERS)
    assert grown.fitted_.card["plan"]["layers_tried"] == grown.plan_["layers_tried"]
    assert one.plan_["layers_tried"] == []


def test_a_plan_repeats_the_layers_without_asking(grown, tmp_path):
    X, y = waves(1800)
    again = regressor(layers="auto", plan=grown.plan_).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), grown.predict(X))
    assert again.plan_["layers_tried"] == grown.plan_["layers_tried"]
    loaded = stackml.load(grown.save(tmp_path / "grown.stack"))
    np.testing.assert_array_equal(loaded.predict(X), grown.predict(X))
    assert loaded.fitted_.card["plan"]["layers"] == grown.plan_["layers"]
    torn = {**grown.plan_, "layers_tried": [{"layer": 2}]}
    with pytest.raises(ParameterError, match=r"its 'layers_tried' cannot be read .* as it was"):
        regressor(layers="auto", plan=torn).fit(X, y)


def test_noise_hardly_ever_gets_a_second_layer():
    # Two standard errors let some noise pass, and which noise depends on how a processor rounds.
    helped = []
    for seed in range(6):
        X, y = noise(600, seed)
        stack = stackml.StackClassifier(["lightgbm", "logistic"], layers="auto", combiner="simplex", n_jobs=1)
        trials = stack.fit(X, y).plan_["layers_tried"]
        assert stack.plan_["layers"] == len(trials)
        assert not trials[-1]["helps"]
        assert trials[-1]["reason"]
        helped.append(trials[0]["helps"])
    assert sum(helped) <= 1


def test_a_permuted_target_hardly_ever_gets_a_second_layer():
    X, y = waves(900)
    permuted = [np.random.default_rng(seed).permutation(y) for seed in range(6)]
    layers = [regressor(layers="auto").fit(X, target).plan_["layers"] for target in permuted]
    assert sum(n > 1 for n in layers) <= 1


def test_one_layer_found_by_asking_is_the_stack_of_one_layer():
    X, y = noise(400, 0)
    made = {"learners": ["logistic"], "combiner": "single", "n_jobs": 1}
    asked, one = (stackml.StackClassifier(layers=n, **made).fit(X, y) for n in ("auto", 1))
    np.testing.assert_array_equal(asked.predict_proba(X), one.predict_proba(X))


def test_targets_of_the_rows_put_aside_change_nothing_that_is_predicted_for_them():
    X, y = waves(300)
    folds = StratifiedSplitter(4).split(n_rows=300, y_codes=y, groups=None, time=None, seed=0)
    aside = folds.folds[0].held_out
    other = y.copy()
    other[aside] = 1000.0
    seen = []
    for target in (y, other):
        built = regressor(learners=["ridge", "neighbors"], folds=folds).fit(X, target)._built
        growth = Growth(built.sources, built.recipe, Engine())
        growth._asked = built.layers[0].fitted
        growth._losses(0, built.layers)
        seen.append((growth._known[0].meta.values, growth._above[0].values[aside]))
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    np.testing.assert_array_equal(seen[0][1], seen[1][1])
    whole = built.layers[0].meta_features().values
    assert np.abs(whole - seen[0][0])[folds.folds[0].train].max() > 1  # the fit's own proposals do change


def test_halves_keep_groups_together_and_leave_out_what_folds_leave_out():
    rows = np.arange(12)
    group = rows // 2
    made = [Fold(rows[(group % 3 != k) & (rows != 11)], rows[group % 3 == k]) for k in range(3)]
    parts = halves(Folds(tuple(made), 12, "grouped"), 0)
    for fold in parts.folds:
        assert not np.isin(group[fold.train], group[fold.held_out]).any()
        assert 11 not in fold.train


@pytest.mark.parametrize("along", ["time", "groups"])
def test_time_and_groups_are_respected(along):
    X, y = waves(900)
    given = {along: np.arange(900) // 10}
    stack = regressor(layers="auto", folds=4).fit(X, y, **given)
    assert stack.plan_["layers_tried"][0]["asked"] >= 1
    assert np.isfinite(stack.predict(X[:3])).all()


def test_with_two_folds_or_no_time_there_is_no_answer_and_no_layer():
    X, y = waves(300)
    (trial,) = regressor(layers="auto", folds=2).fit(X, y).plan_["layers_tried"]
    assert trial["reason"] == "too few folds: none can stay outside while the others are divided"
    own = StratifiedSplitter(4).split(n_rows=300, y_codes=y, groups=None, time=None, seed=0)
    stack = regressor(layers="auto", folds=own, work_limit=0.001).fit(X, y)
    assert stack.plan_["layers"] == 1
    assert stack.plan_["layers_tried"][0]["reason"] == "not asked: no time was left"


def test_a_check_ends_within_the_limit_where_its_fits_take_longer_than_those_the_clock_cut():
    X, y = waves(600)
    folds = StratifiedSplitter(4).split(n_rows=600, y_codes=y, groups=None, time=None, seed=0)
    built = regressor(learners=["xgboost"], folds=folds).fit(X, y)._built
    growth = Growth(built.sources, built.recipe, Engine(clock=Clock(3.0)))
    (run,) = built.layers[0].fitted
    slow = make_learner("xgboost", learning_rate=1e-4, max_rounds=30_000)
    growth._asked = (replace(run, learner=slow, seconds=(0.01,) * 4),)
    began = perf_counter()
    trial = growth.ask(built.layers)
    assert perf_counter() - began < 6  # without an end some minutes
    assert not trial.helps


def test_layers_without_meaning_are_refused():
    X, y = waves(60)
    with pytest.raises(ParameterError, match="layers='many': give a whole number of at least 1, or 'auto'"):
        regressor(layers="many").fit(X, y)
    with pytest.raises(ParameterError, match=r"strict=True holds for one layer alone.*found layers='auto'"):
        regressor(layers="auto", strict=True).fit(X, y)
