"""The catalog: what `learners=` accepts, and the messages for what it does not."""

import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from stackml.foundation.errors import MissingExtraError, ParameterError, StorageError
from stackml.learners import catalog
from stackml.learners.catalog import (
    FITTED,
    LEARNERS,
    PRESETS,
    describe_learner,
    make_learner,
    resolve_learners,
    restore_learner,
)
from stackml.learners.forest import ExtraTreesLearner, RandomForestLearner
from stackml.learners.lightgbm import LightGBMLearner
from stackml.learners.neural import MLPLearner
from stackml.learners.sklearn import SklearnLearner
from stackml.tables.target import Problem

BINARY, REGRESSION = Problem("binary", 2), Problem("regression")


def names(spec: object, problem: Problem = BINARY) -> list[str]:
    return [name for name, _ in resolve_learners(spec, problem)]


@pytest.mark.parametrize("problem", [BINARY, Problem("multiclass", 3), REGRESSION])
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_hold_what_suits_the_problem(preset: str, problem: Problem) -> None:
    found = names(preset, problem)
    assert ("ridge" in found) == problem.is_regression
    assert ("logistic" in found) != problem.is_regression
    assert "lightgbm" in found


def test_best_begins_with_what_is_strong_for_its_time() -> None:
    for problem, linear in ((BINARY, "logistic"), (REGRESSION, "ridge")):
        found = names("best", problem)
        assert found[:3] == ["xgboost_shallow", "lightgbm", linear]
        assert len(set(found)) == len(found)


def test_presets_leave_out_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "installed", lambda module: False)
    assert "catboost" not in names("best")
    with pytest.raises(MissingExtraError, match=r"needs 'catboost'.*pip install 'stackml\[best\]'"):
        make_learner("catboost")


def test_what_is_not_installed_is_left_to_fail_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "installed", lambda module: False)
    assert names(["catboost", "logistic"]) == ["catboost", "logistic"]
    assert describe_learner("catboost", depth=4).parameters["depth"] == 4
    for alone in (["catboost"], "catboost", [("mine", describe_learner("catboost"))]):
        with pytest.raises(MissingExtraError, match=r"needs 'catboost'.*pip install 'stackml\[best\]'"):
            resolve_learners(alone, BINARY)


def test_every_form_is_accepted() -> None:
    spec = ["lightgbm", LightGBMLearner(), ("mine", ExtraTreesLearner()), ("tree", DecisionTreeClassifier())]
    spec += [["again", "lightgbm"], LogisticRegression(), RandomForestLearner(n_trees=5), "lightgbm"]
    assert names(spec) == [
        "lightgbm",
        "lightgbm_2",
        "mine",
        "tree",
        "again",
        "logisticregression",
        "random_forest",
        "lightgbm_3",
    ]
    assert names("mlp") == ["mlp"]
    assert names(MLPLearner()) == ["mlp"]
    assert names(("tree", DecisionTreeClassifier())) == ["tree"]
    assert names(("lightgbm", "mlp")) == ["lightgbm", "mlp"]


def test_a_row_of_the_catalog_keeps_its_name_as_an_object() -> None:
    assert names([make_learner("lightgbm_extra")]) == ["lightgbm_extra"]


def test_parameters_change_a_row_and_lists_become_hashable() -> None:
    learner = make_learner("mlp", hidden=[8, 4], patience=2)
    assert learner == MLPLearner(hidden=(8, 4), patience=2)
    assert hash(learner)
    assert make_learner("lightgbm_extra", max_rounds=3).parameters["extra_trees"] is True


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (["lightgmb"], "unknown learner 'lightgmb'; did you mean 'lightgbm'?"),
        ("balancd", "unknown preset 'balancd'; did you mean 'balanced'?"),
        ([], "is empty; give at least one"),
        (3, "learners=3: give a preset"),
        ([3], "3 is no learner"),
        (["ridge"], "learner 'ridge' cannot be fitted to a binary target; these can: lightgbm"),
        (
            [("lin", LinearRegression())],
            "'lin': LinearRegression is a regressor, but the target is a class",
        ),
        ([("tree", DecisionTreeClassifier)], "is not a scikit-learn estimator .a class, not an object"),
    ],
)
def test_what_is_wrong_is_said(spec: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message.replace("?", r"\?").replace("(", r"\(")):
        resolve_learners(spec, BINARY)


def test_a_classifier_is_refused_for_numbers() -> None:
    with pytest.raises(ParameterError, match="is a classifier, but the target is a number"):
        resolve_learners([("log", LogisticRegression())], REGRESSION)


def test_a_wrong_parameter_names_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"no parameter 'num_leafs'; did you mean 'num_leaves'\?"):
        make_learner("lightgbm", num_leafs=3)


def test_only_known_kinds_are_restored() -> None:
    with pytest.raises(StorageError, match=r"unknown kind .* 'lineer'; did you mean 'linear'\?"):
        restore_learner("lineer", {})
    with pytest.raises(StorageError, match="linear: the stored model is incomplete"):
        restore_learner("linear", {"coef": 1})


def test_descriptions_are_hashable_and_digests_differ() -> None:
    digests = {entry.learner.digest for entry in LEARNERS.values()}
    assert len(digests) == len(LEARNERS)
    assert all(hash(entry.learner) for entry in LEARNERS.values())
    assert all(cls.kind == kind for kind, cls in FITTED.items())
    one, other = (SklearnLearner("t", DecisionTreeClassifier(max_depth=d)) for d in (3, 4))
    assert one.digest != other.digest
    assert one.digest == SklearnLearner("u", DecisionTreeClassifier(max_depth=3)).digest


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("random_forest", {"n_trees": 0}, "random_forest: n_trees must be above 0, not 0"),
        ("logistic", {"C": -1}, "logistic: C must be above 0, not -1"),
        ("mlp", {"learning_rate": "fast"}, "mlp: learning_rate must be a number, not 'fast'"),
        ("neighbors", {"least_relevance": 2.0}, "least_relevance must be in .0, 1., not 2.0"),
        ("hbos", {"n_bins": 0}, "hbos: n_bins must be above 0, not 0"),
    ],
)
def test_parameters_without_a_meaning_are_refused(name: str, parameters: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make_learner(name, **parameters)
