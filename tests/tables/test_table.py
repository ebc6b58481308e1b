from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from stackml.foundation.errors import DataError, ParameterError, SchemaError, StackmlWarning
from stackml.tables import Overrides, Schema, Table, read_file
from stackml.tables.cells import Cells, Columns, columns_of
from stackml.tables.schema import Column


def frame():
    return pd.DataFrame(
        {
            "amount": [1.5, np.nan, 3.0, 4.0],
            "count": [1, 2, 3, 4],
            "city": ["b", "a", None, "b"],
            "flag": [True, False, True, True],
            "day": pd.to_datetime(["2024-01-01 05:00", "2024-02-02 06:00", None, "2024-03-03 07:00"]),
        }
    )


def test_numbers_codes_and_dates_are_told_apart():
    table = Table.learn(frame())
    assert table.schema.by_name["city"].vocabulary == ("a", "b")
    assert table.codes[:, 0].tolist() == [1, 0, -1, 1]
    assert table.numbers.dtype == np.float32
    assert table.codes.dtype == np.int32
    hours = table.numbers[:, table.schema.number_slots.index("day (hour)")]
    assert np.array_equal(hours, np.array([5, 6, np.nan, 7], dtype=np.float32), equal_nan=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda f: f,
        pl.from_pandas,
        lambda f: pl.from_pandas(f).lazy(),
        lambda f: pa.Table.from_pandas(f),
        lambda f: f.convert_dtypes(),
        lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
    ],
    ids=["pandas", "polars", "polars lazy", "arrow", "nullable", "arrow-backed"],
)
def test_every_kind_of_table_gives_the_same_rows(make):
    want, got = Table.learn(frame()), Table.learn(make(frame()))
    assert np.array_equal(got.numbers, want.numbers, equal_nan=True)
    assert np.array_equal(got.codes, want.codes)


def test_files_are_read_back_alike(tmp_path):
    frame().to_parquet(tmp_path / "rows.parquet")
    frame().to_csv(tmp_path / "rows.csv", index=False)
    schema = Table.learn(frame()).schema
    want = Table.of(frame(), schema)
    for name in ("rows.parquet", "rows.csv"):
        got = Table.of(tmp_path / name, schema)
        assert np.array_equal(got.numbers, want.numbers, equal_nan=True)
        assert np.array_equal(got.codes, want.codes)


def test_arrays_of_numbers_are_read():
    table = Table.learn(np.array([[1.0, 2.0], [3.0, 5.0]]))
    assert table.schema.number_slots == ("x0", "x1")


def test_unseen_and_missing_categories_have_codes_of_their_own():
    schema = Table.learn(frame()).schema
    rows = frame().assign(city=["zz", None, "a", "b"])
    assert Table.of(rows, schema).codes[:, 0].tolist() == [-2, -1, 0, 1]


def test_a_category_is_the_same_as_number_and_as_text():
    table = Table.learn(
        pd.DataFrame({"code": [1, 2, 3, 2], "x": [1.0, 2, 3, 4]}), Overrides(categories=["code"])
    )
    as_text = pd.DataFrame({"code": ["1", "3", "9", None], "x": [1.0, 2, 3, 4]})
    as_float = pd.DataFrame({"code": [1.0, 3.0, 9.0, np.nan], "x": [1.0, 2, 3, 4]})
    want = [0, 2, -2, -1]
    assert Table.of(as_text, table.schema).codes[:, 0].tolist() == want
    assert Table.of(as_float, table.schema).codes[:, 0].tolist() == want


def test_a_person_overrides_kinds_orders_and_roles():
    rows = pd.DataFrame({"size": ["S", "L", "M", "S"], "who": [1, 2, 3, 4], "x": [1.0, 2, 3, 5]})
    schema = Table.learn(rows, Overrides(ordered={"size": ["S", "M", "L"]}, roles={"who": "group"})).schema
    assert schema.by_name["size"].vocabulary == ("S", "M", "L")
    assert schema.by_name["size"].ordered
    assert schema.number_slots == ("x",)


def test_columns_are_found_by_name_in_any_order():
    table = Table.learn(frame())
    got = Table.of(frame()[["day", "flag", "city", "count", "amount"]], table.schema)
    assert np.array_equal(got.numbers, table.numbers, equal_nan=True)


def test_input_is_never_modified():
    rows = frame()
    before = rows.copy(deep=True)
    Table.of(rows, Table.learn(rows).schema)
    pd.testing.assert_frame_equal(rows, before)


def test_schema_survives_json():
    import json

    schema = Table.learn(frame(), Overrides(protected=["flag"])).schema
    assert Schema.from_state(json.loads(json.dumps(schema.to_state()))) == schema


def test_constant_and_empty_columns_are_not_read_and_said_so():
    rows = frame().assign(same=1, none=np.nan, one="x")
    schema = Table.learn(rows).schema
    assert schema.notes() == [
        "column 'same' is not used: it is constant",
        "column 'none' is not used: all values are missing",
        "column 'one' is not used: it is constant",
    ]
    Table.of(frame(), schema)  # what is not read need not be there


