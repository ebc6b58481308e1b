"""Limits of time and work as a user meets them, and one model that predicts alone."""

import json
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold

from stackml.assembly.loading import load
from stackml.foundation.errors import ParameterError
from stackml.learners.catalog import make_learner
from stackml.oof.budget import Clock
from stackml.oof.repeating import MOST_MODELS
from stackml.stack import StackClassifier, StackRegressor

LEARNERS = ["lightgbm", "xgboost", "extra_trees", "logistic"]


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(6000, 8)), columns=list("abcdefgh"))
    X["shop"] = rng.choice(["one", "two", "three"], 6000)
    odds = X.a + X.b * X.c + (X.shop == "one") - 0.5
    return X, (rng.random(6000) < 1 / (1 + np.exp(-odds))).astype(int)


def plan_of(stack):
    fitted = [fit for fit in stack.plan_["fits"] if fit["status"] == "fitted"]
    fits = [{k: v for k, v in fit.items() if k != "seconds"} for fit in fitted]
    return {**stack.plan_, "fits": fits}


def test_a_limit_of_work_gives_the_same_stack_again_and_with_other_jobs(many):
    X, y = many
    made = {"learners": LEARNERS, "work_limit": 6.0, "folds": 3}
    first = StackClassifier(**made, n_jobs=2).fit(X, y)
    again = StackClassifier(**made, n_jobs=1).fit(X, y)
    assert plan_of(first) == plan_of(again)
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))
    assert np.array_equal(first.oof_, again.oof_, equal_nan=True)


def test_what_was_paced_is_told_and_repeated_without_the_limit(many):
    X, y = many
    stack = StackClassifier(LEARNERS, work_limit=1.5, folds=3, refit=True).fit(X, y)
    paced = {entry["learner"]: entry["parameters"] for entry in stack.plan_["paced"]}
    assert paced.keys() <= set(LEARNERS)
    assert any(changed.get("learning_rate", 0.0) > 0.05 for changed in paced.values())
    again = StackClassifier(LEARNERS, plan=stack.plan_).fit(X, y)
    assert plan_of(again) == plan_of(stack)
    assert np.array_equal(again.predict_proba(X), stack.predict_proba(X))


def test_a_plan_with_a_narrower_net_goes_through_json(many):
    X, y = many
    learners = ["lightgbm", ("net", make_learner("realmlp_large", epochs=2))]
    stack = StackClassifier(learners, work_limit=0.5, folds=2).fit(X, y)
    plan = json.loads(json.dumps(stack.plan_))
    assert plan == stack.plan_
    (paced,) = (entry["parameters"] for entry in plan["paced"] if entry["learner"] == "net")
    assert max(paced["hidden"]) < 256
    again = StackClassifier(learners, plan=plan).fit(X, y)
    assert np.array_equal(again.predict_proba(X), stack.predict_proba(X))


def test_a_run_of_the_best_preset_that_the_clock_shaped_is_repeated_from_its_plan(many):
    X, y = many
    stack = StackClassifier("best", time_limit=8.0, n_jobs=2).fit(X, y)
    assert stack.plan_["paced"] or "skipped" in set(stack.leaderboard_["status"])
    again = StackClassifier("best", plan=json.loads(json.dumps(stack.plan_)), n_jobs=1).fit(X, y)
    assert plan_of(again) == plan_of(stack)
    assert np.array_equal(again.predict_proba(X), stack.predict_proba(X))


def test_the_one_combiner_that_is_always_tried_has_its_time_kept_back():
    clock = Clock(100.0)
    free = clock.left
    clock.expect_combining([30.0])  # asked for by name: there is no other to fall back on
    assert clock.left == pytest.approx(free - 30, abs=1)
    clock.expect_combining([80.0])
    assert clock.left == pytest.approx(free - 50, abs=1)
    clock.expect_combining([1.0, 30.0])
    assert clock.left == pytest.approx(free - 1, abs=1)


def test_a_time_limit_ends_with_a_stack_that_predicts(many):
    X, y = many
    StackClassifier(["lightgbm"], folds=2, time_limit=5).fit(X[:500], y[:500])  # libraries are loaded
    started = perf_counter()
    stack = StackClassifier("best", time_limit=4, n_jobs=1).fit(X, y)
    assert perf_counter() - started < 12  # a broken clock would take a minute
    assert stack.leaderboard_["status"].isin(["fitted", "skipped"]).all()
    assert stack.predict_proba(X[:10]).shape == (10, 2)


