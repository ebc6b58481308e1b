"""What every assembly keeps to: models put together, stored, scored, and asked who answered."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import stackml
from stackml.assembly.catalog import ASSEMBLIES
from stackml.assembly.public import PUBLIC
from stackml.foundation.errors import StorageError
from stackml.scoring import score_file
from stackml.storage.archive import read_archive, write_archive
from stackml.tracking.store import connect

N = 240
KINDS = ("binary", "multiclass", "regression")


@cache
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(N, 3)), columns=["a", "b", "c"])
    frame["shop"] = rng.choice(["x", "y", "z"], N)
    frame.loc[::17, "a"] = np.nan
    return frame


@cache
def target(problem: str):
    frame = rows()
    z = frame["a"].fillna(0) + 2 * frame["b"] * (frame["shop"] == "x")
    if problem == "regression":
        return z.to_numpy()
    names = np.array(["high", "low", "mid"] if problem == "multiclass" else ["no", "yes"])
    return names[pd.qcut(z, len(names), labels=False)]


@cache
def stack(problem: str, learner: str):
    made = stackml.StackRegressor if problem == "regression" else stackml.StackClassifier
    columns = ["a", "b", "c", "shop"] if learner == "lightgbm" else ["b", "shop"]
    return made([learner], folds=3, n_jobs=1).fit(rows()[columns], target(problem))


def linear(problem: str) -> str:
    return "ridge" if problem == "regression" else "logistic"


def ensemble(problem: str):
    models = {"trees": stack(problem, "lightgbm"), "line": stack(problem, linear(problem))}
    return stackml.Ensemble(models, weights=[3, 1])


def label_union(problem: str):
    if problem == "binary":
        return stackml.LabelUnion([stack("binary", "lightgbm"), stack("binary", "logistic")], weights=[3, 1])
    keep = target("multiclass") != "low"
    part = stackml.StackClassifier(["logistic"], folds=3, n_jobs=1)
    part.fit(rows().loc[keep, ["c", "shop"]], target("multiclass")[keep])
    return stackml.LabelUnion({"all": stack("multiclass", "lightgbm"), "part": part}, weights=[3, 1])


def ranked(problem: str):
    models = {"trees": stack(problem, "lightgbm"), "line": stack(problem, linear(problem))}
    return stackml.Ensemble(models, "rank_mean", rows=rows())


def router(problem: str):
    weak, strong = stack(problem, linear(problem)), stack(problem, "lightgbm")
    return stackml.Router(weak, strong, n_jobs=1).fit(rows(), target(problem))


def cascade(problem: str):
    models = {"line": stack(problem, linear(problem)), "trees": stack(problem, "lightgbm")}
    return stackml.Cascade(models, costs=[1, 10], n_jobs=1).fit(rows(), target(problem))


# One row or more a kind of the catalog: how to make one of each kind of problem.
CASES = {"ensemble": ensemble, "router": router, "cascade": cascade, "label_union": label_union}
FURTHER = {"ranked": ranked}
CLASSES_ONLY = {"cascade", "label_union"}

every = pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (kind, p)
        for kind in (*CASES, *FURTHER)
        for p in KINDS
        if not (kind in CLASSES_ONLY and p == "regression")
    ],
)


@cache
def made(kind: str, problem: str):
    return {**CASES, **FURTHER}[kind](problem)


def outputs(model, frame):
    return model.predict_proba(frame) if hasattr(model, "predict_proba") else model.predict(frame)


def test_every_kind_of_the_catalog_is_tested():
    assert set(CASES) == set(ASSEMBLIES) == set(PUBLIC)


@every
def test_probabilities_are_some_and_values_finite(kind, problem):
    model = made(kind, problem)
    found = outputs(model, rows())
    assert np.isfinite(found).all()
    if problem == "regression":
        assert not hasattr(model, "predict_proba")
        assert found.shape == (N,)
    else:
        assert np.allclose(found.sum(axis=1), 1)
        assert (found >= 0).all()
        assert set(model.predict(rows())) <= set(model.classes_)


@every
def test_who_answered_is_said_for_every_row(kind, problem):
    model = made(kind, problem)
    weights = model.member_weights(rows())
    assert list(weights.columns) == [part.name for part in model.fitted_.parts]
    assert list(weights.index) == list(rows().index)
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights.to_numpy() >= 0).all()


@every
def test_the_order_of_rows_does_not_matter_and_input_is_left_alone(kind, problem):
    model, frame = made(kind, problem), rows().copy()
    order = np.random.default_rng(0).permutation(N)
    assert np.array_equal(outputs(model, frame)[order], outputs(model, frame.iloc[order]))
    pd.testing.assert_frame_equal(frame, rows())


@every
def test_one_row_missing_values_and_unseen_categories_are_met(kind, problem):
    model = made(kind, problem)
    whole = outputs(model, rows())
    assert np.allclose(outputs(model, rows().iloc[[7]]), whole[[7]], atol=1e-6)
    odd = rows().head(3).assign(a=np.nan, shop="never seen")
    assert np.isfinite(outputs(model, odd)).all()


@every
def test_a_file_gives_back_the_same_bits(kind, problem, tmp_path):
    model = made(kind, problem)
    again = stackml.load(model.save(tmp_path / "model.stack"))
    assert type(again) is type(model)
    assert np.array_equal(outputs(again, rows()), outputs(model, rows()))
    assert np.array_equal(again.member_weights(rows()), model.member_weights(rows()))
    second = stackml.load(again.save(tmp_path / "again.stack"))
    assert np.array_equal(outputs(second, rows()), outputs(model, rows()))


@every
def test_it_stands_in_another_ensemble(kind, problem, tmp_path):
    model = made(kind, problem)
    outer = stackml.Ensemble({"inner": model, "alone": stack(problem, "lightgbm")})
    assert np.isfinite(outputs(outer, rows())).all()
    again = stackml.load(outer.save(tmp_path / "outer.stack"))
    assert np.array_equal(outputs(again, rows()), outputs(outer, rows()))


@every
def test_a_batch_is_scored_as_rows_are(kind, problem, tmp_path):
    model = made(kind, problem)
    rows().to_parquet(tmp_path / "rows.parquet")
    summary = score_file(model, tmp_path / "rows.parquet", tmp_path / "out.parquet", batch_rows=100)
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert summary.rows == N
    assert found["prediction"].tolist() == model.predict(rows()).tolist()


@pytest.mark.parametrize("kind", list(CASES))
def test_mlflow_logs_and_loads_it(kind, tmp_path):
    model = made(kind, "binary")
    store = connect(f"sqlite:///{tmp_path}/mlflow.db", folder=tmp_path, create=True)
    info = stackml.tracking.log_model(model, input_example=rows().head(2), store=store)
    again = stackml.tracking.load_model(info.model_uri, store=store)
    assert np.array_equal(outputs(again, rows()), outputs(model, rows()))


@pytest.mark.parametrize("kind", list(CASES))
def test_a_rule_that_was_tampered_with_is_refused(kind, tmp_path):
    path = made(kind, "binary").save(tmp_path / "model.stack")
    _, state = read_archive(path)
    for broken in ({}, {**state, "rule": {}}, {**state, "rule": []}, {**state, "parts": []}):
        write_archive(tmp_path / "broken.stack", kind=kind, state=broken, manifest={})
        with pytest.raises(StorageError):
            stackml.load(tmp_path / "broken.stack")
    write_archive(tmp_path / "odd.stack", kind=f"{kind}x", state=state, manifest={})
    with pytest.raises(StorageError, match=f"did you mean '{kind}'"):
        stackml.load(tmp_path / "odd.stack")


@pytest.mark.parametrize("kind", CASES)
def test_labels_of_a_file_that_are_not_those_of_its_parts_are_refused(kind, tmp_path):
    _, state = read_archive(made(kind, "binary").save(tmp_path / "model.stack"))
    for labels in (["yes", "no"], ["good", "poor"]):
        broken = {**state, "classes": {**state["classes"], "labels": labels}}
        write_archive(tmp_path / "odd.stack", kind=kind, state=broken, manifest={})
        with pytest.raises(StorageError, match="are not those of its"):
            stackml.load(tmp_path / "odd.stack")


@pytest.mark.parametrize("kind", list(CASES))
def test_a_clone_stands_on_the_same_models(kind):
    model = made(kind, "binary")
    again = clone(model)
    assert type(again) is type(model)
    assert all(
        again.get_params(deep=False)[name] is value for name, value in model.get_params(deep=False).items()
    )
    fitted = again if hasattr(again, "fitted_") else again.fit(rows(), target("binary"))
    assert np.array_equal(outputs(fitted, rows()), outputs(model, rows()))
