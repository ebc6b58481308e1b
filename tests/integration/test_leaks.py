"""No prediction may know what it predicts: each rule of the design is a test here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from stackml import StackClassifier, StackRegressor
from stackml.splitting import Fold, Folds

LEARNERS = ["lightgbm", "xgboost", "extra_trees", "logistic", "neighbors", "mlp"]


def rows(n_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "a": rng.normal(size=n_rows),
            "b": rng.normal(size=n_rows),
            "city": rng.choice([f"c{i}" for i in range(40)], n_rows),
        }
    )
    y = (X["a"] + X["b"] ** 2 + rng.normal(size=n_rows) > 1).astype(int).to_numpy()
    return X, y


def plain_folds(n_rows, n_folds=3, seed=0):
    part = np.random.default_rng(seed).permutation(n_rows) % n_folds
    folds = [Fold(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(n_folds)]
    return Folds(tuple(folds), n_rows, "plain")


def stack(**changes):
    wanted = {"learners": LEARNERS, "folds": 3, "strict": True, "n_jobs": 2}
    return StackClassifier(**{**wanted, **changes})


@pytest.fixture(scope="module")
def changed_target():
    X, y = rows()
    folds = plain_folds(len(X))
    fits = [stack(folds=folds).fit(X, y)]
    i = 7
    flipped = y.copy()
    flipped[i] = 1 - flipped[i]
    fits.append(stack(folds=folds).fit(X, flipped))
    return i, *fits


@pytest.mark.parametrize("learner", LEARNERS)
def test_an_out_of_fold_prediction_does_not_change_with_its_own_target(changed_target, learner):
    i, before, after = changed_target
    assert before.oof_[learner].iloc[i] == after.oof_[learner].iloc[i]
    assert not before.oof_[learner].equals(after.oof_[learner])  # the other folds did learn from it


def test_stopping_on_held_out_rows_touches_only_the_number_of_rounds():
    X, y = rows()
    folds = plain_folds(len(X))
    first = stack(learners=["lightgbm"], folds=folds, strict=False).fit(X, y)
    flipped = y.copy()
    flipped[7] = 1 - flipped[7]
    second = stack(learners=["lightgbm"], folds=folds, strict=False).fit(X, flipped)
    fold = folds.fold_of_row[7]
    rounds = [fit["rounds"] for fit in first.plan_["fits"] if fit["fold"] == fold]
    again = [fit["rounds"] for fit in second.plan_["fits"] if fit["fold"] == fold]
    if rounds == again:
        assert first.oof_["lightgbm"].iloc[7] == second.oof_["lightgbm"].iloc[7]
    plan = {**second.plan_, "fits": first.plan_["fits"]}
    replayed = stack(learners=["lightgbm"], folds=folds, strict=False, plan=plan).fit(X, flipped)
    assert first.oof_["lightgbm"].iloc[7] == replayed.oof_["lightgbm"].iloc[7]


def test_a_permuted_target_scores_by_chance_at_the_meta_level():
    scores = []
    for seed in range(3):
        X, y = rows(600, seed)
        permuted = np.random.default_rng(seed).permutation(y)
        fitted = stack(combiner="auto", random_state=seed).fit(X, permuted)
        scores.append(roc_auc_score(permuted, fitted.oof_["stack"]))
    error = 0.5 / np.sqrt(3 * 600 * 0.25 * 3)  # of a mean AUC of chance, roughly
    assert abs(np.mean(scores) - 0.5) < 3.5 * error


def grouped_rows(seed=0):
    """Each group has its own label: who memorises the id knows the answer, and nothing else does."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(80), 8)
    label = rng.integers(0, 2, 80)[group]
    X = pd.DataFrame(
        {"id": [f"g{g}" for g in group], "noise": rng.normal(size=len(group)), "mark": group * 1.0}
    )
    return X, label, group


def test_memorising_the_group_gains_nothing_under_group_folds():
    X, y, group = grouped_rows()
    learners = ["lightgbm", "logistic", "neighbors"]
    grouped = stack(learners=learners).fit(X, y, groups=group)
    careless = stack(learners=learners).fit(X, y)
    assert roc_auc_score(y, careless.oof_["stack"]) > 0.9
    assert abs(roc_auc_score(y, grouped.oof_["stack"]) - 0.5) < 0.17  # 80 groups: 3 standard errors