@pytest.mark.parametrize("make", [StackClassifier, StackRegressor])
def test_after_a_refit_one_model_a_learner_predicts_alone(many, make, tmp_path):
    X, y = many
    bag = make(LEARNERS[:2], "mean", folds=3).fit(X, y)
    refitted = make(LEARNERS[:2], "mean", folds=3, refit=True).fit(X, y)
    assert [len(m.models) for m in bag.learners_.values()] == [3, 3]
    assert [len(m.models) for m in refitted.learners_.values()] == [1, 1]
    assert np.array_equal(bag.oof_, refitted.oof_)
    assert (
        bag.save(tmp_path / "bag.stack").stat().st_size > refitted.save(tmp_path / "one.stack").stat().st_size
    )
    loaded = load(tmp_path / "one.stack")
    assert np.array_equal(loaded.predict(X), refitted.predict(X))


@pytest.mark.parametrize("make", [StackClassifier, StackRegressor])
def test_several_models_of_all_rows_differ_by_their_seed_and_can_be_repeated(many, make, tmp_path):
    X, y = many[0][:700], many[1][:700]
    made = {"learners": ["lightgbm", "logistic" if make is StackClassifier else "ridge"], "combiner": "mean"}
    once, stack = make(**made, refit=True, folds=3).fit(X, y), make(**made, refit=3, folds=3).fit(X, y)
    several, line = stack.learners_["lightgbm"].models, list(stack.learners_.values())[1].models
    assert (len(several), len(line)) == (3, 1)  # of a line another seed makes the same
    table = stack._table(X)
    said = [model.predict(table) for model in several]
    assert np.array_equal(said[0], once.learners_["lightgbm"].models[0].predict(table))
    assert not np.array_equal(said[0], said[1])
    assert not np.array_equal(said[1], said[2])
    assert np.allclose(stack.fitted_.meta_features(table).of("lightgbm"), np.mean(said, axis=0), atol=0.01)
    assert np.array_equal(stack.oof_, once.oof_)
    fits = [fit["fold"] for fit in stack.plan_["fits"] if fit["learner"] == "lightgbm"]
    assert fits == [0, 1, 2, -1, -1, -1]
    again = make(**made, plan=json.loads(json.dumps(stack.plan_))).fit(X, y)
    assert np.array_equal(again.predict(X), stack.predict(X))
    assert np.array_equal(load(stack.save(tmp_path / "x.stack")).predict(X), stack.predict(X))
    stack.compact(smallest=False)
    assert np.array_equal(stack.predict(X), once.predict(X))


def test_further_models_of_all_rows_are_paid_for_by_what_is_left(many):
    X, y = many[0][:700], many[1][:700]
    made = {"learners": ["lightgbm", "xgboost"], "combiner": "mean", "folds": 3, "refit": 4}
    n_models = [
        sum(len(m.models) for m in StackClassifier(**made, work_limit=work).fit(X, y).learners_.values())
        for work in (1.0, 1000.0)
    ]
    assert n_models[0] < n_models[1] == 8


def test_work_pays_for_the_same_models_whatever_runs_at_once(many):
    X, y = many[0][:700], many[1][:700]
    made = {"learners": ["lightgbm", "xgboost", "extra_trees"], "folds": 3, "refit": 3, "work_limit": 1.5}
    one, two = (StackClassifier(**made, n_jobs=n).fit(X, y) for n in (1, 2))
    assert [len(m.models) for m in one.learners_.values()] == [len(m.models) for m in two.learners_.values()]
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))


def test_none_one_and_several_models_of_all_rows_are_said_in_several_ways(many):
    X, y = many[0][:300], many[1][:300]
    for refit, n_models in ((0, 3), (False, 3), (np.bool_(True), 1), (np.int64(2), 2)):
        stack = StackClassifier(["lightgbm"], folds=3, refit=refit).fit(X, y)
        assert len(stack.learners_["lightgbm"].models) == n_models


@pytest.mark.parametrize(("recorded", "n_models"), [(True, 1), (False, 3), (None, 3)])
def test_older_plans_that_only_say_whether_are_repeated(many, recorded, n_models):
    X, y = many[0][:300], many[1][:300]
    plan = StackClassifier(["lightgbm"], folds=3, refit=bool(recorded)).fit(X, y).plan_ | {"refit": recorded}
    again = StackClassifier(["lightgbm"], plan=plan).fit(X, y)
    assert len(again.learners_["lightgbm"].models) == n_models


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("in_time", [False, True])
def test_several_models_of_all_rows_of_the_last_layer_are_repeated_from_a_plan(many, layers, in_time):
    X, y = many[0][:400], many[1][:400]
    given = {"time": np.arange(400)} if in_time else {}
    made = {"learners": ["lightgbm", "logistic"], "folds": 3, "combiner": "mean", "layers": layers}
    stack = StackClassifier(**made, refit=3).fit(X, y, **given)
    below, last = stack.fitted_.layers[0].members[0], stack.fitted_.layers[-1].members[0]
    assert len(last.models) == 3
    assert layers == 1 or len(below.models) == (1 if in_time else 3)
    plan = stack.plan_
    given_up = [f for f in plan["fits"] if (f["layer"], f["learner"], f["fold"]) == (layers, "lightgbm", -1)]
    fewer = plan | {"fits": [fit for fit in plan["fits"] if fit is not given_up[-1]]}
    again, short = (StackClassifier(**made, plan=p).fit(X, y, **given) for p in (plan, fewer))
    assert np.array_equal(again.predict_proba(X), stack.predict_proba(X))
    assert len(short.fitted_.layers[-1].members[0].models) == 2


