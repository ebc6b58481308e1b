"""Trees of every library in one form: what they predict, how they are stored, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb

from stackml.foundation.errors import StorageError
from stackml.learners.trees.arrays import ALL_BITS, rounded, stable_order
from stackml.learners.trees.booster import Part, Sum
from stackml.learners.trees.from_lightgbm import trees_from_text
from stackml.learners.trees.from_xgboost import trees_from_ubjson
from stackml.learners.trees.stored import trees_from_state, trees_to_state
from stackml.storage.archive import read_archive, write_archive

KINDS = {"binary": 1, "multiclass": 3, "regression": 1}
OBJECTIVES = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}
N_ROWS = 1500


@pytest.fixture(scope="module")
def rows():
    """Return numbers (one with gaps, one heavy), and categories of 5 and 60 codes."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(N_ROWS, 5)).astype(np.float32)
    matrix[rng.random(N_ROWS) < 0.2, 0] = np.nan
    matrix[:, 2] = np.exp(3 * matrix[:, 2])
    matrix[:, 3], matrix[:, 4] = rng.integers(0, 5, N_ROWS), rng.integers(0, 60, N_ROWS)
    matrix[rng.random(N_ROWS) < 0.1, 4] = np.nan
    return matrix


@pytest.fixture(scope="module")
def strange(rows):
    """Return rows unlike those learned from: gaps everywhere, huge values, codes never seen."""
    found = np.concatenate([rows[:60], rows[:60]])
    found[60:70, :3], found[70:80, 1] = np.nan, 1e12
    found[80:90, :3], found[90:95] = np.finfo(np.float32).max, np.nan
    found[95:100, :3] = -np.finfo(np.float32).max
    found[100:110, 3:] = 500
    found[110:115, :3], found[115:] = 0.0, -0.0
    return found


def labels(rows, kind):
    signal = np.nan_to_num(rows[:, 0]) + (rows[:, 3] == 2) + (np.nan_to_num(rows[:, 4]) % 7 < 2)
    signal = signal + 0.3 * np.random.default_rng(1).normal(size=len(rows))
    return signal if kind == "regression" else np.digitize(signal, [0.8] if kind == "binary" else [0.3, 1.2])


def of_lightgbm(rows, kind, rounds=30, **settings):
    classes = {"num_class": 3} if kind == "multiclass" else {}
    given = {"objective": kind, "verbosity": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1}
    data = lgb.Dataset(rows, labels(rows, kind), categorical_feature=[3, 4])
    booster = lgb.train(given | classes | settings, data, rounds)
    text = booster.model_to_string()
    return text, lambda matrix: booster.predict(matrix, raw_score=True).reshape(len(matrix), -1)


def of_xgboost(rows, kind, rounds=30, **settings):
    classes = {"num_class": 3} if kind == "multiclass" else {}
    types = ["q", "q", "q", "c", "c"]
    data = xgb.DMatrix(rows, labels(rows, kind), feature_types=types, enable_categorical=True)
    given = {"objective": OBJECTIVES[kind], "max_depth": 9, "max_cat_to_onehot": 2, "nthread": 1}
    booster = xgb.train(given | classes | settings, data, rounds)

    def margins(matrix):
        return booster.inplace_predict(matrix, predict_type="margin").reshape(len(matrix), -1)

    return bytes(booster.save_raw("ubj")), margins


MADE = {"lightgbm": (of_lightgbm, trees_from_text), "xgboost": (of_xgboost, trees_from_ubjson)}
every_model = pytest.mark.parametrize(
    ("library", "kind"), [(library, kind) for library in MADE for kind in KINDS]
)


@every_model
def test_margins_are_those_of_the_library(rows, strange, library, kind):
    make, read = MADE[library]
    model, margins = make(rows, kind)
    trees = read(model, ALL_BITS)
    assert trees.set_size.any()
    total = Sum([Part(trees, 0, 1.0)], trees.n_groups)
    for matrix in (rows, strange):
        want = margins(matrix) - trees.base
        np.testing.assert_allclose(total.of(matrix), want, rtol=0, atol=1e-5)
        np.testing.assert_allclose(total.of_few(matrix[:20]), want[:20], rtol=0, atol=1e-5)


