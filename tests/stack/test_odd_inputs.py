"""Odd rows and odd wishes: each gets the answer a person would want, or a line that says what to do."""

from __future__ import annotations

import datetime as dt
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from stackml.foundation.errors import DataError, ParameterError, SchemaError, SplitError, StackmlWarning
from stackml.stack import StackClassifier
from stackml.tables import read_file


@pytest.fixture(scope="module")
def fitted(classifier, rows, binary):
    """A stack that only predicts."""
    return classifier().fit(rows, binary)


def at(values, row, value):
    """Return a copy with one value replaced."""
    changed = pd.Series(values).astype(object)
    changed.iloc[row] = value
    return changed.infer_objects()


# Tables that cannot be learned from


def no_rows(frame):
    return frame.iloc[:0]


def no_columns(frame):
    return frame[[]]


TABLES = {
    "no rows": (no_rows, r"Found array with 0 sample\(s\).*X has no rows"),
    "no columns": (no_columns, r"Found array with 0 feature\(s\).*X has no columns"),
    "constant": (
        lambda f: f[["a"]] * 0,
        "no column a learner could read: column 'a' is not used: it is constant",
    ),
    "infinity": (
        lambda f: f.assign(a=at(f.a, 7, np.inf)),
        "column 'a', row 7: inf is infinite .*replace infinities",
    ),
    "minus infinity": (lambda f: f.assign(a=at(f.a, 3, -np.inf)), "column 'a', row 3: -inf is infinite"),
    "repeated name": (lambda f: f.set_axis(["a", "a", "b", "k"], axis=1), "more than one column named 'a'"),
    "1 and '1'": (lambda f: f.set_axis([1, "1", "b", "k"], axis=1), "more than one column named '1'"),
    "lists": (
        lambda f: f.assign(o=[["p", "q"]] * len(f)),
        r"column 'o', row 0: a cell holds a list \(150 such row",
    ),
    "ragged vectors": (
        lambda f: f.assign(o=[*[[1.0, 2.0]] * (len(f) - 1), [1.0]]),
        "column 'o', row 149: a vector of 1 numbers, where row 0 has 2; give every row a list",
    ),
    "a dict": (
        lambda f: f.assign(o=[*f.k[:4], {"a": 1}, *f.k[5:]]),
        "column 'o', row 4: a cell holds a dict.*make columns of",
    ),
    "complex": (
        lambda f: f.assign(o=f.a + 1j),
        "column 'o': Complex data not supported; give real and imaginary",
    ),
    "beyond float32": (
        lambda f: f.assign(a=at(f.a, 5, 1e200)),
        "column 'a', row 5: 1e.200 is beyond float32",
    ),
    "a series": (
        lambda f: f.a,
        r"Expected 2D array, got a Series instead; give a table: one column as X.to_frame",
    ),
    "a polars series": (lambda f: pl.Series(f.c), "Expected 2D array, got a Series instead"),
    "one dimension": (lambda f: f.a.to_numpy(), "Expected 2D array, got 1D array instead"),
    "a dict of columns": (lambda f: f.to_dict(), "X is a dict; give a DataFrame or an array"),
    "nothing": (lambda f: None, "X is a NoneType; give a DataFrame or an array"),
}


@pytest.mark.parametrize(("change", "message"), TABLES.values(), ids=TABLES)
def test_rows_that_cannot_be_learned_from(classifier, rows, binary, change, message):
    with pytest.raises(DataError, match=message):
        classifier().fit(change(rows), binary)


UNUSED = {
    "constant": lambda f: f.assign(z=1),
    "constant text": lambda f: f.assign(z="x"),
    "all missing": lambda f: f.assign(z=np.nan),
    "all None": lambda f: f.assign(z=None),
    "a constant vector": lambda f: f.assign(z=[[1.0, 2.0]] * len(f)),
    "an id": lambda f: f.assign(z=[f"id-{i}" for i in range(len(f))]),
}


@pytest.mark.parametrize("change", UNUSED.values(), ids=UNUSED)
def test_a_column_that_says_nothing_changes_nothing(classifier, rows, binary, fitted, change):
    stack = classifier().fit(change(rows), binary)
    assert np.array_equal(stack.predict_proba(change(rows)), fitted.predict_proba(rows))
    assert np.array_equal(stack.predict_proba(rows), fitted.predict_proba(rows))  # nor need it be there
    assert [note for note in stack.fitted_.schema.notes() if note.startswith("column 'z' is not used")]


