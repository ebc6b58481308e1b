"""A fitted estimator from outside as a stack: it says what it said, and goes to a file and back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from stackml.assembly.loading import load
from stackml.foundation.errors import DataError, ParameterError, StorageError
from stackml.stack.file import read_stack, to_state, write_stack
from stackml.stack.outside.foreign import stack_of_estimator
from stackml.storage.archive import write_archive
from stackml.tables.table import Table


@pytest.fixture
def piped():
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["k"]), (StandardScaler(), ["a", "c"])
        ),
        LogisticRegression(),
    )


def test_a_pipeline_on_its_own_columns_says_what_it_said(piped, rows, binary, tmp_path):
    words = np.where(binary == 1, "yes", "no")
    piped.fit(rows, words)
    stack = stack_of_estimator(piped, rows.head(60))
    want = piped.predict_proba(rows)[:, 1:]
    assert np.allclose(stack.predict(Table.of(rows, stack.schema)), want, atol=1e-6)
    path = write_stack(tmp_path / "piped.stack", stack, estimator="StackClassifier")
    again = load(path)
    assert again.classes_.tolist() == ["no", "yes"]
    assert np.array_equal(again.predict_proba(rows)[:, 1:], stack.predict(Table.of(rows, stack.schema)))
    strange = rows.head(3).assign(k="never seen")
    assert np.allclose(again.predict_proba(strange), piped.predict_proba(strange), atol=1e-6)
    assert again.explain(rows.head(2)).contributions.shape[0] == 2


def test_numbers_alone_need_no_sample(rows, score):
    X = rows[["a", "c"]].to_numpy() * 1e6 + 1e9
    made = Ridge().fit(X, score)
    stack = stack_of_estimator(made)
    found = stack.predict(Table.of(X, stack.schema))[:, 0]
    assert np.allclose(found, made.predict(X), atol=1e-5)
    forest = RandomForestRegressor(5, random_state=0).fit(rows[["c", "a"]], score)
    stack = stack_of_estimator(forest)
    assert [c.name for c in stack.schema.read] == ["c", "a"]
    assert np.allclose(stack.predict(Table.of(rows, stack.schema))[:, 0], forest.predict(rows[["c", "a"]]))


def test_missing_numbers_are_filled_by_medians_of_the_sample_or_refused(rows, binary):
    whole = rows[["a", "b"]].fillna(0.0)
    made = LogisticRegression().fit(whole, binary)
    with_sample = stack_of_estimator(made, whole)
    filled = rows[["a", "b"]].fillna(whole.median())
    found = with_sample.predict(Table.of(rows, with_sample.schema))[:, 0]
    assert np.allclose(found, made.predict_proba(filled)[:, 1], atol=1e-6)
    without = stack_of_estimator(made)
    with pytest.raises(
        DataError, match="column 'b', row 0 is missing, and LogisticRegression takes no missing"
    ):
        without.predict(Table.of(rows, without.schema))
    takes = HistGradientBoostingClassifier(max_iter=5).fit(rows[["a", "b"]], binary)
    stack = stack_of_estimator(takes)
    want = takes.predict_proba(rows[["a", "b"]])[:, 1]
    assert np.allclose(stack.predict(Table.of(rows, stack.schema))[:, 0], want, atol=1e-6)


def test_more_classes_than_the_estimator_knows(rows, three):
    X, two = rows[["a", "c"]], three > 0
    made = LogisticRegression().fit(X[two], three[two])
    stack = stack_of_estimator(made, X, classes=[0, 1, 2])
    found = stack.predict(Table.of(X, stack.schema))
    assert np.allclose(found[:, 1:], made.predict_proba(X), atol=1e-6)
    assert not found[:, 0].any()
    votes = stack_of_estimator(LinearSVC().fit(X, three), X)
    assert np.allclose(votes.predict(Table.of(X, votes.schema)).sum(axis=1), 1)


def test_what_cannot_be_held_is_refused_with_a_reason(rows, binary, three, piped):
    with pytest.raises(ParameterError, match="LogisticRegression is not fitted; fit it first"):
        stack_of_estimator(LogisticRegression())
    with pytest.raises(ParameterError, match=r"StandardScaler|neither a classifier|no fitted estimator"):
        stack_of_estimator(StandardScaler().fit(rows[["a"]]))
    made = LogisticRegression().fit(rows[["a", "c"]], three)
    with pytest.raises(ParameterError, match="must hold each label once, and all of the estimator's"):
        stack_of_estimator(made, classes=[0, 1])
    with pytest.raises(DataError, match="rows lack columns the estimator was fitted on: a"):
        stack_of_estimator(made, rows[["c"]])
    dated = rows.assign(d=pd.Timestamp("2020-01-01"))
    piped.fit(dated, binary)
    with pytest.raises(DataError, match="column 'd' holds dates"):
        stack_of_estimator(piped, dated)
    coded = rows.assign(k=pd.Categorical(np.arange(len(rows)) % 3))
    piped.fit(coded, binary)
    with pytest.raises(DataError, match=r"answers otherwise|does not read the columns"):
        stack_of_estimator(piped, coded)


def test_a_stack_is_taken_as_it_is(classifier, rows, binary):
    stack = classifier().fit(rows, binary)
    assert stack_of_estimator(stack) is stack.fitted_


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("codes", [0, 7]),
        ("codes", [0]),
        ("named", 1),
        ("fill", np.zeros(9)),
        ("problem", ["ranking", 2]),
        ("problem", ["multiclass", 3]),
        ("estimator", b"PK"),
        ("schema", {"columns": []}),
    ],
)
def test_a_hostile_state_is_refused(piped, rows, binary, tmp_path, field, value):
    stack = stack_of_estimator(piped.fit(rows, binary), rows)
    state = to_state(stack)
    state["layers"][0][0]["models"][0][field] = value
    path = tmp_path / "x.stack"
    write_archive(path, kind="stack", state=state, manifest={"estimator": "StackClassifier"})
    with pytest.raises(StorageError):
        read_stack(path)


def test_types_must_be_trusted(rows, score, tmp_path):
    forest = RandomForestRegressor(3, random_state=0).fit(rows[["a"]], score)
    path = write_stack(tmp_path / "f.stack", stack_of_estimator(forest), estimator="StackRegressor")
    with pytest.raises(StorageError, match="types that are not trusted"):
        load(path)


def test_an_estimator_whose_thresholds_are_values_of_the_table_answers_as_it_does_alone():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(5000, 4)), columns=list("abcd"))
    X["large"] = 1e12 + rng.normal(size=5000)
    y = (X["a"] + X["b"] * X["c"] > 0).astype(int)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=0).fit(X, y)
    stack = stack_of_estimator(model, X)
    np.testing.assert_allclose(
        stack.predict(Table.of(X, stack.schema))[:, 0], model.predict_proba(X)[:, 1], atol=1e-6
    )
