"""Models of different labels as one model of all: what a user sees."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning

import stackml
from stackml.foundation.errors import DataError, ParameterError, StackmlWarning, StorageError
from stackml.learners.forest import ExtraTreesLearner
from stackml.storage.archive import read_archive, write_archive

N = 400


@cache
def rows():
    rng = np.random.default_rng(3)
    return pd.DataFrame(rng.normal(size=(N, 3)), columns=["a", "b", "c"])


@cache
def places():
    """Four regions of the plane, 0 to 3."""
    frame = rows()
    return (frame["a"] > 0).to_numpy() * 2 + (frame["b"] > 0).to_numpy()


@cache
def model(names, columns=("a", "b", "c"), learner="logistic"):
    """A model of the regions that have a name; None leaves rows out."""
    labels = np.array([names[k] for k in places()], dtype=object)
    keep = np.array([label is not None for label in labels])
    y = labels[keep].tolist()
    return stackml.StackClassifier([learner], folds=3, n_jobs=1).fit(rows().loc[keep, list(columns)], y)


def loss(union, labels, frame=None):
    p = union.predict_proba(rows() if frame is None else frame)
    places = [union.classes_.tolist().index(label) for label in labels]
    return -np.log(p[np.arange(len(p)), places]).mean()


def test_one_vocabulary_gives_the_weighted_mean():
    models = [model(("w", "x", "y", "z")), model(("w", "x", "y", "z"), learner="extra_trees")]
    union = stackml.LabelUnion(models, weights=[1, 3])
    mean = 0.25 * models[0].predict_proba(rows()) + 0.75 * models[1].predict_proba(rows())
    assert union.classes_.tolist() == ["w", "x", "y", "z"]
    np.testing.assert_allclose(union.predict_proba(rows()), mean, atol=1e-6)
    np.testing.assert_allclose(union.member_weights(rows()), [[0.25, 0.75]] * N)


def test_overlapping_labels_and_columns_are_united_better_than_counting_the_unknown_as_nothing():
    models = {"left": model(("w", "x", "y", None)), "right": model((None, "x", "y", "z"), ("b", "a"))}
    union = stackml.LabelUnion(models)
    truth = [("w", "x", "y", "z")[k] for k in places()]
    assert union.classes_.tolist() == ["w", "x", "y", "z"]
    assert np.mean(union.predict(rows()) == truth) > 0.9
    assert loss(union, truth) < loss(stackml.LabelUnion(models, pull=np.inf), truth) - 0.1


def test_models_of_different_positive_labels_keep_each_ones_odds():
    fraud, chargeback = model(("fraud", "ok", "ok", None)), model((None, "ok", "ok", "chargeback"))
    union = stackml.LabelUnion([fraud, chargeback], pull=1e-6)
    p = pd.DataFrame(union.predict_proba(rows()), columns=union.classes_)
    assert list(p.columns) == ["chargeback", "fraud", "ok"]
    for one, name in ((fraud, "fraud"), (chargeback, "chargeback")):
        own = one.predict_proba(rows())[:, list(one.classes_).index(name)]
        np.testing.assert_allclose(p[name] / (p[name] + p["ok"]), own, atol=1e-3)


def test_a_category_is_refined_and_disappears_from_the_labels():
    coarse = model(("401", "401", "250", "250"))
    fine = model(("401", "401", "250.01", "250.02"), learner="extra_trees")
    union = stackml.LabelUnion({"coarse": coarse, "fine": fine}, nested=True)
    assert union.classes_.tolist() == ["250.01", "250.02", "401"]
    p, own = union.predict_proba(rows()), fine.predict_proba(rows())
    mean = (coarse.predict_proba(rows())[:, 0] + own[:, :2].sum(axis=1)) / 2
    np.testing.assert_allclose(p[:, :2].sum(axis=1), mean, atol=1e-6)
    np.testing.assert_allclose(p[:, 0] / p[:, :2].sum(axis=1), own[:, 0] / own[:, :2].sum(axis=1), atol=1e-5)
    flat = stackml.LabelUnion({"coarse": coarse, "fine": fine})
    assert flat.classes_.tolist() == ["250", "250.01", "250.02", "401"]


def test_a_label_for_the_rest_goes_to_what_the_others_know():
    rest = model(("w", "rest", "rest", "rest"))
    part = model((None, "x", "y", "z"))
    union = stackml.LabelUnion({"w": rest, "part": part}, other={"w": "rest"})
    assert union.classes_.tolist() == ["w", "x", "y", "z"]
    assert np.mean(union.predict(rows()) == [("w", "x", "y", "z")[k] for k in places()]) > 0.9
    one_against_rest = stackml.LabelUnion(
        {x: model(tuple(x if k == i else "rest" for k in range(4))) for i, x in enumerate("wxyz")},
        other=dict.fromkeys("wxyz", "rest"),
    )
    assert np.mean(one_against_rest.predict(rows()) == [("w", "x", "y", "z")[k] for k in places()]) > 0.7


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((1, 2, 3, None), (None, 2, 3, 10), [1, 2, 3, 10]),
        ((1.0, 5.0, 5.0, None), (None, 2, 2, 1), [1.0, 2.0, 5.0]),
        ((False, True, True, False), (False, True, False, True), [False, True]),
        ((250, 401, 401, None), (None, "V1", "V1", "V2"), ["250", "401", "V1", "V2"]),
    ],
)
def test_labels_of_every_type_are_read_by_their_strings(first, second, expected, tmp_path):
    union = stackml.LabelUnion([model(first), model(second)])
    found = union.classes_.tolist()
    assert found == expected
    assert isinstance(found[0], type(expected[0]))
    again = stackml.load(union.save(tmp_path / "union.stack"))
    assert again.classes_.dtype == union.classes_.dtype
    assert np.array_equal(again.predict(rows()), union.predict(rows()))


def test_learned_weights_trust_the_model_that_knows():
    blind = stackml.StackClassifier(["logistic"], folds=3, n_jobs=1)
    labels = np.array(["w", "x", "y", "z"])[places()]
    blind.fit(rows()[["c"]], np.random.default_rng(0).permutation(labels))
    union = stackml.LabelUnion({"knows": model(("w", "x", "y", "z")), "blind": blind})
    before = loss(union, labels)
    assert union.fit(rows(), labels) is union
    assert union.fitted_.weights[0] > 0.9
    assert loss(union, labels) < before
    assert union.fitted_.card["weights"]["rows"] == N
    tilted = stackml.LabelUnion({"knows": union.fitted_.parts[0].model, "blind": blind})
    tilted.fit(rows(), np.where(rows()["a"] > 0, "z", "w"), sample_weight=np.ones(N))
    assert tilted.fitted_.weights.sum() == pytest.approx(1)


def test_weights_are_learned_from_categories_where_no_finer_label_is_known():
    union = stackml.LabelUnion([model(("4", "4", "2", "2")), model(("4", "4", "2.1", "2.2"))], nested=".")
    union.fit(rows(), np.array(["4", "4", "2", "2"])[places()])
    assert union.fitted_.card["weights"]["log_loss"] <= union.fitted_.card["weights"]["log_loss_of_equal"]


@pytest.mark.parametrize("pull", [0.003, np.inf])
def test_every_parameter_comes_back_from_a_file(tmp_path, pull):
    union = stackml.LabelUnion(
        {"c": model(("4", "rest", "2", "2")), "f": model(("4", "5", "2.1", "2.2"))},
        weights={"c": 1, "f": 2},
        nested=".",
        other={"c": "rest"},
        pull=pull,
    )
    again = stackml.load(union.save(tmp_path / "union.stack"))
    assert np.array_equal(again.predict_proba(rows()), union.predict_proba(rows()))
    assert (again.nested, again.other, again.pull) == (".", {"c": "rest"}, pull)


@pytest.mark.parametrize(
    "harm",
    [
        {"weights": np.array([1.5, -0.5])},
        {"weights": np.array([0.5, 0.5, 0.0])},
        {"weights": "half"},
        {"nested": ""},
        {"nested": 3},
        {"nested": True},  # another union than its labels say
        {"other": [None]},
        {"other": ["nobody", None]},
        {"other": [["4"], None]},
        {"other": "4"},
        {"pull": 0.0},
        {"pull": -1.0},
        {"pull": "inf"},
    ],
)
def test_a_rule_that_is_none_is_refused(tmp_path, harm):
    union = stackml.LabelUnion([model(("4", "4", "2", "2")), model(("4", "4", "2.1", "2.2"))])
    _, state = read_archive(union.save(tmp_path / "union.stack"))
    state = {**state, "rule": {**state["rule"], **harm}}
    write_archive(tmp_path / "broken.stack", kind="label_union", state=state, manifest={})
    with pytest.raises(StorageError):
        stackml.load(tmp_path / "broken.stack")


@pytest.mark.parametrize("labels", [["2", "2.2", "2.1", "4"], ["2", "2.1", "4"], ["2", "2.1", "2.2", "5"]])
def test_labels_that_are_not_those_of_the_parts_are_refused(tmp_path, labels):
    union = stackml.LabelUnion([model(("4", "4", "2", "2")), model(("4", "4", "2.1", "2.2"))])
    _, state = read_archive(union.save(tmp_path / "union.stack"))
    problem = {"kind": "multiclass", "n_classes": len(labels)}
    state = {**state, "problem": problem, "classes": {**state["classes"], "labels": labels}}
    write_archive(tmp_path / "broken.stack", kind="label_union", state=state, manifest={})
    with pytest.raises(StorageError, match="not those of its parts"):
        stackml.load(tmp_path / "broken.stack")


def test_what_cannot_be_united_is_said():
    letters, numbers = model(("w", "x", "y", "z")), model(("1", "1", "2", "2"))
    regressor = stackml.StackRegressor(["ridge"], folds=3, n_jobs=1).fit(rows(), rows()["a"])
    with pytest.raises(ParameterError, match="'number' predicts numbers; labels alone"):
        stackml.LabelUnion({"number": regressor, "letters": letters})
    with pytest.raises(
        ParameterError, match=r"label '1' of model 'texts' is a text and 1 of 'ints' a number"
    ):
        stackml.LabelUnion({"texts": numbers, "ints": model((1, 1, 2, 2))})
    with pytest.raises(ParameterError, match="nested='': give False, True"):
        stackml.LabelUnion([letters, numbers], nested="")
    with pytest.raises(ParameterError, match="pull=0: give a number from 1e-06, or"):
        stackml.LabelUnion([letters, numbers], pull=0)
    with pytest.raises(ParameterError, match="no model 'leters'; did you mean 'letters'"):
        stackml.LabelUnion({"letters": letters, "b": numbers}, other={"leters": "w"})
    with pytest.raises(ParameterError, match=r"model 'letters' has no label 'v'; .*its labels: w, x, y, z"):
        stackml.LabelUnion({"letters": letters, "b": numbers}, other={"letters": "v"})
    with pytest.raises(
        ParameterError, match="'all' knows every label that the others know, so 'z' stands for"
    ):
        stackml.LabelUnion({"all": letters, "some": model(("w", "x", "y", None))}, other={"all": "z"})


def test_labels_to_learn_from_must_be_known_and_one_a_row():
    union = stackml.LabelUnion([model(("w", "x", "y", "z")), model(("w", "x", "y", None))])
    with pytest.raises(DataError, match="no model knows the label 'q'; 2 of 3 rows"):
        union.fit(rows().head(3), ["q", "w", "q"])
    with pytest.raises(DataError, match=r"different numbers of rows: .* \[3, 2\]"):
        union.fit(rows().head(3), ["w", "w"])
    for missing in (None, np.nan, pd.NA):
        with pytest.raises(DataError, match=r"1 missing value\(s\), first at row 1; a row without a label"):
            union.fit(rows().head(3), pd.Series(["w", missing, "w"], dtype=object))
    with pytest.raises(DataError, match="y should be a 1d array"):
        union.fit(rows().head(3), None)
    with pytest.raises(DataError, match="no model knows the label '2020-01-01 00:00:00'"):
        union.fit(rows().head(3), pd.Series(pd.date_range("2020-01-01", periods=3)))
    column = pd.DataFrame({"y": ["w", "x", "w"]})
    with pytest.warns(DataConversionWarning):
        assert union.fit(rows().head(3), column).fitted_.card["weights"]["rows"] == 3


def test_a_parameter_that_is_set_counts():
    known = model(("w", "x", "y", "z")), model(("w", "x", "y", None), learner="lightgbm")
    made = stackml.LabelUnion(list(known)).set_params(weights=[1, 3], pull=0.1)
    wanted = stackml.LabelUnion(list(known), [1, 3], pull=0.1)
    assert np.array_equal(made.predict_proba(rows()), wanted.predict_proba(rows()))
    with pytest.raises(ParameterError, match="pull=0: give a number"):
        made.set_params(pull=0)


def test_rows_that_a_model_has_seen_are_warned_of(tmp_path, recwarn):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(800, 2)), columns=["a", "b"])
    y = np.where(frame["a"] + rng.normal(size=800) > 0, "w", "x")
    remembers = ExtraTreesLearner(min_samples_leaf=1)  # noise too
    trees = stackml.StackClassifier([remembers], folds=3, calibration="none", n_jobs=1)
    line = stackml.StackClassifier(["logistic"], folds=3, n_jobs=1)
    union = stackml.LabelUnion(
        {"trees": trees.fit(frame[:400], y[:400]), "line": line.fit(frame[:400], y[:400])}
    )
    union.fit(frame[400:], y[400:])
    assert not [w for w in recwarn if "learned" in str(w.message)]
    with pytest.warns(StackmlWarning, match="'line': at least 100% .* Give rows it never saw$"):
        union.fit(frame[:400], y[:400])
    again = stackml.load(union.save(tmp_path / "union.stack"))
    with pytest.warns(StackmlWarning, match="'trees': its loss here is .* learned from these rows"):
        again.fit(frame[:400], y[:400])


def test_letters_of_overlapping_alphabets(real_data):
    data = pd.read_parquet(real_data / "letter.parquet").sample(5000, random_state=0)
    X, y = data.drop(columns="lettr"), data["lettr"].astype(str)

    def of(rows, first, last):
        rows = rows[(y.iloc[rows] >= first).to_numpy() & (y.iloc[rows] <= last).to_numpy()]
        made = stackml.StackClassifier(["extra_trees"], folds=3, n_jobs=1)
        return made.fit(X.iloc[rows], y.iloc[rows])

    models = {"A-P": of(np.arange(1500), "A", "P"), "K-Z": of(np.arange(1500, 3000), "K", "Z")}
    union = stackml.LabelUnion(models)
    unseen, truth = X.iloc[3000:], y.iloc[3000:].to_numpy()
    right = np.mean(union.predict(unseen) == truth)
    best = max(np.mean(one.predict(unseen) == truth) for one in models.values())
    assert union.classes_.tolist() == [chr(65 + i) for i in range(26)]
    assert right > best + 0.15
    plain = stackml.LabelUnion(models, pull=np.inf)
    assert right > np.mean(plain.predict(unseen) == truth) + 0.01
    assert loss(union, truth, unseen) < loss(plain, truth, unseen) - 0.1


def test_diagnoses_as_categories_and_as_codes(real_data):
    data = pd.read_parquet(real_data / "diabetes130.parquet").drop_duplicates("patient_nbr")
    code = data["diag_1"].astype(str)
    kept = ["250.8", "250.6", "250.7", "250.13", "250.02", "410", "414", "428", "486", "V57"]
    data, code = data[code.isin(kept)].iloc[:9000], code[code.isin(kept)].iloc[:9000]
    columns = [
        "age",
        "medical_specialty",
        "time_in_hospital",
        "num_procedures",
        "diag_2",
        "diag_3",
        "insulin",
    ]
    X, category = data[columns], code.str.split(".").str[0]

    def fitted(frame, y):
        return stackml.StackClassifier(["extra_trees"], folds=3, n_jobs=1).fit(frame, y)

    coarse = fitted(X.iloc[:4000], category.iloc[:4000])
    some = code.iloc[4000:6000].str.startswith("250").to_numpy()
    fine = fitted(X.iloc[4000:6000], code.iloc[4000:6000])
    clinic = fitted(X.iloc[4000:6000].drop(columns="age")[some], code.iloc[4000:6000][some])
    unseen, truth = X.iloc[6000:], code.iloc[6000:].to_numpy()
    union = stackml.LabelUnion({"categories": coarse, "codes": fine}, nested=".")
    assert union.classes_.tolist() == sorted(kept)
    assert loss(union, truth, unseen) < loss(fine, truth, unseen) - 0.02
    refined = stackml.LabelUnion({"categories": coarse, "clinic": clinic}, nested=".")
    of_category = pd.DataFrame(refined.predict_proba(unseen), columns=refined.classes_)
    own = pd.DataFrame(coarse.predict_proba(unseen), columns=coarse.classes_)
    diabetes = of_category.filter(like="250").sum(axis=1)
    np.testing.assert_allclose(diabetes, own["250"], atol=1e-6)
    assert np.mean(refined.predict(unseen) == truth) > np.mean(coarse.predict(unseen) == truth)
