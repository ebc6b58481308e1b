"""Many models' trees in one XGBoost booster, whose predictor walks them in blocks of rows.

LightGBM walks row by row; the same trees in XGBoost's predictor are several times faster. The
booster is written here and never leaves the memory: nothing of a file reaches XGBoost's reader but
arrays that `Trees` has proven.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.learners.trees.arrays import Floats32, Trees, joined_sets
from stackml.learners.trees.walk import Walker
from stackml.storage.fields import refuse

_BUILDING = Lock()
_PORTION = 30_000  # nodes of one booster; measured in experiments/0004-scoring-speed
_NO_PARENT = 2**31 - 1
_VERSION = (3, 1, 0)  # of XGBoost's model format


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


class Sum:
    """Sums of the leaves of many models, each model adding to groups of its own or shared ones.

    Parameters
    ----------
    parts : sequence of Part
        Of models that read the same columns.
    n_groups : int
    """

    def __init__(self, parts: Sequence[Part], n_groups: int) -> None:
        self._parts = tuple(parts)
        self.n_groups = n_groups
        self.n_features = self._parts[0].trees.n_features
        for part in self._parts:
            if part.trees.n_features != self.n_features:
                refuse("trees of one view", f"read {part.trees.n_features} columns, others {self.n_features}")

    def of(self, matrix: Floats32) -> npt.NDArray[np.float64]:
        """Return the sums, float64 of shape (n_rows, n_groups), without the models' bases.

        A row's sums are the same in any company, bit for bit.
        """
        total = np.zeros((len(matrix), self.n_groups))
        if len(matrix):
            with _BUILDING:
                boosters = self._boosters
            for booster in boosters:
                found = booster.inplace_predict(matrix, predict_type="margin", validate_features=False)
                total += found.reshape(total.shape)
        return total

    def of_few(self, matrix: Floats32) -> npt.NDArray[np.float64]:
        """Return the same but for rounding, faster for a few rows."""
        with _BUILDING:
            walker, values, groups = self._walker
        leaves = walker.leaves(matrix)
        sums = [np.bincount(groups, values[row], minlength=self.n_groups) for row in leaves]
        return np.stack(sums) if sums else np.zeros((0, self.n_groups))

    @cached_property
    def _walker(self) -> tuple[Walker, Floats32, npt.NDArray[np.int32]]:
        values = [part.trees.leaf_value * np.float32(part.factor) for part in self._parts]
        groups = [part.trees.group + np.int32(part.first_group) for part in self._parts]
        return Walker([part.trees for part in self._parts]), np.concatenate(values), np.concatenate(groups)

    @cached_property
    def _boosters(self) -> list[Any]:
        return [_built(parts, self.n_groups) for parts in _portions(self._parts)]


def _portions(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parts divided so that the nodes of each portion fit a core's cache."""
    portions: list[list[Part]] = [[]]
    room = _PORTION
    for part in parts:
        start = 0
        while start < part.trees.n_trees:
            ends = part.trees.first_node[start + 1 :] - part.trees.first_node[start]
            n = int(np.searchsorted(ends, room, side="right"))
            if n == 0 and portions[-1]:
                portions.append([])
                room = _PORTION
                continue
            stop = start + max(1, n)
            portions[-1].append(replace(part, trees=part.trees.some(start, stop)))
            room -= int(ends[stop - start - 1])
            start = stop
    return portions


def _built(parts: Sequence[Part], n_groups: int) -> Any:
    import xgboost as xgb

    booster = xgb.Booster({"nthread": 1, "verbosity": 0}, model_file=bytearray(ubjson_of(parts, n_groups)))
    # The first call configures the model, which is not safe to do in two threads.
    booster.inplace_predict(np.zeros((1, parts[0].trees.n_features), np.float32), predict_type="margin")
    return booster