@pytest.mark.parametrize("settings", [{"use_missing": False}, {"max_depth": 1}, {"min_data_in_leaf": 2000}])
def test_other_forms_of_lightgbm_trees_are_met(rows, strange, settings):
    text, margins = of_lightgbm(rows, "binary", **settings)
    total = Sum([Part(trees_from_text(text, ALL_BITS), 0, 1.0)], 1)
    np.testing.assert_allclose(total.of(strange), margins(strange), rtol=0, atol=1e-5)
    np.testing.assert_allclose(total.of_few(strange), margins(strange), rtol=0, atol=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_the_start_value_of_one_class_is_that_of_xgboost(rows, label):
    booster = xgb.train({"objective": "binary:logistic"}, xgb.DMatrix(rows, np.full(N_ROWS, label)), 2)
    trees = trees_from_ubjson(bytes(booster.save_raw("ubj")))
    want = booster.inplace_predict(rows[:1], predict_type="margin")[0]
    assert np.isclose(trees.base[0], want, atol=0.1)


def test_zeros_taken_for_missing_are_refused(rows):
    text, _ = of_lightgbm(rows, "binary", zero_as_missing=True)
    with pytest.raises(StorageError, match="takes zeros for missing values"):
        trees_from_text(text)


def test_leaves_of_fourteen_bits_move_a_margin_little(rows):
    text, margins = of_lightgbm(rows, "binary", 200)
    total = Sum([Part(trees_from_text(text), 0, 1.0)], 1)
    np.testing.assert_allclose(total.of(rows), margins(rows), rtol=0, atol=3e-4)


def test_rounding_keeps_fourteen_bits():
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    found = rounded(values, 14)
    assert not (found.view(np.uint32) & 0x3FF).any()
    assert (np.abs(found - values) <= np.abs(values) * 2.0**-14).all()
    np.testing.assert_array_equal(rounded(found, 14), found)
    np.testing.assert_array_equal(rounded(values, ALL_BITS), values)


def test_models_are_summed_into_their_groups_by_their_shares(rows):
    a, b = (
        trees_from_text(of_lightgbm(rows, "binary", 20, seed=s, bagging_fraction=0.5, bagging_freq=1)[0])
        for s in (1, 2)
    )
    alone = [Sum([Part(trees, 0, 1.0)], 1).of(rows)[:, 0] for trees in (a, b)]
    mean = Sum([Part(a, 0, 0.5), Part(b, 0, 0.5)], 1)
    beside = Sum([Part(a, 0, 1.0), Part(b, 1, 1.0)], 2)
    np.testing.assert_allclose(mean.of(rows)[:, 0], np.mean(alone, axis=0), atol=1e-6)
    np.testing.assert_array_equal(beside.of(rows), np.stack(alone, axis=1))


def test_many_nodes_are_divided_among_boosters(rows, monkeypatch):
    from stackml.learners.trees import booster

    trees = trees_from_text(of_lightgbm(rows, "multiclass", 40)[0])
    whole = Sum([Part(trees, 0, 1.0)], 3).of(rows)
    monkeypatch.setattr(booster, "_PORTION", 200)
    divided = Sum([Part(trees, 0, 0.5), Part(trees, 0, 0.5)], 3)
    np.testing.assert_allclose(divided.of(rows), whole, atol=1e-5)
    assert len(list(divided._boosters())) > 10


def test_threads_that_ask_together_first_have_the_sums_of_one_alone(rows, monkeypatch):
    from stackml.learners.trees import booster

    monkeypatch.setattr(booster, "_PORTION", 200)
    part = Part(trees_from_text(of_lightgbm(rows, "binary")[0]), 0, 1.0)
    alone, asked = Sum([part], 1).of(rows), Sum([part], 1)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: asked.of(rows), range(8)))
    assert len(list(asked._boosters())) > 3
    assert all(np.array_equal(sums, alone) for sums in found)


@pytest.mark.parametrize("highest", [3, 2**16 - 1, 2**16, 2**40])
def test_equal_keys_keep_their_order(highest):
    keys = np.append(np.random.default_rng(0).integers(0, 3, 500), [highest, 0, highest])
    np.testing.assert_array_equal(stable_order(keys), np.argsort(keys, kind="stable"))


@pytest.fixture(scope="module")
def stored(rows):
    """Return trees with sets, and their state."""
    trees = trees_from_text(of_lightgbm(rows, "multiclass", 5)[0])
    return trees, trees_to_state(trees)


@every_model
def test_stored_trees_are_the_same_bit_for_bit(rows, tmp_path, library, kind):
    make, read = MADE[library]
    for bits in (14, ALL_BITS):
        trees = read(make(rows, kind, 5)[0], bits)
        write_archive(tmp_path / "trees", kind="trees", state=trees_to_state(trees), manifest={})
        again = trees_from_state(read_archive(tmp_path / "trees")[1], "trees")
        for name in trees.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(again, name), getattr(trees, name), name)


