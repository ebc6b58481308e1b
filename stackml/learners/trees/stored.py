"""Trees as a state of narrow arrays that deflate well, and back after every index was proven.

The shape of the trees is one bit a node. Thresholds are places in a table of each column's
thresholds; leaf values are cut into planes of bytes, the idle low bits left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import StorageError
from stackml.learners.trees.arrays import Floats32, Trees, open_subtrees
from stackml.storage.fields import finite_array
from stackml.storage.state import State

_MOST_CATEGORIES = 2**24  # float32 holds no more codes
_MOST_BITS = 2**31  # of all sets of a model: a set takes a bit for each code up to its largest
_LOW_BITS = 10  # of a leaf value, zero where 14 significant bits were kept


def trees_to_state(trees: Trees) -> State:
    """Return trees as plain data."""
    table, lengths, places = _tables(trees)
    return {
        "n_features": trees.n_features,
        "base": trees.base,
        "group": trees.group,
        "node_count": trees.node_count,
        "is_leaf": np.packbits(trees.is_leaf),
        "feature": trees.feature.astype(np.uint32),
        "thresholds": table,
        "thresholds_of_column": lengths,
        "threshold_place": places,
        "missing_left": np.packbits(trees.missing_left),
        "set_size": trees.set_size,
        "categories": trees.categories,
        "leaf_planes": _planes(trees.leaf_value),
    }


def trees_from_state(state: Mapping[str, Any], where: str) -> Trees:
    """Rebuild trees.

    Parameters
    ----------
    state : mapping
        From `trees_to_state`.
    where : str
        What is being read, for messages.

    Raises
    ------
    StorageError
        If an array is absent, of another type or length, or leads anywhere but into its tree.
    """
    reader = _Reader(state, where)
    n_features = state.get("n_features")
    if type(n_features) is not int or not 1 <= n_features < 2**31:
        reader.refuse("n_features is no number of columns")
    base = finite_array(state.get("base"), f"{where}: base", (None,)).astype(np.float64)
    node_count = reader.integers("node_count", 1, 2**31)
    if not len(base) or not len(node_count):
        reader.refuse("there is no tree, or no output")
    is_leaf = reader.bits("is_leaf", int(node_count.sum()))
    _check_shape(is_leaf, node_count, reader)
    n_inner = int(np.count_nonzero(~is_leaf))
    feature = reader.integers("feature", 0, n_features, n_inner)
    set_size = reader.integers("set_size", 0, _MOST_CATEGORIES, n_inner)
    return Trees(
        n_features=n_features,
        base=base,
        group=reader.integers("group", 0, len(base), len(node_count)).astype(np.int32),
        node_count=node_count,
        is_leaf=is_leaf,
        feature=feature.astype(np.int32),
        threshold=_thresholds(reader, feature, n_features),
        missing_left=reader.bits("missing_left", n_inner),
        set_size=set_size.astype(np.int32),
        categories=_categories(reader, set_size),
        leaf_value=_leaf_values(reader, len(is_leaf) - n_inner),
    )


class _Reader:
    def __init__(self, state: Mapping[str, Any], where: str) -> None:
        self._state = state
        self._where = where

    def array(self, name: str, kinds: str, n_dimensions: int = 1) -> npt.NDArray[Any]:
        value = self._state.get(name)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds or value.ndim != n_dimensions:
            self.refuse(f"{name} is missing or of another type")
        return value

    def integers(self, name: str, least: int, below: int, length: int | None = None) -> npt.NDArray[np.int64]:
        value = self.array(name, "iu").astype(np.int64)
        if length is not None and len(value) != length:
            self.refuse(f"{name} has {len(value)} values, not {length}")
        if len(value) and not least <= value.min() <= value.max() < below:
            self.refuse(f"{name} lies outside {least} to {below - 1}")
        return value

    def bits(self, name: str, length: int) -> npt.NDArray[np.bool_]:
        packed = self.array(name, "u")
        if packed.dtype != np.uint8 or len(packed) != -(-length // 8):
            self.refuse(f"{name} is not as long as it should be")
        return np.unpackbits(packed, count=length).astype(bool)

    def refuse(self, what: str) -> NoReturn:
        raise StorageError(f"{self._where}: {what}; the stored trees are damaged and were not built")


def _check_shape(is_leaf: npt.NDArray[np.bool_], node_count: npt.NDArray[np.int64], reader: _Reader) -> None:
    first = np.concatenate([[0], np.cumsum(node_count)])
    still_open = open_subtrees(is_leaf, first)
    last = first[1:] - 1
    # The last node closes the last subtree, and none before it does.
    ends = is_leaf[last] & (still_open[last] == 1)
    if still_open.min() < 1 or not ends.all():
        reader.refuse("is_leaf is not the shape of trees")


def _tables(trees: Trees) -> tuple[Floats32, npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    order = np.lexsort((trees.threshold, trees.feature))
    feature, threshold = trees.feature[order], trees.threshold[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (feature[1:] != feature[:-1]) | (threshold[1:] != threshold[:-1])
    lengths = np.bincount(feature[is_new], minlength=trees.n_features).astype(np.int64)
    first = np.cumsum(lengths) - lengths
    places = np.empty(len(order), np.uint32)
    places[order] = np.cumsum(is_new) - 1 - first[feature]
    return threshold[is_new], lengths, places


def _thresholds(reader: _Reader, feature: npt.NDArray[np.int64], n_features: int) -> Floats32:
    table = reader.array("thresholds", "f").astype(np.float32)
    lengths = reader.integers("thresholds_of_column", 0, len(table) + 1, n_features)
    if lengths.sum() != len(table) or np.isnan(table).any():
        reader.refuse("thresholds are not as many as they should be, or no numbers")
    places = reader.integers("threshold_place", 0, max(1, len(table)), len(feature))
    if (places >= lengths[feature]).any():
        reader.refuse("threshold_place leads to another column")
    return table[(np.cumsum(lengths) - lengths)[feature] + places]


def _categories(reader: _Reader, set_size: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    categories = reader.integers("categories", 0, _MOST_CATEGORIES, int(set_size.sum()))
    rises = np.diff(categories) > 0
    last = np.cumsum(set_size[set_size > 0]) - 1
    rises[last[:-1]] = True  # between sets
    if not rises.all():
        reader.refuse("categories of a set do not rise")
    if int(categories[last].sum()) > _MOST_BITS:
        reader.refuse("its sets of categories would take more memory than any learner's do")
    return categories.astype(np.int32)


def _planes(values: Floats32) -> npt.NDArray[np.uint8]:
    raw = values.view(np.uint32)
    idle = not (raw & np.uint32((1 << _LOW_BITS) - 1)).any()
    kept = raw >> np.uint32(_LOW_BITS if idle else 0)
    n_planes = 3 if idle else 4
    return np.stack([(kept >> np.uint32(8 * i)).astype(np.uint8) for i in range(n_planes)])


def _leaf_values(reader: _Reader, n_leaves: int) -> Floats32:
    planes = reader.array("leaf_planes", "u", 2)
    if planes.dtype != np.uint8 or planes.shape not in ((3, n_leaves), (4, n_leaves)):
        reader.refuse(f"leaf_planes are not those of {n_leaves} leaves")
    raw = np.zeros(n_leaves, np.uint32)
    for i, plane in enumerate(planes):
        raw |= plane.astype(np.uint32) << np.uint32(8 * i)
    values = (raw << np.uint32(_LOW_BITS if len(planes) == 3 else 0)).view(np.float32)
    if not np.isfinite(values).all():
        reader.refuse("a leaf is not a finite number")
    return values
