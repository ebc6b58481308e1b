"""Trees written as an XGBoost model, in the binary JSON that its reader takes."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.learners.trees.arrays import Trees, joined_sets, stable_order

_NO_PARENT = 2**31 - 1
_VERSION = (3, 1, 0)  # of XGBoost's model format
_SETS = {"categories": "i4", "categories_nodes": "i4", "categories_segments": "i8", "categories_sizes": "i8"}


@dataclass(frozen=True, eq=False)
class Part:
    """Trees of one model within a sum.

    Attributes
    ----------
    trees : Trees
    first_group : int
        Group of the sum that the model's first group adds to.
    factor : float
        What leaves are multiplied by.
    """

    trees: Trees
    first_group: int
    factor: float


def ubjson_of(parts: Sequence[Part], n_groups: int) -> bytearray:
    """Return an XGBoost model of the parts, with a start value of 0."""
    n_features = parts[0].trees.n_features
    kinds = np.full(n_features, b"q", "S1")
    for part in parts:
        kinds[part.trees.feature[part.trees.set_size > 0]] = b"c"
    groups = np.concatenate([part.trees.group + part.first_group for part in parts])
    n_trees = len(groups)
    trees = [pieces for part in parts for pieces in _trees(part)]
    numbered = (piece for i, pieces in enumerate(trees) for piece in (*pieces, _key("id"), _integer(i), b"}"))
    classes = str(n_groups if n_groups > 1 else 0)
    if n_groups > 1:
        objective, settings = "multi:softprob", _strings("softmax_multiclass_param", num_class=classes)
    else:
        objective, settings = "reg:squarederror", _strings("reg_loss_param", scale_pos_weight="1")
    return bytearray().join(
        [
            b"{",
            _key("learner"),
            b"{",
            _key("attributes") + b"{}",
            _key("feature_names") + b"[#" + _length(0),
            _key("feature_types") + b"[#" + _length(n_features),
            b"".join(_text(kind.decode()) for kind in kinds.tolist()),
            _key("gradient_booster"),
            b"{",
            _key("model"),
            b"{",
            _key("cats") + b"{",
            _key("enc") + b"[#" + _length(0),
            _numbers("feature_segments", np.zeros(0, np.int32)),
            _numbers("sorted_idx", np.zeros(0, np.int32)),
            b"}",
            _strings("gbtree_model_param", num_parallel_tree="1", num_trees=str(n_trees)),
            _integers("iteration_indptr", [0, n_trees]),
            _integers("tree_info", groups.tolist()),
            _key("trees") + b"[#" + _length(n_trees),
            *numbered,
            b"}",
            _key("name") + _text("gbtree"),
            b"}",
            _strings(
                "learner_model_param",
                base_score="[" + ",".join(["0E0"] * max(1, n_groups)) + "]",
                boost_from_average="1",
                num_class=classes,
                num_feature=str(n_features),
                num_target="1",
            ),
            _key("objective") + b"{",
            _key("name") + _text(objective),
            settings,
            b"}}",
            _key("version") + b"[#" + _length(3) + b"".join(_integer(n) for n in _VERSION),
            b"}",
        ]
    )


def _trees(part: Part) -> list[tuple[bytes, ...]]:
    """Return the pieces of each tree's object, open at its end for the number of the tree."""
    trees = part.trees
    n_nodes = len(trees.is_leaf)
    order = _level_order(trees)
    place = np.empty(n_nodes, np.int64)
    place[order] = np.arange(n_nodes)
    in_tree = (place - np.repeat(trees.first_node[:-1], trees.node_count)).astype(np.int32)
    inner = np.flatnonzero(~trees.is_leaf)
    at, left, right = place[inner], inner + 1, trees.right_child

    def of_inner(values: npt.NDArray[Any], form: str, elsewhere: int = 0) -> npt.NDArray[Any]:
        found = np.full(n_nodes, elsewhere, form)
        found[at] = values
        return found

    parents = np.full(n_nodes, _NO_PARENT, ">i4")
    parents[place[left]] = parents[place[right]] = in_tree[inner]
    values = of_inner(trees.threshold, ">f4")
    values[place[trees.is_leaf]] = trees.leaf_value * np.float32(part.factor)
    set_size = of_inner(trees.set_size, "i4")
    arrays: dict[str, npt.NDArray[Any]] = {
        "default_left": of_inner(trees.missing_left, "u1"),
        "left_children": of_inner(in_tree[left], ">i4", -1),
        "parents": parents,
        "right_children": of_inner(in_tree[right], ">i4", -1),
        "split_conditions": values,
        "split_indices": of_inner(trees.feature, ">i4"),
        "split_type": (set_size > 0).astype("u1"),
    }
    fields = [_Field(name, array, trees.first_node) for name, array in arrays.items()]
    with_sets = bool(len(trees.categories))
    if with_sets:
        fields += _sets(trees, set_size, order)
    sizes = trees.node_count.tolist()
    endings = {size: _ending(size, trees.n_features, with_sets) for size in set(sizes)}
    cuts = zip(*(field.cuts() for field in fields), strict=True)
    return [(b"{", *chain.from_iterable(cut), endings[size]) for cut, size in zip(cuts, sizes, strict=True)]


