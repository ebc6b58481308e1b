"""Forests rebuilt from arrays predict as before, bit for bit; arrays that lead astray are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)

from stackml.foundation.errors import StorageError
from stackml.storage.archive import read_archive, write_archive
from stackml.storage.trees import (
    floor_float32,
    forest_from_state,
    forest_to_state,
    mean_path_length,
    rebuild_trees,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 6)).astype(np.float32)
X[::9, 2] = np.nan
Z = np.vstack([X, rng.normal(size=(200, 6)).astype(np.float32) * 3])
Z[-20:, 0] = np.nan
Z[-1, 1], Z[-2, 1] = np.inf, -np.inf
y3 = rng.integers(0, 3, 300)
target = rng.normal(size=300)

FORESTS = {
    "rf classifier": RandomForestClassifier(7, random_state=0).fit(X, y3),
    "rf best first": RandomForestClassifier(5, max_leaf_nodes=20, random_state=0).fit(X, y3),
    "rf pruned": RandomForestClassifier(5, ccp_alpha=0.01, random_state=0).fit(X, y3),
    "rf two outputs": RandomForestClassifier(3, random_state=0).fit(X, np.c_[y3, y3 > 1]),
    "rf regressor": RandomForestRegressor(5, random_state=0).fit(X, target),
    "et classifier": ExtraTreesClassifier(5, random_state=0).fit(X, y3, rng.uniform(0.1, 2, 300)),
    "et regressor": ExtraTreesRegressor(5, random_state=0).fit(X, target),
    "roots alone": RandomForestRegressor(2, random_state=0).fit(X, np.zeros(300)),
}


def through_file(path: Path, state: dict[str, Any]) -> dict[str, Any]:
    write_archive(path, kind="stack", state=state, manifest={})
    return read_archive(path)[1]


@pytest.mark.parametrize("name", FORESTS)
def test_rebuilt_trees_equal_the_originals_bit_for_bit(tmp_path: Path, name: str) -> None:
    model = FORESTS[name]
    forest = forest_from_state(through_file(tmp_path / "a", forest_to_state(model.estimators_)))
    assert forest.n_trees == len(model.estimators_)
    for estimator, tree in zip(model.estimators_, rebuild_trees(forest), strict=True):
        assert np.array_equal(tree.apply(Z), estimator.tree_.apply(Z))
        assert tree.predict(Z).tobytes() == estimator.tree_.predict(Z).tobytes()
        assert tree.max_depth == estimator.tree_.max_depth
        assert tree.n_leaves == estimator.tree_.n_leaves


def test_a_forest_put_back_into_its_estimator_predicts_the_same() -> None:
    model = FORESTS["rf classifier"]
    before = model.predict_proba(Z[:-2])
    forest = forest_from_state(forest_to_state(model.estimators_))
    total = np.zeros((len(Z) - 2, 3))
    for tree in rebuild_trees(forest):
        total += tree.predict(Z[:-2])
    assert np.array_equal(total / forest.n_trees, before)


def test_storing_a_rebuilt_forest_again_changes_nothing() -> None:
    class Holder:
        def __init__(self, tree: Any) -> None:
            self.tree_ = tree

    state = forest_to_state(FORESTS["rf best first"].estimators_, keep_samples=True)
    forest = forest_from_state(state)
    again = forest_to_state([Holder(tree) for tree in rebuild_trees(forest)], keep_samples=True)
    assert state.keys() == again.keys()
    assert all(np.array_equal(state[key], again[key]) for key in state)


@pytest.mark.parametrize("columns", [1.0, 0.5])
def test_isolation_scores_equal_the_originals_bit_for_bit(tmp_path: Path, columns: float) -> None:
    model = IsolationForest(n_estimators=10, max_features=columns, random_state=0).fit(X)
    state = through_file(tmp_path / "a", forest_to_state(model.estimators_, keep_samples=True))
    forest = forest_from_state(state)
    depths = np.zeros(len(Z))
    trees = rebuild_trees(forest)
    for i, features in enumerate(model.estimators_features_):
        rows = np.ascontiguousarray(Z[:, features])
        depths += forest.path_length[forest.first_node[i] + trees[i].apply(rows)]
    mean = mean_path_length(np.array([model.max_samples_]))
    assert np.array_equal(-(2 ** (-depths / (forest.n_trees * mean))), model.score_samples(Z))


def test_path_lengths_need_the_counts() -> None:
    forest = forest_from_state(forest_to_state(FORESTS["et regressor"].estimators_))
    with pytest.raises(StorageError, match="store the forest with keep_samples=True"):
        _ = forest.path_length


def test_thresholds_round_down_to_the_next_float32() -> None:
    values = np.r_[rng.normal(size=2_000) * 10.0 ** rng.integers(-40, 38, 2_000), 0.0, 1e300, -1e300, np.inf]
    floor = floor_float32(values)
    assert floor.dtype == np.float32
    assert np.all(floor <= values)
    with np.errstate(over="ignore"):
        assert np.all(np.nextafter(floor[:-1], np.float32(np.inf)) > values[:-1])


def test_the_arrays_are_compact() -> None:
    state = forest_to_state(FORESTS["rf classifier"].estimators_)
    assert {key: state[key].dtype.str for key in ("left_step", "feature", "threshold")} == {
        "left_step": "<i4",
        "feature": "<i4",
        "threshold": "<f4",
    }
    nodes = len(state["left_step"])
    assert sum(a.nbytes for a in state.values() if isinstance(a, np.ndarray)) < 30 * nodes


def test_trees_of_different_shapes_are_refused() -> None:
    mixed = [*FORESTS["rf classifier"].estimators_, *FORESTS["rf regressor"].estimators_]
    with pytest.raises(StorageError, match="found 2 shapes in 12 trees"):
        forest_to_state(mixed)
    with pytest.raises(StorageError, match="found 0 shapes in 0 trees"):
        forest_to_state([])


def tampered(name: str, change: Any) -> dict[str, Any]:
    state = forest_to_state(FORESTS["rf classifier"].estimators_, keep_samples=True)
    if callable(change):
        array = state[name].copy()
        state[name] = replaced if (replaced := change(array)) is not None else array
    else:
        state[name] = change
    return state


def put(position: int, value: Any) -> Any:
    def change(array: np.ndarray) -> None:
        array[position] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("left_step", put(1, -1), "a child comes before its parent"),
        ("right_step", put(0, -(2**31)), "a child comes before its parent"),
        ("left_step", put(0, 2**31 - 1), "a child lies outside its tree"),
        ("right_step", put(0, 10**6), "a child lies outside its tree"),
        ("right_step", put(0, 2), "a node has not exactly one parent"),
        ("right_step", put(0, 1), "a node has not exactly one parent"),
        ("right_step", put(0, 0), "a node has one child only"),
        ("left_step", put(0, 0), "is not as long|has one child only|values, not"),
        ("feature", put(0, 6), "a feature lies outside 0 to 5"),
        ("feature", put(0, -2), "a feature lies outside 0 to 5"),
        ("threshold", put(0, np.nan), "a threshold or a leaf is not a number"),
        ("leaf_value", put(0, np.nan), "a threshold or a leaf is not a number"),
        ("node_count", put(0, 10**9), "node_count does not add up"),
        ("node_count", put(0, -5), "node_count does not add up"),
        ("node_count", lambda a: a[:0], "node_count does not add up"),
        ("node_count", lambda a: a + np.array([2, -2, 0, 0, 0, 0, 0]), "outside its tree|one parent"),
        ("feature", lambda a: a[:-1], "feature has .* values, not"),
        ("threshold", lambda a: np.r_[a, a], "threshold has .* values, not"),
        ("right_step", lambda a: a[:-1], "right_step has .* values, not"),
        ("n_node_samples", lambda a: a[:-1], "n_node_samples has .* values, not"),
        ("missing_left", lambda a: a[:-1], "missing_left is not as long"),
        ("missing_left", lambda a: a.astype(np.uint16), "missing_left has dtype uint16"),
        ("leaf_value", lambda a: a[:, :, :2], "leaf_value has shape"),
        ("leaf_value", lambda a: a[:, 0, :], "leaf_value has dtype .* and 2 dimensions"),
        ("n_classes", lambda a: a * 1000, "leaf_value has shape"),
        ("n_classes", lambda a: a * 0, "n_classes is below 1"),
        ("left_step", lambda a: a.astype(np.float64), "left_step has dtype float64"),
        ("left_step", None, "left_step is missing"),
        ("n_features", 0, "n_features or n_classes is below 1"),
        ("n_features", 3, "a feature lies outside 0 to 2"),
        ("n_features", "6", "n_features or missing_left"),
    ],
)
def test_arrays_that_lead_astray_are_refused(name: str, change: Any, message: str) -> None:
    with pytest.raises(StorageError, match=message) as caught:
        forest_from_state(tampered(name, change), where="fraud.stack: learner 'rf'")
    assert str(caught.value).startswith("fraud.stack: learner 'rf': ")
    assert str(caught.value).endswith("the stored trees are damaged and were not built")


def test_a_scikit_learn_with_another_node_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.tree._tree as compiled

    forest = forest_from_state(forest_to_state(FORESTS["roots alone"].estimators_))
    monkeypatch.setattr(compiled, "NODE_DTYPE", {"names": ["split"], "formats": ["<i8"]})
    with pytest.raises(StorageError, match="stores trees in a way stackml does not know; upgrade stackml"):
        rebuild_trees(forest)
