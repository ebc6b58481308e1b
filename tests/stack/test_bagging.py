"""How the members of a layer predict together: margins averaged, nothing that depends on company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import stackml
from stackml.stack import bagging
from stackml.tables.table import Table

LEARNERS = ["lightgbm", "xgboost", "extra_trees", "logistic", "mlp"]


@pytest.fixture(scope="module")
def many(rows):
    """Return rows enough for several chunks, with gaps and a category never seen."""
    found = pd.concat([rows] * (9000 // len(rows) + 1), ignore_index=True)
    found["a"] = found["a"] + np.arange(len(found)) * 1e-3
    found.loc[::7, "a"] = np.nan
    found.loc[::11, "k"] = "never"
    return found


@pytest.fixture(scope="module")
def stack(classifier, rows, binary):
    return classifier(learners=LEARNERS, combiner="mean", calibration="none").fit(rows, binary)


@pytest.fixture(scope="module")
def classes(classifier, rows, three):
    return classifier(learners=["lightgbm", "extra_trees"], combiner="mean").fit(rows, three)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_boosters_average_their_margins(stack, many, name):
    table = Table.of(many, stack.fitted_.schema)
    (member,) = (m for m in stack.fitted_.layers[0].members if m.name == name)
    alone = np.stack([logit(model.predict(table).astype(float)) for model in member.models])
    np.testing.assert_allclose(member.predict(table), expit(alone.mean(axis=0)), atol=1e-5)
    as_format_1 = replace(member, mean="prediction").predict(table)
    np.testing.assert_allclose(as_format_1, expit(alone).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", ["extra_trees", "logistic", "mlp"])
def test_others_average_their_predictions(stack, many, name):
    table = Table.of(many, stack.fitted_.schema)
    (member,) = (m for m in stack.fitted_.layers[0].members if m.name == name)
    alone = np.mean([model.predict(table) for model in member.models], axis=0)
    np.testing.assert_allclose(member.predict(table), alone, atol=1e-6)


def test_a_layer_predicts_what_its_members_do(stack, many):
    table = Table.of(many, stack.fitted_.schema)
    found = stack.fitted_.meta_features(table).values
    alone = [member.predict(table) for member in stack.fitted_.layers[0].members]
    np.testing.assert_array_equal(found, np.concatenate(alone, axis=1))


@pytest.mark.parametrize("which", ["stack", "classes"])
def test_predictions_depend_on_nothing_but_the_row(which, many, request, tmp_path):
    found = request.getfixturevalue(which)
    whole = found.predict_proba(many)
    order = np.random.default_rng(0).permutation(len(many))
    # Where there is a net, as some processors round the rows of a product differently by their place.
    np.testing.assert_allclose(found.predict_proba(many.iloc[order]), whole[order], rtol=0, atol=1e-6)
    for n_rows in (1, 2, 5, 300, 4097):
        np.testing.assert_allclose(found.predict_proba(many.iloc[:n_rows]), whole[:n_rows], rtol=0, atol=1e-6)
    again = stackml.load(found.save(tmp_path / "again.stack"))
    for n_jobs in (1, 3):
        np.testing.assert_array_equal(again.set_params(n_jobs=n_jobs).predict_proba(many), whole)
    np.testing.assert_array_equal(again.predict_proba(many[:1]), found.predict_proba(many[:1]))


def test_views_are_made_once_for_all_that_read_the_same(stack, many, monkeypatch, tmp_path):
    from stackml.features.dense import PlainDense

    again = stackml.load(stack.save(tmp_path / "again.stack"))
    made = []
    transform = PlainDense.transform
    monkeypatch.setattr(PlainDense, "transform", lambda self, t: made.append(1) or transform(self, t))
    again.predict_proba(many[:100])
    assert len(made) == 2  # logistic bends its numbers, the perceptron does not


def test_few_rows_start_no_threads(stack, many, monkeypatch):
    monkeypatch.setattr(bagging, "ThreadPoolExecutor", None)
    assert len(stack.set_params(n_jobs=2).predict_proba(many[:50])) == 50


def test_an_unknown_mean_is_refused(stack, tmp_path):
    from stackml.foundation.errors import StorageError
    from stackml.stack.file import KIND
    from stackml.storage.archive import read_archive, write_archive

    head, state = read_archive(stack.save(tmp_path / "a.stack"), kind=KIND)
    state["layers"][0][0]["mean"] = "median"
    write_archive(tmp_path / "b.stack", kind=KIND, state=state, manifest=dict(head.entries))
    with pytest.raises(StorageError, match="mean is 'median'; known: margin, prediction"):
        stackml.load(tmp_path / "b.stack")
