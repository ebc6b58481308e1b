"""A stack as a file: what comes back predicts the same, and what is foreign is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import stackml
from stackml.foundation.errors import ParameterError, StorageError
from stackml.stack.file import KIND, to_state
from stackml.storage.archive import read_archive, write_archive

MIXED = ["lightgbm", "xgboost", "logistic", "extra_trees", "mlp", "neighbors", "isolation_forest", "hbos"]

TWO = {"text": ["no", "yes"], "numbers": [-1, 3], "booleans": [False, True], "floats": [0.0, 2.0]}
THREE = {"text": ["low", "mid", "top"], "numbers": [7, 5, 6], "floats": [0.0, 1.0, 4.0]}


def reloaded(stack, tmp_path, **given):
    return stackml.load(stack.save(tmp_path / "s.stack"), **given)


def assert_same(stack, other, rows):
    assert type(other) is type(stack)
    assert np.array_equal(other.predict(rows), stack.predict(rows))
    assert np.array_equal(other.transform(rows), stack.transform(rows))
    if hasattr(stack, "classes_"):
        assert np.array_equal(other.predict_proba(rows), stack.predict_proba(rows))
        assert other.classes_.tolist() == stack.classes_.tolist()
        assert [type(c) for c in other.classes_.tolist()] == [type(c) for c in stack.classes_.tolist()]


@pytest.mark.parametrize("labels", TWO.values(), ids=TWO)
def test_two_classes(classifier, rows, binary, tmp_path, labels):
    stack = classifier().fit(rows, np.asarray(labels)[binary])
    assert_same(stack, reloaded(stack, tmp_path), rows)


@pytest.mark.parametrize("labels", THREE.values(), ids=THREE)
def test_three_classes(classifier, rows, three, tmp_path, labels):
    stack = classifier(combiner="logistic").fit(rows, np.asarray(labels)[three])
    assert_same(stack, reloaded(stack, tmp_path), rows)


@pytest.mark.parametrize("dtype", ["string", "category", "boolean", "Int64"])
def test_labels_of_pandas(classifier, rows, binary, tmp_path, dtype):
    import pandas as pd

    y = pd.Series(binary)
    y = y.map({0: "no", 1: "yes"}) if dtype in ("string", "category") else y
    stack = classifier().fit(rows, y.astype(dtype))
    assert_same(stack, reloaded(stack, tmp_path), rows)


@pytest.mark.parametrize("combiner", ["auto", "boosted"])
@pytest.mark.parametrize("target", ["binary", "three"])
def test_many_learners(classifier, rows, target, tmp_path, request, combiner):
    stack = classifier(learners=MIXED, combiner=combiner).fit(rows, request.getfixturevalue(target))
    assert_same(stack, reloaded(stack, tmp_path), rows)


@pytest.mark.parametrize("given", [{}, {"layers": 2}, {"passthrough": True, "combiner": "logistic"}], ids=str)
def test_numbers_layers_and_passthrough(classifier, regressor, rows, score, binary, tmp_path, given):
    number = regressor(learners=["ridge", "lightgbm", "hbos"], **given).fit(rows, score)
    assert_same(number, reloaded(number, tmp_path), rows)
    two = classifier(learners=["logistic", "lightgbm"], **given).fit(rows, binary)
    assert_same(two, reloaded(two, tmp_path), rows)


def test_under_time_and_groups(classifier, rows, binary, tmp_path):
    stack = classifier(folds=3).fit(rows, binary, groups=np.arange(150) // 2, time=np.arange(150) // 2)
    assert_same(stack, reloaded(stack, tmp_path), rows)


def test_what_a_loaded_stack_knows_and_does_not(classifier, rows, binary, tmp_path):
    stack = classifier(learners=["logistic", "lightgbm"]).fit(rows, binary)
    loaded = reloaded(stack, tmp_path)
    assert loaded.plan_ == stack.plan_
    assert loaded.leaderboard_["name"].tolist() == stack.leaderboard_["name"].tolist()
    assert loaded.feature_names_in_.tolist() == list(rows.columns)
    assert loaded.n_features_in_ == 4
    assert loaded.get_feature_names_out().tolist() == ["logistic", "lightgbm"]
    for change in (lambda: loaded.add_learner("hbos"), lambda: loaded.drop_learner("logistic")):
        with pytest.raises(ParameterError, match=r"needs the rows the stack was fitted on.*fit it again"):
            change()


def test_a_second_round_gives_the_same_bytes(classifier, rows, three, tmp_path):
    made = {"learners": ["lightgbm", "xgboost", "extra_trees", "logistic"], "combiner": "logistic"}
    stack = classifier(**made).fit(rows, three)
    first = stack.save(tmp_path / "a.stack").read_bytes()
    assert stack.save(tmp_path / "b.stack").read_bytes() == first
    assert stackml.load(tmp_path / "a.stack").save(tmp_path / "c.stack").read_bytes() == first


def test_equal_fits_hold_equal_models(classifier, rows, three):
    made = {"learners": ["lightgbm", "xgboost", "extra_trees", "mlp"]}
    one, two = (to_state(classifier(**made).fit(rows, three).fitted_) for _ in range(2))
    assert repr(one["layers"]) == repr(two["layers"])  # the card holds seconds, which differ
    assert repr(one["combiner"]) == repr(two["combiner"])


def test_a_foreign_estimator_is_built_only_when_it_is_trusted(classifier, rows, binary, tmp_path):
    stack = classifier(learners=[("rf", RandomForestClassifier(3)), "logistic"]).fit(rows, binary)
    path = stack.save(tmp_path / "s.stack")
    with pytest.raises(
        StorageError, match=r"needs types that are not trusted: .*; .*pass trusted=\["
    ) as caught:
        stackml.load(path)
    named = str(caught.value).split("trusted=[")[1].split("]")[0]
    trusted = [name.strip().strip("'") for name in named.split(",")]
    assert_same(stack, stackml.load(path, trusted=trusted), rows)


def test_an_estimator_known_as_harmless_needs_no_trust(classifier, rows, binary, tmp_path):
    stack = classifier(learners=[("lr", LogisticRegression())]).fit(rows, binary)
    assert_same(stack, reloaded(stack, tmp_path), rows)


def altered(stack, tmp_path, change, **manifest):
    path = stack.save(tmp_path / "s.stack")
    state = read_archive(path, kind=KIND)[1]
    change(state)
    write_archive(path, kind=KIND, state=state, manifest={"estimator": "StackClassifier", **manifest})
    return path


ALTERED = {
    "learner": (
        lambda s: s["layers"][0][0].update(kind="lightgmb"),
        "unknown kind of fitted learner 'lightgmb'",
    ),
    "combiner": (
        lambda s: s["combiner"].update(kind="os.system"),
        "combiner is of the unknown kind 'os.system'",
    ),
    "calibrator": (lambda s: s["calibrator"].update(kind="magic"), "unknown.* 'magic'"),
    "no models": (
        lambda s: s["layers"][0][0].update(models=[]),
        "learner 'logistic' has no models in the file",
    ),
    "no schema": (lambda s: s.pop("schema"), r"its state is not that of a stack \(KeyError: 'schema'\)"),
    "no layers": (lambda s: s.update(layers=3), "its state is not that of a stack"),
    "other model": (lambda s: s["layers"][0][0].update(models=[{}]), "the stored model is incomplete"),
    "problem": (lambda s: s["problem"].update(kind="magic"), "unknown kind of problem 'magic'"),
    "classes": (lambda s: s["classes"].update(labels=[1, 2, 3]), "3 class labels for a problem of 2"),
    "unknown column kind": (
        lambda s: s["schema"]["columns"][0].update(kind="magic"),
        "column 'a' has the unknown kind 'magic'",
    ),
    "layers without members": (
        lambda s: s.update(layers=[]),
        "a layer without learners, or none; it is damaged",
    ),
}


@pytest.mark.parametrize(("change", "message"), ALTERED.values(), ids=ALTERED)
def test_a_state_that_is_not_of_a_stack_is_refused(classifier, rows, binary, tmp_path, change, message):
    path = altered(classifier().fit(rows, binary), tmp_path, change)
    with pytest.raises(StorageError, match=message):
        stackml.load(path)


def test_another_estimator_or_kind_of_file_is_refused(classifier, rows, binary, tmp_path):
    stack = classifier().fit(rows, binary)
    path = altered(stack, tmp_path, lambda s: None, estimator="Router")
    with pytest.raises(StorageError, match="was written for 'Router', which this version does not know"):
        stackml.load(path)
    write_archive(path, kind="fit-task", state={}, manifest={})
    with pytest.raises(StorageError, match="fit-task"):
        stackml.load(path)


def test_a_folder_that_is_not_there(classifier, rows, binary, tmp_path):
    stack = classifier().fit(rows, binary)
    with pytest.raises(StorageError, match=r"there is no folder '.*absent'; make it first"):
        stack.save(tmp_path / "absent" / "s.stack")
    with pytest.raises(StorageError, match=r"s\.stack"):
        stackml.load(tmp_path / "s.stack")


def test_saving_over_a_file_replaces_it(classifier, rows, binary, three, tmp_path):
    path = tmp_path / "s.stack"
    classifier().fit(rows, binary).save(path)
    stack = classifier().fit(rows, three)
    assert stack.save(str(path)) == path
    assert_same(stack, stackml.load(str(path)), rows)
    assert [p.name for p in tmp_path.iterdir()] == ["s.stack"]


def test_a_compacted_stack_is_saved(classifier, rows, binary, tmp_path):
    stack = classifier(learners=["logistic", "extra_trees", "lightgbm"], combiner="single").fit(rows, binary)
    want, before = stack.predict_proba(rows), len(stack.save(tmp_path / "a.stack").read_bytes())
    loaded = reloaded(stack.compact(smallest=False, refit=False), tmp_path)
    assert np.array_equal(loaded.predict_proba(rows), want)
    assert len(loaded.learners_) == 1
    assert len((tmp_path / "s.stack").read_bytes()) < before