@pytest.mark.parametrize("change", [no_rows, no_columns])
def test_nothing_to_predict(fitted, rows, change):
    with pytest.raises(DataError, match="X has no"):
        fitted.predict(change(rows))


# Columns at predict time


def test_a_column_gone_or_renamed_is_named(classifier, fitted, rows, binary):
    with pytest.raises(
        SchemaError, match=r"lacks 1 column\(s\) the stack was trained on: 'b'; found .*: none"
    ):
        fitted.predict(rows.drop(columns="b"))
    with pytest.raises(SchemaError, match="'b'; did you mean 'bb'"):
        fitted.predict(rows.rename(columns={"b": "bb"}))
    numbers = np.random.default_rng(0).normal(size=(150, 4))
    of_array = classifier().fit(numbers, binary)
    with pytest.raises(SchemaError, match="X has 3 features, but stackml is expecting 4 features as input"):
        of_array.predict(numbers[:, :3])


def test_an_array_for_a_table_is_refused(fitted, rows):
    with pytest.raises(SchemaError, match=r"lacks 4 column.*: 'a', 'b', 'c', 'k'.*not known to it: .'x0'"):
        fitted.predict(rows.to_numpy())


def test_an_added_column_is_ignored_and_said(fitted, rows):
    with pytest.warns(
        StackmlWarning, match=r"X has 1 column\(s\) the stack was not trained on, ignored: 'new'"
    ):
        got = fitted.predict_proba(rows.assign(new=1.0))
    assert np.array_equal(got, fitted.predict_proba(rows))


