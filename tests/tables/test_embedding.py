import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from stackml.foundation.errors import DataError, StorageError
from stackml.storage.archive import read_archive, write_archive
from stackml.tables import Overrides, Schema, Table
from stackml.tables.embedding import PLAIN_WIDTH, WIDTH, EmbeddingEncoder, learn_embedding


def frame(n_rows=50, width=8, seed=0):
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"x": rng.normal(size=n_rows)})
    rows["image"] = list(rng.normal(size=(n_rows, width)).astype(np.float32))
    return rows


def fixed_size_arrow(rows):
    vectors = pa.array([v.tolist() for v in rows["image"]], pa.list_(pa.float32(), len(rows["image"][0])))
    return pa.table({"x": pa.array(rows["x"]), "image": vectors})


MAKES = {
    "arrays": lambda f: f,
    "lists": lambda f: f.assign(image=[v.tolist() for v in f["image"]]),
    "tuples": lambda f: f.assign(image=[tuple(v.tolist()) for v in f["image"]]),
    "arrow lists": lambda f: pa.table(
        {"x": pa.array(f["x"]), "image": pa.array([v.tolist() for v in f["image"]], pa.list_(pa.float32()))}
    ),
    "arrow fixed size": fixed_size_arrow,
    "polars list": lambda f: pl.DataFrame(
        {"x": f["x"].to_numpy(), "image": [v.tolist() for v in f["image"]]},
        schema_overrides={"image": pl.List(pl.Float32)},
    ),
    "polars array": lambda f: pl.DataFrame({"x": f["x"].to_numpy(), "image": np.stack(f["image"])}),
    "arrow-backed": lambda f: fixed_size_arrow(f).to_pandas(types_mapper=pd.ArrowDtype),
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_vectors_are_told_from_everything_else_however_they_are_held(make):
    table = Table.learn(make(frame()))
    assert table.schema.by_name["image"].kind == "embedding"
    np.testing.assert_array_equal(table.numbers[:, 1:], np.stack(frame()["image"]))
    assert table.schema.number_slots[1] == "image [0]"


def test_a_parquet_file_holds_vectors(tmp_path):
    frame().to_parquet(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(
        Table.learn(tmp_path / "rows.parquet").numbers, Table.learn(frame()).numbers
    )


def test_missing_vectors_are_rows_of_gaps():
    rows = frame()
    rows.loc[3, "image"] = None
    rows.at[4, "image"] = np.full(8, np.nan)
    table = Table.learn(rows)
    assert np.isnan(table.numbers[3:5, 1:]).all()
    assert np.isfinite(np.delete(table.numbers, [3, 4], axis=0)).all()


def test_long_vectors_are_rotated_strongest_first_and_lose_little():
    rng = np.random.default_rng(1)
    few = rng.normal(size=(400, 10)) @ rng.normal(size=(10, 500)) + 0.01 * rng.normal(size=(400, 500))
    table = Table.learn(pd.DataFrame({"x": rng.normal(size=400)}).assign(v=list(few)))
    coordinates = table.numbers[:, 1:]
    assert coordinates.shape == (400, WIDTH)
    spread = coordinates.std(axis=0)
    assert (spread[:9] >= spread[1:10] - 1e-3).all()
    assert (spread[:10] ** 2).sum() > 0.999 * few.var(axis=0).sum()
    assert table.tree_numbers.shape[1] == 1 + PLAIN_WIDTH
    far = np.linalg.norm(few[:50, None] - few[None, :50], axis=2)
    kept = np.linalg.norm(coordinates[:50, None] - coordinates[None, :50], axis=2)
    np.testing.assert_allclose(kept, far, rtol=2e-3, atol=1e-2)


@pytest.mark.parametrize("width", [3, 200, 1500])
def test_a_row_is_the_same_in_any_company(width):
    schema = Table.learn(frame(60, width)).schema
    rows = frame(70, width, seed=2)
    rows.at[5, "image"] = np.full(width, 1e30, np.float32)
    together = Table.of(rows, schema)
    assert np.isfinite(together.numbers).all()
    for some in (np.array([5]), np.arange(7), np.arange(70)[::-1]):
        np.testing.assert_array_equal(Table.of(rows.iloc[some], schema).numbers, together.numbers[some])


WRONG = {
    "ragged": ([*[[1.0, 2.0]] * 6, [1.0]], "row 6: a vector of 1 numbers, where row 0 has 2"),
    "a gap inside": (
        [*[[1.0, 2.0]] * 6, [1.0, None]],
        "row 6: a vector with a value that is missing, infinite",
    ),
    "infinite": (
        [*[[1.0, 2.0]] * 6, [np.inf, 0.0]],
        "row 6: a vector with a value that is missing, infinite",
    ),
    "beyond float32": ([*[[1.0, 2.0]] * 6, [1e60, 0.0]], "row 6: a vector with a value .* beyond float32"),
    "words": ([*[[1.0, 2.0]] * 6, ["a", "b"]], "row 6: .*not a vector of numbers"),
    "a matrix": ([*[[1.0, 2.0]] * 6, np.ones((2, 2))], r"row 6: an array of shape \(2, 2\)"),
    "empty": ([*[[1.0, 2.0]] * 6, []], r"row 6: an array of shape \(0,\)"),
    "text": (
        [*[[1.0, 2.0]] * 6, "[1, 2]"],
        "row 6: text where a vector is needed; a CSV file has no vectors",
    ),
    "a number": ([*[[1.0, 2.0]] * 6, 3.0], "row 6: a float where a vector is needed"),
}


@pytest.mark.parametrize(("cells", "message"), WRONG.values(), ids=WRONG)
def test_cells_that_are_no_vectors_are_named(cells, message):
    with pytest.raises(DataError, match=f"column 'v', {message}"):
        Table.learn(pd.DataFrame({"x": np.arange(7.0), "v": pd.Series(cells, dtype=object)}))


def test_vectors_of_another_length_are_refused_when_scoring():
    schema = Table.learn(frame()).schema
    with pytest.raises(DataError, match="row 0: a vector of 9 numbers, where the stack was trained on 8"):
        Table.of(frame(width=9), schema)
    with pytest.raises(DataError, match="row 0: text where a vector is needed"):
        Table.of(frame().assign(image="[0.1, 0.2]"), schema)


def test_vectors_of_which_nothing_can_be_learned_are_left_out_with_a_note():
    rows = pd.DataFrame({"x": np.arange(5.0)})
    same = Table.learn(rows.assign(v=[[1.0, 2.0]] * 5))
    none = Table.learn(rows.assign(v=[None] * 5), Overrides(kinds={"v": "embedding"}))
    assert "it is constant" in same.schema.notes()[0]
    assert "all values are missing" in none.schema.notes()[0]


def test_a_schema_with_vectors_comes_back_from_a_file(tmp_path):
    for width in (8, 100):
        table = Table.learn(frame(60, width))
        path = tmp_path / f"{width}.stack"
        write_archive(path, kind="schema", state=table.schema.to_state(), manifest={})
        back = Schema.from_state(read_archive(path, kind="schema")[1])
        assert back == table.schema
        np.testing.assert_array_equal(Table.of(frame(60, width), back).numbers, table.numbers)


HOSTILE = {
    "another dimension": {"dimension": 99},
    "no dimension": {"dimension": True},
    "a huge one": {"dimension": 10**9},
    "axes of floats": {"rotation": np.zeros((100, 60))},
    "axes too long": {"rotation": np.full((100, 60), 2**30, np.int32)},
    "too many axes": {"rotation": np.zeros((100, 300), np.int32)},
    "another centre": {"centre": np.zeros(3)},
    "a centre of nothing": {"centre": np.full(100, np.nan)},
    "no step": {"step": 0.0},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_encoder_is_refused(change):
    state = learn_embedding(np.random.default_rng(0).normal(size=(60, 100)).astype(np.float32)).to_state()
    with pytest.raises(StorageError):
        EmbeddingEncoder.from_state({**state, **change})
