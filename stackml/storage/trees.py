"""Forests of scikit-learn trees as plain arrays, and trees rebuilt from them after a bounds check.

scikit-learn walks its nodes without looking where they lead, so indices from a file are proven
here first: every child lies after its parent and inside its tree, every node but a root has one
parent, every feature exists. Such nodes can form nothing but trees.

Only what prediction needs is kept: inner nodes have a feature and a threshold, leaves a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from stackml.foundation.errors import StorageError
from stackml.storage.state import State

_LEAF, _NO_FEATURE = -1, -2  # scikit-learn's marks
_NEEDED = frozenset({"left_child", "right_child", "feature", "threshold", "missing_go_to_left"})
_ARRAYS = {
    "n_classes": "i",
    "node_count": "i",
    "left_step": "i",
    "right_step": "i",
    "feature": "i",
    "threshold": "f",
    "missing_left": "bits",
    "leaf_value": "f",
    "n_node_samples": "i",
}


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees laid end to end; ``n_inner + n_leaves == n_nodes`` over all of them.

    Attributes
    ----------
    n_features : int
        Columns of the rows the trees read.
    n_classes : ndarray of int64, shape (n_outputs,)
        Classes per output; 1 for regression.
    node_count : ndarray of int64, shape (n_trees,)
        Nodes per tree.
    left_step, right_step : ndarray of int32, shape (n_nodes,)
        Distance from a node to its children, which come after it; 0 in a leaf.
    feature : ndarray of int32, shape (n_inner,)
        Column read by each inner node.
    threshold : ndarray of float32, shape (n_inner,)
        A row goes left where its value is at most this. Rows are float32, so the largest float32
        that does not exceed scikit-learn's float64 threshold sends every row the same way.
    missing_left : ndarray of bool, shape (n_inner,)
        Whether a missing value goes left.
    leaf_value : ndarray of float32 or float64, shape (n_leaves, n_outputs, max_n_classes)
        What each leaf predicts; float32 only where that loses nothing.
    n_node_samples : ndarray of int32, shape (n_nodes,), or None
        Training rows that reached each node, where they were kept.
    """

    n_features: int
    n_classes: np.ndarray
    node_count: np.ndarray
    left_step: np.ndarray
    right_step: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    leaf_value: np.ndarray
    n_node_samples: np.ndarray | None = None

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.node_count)

    @cached_property
    def first_node(self) -> np.ndarray:
        """First node of each tree, and the end of the last; int64, shape (n_trees + 1,)."""
        return np.concatenate([[0], np.cumsum(self.node_count)]).astype(np.int64)

    @cached_property
    def first_inner(self) -> np.ndarray:
        """First inner node of each tree, and the end of the last; int64, shape (n_trees + 1,)."""
        before = np.concatenate([[0], np.cumsum(self.left_step > 0)])
        first: np.ndarray = before[self.first_node].astype(np.int64)
        return first

    @cached_property
    def depth(self) -> np.ndarray:
        """Edges from the root to each node; int32, shape (n_nodes,)."""
        result = np.zeros(len(self.left_step), np.int32)
        level = self.first_node[:-1]
        below = 0
        while True:
            level = level[self.left_step[level] > 0]
            if not level.size:
                return result
            below += 1
            level = np.concatenate([level + self.left_step[level], level + self.right_step[level]])
            result[level] = below

    @cached_property
    def path_length(self) -> np.ndarray:
        """Isolation path length of a row ending at each node; float64, shape (n_nodes,).

        The depth, plus the mean depth of a random tree grown on the rows that ended there. Summed
        over trees at ``first_node[i] + tree.apply(X)``, it gives IsolationForest's depths bit for bit.

        Raises
        ------
        StorageError
            If the forest was stored without ``n_node_samples``.
        """
        if self.n_node_samples is None:
            raise StorageError("path lengths need n_node_samples; store the forest with keep_samples=True")
        length: np.ndarray = (self.depth + 1) + mean_path_length(self.n_node_samples) - 1.0
        return length

    def to_state(self) -> State:
        """Return the arrays as a state; `forest_from_state` reads it."""
        state: State = {"n_features": int(self.n_features)}
        for name in _ARRAYS:
            array = getattr(self, name)
            if array is not None:
                state[name] = np.packbits(array) if name == "missing_left" else array
        return state