def test_the_order_of_columns_does_not_matter(fitted, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(fitted.predict_proba(rows[["k", "c", "a", "b"]]), fitted.predict_proba(rows))


@pytest.mark.parametrize(
    "learner", ["lightgbm", "xgboost", "extra_trees", "logistic", "neighbors", "mlp", "hbos"]
)
def test_an_unseen_category_and_gaps_everywhere_are_scored(classifier, rows, binary, learner):
    stack = classifier(learners=[learner, "logistic"]).fit(rows, binary)
    odd = rows.head(6).assign(k=["zzz", None, "u", "", "zzz", np.nan], a=np.nan, c=[None] * 6)
    probability = stack.predict_proba(odd)
    assert np.isfinite(probability).all()
    assert np.array_equal(probability, stack.predict_proba(odd))


AT_PREDICT = {
    "infinity": ({"a": at(np.zeros(150), 7, -np.inf)}, "column 'a', row 7: -inf is infinite"),
    "text": (
        {"a": at(np.zeros(150), 2, "high")},
        "column 'a', row 2: 'high' is not a number .*mend the value",
    ),
    "lists for a number": ({"a": [[1]] * 150}, r"column 'a', row 0: \[1\] is not a number"),
    "lists for a category": ({"k": [["u"]] * 150}, "column 'k', row 0: a cell holds a list"),
    "dates for a number": (
        {"a": pd.date_range("2024", periods=150)},
        "column 'a' holds dates, and numbers when",
    ),
}


@pytest.mark.parametrize(("change", "message"), AT_PREDICT.values(), ids=AT_PREDICT)
def test_values_that_cannot_be_scored(fitted, rows, change, message):
    with pytest.raises(DataError, match=message):
        fitted.predict(rows.assign(**change))


def test_numbers_as_text_and_categories_as_numbers_are_read(classifier, fitted, rows, binary):
    assert np.array_equal(fitted.predict_proba(rows.assign(c=rows.c.astype(str))), fitted.predict_proba(rows))
    coded = rows.assign(k=rows.k.map({"u": "1", "v": "2", "w": "3"}))
    stack = classifier().fit(coded, binary)
    for kind in (int, float):
        assert np.array_equal(
            stack.predict_proba(coded.assign(k=coded.k.astype(kind))), stack.predict_proba(coded)
        )


def test_dates_are_read_from_text_and_never_from_numbers(classifier, rows, binary):
    days = pd.Series(pd.date_range("2024-03-01", periods=150))
    stack = classifier().fit(rows.assign(day=days), binary)
    want = stack.predict_proba(rows.assign(day=days))
    assert np.array_equal(stack.predict_proba(rows.assign(day=days.astype(str))), want)
    assert np.isfinite(stack.predict_proba(rows.assign(day=None))).all()
    with pytest.raises(SchemaError, match="column 'day', row 1: 'soon' is not a date"):
        stack.predict(rows.assign(day=at(days.astype(str), 1, "soon")))
    with pytest.raises(
        SchemaError, match=r"column 'day', row 0: 17.* is a number, where a date is needed.*unit='s'"
    ):
        stack.predict(rows.assign(day=days.astype("int64")))
    with pytest.raises(SchemaError, match=r"column 'c', row 0: .* is a number, where a date is needed"):
        classifier(schema={"kinds": {"c": "datetime"}}).fit(rows, binary)


# Targets


def labels(y, *changed):
    named = pd.Series(np.asarray(["no", "yes"], dtype=object)[y], dtype=object)
    for row, value in changed:
        named.iloc[row] = value
    return named


TARGETS = {
    "one class": (
        lambda y: np.ones(len(y)),
        r"y holds one class only \(1.0, 150 rows\).*at least two classes",
    ),
    "NaN": (
        lambda y: at(y.astype(float), 3, np.nan),
        r"y contains NaN: 1 missing value\(s\), first at row 3; .*drop it",
    ),
    "None": (lambda y: labels(y, (5, None), (9, None)), r"2 missing value\(s\), first at row 5"),
    "NA": (lambda y: pd.Series(y).astype("Int64").where(pd.Series(range(len(y))) != 4), "first at row 4"),
    "null": (lambda y: pl.Series([None, *map(str, y[1:])]), "first at row 0"),
    "too short": (lambda y: y[:-1], r"X and y have different numbers of rows: .*\[150, 149\]"),
    "two columns": (lambda y: np.c_[y, y], r"y should be a 1d array, got an array of shape \(150, 2\)"),
    "text and numbers": (
        lambda y: labels(y, (0, 7)),
        r"y mixes labels of different types \(int, str\); make them",
    ),
    "numbers and booleans": (lambda y: at(y, 0, True), r"y mixes labels of different types \(bool, int\)"),
    "a measurement": (lambda y: y + 0.123, "Unknown label type: continuous.*use StackRegressor"),
}


@pytest.mark.parametrize(("change", "message"), TARGETS.values(), ids=TARGETS)
def test_targets_that_are_no_classes(classifier, rows, binary, change, message):
    with pytest.raises(DataError, match=message):
        classifier().fit(rows, change(binary))


def test_targets_that_are_no_numbers(regressor, rows, binary, score):
    with pytest.raises(DataError, match=r"first at row 2; a row without a value cannot be learned from"):
        regressor().fit(rows, at(score, 2, np.nan))
    with pytest.raises(DataError, match="y contains infinity: row 6 is -inf"):
        regressor().fit(rows, at(score, 6, -np.inf))
    with pytest.raises(DataError, match=r"y holds values that are no numbers.*is this a classification"):
        regressor().fit(rows, labels(binary))


def test_a_constant_number_is_learned(regressor, rows):
    assert np.allclose(
        regressor(combiner="auto").fit(rows, np.full(150, 3.25)).predict(rows), 3.25, atol=1e-5
    )


def test_a_column_vector_is_read_as_one_column(classifier, fitted, rows, binary):
    for y in (binary[:, None], pd.DataFrame({"y": binary})):
        with pytest.warns(UserWarning, match="A column-vector y was passed"):
            stack = classifier().fit(rows, y)
        assert np.array_equal(stack.predict_proba(rows), fitted.predict_proba(rows))


def test_y_is_required(classifier, rows):
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        classifier().fit(rows, None)


# What comes beside the rows

BESIDE = {
    "negative weight": ({"sample_weight": -np.ones(150)}, "sample_weight, row 0: -1.0 is not a weight"),
    "missing weight": (
        {"sample_weight": at(np.ones(150), 2, np.nan)},
        "sample_weight, row 2: nan is not a weight",
    ),
    "endless weight": (
        {"sample_weight": at(np.ones(150), 2, np.inf)},
        "sample_weight, row 2: inf is not a weight",
    ),
    "no weight": (
        {"sample_weight": np.zeros(150)},
        "sample_weight is zero for every row; nothing could be learned",
    ),
    "text for weights": (
        {"sample_weight": ["heavy"] * 150},
        "sample_weight holds values that are no numbers",
    ),
    "too few weights": (
        {"sample_weight": np.ones(149)},
        r"X and sample_weight have different numbers.*\[150, 149\]",
    ),
    "missing group": (
        {"groups": at(np.arange(150) // 3, 8, None)},
        "groups contains NaN: .*first at row 8; give every",
    ),
    "one group": (
        {"groups": np.ones(150)},
        "all rows are of one group, so no group can be held out; give a finer",
    ),
    "too few groups": ({"groups": np.arange(151)}, "X and groups have different numbers of rows"),
    "missing time": (
        {"time": [None, *range(149)]},
        "time contains NaN: .*first at row 0; give every row a time",
    ),
    "no time": ({"time": ["soon"] * 150}, "time holds values that are neither numbers nor dates"),
    "one time": ({"time": np.ones(150)}, "all rows have the same time .*there is no past to learn from"),
}


@pytest.mark.parametrize(("given", "message"), BESIDE.values(), ids=BESIDE)
def test_what_comes_beside_the_rows(classifier, rows, binary, given, message):
    with pytest.raises(DataError, match=message):
        classifier().fit(rows, binary, **given)


PARAMETERS = [
    ({"learners": "balancd"}, "unknown preset 'balancd'; did you mean 'balanced'"),
    ({"combiner": "grredy"}, "unknown combiner 'grredy'; did you mean 'greedy'"),
    ({"combiner": 3}, "unknown combiner '3'; known: "),
    ({"metric": "roc_acu"}, "unknown metric 'roc_acu'; did you mean 'roc_auc'"),
    ({"metric": "rmse"}, "metric 'rmse' is not made for a binary problem; use one of: roc_auc"),
    ({"calibration": "beeta"}, "calibration='beeta' is unknown; did you mean 'beta'"),
    ({"calibration": None}, "calibration=None is unknown; did you mean 'none'"),
    ({"time_limit": 0}, "time_limit=0: give seconds above 0, or None for no limit"),
    ({"time_limit": -1.5}, "time_limit=-1.5: give seconds above 0"),
    ({"time_limit": "1h"}, "time_limit='1h': give seconds above 0"),
    ({"folds": 1}, "folds=1: give a whole number of at least 2"),
    ({"folds": "many"}, "folds='many': give a whole number of at least 2, 'auto', Folds, or pairs"),
    ({"layers": 0}, "layers=0: give a whole number of at least 1"),
    ({"layers": 1.5}, "layers=1.5: give a whole number of at least 1"),
    ({"embargo": -1}, "embargo=-1: give a duration of zero or more"),
    ({"n_jobs": 0}, "n_jobs=0: give a whole number of fits to run at once"),
    ({"n_jobs": "all"}, "n_jobs='all': give a whole number"),
    ({"random_state": "x"}, "random_state='x': give an integer, None or a RandomState"),
    ({"schema": {"kind": {}}}, "schema: unknown key 'kind'; did you mean 'kinds'"),
    ({"plan": {}}, "plan is a mapping of .*give the `plan_` of a fitted stack"),
    ({"plan": 3}, "plan is int; give the `plan_` of a fitted stack"),
]


@pytest.mark.parametrize(("given", "message"), PARAMETERS, ids=[str(given) for given, _ in PARAMETERS])
def test_parameters_without_a_meaning(classifier, rows, binary, given, message):
    with pytest.raises(ParameterError, match=message):
        classifier(**given).fit(rows, binary)


def test_a_cache_that_cannot_be_a_folder(classifier, rows, binary, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"cache_dir='.*file' cannot be used as a folder .File exists"):
        classifier(cache_dir=tmp_path / "file").fit(rows, binary)


SCHEMAS = [
    ({"kinds": {"aa": "number"}}, "schema.kinds: the table has no column 'aa'; did you mean 'a'"),
    ({"kinds": {"a": "numbr"}}, "'a' is given the unknown kind 'numbr'; did you mean 'number'"),
    ({"roles": {"a": "grup"}}, "'a' is given the unknown role 'grup'; did you mean 'group'"),
    ({"ordered": {"k": ["u", "v"]}}, r"schema.ordered: column 'k' holds \['w'\], which its order lacks"),
]


@pytest.mark.parametrize(("schema", "message"), SCHEMAS, ids=[str(schema) for schema, _ in SCHEMAS])
def test_schemas_that_do_not_fit_the_table(classifier, rows, binary, schema, message):
    with pytest.raises(SchemaError, match=message):
        classifier(schema=schema).fit(rows, binary)


# Few rows


@pytest.mark.parametrize("n_rare", [1, 2, 3])
@pytest.mark.parametrize("others", [1, 2])
def test_classes_of_few_rows(classifier, rows, n_rare, others):
    y = np.arange(150) % others
    y[-n_rare:] = others
    stack = classifier(folds=5, learners=["lightgbm", "logistic"], combiner="auto").fit(rows, y)
    probability = stack.predict_proba(rows)
    assert probability.shape == (150, others + 1)
    assert np.allclose(probability.sum(axis=1), 1.0)
    assert probability[:, others].mean() < 0.2


def test_three_rows(classifier, regressor, rows):
    stack = classifier(folds=5, combiner="auto", learners=["logistic", "extra_trees"]).fit(
        rows[:3], [0, 1, 1]
    )
    assert stack.predict(rows).shape == (150,)
    assert np.isfinite(regressor(folds=5, combiner="auto").fit(rows[:3], [0.0, 1.0, 5.0]).predict(rows)).all()
    with pytest.raises(DataError, match=r"X has 1 sample .*folds need at least 2 rows"):
        classifier().fit(rows[:1], [1])


def test_more_folds_than_rows_are_lowered_and_noted(classifier, rows, binary):
    stack = classifier(folds=1000).fit(rows[:30], binary[:30])
    assert stack.plan_["n_folds"] <= 30
    assert any("folds" in note for note in stack.plan_["notes"])


def test_the_rarest_quality_of_wine(classifier, real_data: Path):
    if not (real_data / "wine_quality.parquet").is_file() and not list(real_data.glob("wine_quality*")):
        pytest.skip("no table wine_quality among the real ones")
    frame = read_file(sorted(p for p in real_data.glob("wine_quality*") if p.is_file())[0])
    rare = frame[frame["quality"] == 9]
    assert len(rare) == 5
    common = frame[frame["quality"] != 9].sample(600, random_state=0)
    for n_rare in (5, 1):
        some = pd.concat([common, rare.head(n_rare)], ignore_index=True)
        stack = classifier(folds=3, combiner="auto", learners=["lightgbm", "logistic"])
        stack.fit(some.drop(columns="quality"), some["quality"])
        assert 9 in stack.classes_
        assert np.isfinite(stack.predict_proba(some.drop(columns="quality"))).all()


# Kinds of columns


def test_large_ids_and_epoch_seconds_are_told_apart(classifier, binary):
    stamps = 1_719_000_000 + np.arange(150) * 2 + binary  # even seconds or odd ones: one bit of 31 decides
    frame = pd.DataFrame({"t": stamps, "account": 10**12 + np.arange(150), "x": np.zeros(150)})
    table = classifier(learners=["lightgbm"]).fit(frame, binary)._built.sources.table
    slots = dict(zip(table.schema.number_slots, table.numbers.T, strict=True))
    assert len(np.unique(slots["t"])) == 150
    assert len(np.unique(slots["account"])) == 150


@pytest.fixture(scope="module")
def every_kind(rows):
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "float": rows.a,
            "Float": rows.b.astype("Float64"),
            "Int": pd.array(rng.integers(0, 9, 150), dtype="Int64"),
            "bool": rows.c > 0,
            "boolean": pd.array([None, *(rng.random(149) > 0.5)], dtype="boolean"),
            "string": rows.k.astype("string"),
            "category": rows.k.astype("category"),
            "day": pd.date_range("2024", periods=150),
            "decimal": [Decimal(i % 7) for i in range(150)],
            "date": [dt.date(2024, 1, 1 + i % 28) for i in range(150)],
        }
    )


def test_every_kind_of_column_is_read(classifier, every_kind, binary):
    stack = classifier().fit(every_kind, binary)
    assert {c.name for c in stack.fitted_.schema.read} == set(every_kind.columns)
    assert stack.score(every_kind, binary) > 0.8


def test_nullable_columns_read_as_plain_ones(classifier, every_kind, binary):
    nullable = every_kind[["float", "Float", "Int", "bool"]]
    plain = nullable.astype({"Float": "float64", "Int": "int64", "bool": "int8"})
    stack = classifier().fit(nullable, binary)
    assert np.array_equal(stack.predict_proba(plain), stack.predict_proba(nullable))
    assert np.array_equal(classifier().fit(plain, binary).predict_proba(plain), stack.predict_proba(nullable))


def as_polars(frame):
    return pl.from_pandas(frame)


def as_lazy(frame):
    return pl.from_pandas(frame).lazy()


def as_arrow(frame):
    return pa.Table.from_pandas(frame)


def as_arrow_dtypes(frame):
    return frame.convert_dtypes(dtype_backend="pyarrow")


@pytest.mark.parametrize("given", [as_polars, as_lazy, as_arrow, as_arrow_dtypes])
def test_polars_and_arrow_are_read_as_pandas(classifier, every_kind, binary, given):
    frame = every_kind.drop(columns=["decimal", "date"])
    stack = classifier().fit(frame, binary)
    want = stack.predict_proba(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = classifier().fit(given(frame), binary)
    assert np.array_equal(stack.predict_proba(given(frame)), want)
    assert np.array_equal(other.predict_proba(frame), want)
    assert other.feature_names_in_.tolist() == list(frame.columns)


def test_a_target_of_polars_or_arrow(classifier, rows, binary, fitted):
    want = fitted.predict_proba(rows)
    for y in (pl.Series("y", binary), pa.array(binary), pa.chunked_array([binary[:40], binary[40:]])):
        assert np.array_equal(classifier().fit(rows, y).predict_proba(rows), want)
    assert classifier().fit(rows, pl.Series(labels(binary).tolist())).classes_.tolist() == ["no", "yes"]


def test_lists_of_lists_are_read(classifier, rows, binary):
    numbers = rows[["a", "c"]].to_numpy()
    stack = classifier().fit(numbers.tolist(), binary.tolist())
    assert np.array_equal(
        stack.predict_proba(numbers), classifier().fit(numbers, binary).predict_proba(numbers)
    )


def test_messages_about_time_speak_of_dates():
    days = pd.date_range("2024-03-01", periods=90, freq="D")
    X = pd.DataFrame({"a": np.random.default_rng(0).normal(size=90)})
    y = np.r_[np.zeros(60), np.tile([0, 1], 15)].astype(int)  # the past knows one class only
    with pytest.raises(SplitError, match=r"2024-0\d-\d\d"):
        StackClassifier(["logistic"], folds=4).fit(X, y, time=days)


def test_strictness_is_not_promised_for_a_second_layer(classifier, rows, binary):
    with pytest.raises(ParameterError, match=r"strict=True holds for one layer alone.*found layers=2"):
        classifier(strict=True, layers=2).fit(rows, binary)


def test_a_learner_cannot_take_the_name_of_the_stack(rows, binary):
    from sklearn.tree import DecisionTreeClassifier

    with pytest.raises(ParameterError, match="a learner cannot be named 'stack'"):
        StackClassifier([("stack", DecisionTreeClassifier())]).fit(rows, binary)


def test_one_number_is_no_weight(classifier, rows, binary):
    with pytest.raises(DataError, match=r"sample_weight=0.0 does not weigh rows"):
        classifier().fit(rows, binary, sample_weight=0.0)


def test_stated_folds_honour_the_embargo(rows, binary):
    half = len(rows) // 2
    folds = [(np.arange(half), np.arange(half, len(rows)))]
    when = np.arange(len(rows))
    with pytest.raises(SplitError, match=r"embargo|fold 0"):
        StackClassifier(["logistic"], folds=folds, embargo=50).fit(rows, binary, time=when)
