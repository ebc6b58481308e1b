"""The reader of UBJSON agrees with the library's own JSON and refuses what is cut or odd."""

import json

import numpy as np
import pytest
import xgboost as xgb

from stackml.foundation.errors import StorageError
from stackml.learners.ubjson import read_ubjson


@pytest.fixture(scope="module")
def booster():
    rng = np.random.default_rng(0)
    data = xgb.DMatrix(rng.normal(size=(300, 3)), label=rng.integers(0, 3, 300), nthread=1)
    settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1, "max_depth": 3}
    return xgb.train(settings, data, num_boost_round=4)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_agrees_with_the_json_of_the_same_model(booster):
    found = plain(read_ubjson(bytes(booster.save_raw("ubj"))))
    expected = json.loads(bytes(booster.save_raw("json")))
    for tree, other in zip(
        found["learner"]["gradient_booster"]["model"].pop("trees"),
        expected["learner"]["gradient_booster"]["model"].pop("trees"),
        strict=True,
    ):
        assert tree.keys() == other.keys()
        for key in ("left_children", "right_children", "split_indices", "parents"):
            assert tree[key] == other[key]
        np.testing.assert_array_equal(
            np.float32(tree["split_conditions"]), np.float32(other["split_conditions"])
        )
    assert found == expected


def test_every_cut_is_refused(booster):
    model = bytes(booster.save_raw("ubj"))
    for length in range(0, len(model), 97):
        with pytest.raises(StorageError, match="not readable as UBJSON"):
            read_ubjson(model[:length])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[$l#L\x7f\xff\xff\xff\xff\xff\xff\xff", "ends too early"),
        (b"[$l#L\xff\xff\xff\xff\xff\xff\xff\xff", "length is no number"),
        (b"[$S#i\x01", "list is of an unknown type"),
        (b"[i\x01]", "does not say its length"),
        (b"{i\x01aTi\x01aT}", "key 'a' is repeated"),
        (b"Si\x01\xff", "not UTF-8"),
        (b"TT", "bytes follow its end"),
        (b"x", "holds 'x' where a value should be"),
        (b"[#i\x01" * 100, "holds '\\[' where"),
    ],
)
def test_odd_bytes_are_refused(data, message):
    with pytest.raises(StorageError, match=message):
        read_ubjson(data)


def test_numbers_words_and_lists():
    assert read_ubjson(b"[#i\x04i\xffU\xffTN") == [-1, 255, True, None]
    np.testing.assert_array_equal(read_ubjson(b"[$I#i\x02\x00\x01\x01\x00"), [1, 256])


def test_mappings_beside_each_other_may_be_written_otherwise():
    numbers = b"i\x01a[$U#L" + (3).to_bytes(8, "big") + b"\x01\x02\x03"
    other = b"i\x01bTi\x01a[$I#i\x01\x00\x07"
    more = b"i\x01a[$U#L" + (1).to_bytes(8, "big") + b"\x09i\x01cF"
    found = read_ubjson(b"[#i\x03{" + numbers + b"}{" + other + b"}{" + more + b"}")
    assert plain(found) == [{"a": [1, 2, 3]}, {"b": True, "a": [7]}, {"a": [9], "c": False}]


@pytest.mark.parametrize("length", [4, 2**62, -1])
def test_the_length_of_a_list_within_a_later_mapping_is_checked(length):
    first = b"{i\x01a[$U#L" + (2).to_bytes(8, "big") + b"\x01\x02}"
    later = b"{i\x01a[$U#L" + length.to_bytes(8, "big", signed=True) + b"\x01\x02}"
    with pytest.raises(StorageError, match="ends too early"):
        read_ubjson(b"[#i\x02" + first + later)
