"""Fitted models as learners of another stack: frozen, and as what a booster begins from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import stackml
from stackml.datasets import load_dataset
from stackml.foundation.errors import FitError, ParameterError, SchemaError, StorageError, TrackingError
from stackml.metrics.catalog import get_metric
from stackml.stack import StackClassifier, StackRegressor
from stackml.stack.file import to_state
from stackml.stack.outside.freezing import begin_from, freeze
from stackml.storage.archive import read_archive, write_archive
from stackml.tables.schema import Overrides
from stackml.tables.table import Table
from stackml.tables.translation import translated

MAKERS = {"frozen": stackml.frozen, "warm": stackml.warm_start}
each = pytest.mark.parametrize("make", list(MAKERS.values()), ids=list(MAKERS))


def made(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    X["k"] = rng.choice(["u", "v", "w"], n)
    X["code"] = rng.integers(1, 5, n)
    X["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    X.loc[::9, "b"] = np.nan
    z = X["a"] * (X["k"] != "w") + 0.7 * np.sin(2 * X["c"]) + 0.5 * X["d"] + 0.4 * (X["code"] == 2) + shift
    return X, z.to_numpy(), (z + 0.7 * rng.normal(size=n) > 0).astype(int).to_numpy()


@pytest.fixture(scope="module")
def source():
    X, _, y = made(2500, 0)
    return StackClassifier(["lightgbm", "logistic"], folds=3, n_jobs=1, combiner="mean").fit(X, y)


@pytest.fixture(scope="module")
def regressing():
    X, z, _ = made(1500, 0)
    return StackRegressor(["lightgbm", "ridge"], folds=3, n_jobs=1, combiner="mean").fit(X, z)


def auc(stack, X, y):
    return get_metric("roc_auc").value(y, stack.predict_proba(X)[:, 1])


def small(learners, X, y, **given):
    return StackClassifier(learners, **{"folds": 3, "n_jobs": 1, "combiner": "mean", **given}).fit(X, y)


def test_a_frozen_stack_predicts_what_it_always_did_though_codes_and_roundings_differ(source):
    X, _, y = made(300, 1)
    X["k"] = X["k"].replace({"u": "aa"})  # other codes, and a value the source does not know
    stack = small([("old", stackml.frozen(source)), "logistic"], X, y)
    want = source.predict_proba(X)[:, 1]
    np.testing.assert_allclose(stack.learners_["old"].predict(stack._table(X))[:, 0], want, atol=1e-6)
    np.testing.assert_allclose(stack.oof_["old"], want, atol=1e-6)
    assert len(stack.learners_["old"].models) == 1
    strange = X.head(3).assign(k="never seen", a=np.nan)
    np.testing.assert_allclose(
        stack.learners_["old"].predict(stack._table(strange))[:, 0],
        source.predict_proba(strange)[:, 1],
        atol=1e-6,
    )


@each
@pytest.mark.parametrize(
    "given", [{}, {"groups": np.arange(300) // 2}, {"time": np.arange(300)}], ids=lambda g: str(list(g))
)
def test_a_stack_within_a_stack_goes_to_a_file_and_back_bit_for_bit(source, make, given, tmp_path):
    X, _, y = made(300, 1)
    stack = small([("old", make(source)), "logistic"], X, y, cache_dir=tmp_path / "cache").fit(X, y, **given)
    stack.add_learner("hbos")
    path = stack.save(tmp_path / "new.stack")
    again = stackml.load(path)
    rows = made(50, 2)[0]
    assert np.array_equal(again.predict_proba(rows), stack.predict_proba(rows))
    np.testing.assert_allclose(
        again.predict_proba(rows.iloc[[7]])[0], again.predict_proba(rows)[7], atol=1e-6
    )
    twice = small([("older", make(again)), "logistic"], X, y)
    third = stackml.load(twice.save(tmp_path / "twice.stack"))
    assert np.array_equal(third.predict_proba(rows), twice.predict_proba(rows))


def test_stacks_do_not_stand_within_each_other_without_end(source, tmp_path):
    X, _, y = made(120, 1)
    stack = source
    for _ in range(4):
        stack = small([("old", stackml.frozen(stack))], X, y, combiner="single", folds=2)
    stackml.load(stack.save(tmp_path / "deep.stack"))
    with pytest.raises(ParameterError, match="holds 4 stacks within each other already"):
        stackml.frozen(stack)


def test_a_frozen_stack_stands_in_another_once(source):
    X, _, y = made(300, 1)
    stack = StackClassifier([("old", stackml.frozen(source)), "lightgbm"], "mean", folds=3, refit=3).fit(X, y)
    assert {name: len(member.models) for name, member in stack.learners_.items()} == {"old": 1, "lightgbm": 3}


@each
def test_it_helps_where_the_new_table_is_small(source, make):
    X, _, y = made(3000, 3, shift=-0.6)
    few, rest = slice(0, 120), slice(120, None)
    plain = small(["lightgbm", "logistic"], X[few], y[few], combiner="auto")
    with_old = small([("old", make(source)), "lightgbm", "logistic"], X[few], y[few], combiner="auto")
    assert auc(with_old, X[rest], y[rest]) > auc(plain, X[rest], y[rest]) + 0.01


def test_an_unrelated_source_does_no_harm(source):
    X, _, y = made(3000, 3)
    turned = X.rename(columns={"a": "b", "b": "a", "c": "d", "d": "c"})
    turned["k"] = np.random.default_rng(5).permutation(turned["k"].to_numpy())
    few, rest = slice(0, 600), slice(600, None)
    plain = small(["lightgbm", "logistic"], turned[few], y[few], combiner="auto")
    makers = [("old", stackml.frozen(source)), ("warm", stackml.warm_start(source))]
    with_old = small([*makers, "lightgbm", "logistic"], turned[few], y[few], combiner="auto")
    assert auc(with_old, turned[rest], y[rest]) > auc(plain, turned[rest], y[rest]) - 0.01


def test_on_a_real_table_a_hundred_rows_and_an_old_stack_beat_a_hundred_rows(real_data):
    frame = load_dataset("gmsc", data_dir=real_data).frame.sample(12_000, random_state=0)
    y, X = frame["SeriousDlqin2yrs"].to_numpy(), frame.drop(columns=["SeriousDlqin2yrs"])
    old = small(["lightgbm", "logistic"], X[:6000], y[:6000])
    gains = []
    for start in (6000, 6100, 6200):
        few, rest = slice(start, start + 100), slice(6300, None)
        plain = small(["lightgbm", "logistic"], X[few], y[few], combiner="auto")
        learners = [("old", stackml.frozen(old)), "lightgbm", "logistic"]
        with_old = small(learners, X[few], y[few], combiner="auto")
        gains.append(auc(with_old, X[rest], y[rest]) - auc(plain, X[rest], y[rest]))
    assert np.mean(gains) > 0.01


@each
def test_numbers_and_other_names_of_columns(regressing, make):
    X, z, _ = made(400, 4)
    X = X.rename(columns={"a": "alpha"}).assign(code=lambda frame: frame["code"].astype(str))
    learner = make(regressing, {"a": "alpha"})
    stack = StackRegressor([("old", learner), "ridge"], folds=3, n_jobs=1, combiner="mean").fit(X, 10 * z + 3)
    old = regressing.predict(X.rename(columns={"alpha": "a"}).assign(code=X["code"].astype(int)))
    found = stack.learners_["old"].predict(stack._table(X))[:, 0]
    assert np.corrcoef(found, old)[0, 1] > 0.95


def test_what_does_not_fit_is_refused(source, regressing):
    X, z, y = made(100, 1)
    with pytest.raises(SchemaError, match=r"the model reads no column 'aa'; did you mean 'a'"):
        stackml.frozen(source, {"aa": "a"})
    with pytest.raises(ParameterError, match="absent='skip': give 'refuse' or 'missing'"):
        stackml.frozen(source, absent="skip")
    lacking = X.rename(columns={"a": "alpha"})
    with pytest.raises(Exception, match=r"lacks 1 column.*'a'"):
        small([("old", stackml.frozen(source))], lacking, y)
    filled = small([("old", stackml.frozen(source, absent="missing")), "logistic"], lacking, y)
    assert filled.predict_proba(lacking).shape == (100, 2)
    constant = X.assign(d=1.0)
    with pytest.raises(Exception, match=r"'d' .it is there, but it is constant"):
        small([("old", stackml.frozen(source))], constant, y)
    with pytest.raises(
        ParameterError, match=r"knows the classes \[0, 1\], but those of y are \['no', 'yes'\]"
    ):
        small([("old", stackml.frozen(source))], X, np.where(y == 1, "yes", "no"))
    with pytest.raises(ParameterError, match="predicts a binary target, but the target here is regression"):
        StackRegressor([("old", stackml.frozen(source))]).fit(X, z)
    with pytest.raises(ParameterError, match="predicts a regression target, but the target here is binary"):
        small(["logistic"], X, y).add_learner(("old", stackml.frozen(regressing)))
    with pytest.raises(TrackingError, match=r"there is no model 'gone.stack'"):
        stackml.frozen("gone.stack")


@each
def test_descriptions_are_equal_where_they_predict_the_same(source, make, tmp_path):
    one, two = make(source), make(source.save(tmp_path / "a.stack"))
    assert one == two
    assert hash(one) == hash(two)
    assert one != make(source, {"a": "alpha"})
    assert begin_from(source.fitted_) != freeze(source.fitted_)


def test_an_estimator_from_outside_is_frozen(tmp_path):
    X, _, y = made(800, 0)
    numbers = X[["a", "c", "d"]]
    outside = LogisticRegression().fit(numbers, y)
    few, _, z = made(150, 2)
    stack = small([("old", stackml.frozen(outside, rows=numbers)), "lightgbm"], few, z)
    np.testing.assert_allclose(
        stack.oof_["old"], outside.predict_proba(few[["a", "c", "d"]])[:, 1], atol=1e-5
    )
    again = stackml.load(stack.save(tmp_path / "a.stack"))
    assert np.array_equal(again.predict_proba(few), stack.predict_proba(few))


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("frozen", lambda m: m.update(mapping=[["a", 3]])),
        ("frozen", lambda m: m.update(mapping=[["zz", "a"]])),
        ("frozen", lambda m: m.update(absent="maybe")),
        ("frozen", lambda m: m["stack"]["layers"].clear()),
        ("frozen", lambda m: m["stack"]["combiner"]["state"].update(names=["nobody"])),
        ("frozen", lambda m: m.update(stack=m)),
        ("warm", lambda m: m.update(slope=float("nan"))),
        ("warm", lambda m: m["trees"].update(n_features=3)),
        ("warm", lambda m: m["outputs"].update(problem="regression", n_classes=0)),
        ("warm", lambda m: m["source"]["stack"]["problem"].update(kind="regression")),
    ],
)
def test_a_hostile_stack_within_a_stack_is_refused(source, tmp_path, kind, spoil):
    X, _, y = made(300, 1)
    stack = small([("old", MAKERS[kind](source))], X, y, combiner="single")
    state = to_state(stack.fitted_)
    model = state["layers"][0][0]["models"][0]
    spoil(model)
    path = tmp_path / "a.stack"
    if model.get("stack") is model:
        deep = model | {"stack": to_state(stack.fitted_)}
        for _ in range(6):
            whole = to_state(stack.fitted_)
            whole["layers"][0][0]["models"] = [deep]
            deep = deep | {"stack": whole}
        state["layers"][0][0]["models"] = [deep]
    write_archive(path, kind="stack", state=state, manifest={"estimator": "StackClassifier"})
    with pytest.raises(StorageError):
        stackml.load(path)


def test_types_are_trusted_within_too(source, tmp_path):
    from sklearn.ensemble import RandomForestClassifier

    X, _, y = made(200, 1)
    forest = RandomForestClassifier(3, random_state=0).fit(X[["a", "d"]], y)
    path = small([("old", stackml.frozen(forest))], X, y, combiner="single").save(tmp_path / "a.stack")
    with pytest.raises(StorageError, match="types that are not trusted") as error:
        stackml.load(path)
    names = [word.strip("'\",") for word in str(error.value).split("trusted=[")[1].rstrip("]").split(", ")]
    assert stackml.load(path, trusted=names).predict_proba(X).shape == (200, 2)
    assert read_archive(path, kind="stack")[0].entries["learners"] == ["old"]


def test_translation_is_exact_for_numbers_dates_and_words():
    X, _, _ = made(400, 6)
    X["big"] = 1.7e9 + np.arange(400)
    wide = Table.learn(X)
    other = X.sample(200, random_state=1)
    theirs = Table.learn(other, Overrides(categories=["code"]))
    found = translated(wide, theirs.schema, {})
    want = Table.of(X, theirs.schema)
    np.testing.assert_array_equal(found.codes, want.codes)
    np.testing.assert_allclose(found.numbers, want.numbers, rtol=1e-6)


@each
def test_models_put_together_are_no_learner(make, source):
    both = stackml.Ensemble({"one": source, "same": source})
    with pytest.raises(
        ParameterError, match=r"an? Ensemble cannot be a learner; give the stacks it is made of"
    ):
        make(both)


def test_a_text_is_read_in_the_words_of_the_new_stack_so_an_old_one_cannot_read_it():
    X, _, y = made(300, 3)
    rng = np.random.default_rng(0)
    words = [" ".join(rng.choice(["late", "paid", "refund", "shop", "lost"], 9)) for _ in range(300)]
    X["note"] = [f"{text} number {i}" for i, text in enumerate(words)]
    kinds = {"kinds": {"note": "text"}}
    old = small(["logistic"], X, y, schema=kinds)
    with pytest.raises(FitError, match=r"text or embedding column\(s\) 'note'.*absent='missing'"):
        small([("old", stackml.frozen(old))], X, y, schema=kinds)
    new = small([("old", stackml.frozen(old, absent="missing")), "logistic"], X, y, schema=kinds)
    assert np.isfinite(new.predict_proba(X)).all()