def test_a_column_of_ids_is_not_read():
    rows = pd.DataFrame({"id": [f"u{i}" for i in range(200)], "x": np.arange(200.0)})
    assert "as an id has" in Table.learn(rows).schema.notes()[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(count=[1, 2, np.inf, 4]), r"column 'count', row 2: inf is infinite \(1 such row"),
        (lambda f: f.assign(count=["1", "2", "x", "4"]), r"column 'count', row 2: 'x' is not a number"),
        (
            lambda f: f.assign(day=["2024-01-01", "soon", None, None]),
            "column 'day', row 1: 'soon' is not a date",
        ),
        (lambda f: f.rename(columns={"amount": "amoumt"}), "lacks 1 column.*'amount'; did you mean 'amoumt'"),
        (lambda f: f.drop(columns=["city", "day"]), "lacks 2 column.*'city', 'day'"),
        (lambda f: f.head(0), "0 sample.*X has no rows"),
        (lambda f: f.assign(count=[1, 2, 1e300, 4]), "column 'count', row 2: 1e\\+300 is beyond float32"),
    ],
    ids=["infinity", "text in numbers", "bad date", "renamed", "missing", "no rows", "too large"],
)
def test_a_scored_table_that_cannot_be_used_says_where(change, message):
    schema = Table.learn(frame()).schema
    with pytest.raises(DataError, match=message):
        Table.of(change(frame()), schema)


def test_a_column_not_known_is_ignored_with_a_warning():
    schema = Table.learn(frame()).schema
    with pytest.warns(StackmlWarning, match=r"1 column\(s\) the stack was not trained on, ignored: 'new'"):
        Table.of(frame().assign(new=1), schema)


def test_repeated_names_are_refused():
    rows = pd.DataFrame(np.ones((3, 3)), columns=["a", "b", "a"])
    with pytest.raises(DataError, match="more than one column named 'a'"):
        Table.learn(rows)


def test_a_table_without_a_usable_column_is_refused():
    with pytest.raises(
        SchemaError, match="no column a learner could read: column 'a' is not used: it is constant"
    ):
        Table.learn(pd.DataFrame({"a": [1, 1, 1]}))


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        ({"kinds": {"cty": "category"}}, SchemaError, "no column 'cty'; did you mean 'city'"),
        ({"kinds": {"city": "categry"}}, SchemaError, "unknown kind 'categry'; did you mean 'category'"),
        ({"roles": {"city": "feture"}}, SchemaError, "unknown role 'feture'; did you mean 'feature'"),
        ({"kind": {}}, ParameterError, "unknown key 'kind'; did you mean 'kinds'"),
        ({"ordered": {"city": ["a"]}}, SchemaError, r"column 'city' holds \['b'\], which its order lacks"),
    ],
)
def test_wrong_overrides_name_the_nearest_right_one(overrides, error, message):
    with pytest.raises(error, match=message):
        Table.learn(frame(), Overrides.of(overrides))


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"not parquet at all")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "a.xlsx").write_bytes(b"x")
    with pytest.raises(DataError, match=r"'a.parquet' cannot be read as parquet"):
        read_file(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"'empty.csv' is empty"):
        read_file(tmp_path / "empty.csv")
    with pytest.raises(DataError, match="not a kind of table"):
        read_file(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=r"there is no file .*did you mean 'a.parquet'"):
        read_file(tmp_path / "b.parquet")


def test_dates_of_python_are_dates():
    import datetime as dt

    days = [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(50)]
    table = Table.learn(pd.DataFrame({"day": days, "x": np.arange(50.0)}))
    assert table.schema.by_name["day"].kind == "datetime"
    assert np.diff(table.numbers[:, 0]).tolist() == [86400.0] * 49


def test_whole_numbers_no_float_can_tell_apart_are_not_read_and_said_so():
    rows = pd.DataFrame({"account": np.uint64(2**63) + np.arange(5, dtype=np.uint64), "x": [1.0, 2, 3, 4, 5]})
    assert "beyond 2**53" in Table.learn(rows).schema.notes()[0]
    codes = Table.learn(rows, Overrides(categories=["account"])).codes[:, 0]
    assert codes.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["b", None, "never", "a"]),
        pd.Series(["b", None, "a"], dtype=object),
        pd.Series(["b", pd.NA, "a"], dtype="string"),
        pd.Series(["a", None], dtype="category"),
        pd.Series([3, 1, 7]),
        pd.Series([3.0, np.nan, 0.1, 0.5]),
        pd.Series([0.1, 0.5, np.nan], dtype=np.float32),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([True, False]),
        pd.Series([True, None], dtype=object),
        pd.Series(pd.to_datetime(["2020-01-02", None])),
        pd.Series([3, "3", 3.0, 2.5], dtype=object),
        pd.Series([0.1, None, 3], dtype="Float32"),
        pd.Series(pd.Categorical(pd.array([0.1, 0.5], dtype="Float32"))),
        pd.Series(pd.Categorical.from_codes([0, 1, -1], categories=[2**53 + 1, 2**53 + 3])),
    ],
    ids=lambda values: f"{values.dtype}-{values.iloc[0]}",
)
def test_a_value_has_one_code_in_a_few_rows_and_in_many(values):
    words = ("a", "b", "3", "0.5", "0.1", "True", "False", "2020-01-02 00:00:00", "2.5", str(2**53 + 3))
    column = Column("c", "category", vocabulary=words)
    few, many = in_few_and_in_many(values, column)
    assert few.codes(column).tolist() == many.codes(column)[: len(values)].tolist()


