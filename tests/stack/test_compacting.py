"""The smallest stack within one standard error: as good, much smaller, and it says what was done."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import stackml
from stackml.datasets import load_dataset
from stackml.foundation.errors import ParameterError, StackmlWarning
from stackml.learners.linear import LogisticLearner
from stackml.metrics import get_metric
from stackml.stack import StackClassifier, StackRegressor
from stackml.storage.sizing import stored_bytes

LEARNERS = ["lightgbm", "extra_trees", "logistic", "hbos"]


@pytest.fixture(scope="module")
def payments():
    """Simulated payments: features, target."""
    data = load_dataset("credit_sim", n_rows=2500)
    return data.frame.drop(columns=[data.target, *data.drop]), data.frame[data.target]


@pytest.fixture
def stack(payments):
    return StackClassifier(LEARNERS, n_jobs=1).fit(*payments)


def test_it_is_as_good_and_smaller_and_says_so(stack, payments, tmp_path):
    X, _ = payments
    score = stack.leaderboard_.set_index("name").loc["stack", "score"]
    before = stack.save(tmp_path / "before.stack").stat().st_size
    assert stack.compact() is stack
    done = stack.fitted_.card["compact"]
    assert done["kept"] == list(stack.learners_)
    assert set(done["kept"]) | set(done["dropped"]) == set(LEARNERS)
    assert set(done["kept"]) & set(done["dropped"]) == set()
    assert done["before"]["score"] == score
    assert done["after"]["score"] == stack.leaderboard_.set_index("name").loc["stack", "score"]
    if done["difference"] is not None:
        assert done["difference"] <= done["standard_error"] + 1e-12
    assert done["after"]["models"] == len(done["kept"])
    for price in ("us_per_row", "megabytes"):
        assert done["after"][price] < done["before"][price] / 3
    assert stack.save(tmp_path / "after.stack").stat().st_size < before / 2
    again = stackml.load(tmp_path / "after.stack")
    assert again.fitted_.card["compact"] == done
    assert np.array_equal(again.predict_proba(X), stack.predict_proba(X))
    json.dumps(done)


def test_what_it_says_of_itself_stays_true(stack, payments):
    X, y = payments
    stack.compact()
    kept = list(stack.learners_)
    assert sorted(stack.leaderboard_["name"]) == sorted([*kept, "stack"])
    assert stack.oof_.columns.tolist() == [*kept, "stack"]
    assert {fit["learner"] for fit in stack.plan_["fits"]} == set(kept)
    assert [fit["learner"] for fit in stack.plan_["fits"] if fit["fold"] == -1] == kept
    board = stack.leaderboard_.set_index("name")
    assert (board.loc[kept, "models"] == 1).all()
    assert board.loc["stack", "score"] == get_metric("roc_auc").value(
        y.to_numpy(), stack.oof_["stack"].to_numpy()
    )
    assert stack.transform(X[:3]).shape == (3, len(kept))


def test_a_learner_that_brings_nothing_goes():
    # The sum of many numbers is no task for trees: whatever prices the clock finds, only the line does.
    noise = np.random.default_rng(0).normal(size=(600, 16))
    y = (noise.sum(axis=1) + np.random.default_rng(1).normal(size=600) > 0).astype(int)
    stack = StackClassifier(["logistic", "extra_trees", "lightgbm"], "mean", n_jobs=1).fit(noise, y)
    assert len(stack.fitted_.combiner.learners) == 3
    stack.compact()
    assert list(stack.learners_) == ["logistic"]
    assert stack.fitted_.combiner.kind == "single"


def test_the_same_learners_can_be_kept(stack):
    used = set(stack.fitted_.combiner.learners)
    combiner = stack.fitted_.combiner
    stack.compact(smallest=False)
    assert set(stack.learners_) == used
    assert stack.fitted_.combiner is combiner
    assert all(len(member.models) == 1 for member in stack.learners_.values())
    assert stack.fitted_.card["compact"]["difference"] is None


def test_fold_models_can_be_kept(stack):
    stack.compact(refit=False)
    assert all(len(member.models) == 5 for member in stack.learners_.values())
    assert stack.fitted_.card["compact"]["refit"] is False


def test_nothing_but_the_rows_goes_where_nothing_else_is_asked(stack, payments):
    want, board = stack.predict_proba(payments[0]), stack.leaderboard_
    stack.compact(smallest=False, refit=False)
    assert np.array_equal(stack.predict_proba(payments[0]), want)
    assert stack.leaderboard_ is board
    with pytest.raises(ParameterError, match="drop_learner needs the rows the stack was fitted on"):
        stack.drop_learner("logistic")


@pytest.mark.parametrize("given", [{"layers": 2}, {"passthrough": True, "combiner": "logistic"}], ids=str)
def test_layers_and_passthrough(rows, binary, given):
    stack = (
        StackClassifier(["logistic", "extra_trees"], folds=3, n_jobs=1, **given).fit(rows, binary).compact()
    )
    assert all(len(m.models) == 1 for layer in stack.fitted_.layers for m in layer.members)
    assert np.isfinite(stack.predict_proba(rows)).all()


@pytest.mark.parametrize(
    "given", [{"groups": np.arange(150) // 3}, {"time": np.arange(150)}], ids=["groups", "time"]
)
def test_groups_and_time_are_honoured(rows, binary, given):
    stack = StackClassifier(["logistic", "extra_trees"], folds=5, n_jobs=1).fit(rows, binary, **given)
    models = {name: member.models for name, member in stack.learners_.items()}
    stack.compact()
    done = stack.fitted_.card["compact"]
    assert done["refit"] == ("groups" in given)
    if "time" in given:
        assert all(stack.learners_[name].models == models[name] for name in done["kept"]), (
            "fitted on all already"
        )
    assert np.isfinite(stack.predict_proba(rows)).all()


@pytest.mark.parametrize("given", [{}, {"time": np.arange(150)}], ids=["exchangeable", "time"])
@pytest.mark.parametrize("refit", [True, False])
def test_of_several_models_of_all_rows_one_is_kept_or_all_of_them(rows, binary, given, refit):
    stack = StackClassifier(["logistic", "lightgbm"], "mean", folds=4, refit=3, n_jobs=1)
    stack.fit(rows, binary, **given)
    before = stack.learners_["lightgbm"].models
    assert len(before) == 3
    stack.compact(smallest=False, refit=refit)
    assert stack.learners_["lightgbm"].models == (before[:1] if refit else before)


def test_a_smaller_set_of_learners_is_not_fitted_again():
    noise = np.random.default_rng(0).normal(size=(600, 16))
    y = (noise.sum(axis=1) + np.random.default_rng(1).normal(size=600) > 0).astype(int)
    stack = StackClassifier(["logistic", "lightgbm"], "mean", refit=3, n_jobs=1).fit(noise, y)
    models = stack.learners_["logistic"].models
    heard = []
    stack.set_params(verbose=heard.append)
    stack.compact(refit=False)
    assert list(stack.learners_) == ["logistic"]
    assert stack.learners_["logistic"].models == models
    assert not [event for event in heard if event.kind == "task_done"]


def test_more_classes_numbers_and_weights(rows, three, score):
    weight = np.random.default_rng(0).integers(1, 3, 150)
    some = StackClassifier(["logistic", "extra_trees"], folds=3, n_jobs=1).fit(
        rows, three, sample_weight=weight
    )
    assert np.allclose(some.compact().predict_proba(rows).sum(axis=1), 1)
    number = StackRegressor(["ridge", "extra_trees"], folds=3, n_jobs=1).fit(rows, score)
    assert number.compact().predict(rows).shape == (150,)


def test_a_loaded_stack_lets_go_of_what_is_ignored_alone(rows, binary, tmp_path):
    stack = StackClassifier(["logistic", "extra_trees"], "single", folds=2, n_jobs=1).fit(rows, binary)
    want = stack.predict_proba(rows)
    stack.save(tmp_path / "a.stack")
    loaded = stackml.load(tmp_path / "a.stack")
    assert loaded.compact() is loaded
    assert len(loaded.learners_) == 1
    assert np.array_equal(loaded.predict_proba(rows), want)
    assert "compact" not in loaded.fitted_.card
    assert np.array_equal(stack.compact().compact().predict_proba(rows), stack.predict_proba(rows)), (
        "twice is once"
    )


def test_a_learner_that_cannot_be_fitted_again_keeps_its_fold_models(rows, binary, monkeypatch):
    fit = LogisticLearner.fit

    def fails_on_all(self, prepared, target, rows, *rest):
        if len(rows) == 150:
            raise RuntimeError("too many")
        return fit(self, prepared, target, rows, *rest)

    monkeypatch.setattr(LogisticLearner, "fit", fails_on_all)
    stack = StackClassifier(["logistic"], folds=2, n_jobs=1).fit(rows, binary)
    with pytest.warns(
        StackmlWarning,
        match="'logistic' could not be fitted again: its fold models predict: RuntimeError: too many",
    ):
        stack.compact()
    assert len(stack.learners_["logistic"].models) == 2


def test_a_size_estimated_from_pieces_is_near():
    values = np.random.default_rng(0).integers(0, 50, 2_000_000).astype(np.int32)
    whole = sum(stored_bytes({"v": part}) for part in np.array_split(values, 40))
    assert stored_bytes({"v": values}) == pytest.approx(whole, rel=0.02)


def test_on_a_real_table_held_out_rows_agree(real_data):
    data = load_dataset("german_credit", data_dir=real_data)
    X, y = data.frame.drop(columns=[data.target, *data.drop]), data.frame[data.target]
    seen = pd.Series(np.random.default_rng(0).random(len(X)) < 0.7)
    stack = StackClassifier(["lightgbm", "extra_trees", "logistic"], n_jobs=1).fit(X[seen], y[seen])
    auc = get_metric("roc_auc")
    before = auc.value(y[~seen].to_numpy(), stack.predict_proba(X[~seen])[:, 1])
    after = auc.value(y[~seen].to_numpy(), stack.compact().predict_proba(X[~seen])[:, 1])
    assert after > before - 0.03