def forest_from_trees(estimators: Sequence[Any], *, keep_samples: bool = False) -> Forest:
    """Lay fitted scikit-learn trees end to end.

    Parameters
    ----------
    estimators : sequence of fitted decision trees
        As in ``forest.estimators_``: classifiers or regressors that read the same columns.
    keep_samples : bool
        Keep ``n_node_samples``, which isolation forests score with.

    Raises
    ------
    StorageError
        If there is no tree, or the trees do not read and predict the same.
    """
    trees = [estimator.tree_ for estimator in estimators]
    shapes = {(tree.n_features, tree.n_outputs, *np.ravel(tree.n_classes)) for tree in trees}
    if len(shapes) != 1:
        raise StorageError(
            f"a forest needs trees of one shape; found {len(shapes)} shapes in {len(trees)} trees"
        )
    inner = [tree.children_left != _LEAF for tree in trees]
    values = np.concatenate([tree.value[~split] for tree, split in zip(trees, inner, strict=True)])
    return Forest(
        n_features=int(trees[0].n_features),
        n_classes=np.array(np.ravel(trees[0].n_classes), np.int64),
        node_count=np.array([tree.node_count for tree in trees], np.int64),
        left_step=np.concatenate([_steps(tree.children_left) for tree in trees]),
        right_step=np.concatenate([_steps(tree.children_right) for tree in trees]),
        feature=_joined(trees, inner, "feature").astype(np.int32),
        threshold=floor_float32(_joined(trees, inner, "threshold")),
        missing_left=_joined(trees, inner, "missing_go_to_left").astype(bool),
        leaf_value=_exact_float32(values),
        n_node_samples=(
            np.concatenate([tree.n_node_samples for tree in trees]).astype(np.int32) if keep_samples else None
        ),
    )


def forest_to_state(estimators: Sequence[Any], *, keep_samples: bool = False) -> State:
    """Return fitted scikit-learn trees as a state of plain arrays; see `forest_from_trees`."""
    return forest_from_trees(estimators, keep_samples=keep_samples).to_state()