NUMBER = Column("c", "number")


def in_few_and_in_many(values, column):
    frames = (pd.concat([values] * n, ignore_index=True).to_frame("c").assign(other="x") for n in (1, 9))
    few, many = (columns_of(frame, [column]) for frame in frames)
    assert (type(few), type(many)) == (Cells, Columns)
    return few, many


@pytest.mark.parametrize("times", [1, 9])
def test_a_cell_that_is_a_list_is_named_in_a_few_rows_and_in_many(times):
    values = pd.DataFrame({"c": ["a", ["b"]] * times}, dtype=object)
    column = Column("c", "category", vocabulary=("a",))
    with pytest.raises(DataError, match="column 'c', row 1: a cell holds a list"):
        columns_of(values, [column]).codes(column)


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1.5, np.nan, -0.0]),
        pd.Series([0.1, 3e38], dtype=np.float32),
        pd.Series([1, -7, 2**60]),
        pd.Series([2**63 + 1, 1], dtype=np.uint64),
        pd.Series([True, False]),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1.5, None], dtype="double[pyarrow]"),
        pd.Series([1, None, 2.5, True, np.float64(3)], dtype=object),
        pd.Series([Decimal("1.5"), "2", None], dtype=object),
        pd.Series(["1.5", "2"]),
        pd.Series([2, 3], dtype="category"),
        pd.Series(pd.to_timedelta([1, None], unit="s")),
    ],
    ids=lambda values: f"{values.dtype}-{values.iloc[0]}",
)
@pytest.mark.parametrize(("offset", "parts"), [(0.0, 1), (0.3, 1), (-1e6, 3)])
def test_a_number_has_one_value_in_a_few_rows_and_in_many(values, offset, parts):
    column = Column("c", "number", offset=offset, parts=parts)
    few, many = (columns.slots(column) for columns in in_few_and_in_many(values, column))
    assert len(few) == len(many) == parts
    for mine, theirs in zip(few, many, strict=True):
        assert mine.dtype == np.float32
        assert np.array_equal(mine, theirs[: len(values)], equal_nan=True)


@pytest.mark.parametrize("times", [1, 9])
@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (np.inf, "row 1: inf is infinite"),
        (-1e39, "row 1: -1e\\+39 is beyond float32"),
        ("two", "row 1: 'two' is not a number"),
        (10**400, "row 1: a whole number beyond float32"),
    ],
    ids=["infinite", "too large for float32", "a word", "too large for a float"],
)
def test_a_cell_that_is_no_number_is_named_in_a_few_rows_and_in_many(times, odd, words):
    values = pd.DataFrame({"c": [1.0, odd] * times})
    with pytest.raises(DataError, match=f"column 'c', {words}"):
        columns_of(values, [NUMBER]).slots(NUMBER)


@pytest.mark.parametrize("times", [1, 9])
def test_dates_where_numbers_were_are_refused_in_a_few_rows_and_in_many(times):
    values = pd.DataFrame({"c": pd.to_datetime(["2020-01-01"] * times)})
    with pytest.raises(SchemaError, match="column 'c' holds dates, and numbers when the stack was trained"):
        columns_of(values, [NUMBER]).slots(NUMBER)


def test_columns_that_are_not_read_are_not_looked_at_in_one_row():
    rows = pd.DataFrame({"a": np.arange(40.0), "b": ["u", "v"] * 20})
    schema = Table.learn(rows).schema
    beyond = pa.chunked_array([pa.array([10**8], pa.int32()).cast(pa.date32())])  # a date Python cannot hold
    one = rows.tail(1).assign(more=pd.arrays.ArrowExtensionArray(beyond), id=[["a", "list"]])
    with pytest.warns(StackmlWarning, match="not trained on"):
        table = Table.of(one[["more", "b", "id", "a"]], schema)
    assert (table.numbers.tolist(), table.codes.tolist()) == ([[39.0]], [[1]])


def test_a_whole_number_that_no_float_holds_is_named_when_a_table_is_learned():
    rows = pd.DataFrame({"a": range(40), "c": pd.Series([1, 10**400] * 20, dtype=object)})
    with pytest.raises(DataError, match="column 'c', row 1: a whole number beyond float32"):
        Table.learn(rows)
