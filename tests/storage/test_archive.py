"""What goes into a file comes out, bit for bit; equal content gives equal files."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stackml.foundation.errors import StorageError
from stackml.storage import archive as archive_module
from stackml.storage.archive import read_archive, write_archive
from stackml.storage.manifest import Limits, read_manifest
from stackml.storage.upgrades import FORMAT_VERSION

DTYPES = ["bool", "i1", "<i8", ">i4", "u8", "f2", "<f4", "<f8", ">f8", "c16", "<U5", "S3", "M8[ns]"]

arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    )
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**5000), max_value=2**5000)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=16)
    | arrays
)
keys = st.text(max_size=6) | st.sampled_from(["$array", "$", "$$x", "a.b", "dtype"])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)
states = st.dictionaries(keys, values, max_size=4)


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert (a.dtype.str, a.shape) == (b.dtype.str, b.shape)
        assert a.tobytes() == b.tobytes()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, float):
        assert (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    else:
        assert a == b


def round_trip(path: Path, state: dict[str, Any]) -> dict[str, Any]:
    write_archive(path, kind="stack", state=state, manifest={})
    return read_archive(path, kind="stack")[1]


@settings(max_examples=120, deadline=None)
@given(state=states, compress=st.booleans())
def test_any_state_comes_back_bit_for_bit(state: dict[str, Any], compress: bool) -> None:
    with TemporaryDirectory() as folder:
        first, second = Path(folder) / "a.stack", Path(folder) / "b.stack"
        write_archive(first, kind="stack", state=state, manifest={}, compress=compress)
        _, found = read_archive(first)
        assert_same(state, found)
        write_archive(second, kind="stack", state=found, manifest={}, compress=compress)
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "array",
    [
        np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 0.1]),
        np.array([1.5, -0.0, np.nan, np.inf, 2.0**100]),
        np.array([0x7FF0000000000001, 0xFFF8000000000123], np.uint64).view(np.float64),
        np.array([5e-324, 1e-300, 1e300]),
        np.array(3.25),
        np.array(True),
        np.zeros((0, 3), np.float32),
        np.zeros(0, "<U4"),
        np.array(["a", "é", "", "\U0001f600 x"]),
        np.arange(12, dtype=np.int64).reshape(3, 4),
        np.asfortranarray(np.random.default_rng(0).normal(size=(3, 4))),
        np.arange(24.0).reshape(2, 3, 4)[:, ::2, 1:],
        np.array([2**63 - 1, -(2**63)]),
        np.array([2**64 - 1, 0], np.uint64),
        np.array(["2020-01-01", "NaT"], "M8[ns]"),
    ],
    ids=lambda a: f"{a.dtype}-{a.shape}",
)
def test_arrays_keep_every_bit(tmp_path: Path, array: np.ndarray) -> None:
    found = round_trip(tmp_path / "a.stack", {"x": array})["x"]
    assert_same(array, found)
    assert found.flags.writeable
    if array.flags.c_contiguous or array.flags.f_contiguous:
        assert found.flags.f_contiguous == array.flags.f_contiguous


def test_numbers_are_stored_narrow_and_read_wide(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 200, 50_000)
    halves = np.random.default_rng(1).normal(size=50_000).astype(np.float32).astype(np.float64)
    write_archive(
        tmp_path / "a", kind="k", state={"codes": codes, "halves": halves}, manifest={}, compress=False
    )
    assert (tmp_path / "a").stat().st_size < 50_000 * (2 + 4) + 3_000
    assert_same({"codes": codes, "halves": halves}, read_archive(tmp_path / "a")[1])


def test_tuples_become_lists_and_numpy_scalars_become_python_s(tmp_path: Path) -> None:
    state = {"t": (1, (2.0, "x")), "i": np.int64(3), "f": np.float32(0.5), "b": np.bool_(True), "n": np.nan}
    found = round_trip(tmp_path / "a.stack", state)
    assert_same({"t": [1, [2.0, "x"]], "i": 3, "f": 0.5, "b": True, "n": math.nan}, found)


def test_equal_content_is_stored_once_and_given_out_apart(tmp_path: Path) -> None:
    blob = np.random.default_rng(0).bytes(20_000)
    array = np.random.default_rng(0).normal(size=2_500)
    state = {"a": array, "b": array.copy(), "c": [blob, bytes(bytearray(blob))]}
    write_archive(tmp_path / "a", kind="k", state=state, manifest={})
    manifest, found = read_archive(tmp_path / "a")
    assert sorted(manifest.members) == ["arrays/0001.npy", "blobs/0001.bin", "state.json"]
    found["a"][0] = 99.0
    assert found["b"][0] == array[0]


def test_the_manifest_carries_the_callers_entries(tmp_path: Path) -> None:
    entries = {"libraries": {"numpy": "2.4.6"}, "score": math.inf, "schema": [{"$ref": None}]}
    write_archive(tmp_path / "a", kind="oof-task", state={"x": b"1"}, manifest=entries)
    manifest = read_manifest(tmp_path / "a", kind="oof-task")
    assert manifest.entries == entries
    assert (manifest.kind, manifest.format_version) == ("oof-task", FORMAT_VERSION)
    assert manifest.members["blobs/0001.bin"].size == 1


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {1: 2}}, r"state\.a has the key 1; keys of a state must be text"),
        ({"a": [{"b": object()}]}, r"state\.a\[0\]\.b is a object; a state holds JSON values"),
        ({"a": np.array([None, "x"])}, r"state\.a: dtype object cannot be stored"),
        ({"a": np.zeros(2, "i4,f4")}, r"state\.a: dtype .* cannot be stored"),
        ({"a": np.zeros(2, np.longdouble)}, r"state\.a: dtype float128 has a width that differs"),
        ({"a": np.ma.masked_array([1, 2], [True, False])}, r"state\.a is a masked array"),
    ],
    ids=["key", "object", "object array", "records", "longdouble", "masked"],
)
def test_what_a_file_cannot_hold_is_named(tmp_path: Path, state: dict[str, Any], message: str) -> None:
    with pytest.raises(StorageError, match=message):
        write_archive(tmp_path / "a.stack", kind="stack", state=state, manifest={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"kind": "x"}, "the manifest entry 'kind' is written by the format"),
        ({"a": np.zeros(2)}, "the manifest holds JSON values only, and was given an array"),
        ({"a": [object()]}, r"manifest\.a\[0\] is a object"),
    ],
)
def test_manifest_entries_are_plain(tmp_path: Path, entries: dict[str, Any], message: str) -> None:
    with pytest.raises(StorageError, match=message):
        write_archive(tmp_path / "a.stack", kind="stack", state={}, manifest=entries)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.stack"
    write_archive(path, kind="stack", state={"x": 1}, manifest={})
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive_module.os, "fsync", full)
    with pytest.raises(StorageError, match=r"a\.stack: cannot be written \(No space left on device\)"):
        write_archive(path, kind="stack", state={"x": 2}, manifest={})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_writing_into_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot be written \(No such file or directory\)"):
        write_archive(tmp_path / "no" / "a.stack", kind="stack", state={}, manifest={})


def test_an_honest_array_that_shrinks_like_a_bomb_still_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(free=10_000, ratio=20)
    monkeypatch.setattr(archive_module, "LIMITS", limits)
    noise = np.random.default_rng(0).normal(size=5_000)
    for name, state in {"one": {"x": np.zeros(50_000), "y": noise}, "all": {"x": np.zeros(50_000)}}.items():
        write_archive(tmp_path / name, kind="k", state=state, manifest={})
        assert_same(state, read_archive(tmp_path / name, limits=limits)[1])


def test_more_than_could_be_read_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "LIMITS", Limits(total=1_000))
    with pytest.raises(StorageError, match=r"all members have .*, and at most 1000 could be read back"):
        write_archive(tmp_path / "a", kind="k", state={"x": np.arange(1_000)}, manifest={})
