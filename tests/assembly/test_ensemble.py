"""Fitted models of any origin answer together by a fixed rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

import stackml
from stackml.foundation.errors import ParameterError, SchemaError, StorageError
from stackml.storage.archive import read_archive, write_archive

FIT = 1500  # rows the models were fitted on
NAMES = ("logistic", "lightgbm", "extra_trees")


@pytest.fixture
def three(fitted):
    return {name: fitted("binary", name) for name in NAMES}


def said(models, rows):
    return np.stack([model.predict_proba(rows)[:, 1] for model in models.values()])


def test_each_method_is_what_its_name_says(three, rows):
    p = said(three, rows)
    inside = np.clip(p, 1e-7, 1 - 1e-7)  # one that is certain would decide alone
    odds = np.log(inside / (1 - inside))
    wanted = {
        "mean": p.mean(axis=0),
        "soft_vote": p.mean(axis=0),
        "vote": (p > 0.5).mean(axis=0),
        "median": np.median(p, axis=0),
        "geometric": 1 / (1 + np.exp(-odds.mean(axis=0))),
    }
    for method, values in wanted.items():
        assert np.allclose(stackml.Ensemble(three, method).predict_proba(rows)[:, 1], values), method


def test_weights_count_in_every_method(three, rows):
    for method in ("mean", "vote", "median", "geometric"):
        alone = stackml.Ensemble(three, method, {"logistic": 0, "lightgbm": 1, "extra_trees": 0})
        p = three["lightgbm"].predict_proba(rows)[:, 1]
        found = alone.predict_proba(rows)[:, 1]
        assert np.allclose(found, (p > 0.5) if method == "vote" else p), method


def test_weights_of_any_size_are_shares(three):
    assert stackml.Ensemble(three, weights=[1e308] * 3).fitted_.weights == pytest.approx([1 / 3] * 3)
    assert stackml.Ensemble(three, weights=[5e-324, 0, 0]).fitted_.weights.tolist() == [1, 0, 0]


def test_ranks_are_taken_against_rows_given_once_and_never_against_the_batch(three, rows):
    made = stackml.Ensemble(three, "rank_mean", rows=rows[FIT:])
    whole = made.predict_proba(rows)
    assert np.allclose(made.predict_proba(rows.iloc[[5]]), whole[[5]], atol=1e-9)
    again = stackml.Ensemble(three, "rank_mean").fit(rows[FIT:])
    assert np.array_equal(again.predict_proba(rows), whole)
    ranks = np.mean([np.argsort(np.argsort(p)) for p in said(three, rows[FIT:])], axis=0)
    assert np.corrcoef(ranks, np.argsort(np.argsort(whole[FIT:, 1])))[0, 1] > 0.99


def test_ranks_without_rows_wait_for_them(three, rows):
    made = stackml.Ensemble(three, "rank_mean")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        made.predict(rows)


def test_a_parameter_that_is_set_counts(three, rows):
    made = stackml.Ensemble(three)
    made.set_params(weights=[1, 2, 1], method="geometric")
    wanted = stackml.Ensemble(three, "geometric", weights=[1, 2, 1])
    assert np.array_equal(made.predict_proba(rows), wanted.predict_proba(rows))
    made.set_params(method="rank_mean")
    with pytest.raises(NotFittedError, match=r"call fit with rows, of which ranks are taken$"):
        made.predict(rows)
    ranks = made.fit(rows).predict_proba(rows)
    assert np.array_equal(made.set_params(n_jobs=1).predict_proba(rows), ranks)
    with pytest.raises(ParameterError, match="each must be 0 or more"):
        made.set_params(weights=[0, 0, 0], method="mean")


def test_numbers_have_means_and_medians(fitted, rows):
    models = [fitted("regression", name) for name in ("ridge", "lightgbm", "extra_trees")]
    p = np.stack([model.predict(rows) for model in models])
    assert np.allclose(stackml.Ensemble(models, "median").predict(rows), np.median(p, axis=0))
    with pytest.raises(ParameterError, match="'vote' combines votes for classes, and the target is a number"):
        stackml.Ensemble(models, "vote")
    with pytest.raises(ParameterError, match="'vote' combines votes"):
        stackml.Ensemble(models, "soft_vote")


def test_models_of_scikit_learn_take_part(fitted, rows, labels, tmp_path):
    numbers = rows[["a", "b", "c"]]
    line = LogisticRegression().fit(numbers[:FIT], labels("binary")[:FIT])
    made = stackml.Ensemble({"line": line, "trees": fitted("binary", "lightgbm")})
    wanted = (line.predict_proba(numbers) + fitted("binary", "lightgbm").predict_proba(rows)) / 2
    assert np.allclose(made.predict_proba(rows), wanted, atol=1e-6)
    again = stackml.load(made.save(tmp_path / "both.stack"))
    assert np.array_equal(again.predict_proba(rows), made.predict_proba(rows))


def test_what_cannot_take_part_is_refused_by_name(three, fitted, rows):
    with pytest.raises(ParameterError, match="model 'wood': RandomForestRegressor is not fitted"):
        stackml.Ensemble({"wood": RandomForestRegressor(), "line": fitted("regression", "ridge")})
    with pytest.raises(ParameterError, match="model 'model_2' is a list"):
        stackml.Ensemble([three["logistic"], ["lightgbm"]])
    with pytest.raises(ParameterError, match="method='geometrc' is unknown; did you mean 'geometric'"):
        stackml.Ensemble(three, "geometrc")
    above = rows["a"] > 0
    texts = LogisticRegression().fit(rows[["a"]], np.where(above, "1", "0"))
    numbers = LogisticRegression().fit(rows[["a"]], above.astype(int))
    with pytest.raises(ParameterError, match="spelled alike and differ in type: '0' and 0; fit one"):
        stackml.Ensemble([texts, numbers])


def test_vectors_of_two_lengths_cannot_stand_in_one_column(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 120)
    models = {}
    for name, length in (("short", 3), ("long", 4)):
        seen = pd.DataFrame({"v": list(rng.normal(size=(120, length)) + y[:, None])})
        models[name] = stackml.StackClassifier(["lightgbm"], folds=3, n_jobs=1).fit(seen, y)
    with pytest.raises(SchemaError, match="'v' holds vectors of 3 numbers for 'short' and of 4 for 'long'"):
        stackml.Ensemble(models).save(tmp_path / "both.stack")


def test_ensembles_of_ensembles_are_saved_as_deep_as_they_can_be_loaded(three, rows, tmp_path):
    nested, path = stackml.Ensemble(three), tmp_path / "nested.stack"
    for _ in range(3):
        nested = stackml.Ensemble([nested, three["logistic"]])
    again = stackml.load(nested.save(path))
    assert np.array_equal(again.predict_proba(rows), nested.predict_proba(rows))
    path.unlink()
    with pytest.raises(StorageError, match="5 assemblies stand in each other, and a file holds 4"):
        stackml.Ensemble([nested, three["logistic"]]).save(path)
    assert not path.exists()


def test_a_rule_that_was_tampered_with_is_refused(three, rows, tmp_path):
    path = stackml.Ensemble(three, "rank_mean", rows=rows).save(tmp_path / "ranks.stack")
    _, state = read_archive(path)
    rule = state["rule"]
    reference = rule["reference"]
    twisted = [
        {**rule, "method": "best"},
        {**rule, "method": "mean"},
        {**rule, "reference": None},
        {**rule, "weights": rule["weights"][:2]},
        {**rule, "reference": {**reference, "knots": reference["knots"][::-1].copy()}},
        {**rule, "reference": {**reference, "sizes": reference["sizes"][:2]}},
        {**rule, "reference": {**reference, "sizes": np.hstack([reference["sizes"]] * 2)}},
    ]
    for broken in twisted:
        write_archive(tmp_path / "odd.stack", kind="ensemble", state={**state, "rule": broken}, manifest={})
        with pytest.raises(StorageError):
            stackml.load(tmp_path / "odd.stack")