def forest_from_state(state: State, where: str = "forest") -> Forest:
    """Return the forest held in a state after proving that every index in it is safe to follow.

    Parameters
    ----------
    state : dict
        As `forest_to_state` gave it.
    where : str
        What is being read, for messages.

    Raises
    ------
    StorageError
        If an array is missing, of another type or length, or leads out of its tree.
    """
    arrays = {name: _array(state, name, kind, where) for name, kind in _ARRAYS.items()}
    n_features = state.get("n_features")
    steps = arrays["left_step"]
    n_inner = int(np.count_nonzero(steps)) if steps is not None else 0
    packed = arrays["missing_left"]
    if not isinstance(n_features, int) or packed is None or len(packed) != -(-n_inner // 8):
        raise _wrong(where, "n_features or missing_left is not as long as it should be")
    arrays["missing_left"] = np.unpackbits(packed, count=n_inner).astype(bool)
    forest = Forest(n_features, **arrays)  # type: ignore[arg-type]  # n_node_samples alone may be None
    _check_lengths(forest, where)
    _check_nodes(forest, where)
    return forest


def rebuild_trees(forest: Forest) -> list[Any]:
    """Return the trees as ``sklearn.tree._tree.Tree``.

    Parameters
    ----------
    forest : Forest
        From `forest_from_state` or `forest_from_trees`.

    Returns
    -------
    list of sklearn.tree._tree.Tree
        ``predict(X)`` and ``apply(X)`` of each equal the original's bit for bit for float32 `X` of
        shape (n_rows, n_features); it does not check that shape itself. Impurities, weights and the
        values of inner nodes are zero, so it serves prediction alone.

    Raises
    ------
    StorageError
        If the installed scikit-learn lays out its nodes in a way this module does not know.
    """
    from sklearn.tree._tree import NODE_DTYPE

    dtype = np.dtype(NODE_DTYPE)
    if not set(dtype.names or ()) >= _NEEDED:
        raise StorageError("this scikit-learn stores trees in a way stackml does not know; upgrade stackml")
    # Every tree copies what it is given, so that all can be given the same memory, one after the other.
    largest = int(forest.node_count.max(initial=0))
    nodes, values = np.zeros(largest, dtype), np.zeros((largest, *forest.leaf_value.shape[1:]))
    sizes = forest.node_count.tolist()
    return [_rebuilt(forest, i, nodes[:size], values[:size]) for i, size in enumerate(sizes)]


def _rebuilt(forest: Forest, index: int, nodes: np.ndarray, values: np.ndarray) -> Any:
    from sklearn.tree._tree import Tree

    start, stop = forest.first_node[index : index + 2]
    inner_start, inner_stop = forest.first_inner[index : index + 2]
    left, right = forest.left_step[start:stop], forest.right_step[start:stop]
    inner = left > 0
    here = np.arange(stop - start)
    nodes["left_child"] = np.where(inner, here + left, _LEAF)
    nodes["right_child"] = np.where(inner, here + right, _LEAF)
    nodes["feature"] = nodes["threshold"] = _NO_FEATURE
    nodes["feature"][inner] = forest.feature[inner_start:inner_stop]
    nodes["threshold"][inner] = forest.threshold[inner_start:inner_stop]
    nodes["missing_go_to_left"] = 0
    nodes["missing_go_to_left"][inner] = forest.missing_left[inner_start:inner_stop]
    if forest.n_node_samples is not None:
        nodes["n_node_samples"] = forest.n_node_samples[start:stop]
    values[inner] = 0.0
    values[~inner] = forest.leaf_value[start - inner_start : stop - inner_stop]
    tree = Tree(forest.n_features, forest.n_classes.astype(np.intp), len(forest.n_classes))
    tree.__setstate__(
        {
            "max_depth": int(forest.depth[start:stop].max()),
            "node_count": int(stop - start),
            "nodes": nodes,
            "values": values,
        }
    )
    return tree


def mean_path_length(n_rows: np.ndarray) -> np.ndarray:
    """Return the mean depth at which a random tree isolates one of `n_rows` rows; float64, same shape."""
    n_rows = np.asarray(n_rows)
    result = np.zeros(n_rows.shape)
    result[n_rows == 2] = 1.0
    many = n_rows[n_rows > 2].astype(np.int64)
    result[n_rows > 2] = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return result


def floor_float32(values: np.ndarray) -> np.ndarray:
    """Return the largest float32 that does not exceed each float64 value."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(np.float32)
    return np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _steps(children: np.ndarray) -> np.ndarray:
    here = np.arange(len(children))
    return np.where(children == _LEAF, 0, children - here).astype(np.int32)


def _joined(trees: Sequence[Any], inner: Sequence[np.ndarray], name: str) -> np.ndarray:
    return np.concatenate([getattr(tree, name)[split] for tree, split in zip(trees, inner, strict=True)])


def _exact_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        small = values.astype(np.float32)
    return small if np.array_equal(small.astype(np.float64), values) else values


def _array(state: State, name: str, kind: str, where: str) -> np.ndarray | None:
    value = state.get(name)
    if value is None and name == "n_node_samples":
        return None
    if not isinstance(value, np.ndarray):
        raise _wrong(where, f"{name} is missing")
    right = value.dtype == np.uint8 if kind == "bits" else value.dtype.kind == kind
    if not right or value.ndim != (3 if name == "leaf_value" else 1):
        raise _wrong(where, f"{name} has dtype {value.dtype} and {value.ndim} dimensions")
    return value


def _check_lengths(forest: Forest, where: str) -> None:
    n_nodes, n_inner = len(forest.left_step), int(np.count_nonzero(forest.left_step))
    counts, classes = forest.node_count, forest.n_classes
    if not len(counts) or counts.min() < 1 or counts.max() > n_nodes or int(counts.sum()) != n_nodes:
        raise _wrong(where, "node_count does not add up to the nodes")
    if forest.n_features < 1 or not len(classes) or classes.min() < 1:
        raise _wrong(where, "n_features or n_classes is below 1")
    lengths = {
        "right_step": n_nodes,
        "feature": n_inner,
        "threshold": n_inner,
        "n_node_samples": n_nodes,
    }
    for name, length in lengths.items():
        array = getattr(forest, name)
        if array is not None and len(array) != length:
            raise _wrong(where, f"{name} has {len(array)} values, not {length}")
    expected = (n_nodes - n_inner, len(classes), int(classes.max()))
    if forest.leaf_value.shape != expected:
        raise _wrong(where, f"leaf_value has shape {forest.leaf_value.shape}, not {expected}")


def _check_nodes(forest: Forest, where: str) -> None:
    inner = forest.left_step != 0
    if not np.array_equal(inner, forest.right_step != 0):
        raise _wrong(where, "a node has one child only")
    here = np.flatnonzero(inner)
    end = np.repeat(forest.first_node[1:], forest.node_count)[here]
    left, right = forest.left_step[here].astype(np.int64), forest.right_step[here].astype(np.int64)
    if min(left.min(initial=1), right.min(initial=1)) < 1:
        raise _wrong(where, "a child comes before its parent")
    room = end - here
    if np.any(left >= room) or np.any(right >= room):
        raise _wrong(where, "a child lies outside its tree")
    parents = np.bincount(np.concatenate([here + left, here + right]), minlength=len(inner))
    wanted = np.ones(len(inner), np.int64)
    wanted[forest.first_node[:-1]] = 0
    if not np.array_equal(parents, wanted):
        raise _wrong(where, "a node has not exactly one parent")
    if np.any((forest.feature < 0) | (forest.feature >= forest.n_features)):
        raise _wrong(where, f"a feature lies outside 0 to {forest.n_features - 1}")
    if np.isnan(forest.threshold).any() or np.isnan(forest.leaf_value).any():
        raise _wrong(where, "a threshold or a leaf is not a number")


def _wrong(where: str, what: str) -> StorageError:
    return StorageError(f"{where}: {what}; the stored trees are damaged and were not built")
