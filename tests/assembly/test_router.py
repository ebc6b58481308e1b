"""A router asks the strong model where it gains, keeps to what was asked for, and says what it is worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

import stackml
from stackml.assembly.curves import share_above, threshold_for
from stackml.assembly.outcomes import outcomes_of
from stackml.assembly.parts import parts_of
from stackml.datasets import load_dataset
from stackml.foundation.errors import DataError, ParameterError, StackmlWarning, StorageError
from stackml.learners.forest import ExtraTreesLearner
from stackml.metrics import get_metric
from stackml.stack.outside.foreign import stack_of_estimator
from stackml.storage.archive import read_archive, write_archive

FIT, ALL = 1500, 3000  # rows the models were fitted on, and all
REMEMBERS = ExtraTreesLearner(min_samples_leaf=1)  # noise too


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_most_of_the_gain_is_had_for_few_strong_calls(problem, router):
    report = router(problem).report_
    assert report["recovered"] > 0.7  # at random 0.4
    assert report["strong_share"] == pytest.approx(0.4, abs=0.01)
    assert report["apgr"] > 0.65  # at random 0.5
    assert report["cpt50"] < report["cpt80"] < 0.6
    assert report["recovered_low"] <= report["recovered"] <= report["recovered_high"]
    assert 0.5 < report["came_true"] < 2


def test_a_row_above_the_threshold_gets_the_strong_answer_and_no_other_is_asked(rows, weak, strong, router):
    made = router()
    found = made.fitted_.answers(rows)
    sent = found.weights[:, 1] == 1
    assert found.calls.tolist() == [ALL, sent.sum()]
    assert 0 < sent.sum() < ALL
    assert np.array_equal(made.predict_proba(rows)[sent], strong.predict_proba(rows)[sent])
    assert np.array_equal(made.predict_proba(rows)[~sent], weak.predict_proba(rows)[~sent])
    gains = made.fitted_.gains(rows, weak.predict_proba(rows)[:, 1:])
    assert np.array_equal(gains > made.fitted_.threshold, sent)


def test_a_row_goes_its_way_whatever_stands_beside_it(rows, router):
    made = router()
    whole = made.member_weights(rows)["strong"].to_numpy()
    for at in range(FIT, FIT + 20):
        alone = made.fitted_.answers(rows.iloc[[at]])
        assert alone.calls.tolist() == [1, whole[at]]
    assert made.fitted_.answers(rows[whole == 0].head(3)).calls.tolist() == [3, 0]


def test_the_share_asked_for_is_kept_on_new_rows(rows, on_training_rows):
    for share in (0.1, 0.4):
        found = on_training_rows(strong_share=share).fitted_.answers(rows[FIT:])
        assert found.calls[1] / (ALL - FIT) == pytest.approx(share, abs=0.06)


def test_all_or_none_can_be_asked(rows, weak, strong, router):
    everything, nothing = router(strong_share=1.0), router(strong_share=0.0)
    assert np.array_equal(everything.predict_proba(rows), strong.predict_proba(rows))
    assert np.array_equal(nothing.predict_proba(rows), weak.predict_proba(rows))
    assert nothing.fitted_.answers(rows).calls[1] == 0
    assert nothing.fitted_.threshold == np.inf, "a row to come may gain more than all rows of the fit"


def test_shares_may_be_numbers_of_numpy(router):
    assert router(strong_share=np.int64(1)).fitted_.threshold == -np.inf
    assert router(strong_share=np.float32(0.5)).report_["strong_share"] == pytest.approx(0.5, abs=0.01)
    assert router(quality=np.float32(0.5)).report_["recovered"] == pytest.approx(0.5, abs=0.08)


def test_a_quality_is_reached_by_as_few_calls_as_do(router):
    low, high = router(quality=0.5).report_, router(quality=0.9).report_
    assert low["strong_share"] < high["strong_share"] < 0.9
    assert low["recovered"] == pytest.approx(0.5, abs=0.08)
    assert high["recovered"] == pytest.approx(0.9, abs=0.08)


def test_the_curve_goes_from_the_weak_model_to_the_strong_one(router):
    made = router()
    curve, report = made.curve_, made.report_
    assert curve["strong_share"].is_monotonic_increasing
    assert curve["us_per_row"].is_monotonic_increasing
    assert curve["recovered"].iloc[[0, -1]].tolist() == [0, 1]
    assert curve["roc_auc"].iloc[[0, -1]].tolist() == [report["weak"], report["strong"]]
    assert (curve["recovered_low"] <= curve["recovered_high"]).all()
    prices = report["us_per_row"]
    assert prices["routed"] == pytest.approx(
        prices["weak"] + prices["router"] + report["strong_share"] * prices["strong"]
    )


def test_it_learns_from_out_of_fold_predictions_of_the_table_of_the_fit(recwarn, router, on_training_rows):
    made = on_training_rows()
    assert made.report_["honest"] == {"weak": "out of fold", "strong": "out of fold"}
    assert not [w for w in recwarn if "learn" in str(w.message)]
    assert router().report_["honest"] == {"weak": "predictions", "strong": "predictions"}


def test_rows_a_model_has_seen_are_warned_of(rows, weak, strong, labels):
    part = rows[: FIT - 100]  # another table than that of the fit, of rows that are all known
    with pytest.warns(StackmlWarning, match="model 'strong': at least .* among those it was fitted on"):
        stackml.Router(weak, strong, n_jobs=1).fit(part, labels("binary")[: len(part)])


def test_a_loaded_model_that_has_seen_the_rows_is_told_by_its_loss(rows, weak, tmp_path, labels):
    rng = np.random.default_rng(0)
    y = np.where(rng.random(FIT) < 0.3, labels("binary")[:FIT][::-1], labels("binary")[:FIT])
    deep = stackml.StackClassifier([REMEMBERS], folds=3, calibration="none", n_jobs=1)
    deep.fit(rows[:FIT], y)
    again = stackml.load(deep.save(tmp_path / "deep.stack"))
    with pytest.warns(StackmlWarning, match="model 'strong': its loss here is .* seems to have learned"):
        stackml.Router(weak, again, n_jobs=1).fit(rows[:FIT], y)


@pytest.mark.parametrize("make", [stackml.Ensemble, stackml.LabelUnion])
def test_models_within_a_model_that_have_seen_the_rows_are_told_too(make, rows, weak, labels, recwarn):
    rng = np.random.default_rng(0)
    y = np.where(rng.random(ALL) < 0.3, labels("binary")[::-1], labels("binary"))
    deep = stackml.StackClassifier([REMEMBERS], folds=3, calibration="none", n_jobs=1)
    both = make([weak, deep.fit(rows[:FIT], y[:FIT])])
    stackml.Router(weak, both, n_jobs=1).fit(rows[FIT:], y[FIT:])
    assert not [w for w in recwarn if "seems to have learned" in str(w.message)]
    with pytest.warns(StackmlWarning, match="model 'strong': of a model in it, its loss here is .* learned"):
        stackml.Router(weak, both, n_jobs=1).fit(rows[:FIT], y[:FIT])


def test_a_strong_model_that_is_not_better_is_never_asked(rows, weak, strong, tmp_path, labels):
    with pytest.warns(StackmlWarning, match=r"not better than the weak one: roc_auc .*never asks it"):
        made = stackml.Router(strong, weak, n_jobs=1).fit(rows[FIT:], labels("binary")[FIT:])
    assert made.fitted_.answers(rows).calls.tolist() == [ALL, 0]
    assert made.report_["apgr"] is None
    again = stackml.load(made.save(tmp_path / "router.stack"))
    assert np.array_equal(again.predict_proba(rows), strong.predict_proba(rows))


def test_one_model_twice_has_nothing_to_gain(rows, weak, labels):
    with pytest.warns(StackmlWarning, match="not better"):
        made = stackml.Router(weak, weak, n_jobs=1).fit(rows[FIT:], labels("binary")[FIT:])
    assert made.fitted_.gain is None


def test_observed_losses_can_be_learned_instead(router):
    assert router(target="observed").report_["recovered"] > 0.4


def test_groups_time_and_weights_are_honoured_and_not_read(rows, fitted, labels):
    rng = np.random.default_rng(0)
    labelled = rows[FIT:].assign(who=rng.integers(0, 60, ALL - FIT), day=np.arange(ALL - FIT))
    labelled["times"] = rng.integers(1, 4, ALL - FIT)
    made = stackml.Router(fitted("binary", "logistic"), fitted("binary", "lightgbm"), n_jobs=1)
    made.fit(labelled, labels("binary")[FIT:], groups="who", sample_weight="times")
    read = {column.name for column in made.fitted_.gain.stack.schema.columns}
    assert {"a", "shop"} < read
    assert not read & {"who", "day", "times"}
    made.fit(labelled, labels("binary")[FIT:], time="day")
    assert made.report_["rows"] < ALL - FIT  # the first block in time is never held out


def test_groups_and_time_of_the_fits_are_taken_each_for_itself(rows, labels):
    known = rows[:FIT].assign(who=np.arange(FIT) // 5, day=np.arange(FIT))
    y = labels("binary")[:FIT]
    weak = stackml.StackClassifier(["logistic"], folds=3, n_jobs=1).fit(known, y, groups="who")
    strong = stackml.StackClassifier(["lightgbm"], folds=3, n_jobs=1).fit(known, y, time="day")
    n_known = int(strong.oof_.notna().all(axis=1).sum())
    for given in ({}, {"groups": "who"}):
        made = stackml.Router(weak, strong, n_jobs=1).fit(known, y, **given)
        assert made.report_["honest"] == {"weak": "out of fold", "strong": "out of fold"}
        assert made.report_["rows"] < n_known, "the gain's own first block in time is never held out"


def test_groups_of_the_fit_are_taken_with_its_out_of_fold_predictions(rows, labels):
    known = rows[:FIT].assign(who=np.arange(FIT) // 5)
    y = labels("binary")[:FIT]
    models = [
        stackml.StackClassifier([learner], folds=3, n_jobs=1).fit(known, y, groups="who")
        for learner in ("logistic", "lightgbm")
    ]
    parts = parts_of(models)
    found = outcomes_of(models, parts, known, y, {"group": None, "time": None, "weight": None})
    assert found.honest == ("out of fold", "out of fold")
    assert len(np.unique(found.target.groups)) == FIT // 5
    made = stackml.Router(*models, n_jobs=1).fit(known, y)
    assert "who" not in {column.name for column in made.fitted_.gain.stack.schema.columns}


def test_classes_in_another_order_mean_the_same(rows, weak, labels):
    numbers, y = rows[["a", "b", "c"]], labels("binary")
    trees = HistGradientBoostingClassifier(random_state=0).fit(numbers[:FIT], y[:FIT])
    turned = stack_of_estimator(trees, numbers[FIT:], classes=["yes", "no"])
    made, same = (
        stackml.Router(weak, strong, n_jobs=1).fit(rows[FIT:], y[FIT:]) for strong in (turned, trees)
    )
    assert made.fitted_.parts[1].model.classes == ("yes", "no")
    assert made.report_["recovered"] == pytest.approx(same.report_["recovered"], abs=0.02)
    alike = np.isclose(made.predict_proba(rows), same.predict_proba(rows)).all(axis=1)
    assert alike.mean() > 0.97  # 1 - (1 - p) is not p to the last bit, and rows at the threshold may turn


def test_a_file_of_foreign_estimators_is_loaded_by_trust(rows, tmp_path, fitted, labels):
    numbers, y = rows[["a", "b", "c"]], labels("binary")
    trees = HistGradientBoostingClassifier(random_state=0).fit(numbers[:FIT], y[:FIT])
    made = stackml.Router(fitted("binary", "logistic"), trees, n_jobs=1).fit(rows[FIT:], y[FIT:])
    path = made.save(tmp_path / "router.stack")
    with pytest.raises(StorageError, match="trusted"):
        stackml.load(path)
    again = stackml.load(path, trusted=["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"])
    assert np.array_equal(again.predict_proba(rows), made.predict_proba(rows))


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        ({"strong_share": 0.2, "quality": 0.9}, "both given"),
        ({"strong_share": 1.2}, "strong_share=1.2: give a share of the rows, within 0 and 1"),
        ({"quality": 0}, "quality=0: give the share of the strong model's gain"),
        ({"target": "expect"}, "target='expect'; did you mean 'expected'"),
        ({"metric": "rmse"}, "not made for a binary problem"),
        ({"learner": [("mine", LogisticRegression())]}, "mine"),
    ],
)
def test_parameters_without_a_meaning_are_refused(aim, message, rows, weak, strong, labels):
    with pytest.raises(ParameterError, match=message.replace("(", r"\(")):
        stackml.Router(weak, strong, n_jobs=1, **aim).fit(rows[FIT:], labels("binary")[FIT:])


def test_models_and_rows_that_do_not_fit_are_refused(rows, weak, strong, fitted, labels):
    y = labels("binary")[FIT:]
    with pytest.raises(ParameterError, match="predicts numbers and 'weak' classes"):
        stackml.Router(weak, fitted("regression", "lightgbm")).fit(rows[FIT:], y)
    with pytest.raises(ParameterError, match="model 'strong' is not fitted; call its fit first"):
        stackml.Router(weak, stackml.StackClassifier()).fit(rows[FIT:], y)
    with pytest.raises(ParameterError, match="model 'weak' is a str; give a fitted stack"):
        stackml.Router("weak", strong).fit(rows[FIT:], y)
    with pytest.raises(
        DataError, match="y holds 'maybe', which the models do not know; they know: 'no', 'yes'"
    ):
        stackml.Router(weak, strong).fit(rows[FIT:], np.where(np.arange(len(y)) == 3, "maybe", y))
    with pytest.raises(DataError, match="one class only"):
        stackml.Router(weak, strong).fit(rows[FIT:], np.full(len(y), "no"))
    with pytest.raises(DataError, match="give at least 20 labelled rows"):
        stackml.Router(weak, strong).fit(rows[FIT : FIT + 10], y[:10])
    named = rows.rename(columns={"c": "(weak) entropy"})
    made = [
        stackml.StackClassifier([learner], folds=3, n_jobs=1).fit(named[:FIT], labels("binary")[:FIT])
        for learner in ("logistic", "lightgbm")
    ]
    with pytest.raises(DataError, match=r"column '\(weak\) entropy'"):
        stackml.Router(*made, n_jobs=1).fit(named[FIT:], y)


def test_a_rule_that_was_tampered_with_is_refused(tmp_path, router):
    path = router().save(tmp_path / "router.stack")
    _, state = read_archive(path)
    rule, card = state["rule"], state["card"]
    twisted = [
        {**state, "rule": {**rule, "threshold": np.array([np.nan])}},
        {**state, "rule": {**rule, "threshold": np.array([0.1, 0.2])}},
        {**state, "rule": {**rule, "threshold": 0.1}},
        {**state, "rule": {**rule, "gain": state["parts"][0]["model"]}},  # of classes
        {**state, "rule": {**rule, "gain": {}}},
        {**state, "parts": [*state["parts"], {**state["parts"][0], "name": "third"}]},
        {**state, "card": {**card, "curve": [1, 2]}},
        {**state, "card": {**card, "report": "good"}},
    ]
    for broken in twisted:
        write_archive(tmp_path / "broken.stack", kind="router", state=broken, manifest={})
        with pytest.raises(StorageError):
            stackml.load(tmp_path / "broken.stack")


def test_the_report_goes_with_the_file(tmp_path, router):
    made = router()
    again = stackml.load(made.save(tmp_path / "router.stack"))
    assert again.report_ == made.report_
    pd.testing.assert_frame_equal(again.curve_, made.curve_)


def test_a_threshold_leaves_equal_rows_together():
    worth = np.array([0.0, 1.0, 1.0, 1.0, 2.0])
    assert [share_above(worth, threshold_for(worth, s)) for s in (0, 0.2, 0.7, 0.8, 1)] == [
        0,
        0.2,
        0.2,
        0.8,
        1,
    ]
    assert share_above(worth, threshold_for(worth, 0.5, or_more=True)) == 0.8
    weight = np.array([1.0, 0, 0, 0, 4])
    assert share_above(worth, threshold_for(worth, 0.8, weight), weight) == 0.8


def test_on_real_rows_most_of_the_gain_is_had_for_two_calls_in_five(real_data):
    data = load_dataset("california_housing", data_dir=real_data, n_rows=6000)
    X, y = data.frame.drop(columns=[data.target, *data.drop]), data.frame[data.target].to_numpy(float)
    X, unseen, y, hidden = X[:4000], X[4000:], y[:4000], y[4000:]
    weak = stackml.StackRegressor(["ridge"], n_jobs=1).fit(X, y)
    strong = stackml.StackRegressor(["lightgbm"], n_jobs=1).fit(X, y)
    made = stackml.Router(weak, strong, n_jobs=1).fit(X, y)
    error = get_metric("rmse")
    low, high, routed = (error.value(hidden, model.predict(unseen)) for model in (weak, strong, made))
    assert made.fitted_.answers(unseen).calls[1] < 0.45 * len(unseen)
    assert (low - routed) > 0.65 * (low - high) > 0  # at random 0.4, or less