def test_groups_are_never_on_both_sides_anywhere():
    X, y, group = grouped_rows()
    fitted = stack(learners=["logistic"]).fit(X, y, groups=group)
    fold_of_row = fitted._built.layers[0].folds.fold_of_row
    assert pd.Series(fold_of_row).groupby(group).nunique().max() == 1


def test_a_feature_of_the_future_gains_nothing_under_time_folds():
    """Days are named; a day's name tells its label, which only a model that saw the day can know."""
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(400), 3)
    y = rng.integers(0, 2, 400)[day]
    X = pd.DataFrame({"day": [f"d{d}" for d in day], "noise": rng.normal(size=len(day))})
    learners = ["lightgbm", "logistic"]
    known = stack(learners=learners).fit(X, y, time=day)
    careless = stack(learners=learners).fit(X, y)
    oof = known.oof_["stack"]
    scored = oof.notna()
    assert roc_auc_score(y, careless.oof_["stack"]) > 0.9
    assert abs(roc_auc_score(y[scored], oof[scored]) - 0.5) < 0.13  # 200 days: 3 standard errors
    assert oof[day < 60].isna().all()  # nothing predicts the first block: there is no past


@pytest.mark.parametrize("learner", ["lightgbm", "xgboost", "logistic", "extra_trees", "neighbors", "mlp"])
def test_under_time_folds_later_rows_change_no_earlier_prediction(learner):
    """Bins, codes, scales and encodings are learned from the past alone."""
    X, y = rows(300)
    time = np.arange(300)
    first = stack(learners=[learner]).fit(X, y, time=time)
    later = X.copy()
    later.loc[240:, "a"] = later.loc[240:, "a"] * 1000
    later.loc[240:, "city"] = "elsewhere"
    second = stack(learners=[learner]).fit(later, np.where(time >= 240, 1 - y, y), time=time)
    folds = first._built.layers[0].folds
    past = np.flatnonzero((time < 240) & (folds.fold_of_row >= 0) & (folds.fold_of_row < 3 - 1))
    assert past.size > 50
    assert np.array_equal(first.oof_[learner].to_numpy()[past], second.oof_[learner].to_numpy()[past])


def test_a_target_encoded_id_gains_nothing():
    """A column with a value for every second row must not help when the target is noise."""
    names, found = ["logistic", "extra_trees", "mlp"], []
    for seed in range(5):  # one alone may be 0.08 off by chance
        rng = np.random.default_rng(seed)
        X = pd.DataFrame({"id": [f"i{i // 2}" for i in range(600)], "x": rng.normal(size=600)})
        y = rng.integers(0, 2, 600)
        oof = stack(learners=names).fit(X, y).oof_
        found.append([roc_auc_score(y, oof[name]) for name in (*names, "stack")])
    assert np.abs(np.mean(found, axis=0) - 0.5).max() < 0.05


def test_a_regression_prediction_does_not_change_with_its_own_target():
    X, _ = rows(200)
    y = X["a"].to_numpy() * 3 + np.random.default_rng(1).normal(size=200)
    folds = plain_folds(200)
    learners = ["lightgbm", "ridge", "extra_trees", "mlp"]
    fits = []
    for value in (y[5], 1e4):
        changed = y.copy()
        changed[5] = value
        fits.append(StackRegressor(learners, folds=folds, strict=True).fit(X, changed))
    for name in learners:
        assert fits[0].oof_[name].iloc[5] == fits[1].oof_[name].iloc[5]


def test_the_future_does_not_teach_what_columns_are():
    """New categories, a wider range and a new unit in the last days change no earlier prediction."""
    X, y = rows(300)
    X["spent"] = np.random.default_rng(2).random(300)
    later = X.copy()
    later.loc[250:, "city"] = [f"new{i}" for i in range(50)]
    later.loc[250:, "spent"] += 1e9
    learners = ["lightgbm", "xgboost", "extra_trees", "logistic", "mlp", "hbos", "isolation_forest"]
    fits = [stack(learners=learners).fit(table, y, time=np.arange(300)) for table in (X, later)]
    held = fits[0]._built.layers[0].folds.fold_of_row
    past = np.flatnonzero((np.arange(300) < 225) & (held >= 0))
    for name in learners:
        before, after = (fit.oof_[name].to_numpy()[past] for fit in fits)
        assert np.array_equal(before, after), name