def ubjson_of(parts: Sequence[Part], n_groups: int) -> bytes:
    """Return an XGBoost model of the parts, with a start value of 0."""
    n_features = parts[0].trees.n_features
    kinds = np.full(n_features, b"q", "S1")
    for part in parts:
        kinds[part.trees.feature[part.trees.set_size > 0]] = b"c"
    groups = np.concatenate([part.trees.group + part.first_group for part in parts])
    n_trees = len(groups)
    trees = [text for part in parts for text in _trees(part)]
    numbered = (piece for i, text in enumerate(trees) for piece in (text, _key("id"), _integer(i), b"}"))
    classes = str(n_groups if n_groups > 1 else 0)
    if n_groups > 1:
        objective, settings = "multi:softprob", _strings("softmax_multiclass_param", num_class=classes)
    else:
        objective, settings = "reg:squarederror", _strings("reg_loss_param", scale_pos_weight="1")
    return b"".join(
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


def _trees(part: Part) -> list[bytes]:
    """Return each tree's object, open at its end for the number of the tree."""
    trees = part.trees
    n_nodes = len(trees.is_leaf)
    tree = np.repeat(np.arange(trees.n_trees), trees.node_count)
    # Level by level: below its first levels XGBoost takes the right child to follow the left one.
    order = np.lexsort((trees.depth, tree))
    place = np.empty(n_nodes, np.int64)
    place[order] = np.arange(n_nodes) - trees.first_node[tree]
    inner = np.flatnonzero(~trees.is_leaf)
    left, right = np.full(n_nodes, -1, np.int64), np.full(n_nodes, -1, np.int64)
    left[inner], right[inner] = place[inner + 1], place[trees.right_child]
    parents = np.full(n_nodes, _NO_PARENT, np.int64)
    parents[inner + 1] = parents[trees.right_child] = place[inner]
    values = np.zeros(n_nodes, np.float32)
    values[inner] = trees.threshold
    values[trees.is_leaf] = trees.leaf_value * np.float32(part.factor)
    feature, missing_left, set_size = (np.zeros(n_nodes, np.int32) for _ in range(3))
    feature[inner], missing_left[inner], set_size[inner] = trees.feature, trees.missing_left, trees.set_size
    zeros = np.zeros(n_nodes, np.float32)
    arrays: dict[str, npt.NDArray[Any]] = {
        "default_left": missing_left.astype(np.uint8),
        "left_children": left.astype(np.int32),
        "parents": parents.astype(np.int32),
        "right_children": right.astype(np.int32),
        "split_conditions": values,
        "split_indices": feature,
        "split_type": (set_size > 0).astype(np.uint8),
        "base_weights": zeros,
        "loss_changes": zeros,
        "sum_hessian": zeros,
    }
    of_nodes = [_Field(name, array[order], trees.first_node) for name, array in arrays.items()]
    fields = [*of_nodes, *_sets(trees, set_size[order], order)]
    size_parameters = b"".join(
        _key(key) + _text(value)
        for key, value in (
            ("num_deleted", "0"),
            ("num_feature", str(trees.n_features)),
            ("size_leaf_vector", "1"),
        )
    )
    parameters = _key("tree_param") + b"{" + size_parameters + _key("num_nodes")
    cuts = zip(*(field.cuts() for field in fields), strict=True)
    return [
        b"".join([b"{", *pieces, parameters, _text(str(size)), b"}"])
        for pieces, size in zip(cuts, trees.node_count.tolist(), strict=True)
    ]


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
    return [
        _Field("categories", categories.astype(np.int32), ends[first]),
        _Field("categories_nodes", (nodes - trees.first_node[tree]).astype(np.int32), first),
        _Field("categories_segments", segments, first),
        _Field("categories_sizes", sizes, first),
    ]


class _Field:
    """An array of all trees, and where the part of each tree begins."""

    def __init__(self, name: str, values: npt.NDArray[Any], first: npt.NDArray[np.int64]) -> None:
        mark, self._bytes = _packed(values)
        self._head = _key(name) + b"[$" + mark + b"#L"
        self._lengths = np.diff(first).astype(">i8").tobytes()
        self._ends = (first * values.dtype.itemsize).tolist()

    def cuts(self) -> Iterator[bytes]:
        """Yield the part of each tree."""
        for i, (start, stop) in enumerate(pairwise(self._ends)):
            yield self._head + self._lengths[8 * i : 8 * i + 8] + self._bytes[start:stop]


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