def test_presets_made_to_be_called_often_are_refitted(many):
    X, y = many
    stack = StackClassifier("fast", folds=3).fit(X[:1000], y[:1000])
    used = stack.fitted_.combiner.learners
    assert all(len(stack.learners_[name].models) == 1 for name in used)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"work_limit": 0}, "work_limit=0: give nominal core-seconds above 0, or None"),
        ({"work_limit": 5, "time_limit": 5}, "time_limit and work_limit are both given; take the clock"),
        ({"refit": -1}, "refit=-1: give True, False, 'auto', or how many models of all rows"),
        ({"refit": 2.0}, "refit=2.0: give True, False, 'auto', or how many models of all rows"),
        ({"refit": 101}, "refit=101: .* a whole number from 0 to 100"),
        ({"refit": "yes"}, "refit='yes': give True, False, 'auto', or how many models of all rows"),
    ],
)
def test_limits_without_a_meaning_are_refused(many, given, message):
    X, y = many
    with pytest.raises(ParameterError, match=message):
        StackClassifier(["logistic"], **given).fit(X[:100], y[:100])


def test_what_a_limit_has_left_goes_to_further_rounds_with_other_folds(many):
    X, y = many[0][:800], many[1][:800]
    made = {"learners": ["lightgbm", "logistic", "hbos"], "folds": 3, "combiner": "mean"}
    once = StackClassifier(**made).fit(X, y)
    stack = StackClassifier(**made, work_limit=1000.0).fit(X, y)
    assert all(done == list(range(MOST_MODELS // 3)) for done in stack.plan_["repeats"].values())
    assert "hbos" not in stack.plan_["repeats"]  # a score has no share to be steadied
    repeated = next(iter(stack.plan_["repeats"]))
    assert len(stack.learners_[repeated].models) == MOST_MODELS
    assert not np.allclose(stack.oof_[repeated], once.oof_[repeated])
    again = StackClassifier(**made, plan=stack.plan_).fit(X, y)
    assert plan_of(again) == plan_of(stack)
    assert np.array_equal(again.predict_proba(X), stack.predict_proba(X))


def test_a_plan_tries_the_combiners_that_there_was_time_for(many, monkeypatch):
    X, y = many[0][:600], many[1][:600]
    made = {"learners": ["lightgbm", "logistic", "extra_trees"], "folds": 3}
    monkeypatch.setattr(Clock, "deadline", property(lambda self: 0.0))
    hurried = StackClassifier(**made).fit(X, y)
    assert hurried.plan_["tried"] == ["simplex"]
    monkeypatch.undo()
    again = StackClassifier(**made, plan=hurried.plan_).fit(X, y)
    assert np.array_equal(again.predict_proba(X), hurried.predict_proba(X))
    assert np.array_equal(again.oof_, hurried.oof_)


def test_no_limit_is_a_limit_without_end(many):
    X, y = many[0][:200], many[1][:200]
    stack = StackClassifier(["logistic"], folds=2, time_limit=float("inf")).fit(X, y)
    assert stack.leaderboard_["status"].eq("fitted").all()


def test_a_forest_keeps_to_the_folds_a_user_brings():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 20)
    X = rng.normal(size=(60, 4))[groups] + 1e-3 * rng.normal(size=(1200, 4))
    y = rng.integers(0, 2, 60)[groups]
    folds = list(GroupKFold(4).split(X, y, groups))
    board = StackClassifier(["extra_trees", "logistic"], folds=folds).fit(X, y).leaderboard_
    assert board.set_index("name").loc["extra_trees", "score"] < 0.75  # copies on both sides would give 1


@pytest.mark.parametrize("scale", [1 / 300, 40.0])
def test_forests_do_not_depend_on_the_unit_of_weights(many, scale):
    X, y = many[0][:300], many[1][:300]
    made = {"learners": ["random_forest", "logistic"], "folds": 3, "combiner": "mean"}
    plain = StackClassifier(**made).fit(X, y, sample_weight=np.ones(300))
    scaled = StackClassifier(**made).fit(X, y, sample_weight=np.full(300, scale))
    scores = [s.leaderboard_.set_index("name").loc["random_forest", "score"] for s in (plain, scaled)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