def test_a_leaf_costs_few_bytes(rows, tmp_path):
    text, _ = of_lightgbm(rows, "multiclass", 100)
    trees = trees_from_text(text)
    path = tmp_path / "trees"
    write_archive(path, kind="trees", state=trees_to_state(trees), manifest={})
    assert path.stat().st_size < 8 * len(trees.leaf_value)
    assert path.stat().st_size < len(text) / 15


def changed(name, change):
    def of(state):
        return state | {name: change(state[name])}

    return of


def first(value):
    def change(array):
        array = array.copy()
        array.flat[0] = value
        return array

    return change


def flipped(array):
    return ~array


HOSTILE = {
    "columns": (changed("n_features", lambda _: 0), "n_features is no number of columns"),
    "columns of text": (changed("n_features", lambda _: "5"), "n_features is no number of columns"),
    "feature beyond": (changed("feature", first(5)), "feature lies outside 0 to 4"),
    "feature short": (changed("feature", lambda a: a[1:]), "feature has .* values, not"),
    "feature of floats": (changed("feature", lambda a: a * 0.5), "feature is missing or of another type"),
    "shape": (changed("is_leaf", flipped), "is_leaf is not the shape of trees"),
    "all leaves": (changed("is_leaf", lambda a: a | 255), "is_leaf is not the shape of trees"),
    "no leaves": (changed("is_leaf", lambda a: a & 0), "is_leaf is not the shape of trees"),
    "shape short": (changed("is_leaf", lambda a: a[1:]), "is_leaf is not as long as it should be"),
    "counts": (changed("node_count", first(0)), "node_count lies outside 1"),
    "counts swapped": (
        changed("node_count", lambda a: a + np.eye(len(a), dtype=int)[0]),
        "not as long|shape of",
    ),
    "no trees": (changed("node_count", lambda a: a[:0]), "there is no tree, or no output"),
    "group beyond": (changed("group", first(3)), "group lies outside 0 to 2"),
    "base": (changed("base", first(np.nan)), "base holds a value that is not finite"),
    "thresholds NaN": (changed("thresholds", first(np.nan)), "no numbers"),
    "thresholds short": (changed("thresholds", lambda a: a[1:]), "thresholds are not as many"),
    "place beyond": (changed("threshold_place", first(10**6)), "threshold_place lies outside"),
    "place of another column": (
        lambda s: s | {"threshold_place": np.full_like(s["threshold_place"], len(s["thresholds"]) - 1)},
        "threshold_place leads to another column",
    ),
    "missing": (changed("missing_left", lambda a: a[1:]), "missing_left is not as long"),
    "sets": (changed("set_size", first(-1)), "set_size lies outside"),
    "sets larger": (changed("set_size", lambda a: a + 1), "categories has .* values, not"),
    "category below": (changed("categories", first(-1)), "categories lies outside"),
    "category beyond": (changed("categories", first(2**24)), "categories lies outside"),
    "categories fall": (changed("categories", lambda a: a[::-1]), "categories of a set do not rise"),
    "leaves": (changed("leaf_planes", lambda a: a[:, 1:]), "leaf_planes are not those of"),
    "leaves infinite": (changed("leaf_planes", lambda a: a | 255), "a leaf is not a finite number"),
    "leaves absent": (lambda s: {k: v for k, v in s.items() if k != "leaf_planes"}, "leaf_planes is missing"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_trees_are_refused(stored, change, message):
    with pytest.raises(StorageError, match=message):
        trees_from_state(change(stored[1]), "a booster")


def test_sets_that_would_fill_the_memory_are_refused(stored):
    trees, state = stored
    n = len(trees.set_size)
    sets = {"set_size": np.ones(n, np.int32), "categories": np.full(n, 2**24 - 1, np.int32)}
    with pytest.raises(StorageError, match="more memory than any learner's do"):
        trees_from_state(state | sets, "a booster")


def test_noise_in_a_state_is_refused_or_harmless(stored, rows):
    rng = np.random.default_rng(0)
    _, state = stored
    for _ in range(200):
        name = rng.choice([key for key in state if key != "n_features"])
        array = state[name].copy()
        array.flat[rng.integers(array.size)] = rng.integers(0, 100)
        try:
            found = trees_from_state(state | {name: array}, "a booster")
        except StorageError:
            continue
        total = Sum([Part(found, 0, 1.0)], found.n_groups)
        assert total.of(rows[:20]).shape == total.of_few(rows[:20]).shape == (20, found.n_groups)
