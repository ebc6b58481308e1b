"""Files written by each format version load forever."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from stackml.storage.archive import read_archive
from stackml.storage.manifest import read_manifest
from stackml.storage.upgrades import FORMAT_VERSION

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.stack")), ids=lambda path: path.name)
def test_every_stored_file_loads(path: Path) -> None:
    manifest, state = read_archive(path)
    assert manifest == read_manifest(path)
    assert 1 <= manifest.format_version <= FORMAT_VERSION
    assert state


def test_every_format_has_a_stored_file() -> None:
    versions = {read_manifest(path).format_version for path in FIXTURES.glob("*.stack")}
    assert versions >= set(range(1, FORMAT_VERSION + 1))


def test_format_1_means_what_it_meant() -> None:
    manifest, state = read_archive(FIXTURES / "format-1-state.stack", kind="example")
    assert manifest.entries == {"libraries": {"numpy": "2.4.6"}, "worst": math.inf}
    assert list(state) == ["numbers", "$tag", "text", "arrays", "blob", "same_blob"]
    assert state["numbers"][:5] == [1, 2.5, -math.inf, 2**70, None]
    assert math.isnan(state["numbers"][5])
    assert math.copysign(1, state["numbers"][6]) == -1
    assert state["$tag"] == {"$array": True}
    assert state["text"] == "naïve \U0001f333"
    assert state["blob"] == state["same_blob"] == bytes(range(256))
    expected = {
        "wide": np.array([0.5, np.nan, -0.0]),
        "exact": np.array([0.1, 1e300]),
        "codes": np.array([0, 7, -1]),
        "names": np.array(["a", "bb"]),
        "empty": np.zeros((0, 2), np.float32),
        "scalar": np.array(True),
        "columns": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    }
    for name, array in expected.items():
        found = state["arrays"][name]
        assert (found.dtype, found.shape, found.flags.f_contiguous) == (
            array.dtype,
            array.shape,
            array.flags.f_contiguous,
        )
        assert found.tobytes() == array.tobytes()