def _ending(n_nodes: int, n_features: int, with_sets: bool) -> bytes:
    """Return what all trees of so many nodes have in common."""
    zeros = b"[$" + _MARKS["f4"] + b"#" + _length(n_nodes) + bytes(4 * n_nodes)
    sizes = {"num_deleted": 0, "num_feature": n_features, "num_nodes": n_nodes, "size_leaf_vector": 1}
    return b"".join(
        [
            *(_numbers(name, np.zeros(0, form)) for name, form in _SETS.items() if not with_sets),
            *(_key(name) + zeros for name in ("base_weights", "loss_changes", "sum_hessian")),
            _strings("tree_param", **{name: str(size) for name, size in sizes.items()}),
        ]
    )


def _level_order(trees: Trees) -> npt.NDArray[np.int64]:
    """Return the nodes tree by tree and level by level, as places among all nodes.

    Below its first levels XGBoost takes the right child to follow the left one.
    """
    by_depth = stable_order(trees.depth)
    tree = np.repeat(np.arange(trees.n_trees), trees.node_count)
    return by_depth[stable_order(tree[by_depth])]


def _sets(trees: Trees, set_size: npt.NDArray[np.int32], order: npt.NDArray[np.int64]) -> list[_Field]:
    """Return the sets of categories; `set_size` is that of all nodes, in the order `order` puts them."""
    nodes = np.flatnonzero(set_size)
    sizes = set_size[nodes].astype(np.int64)
    starts = np.zeros(len(trees.is_leaf), np.int64)
    starts[np.flatnonzero(~trees.is_leaf)] = np.cumsum(trees.set_size) - trees.set_size
    categories = joined_sets(starts[order[nodes]], sizes, trees.categories)
    tree = np.searchsorted(trees.first_node, nodes, side="right") - 1
    first = np.searchsorted(tree, np.arange(trees.n_trees + 1))
    ends = np.concatenate([[0], np.cumsum(sizes)])
    segments = ends[:-1] - ends[first[tree]]
    arrays = categories, nodes - trees.first_node[tree], segments, sizes
    firsts = ends[first], first, first, first
    return [
        _Field(name, values.astype(form), of_tree)
        for (name, form), values, of_tree in zip(_SETS.items(), arrays, firsts, strict=True)
    ]


class _Field:
    """An array of all trees, and where the part of each tree begins."""

    def __init__(self, name: str, values: npt.NDArray[Any], first: npt.NDArray[np.int64]) -> None:
        mark, self._bytes = _packed(values)
        self._head = _key(name) + b"[$" + mark + b"#L"
        self._lengths = np.diff(first).astype(">i8").tobytes()
        self._ends = (first * values.dtype.itemsize).tolist()

    def cuts(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield name, length and numbers of each tree's part."""
        for i, (start, stop) in enumerate(pairwise(self._ends)):
            yield self._head, self._lengths[8 * i : 8 * i + 8], self._bytes[start:stop]


_MARKS = {"u1": b"U", "i4": b"l", "i8": b"L", "f4": b"d"}


def _packed(values: npt.NDArray[Any]) -> tuple[bytes, bytes]:
    form = values.dtype.str[1:]
    return _MARKS[form], values.astype(f">{form}").tobytes()


def _numbers(name: str, values: npt.NDArray[Any]) -> bytes:
    mark, packed = _packed(values)
    return _key(name) + b"[$" + mark + b"#" + _length(len(values)) + packed


def _integers(name: str, values: Sequence[int]) -> bytes:
    return _key(name) + b"[#" + _length(len(values)) + b"".join(map(_integer, values))


def _length(n: int) -> bytes:
    return b"L" + struct.pack(">q", n)


def _integer(n: int) -> bytes:
    return b"l" + struct.pack(">i", n)


def _key(name: str) -> bytes:
    return _length(len(name)) + name.encode("ascii")


def _text(value: str) -> bytes:
    return b"S" + _key(value)


def _strings(name: str, **values: str) -> bytes:
    return _key(name) + b"{" + b"".join(_key(k) + _text(v) for k, v in values.items()) + b"}"
