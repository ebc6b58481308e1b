"""Additive trees as flat arrays: what LightGBM, XGBoost and forests of one output have in common.

Nodes lie in preorder, so a left child follows its parent and which nodes are leaves says all about
the shape of a tree: no bits of a file can make a walk that never ends or leaves its tree.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import StorageError

Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]
Floats32: TypeAlias = npt.NDArray[np.float32]

SIGNIFICANT_BITS = 14  # kept of a leaf value: one part in 32,000, averaged out over the trees
ALL_BITS = 24  # of a float32


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees laid end to end; ``n_inner + n_leaves == n_nodes`` over all of them.

    A row goes left at an inner node where its value is below the threshold, or, where the node has
    a set of categories, where its category is not in the set. A missing value goes where the node
    says. The output of a group is its base and the sum of the leaves its trees lead to.

    Attributes
    ----------
    n_features : int
        Columns of the rows the trees read.
    base : float64 ndarray of shape (n_groups,)
    group : int32 ndarray of shape (n_trees,)
        The output each tree adds to.
    node_count : int64 ndarray of shape (n_trees,)
    is_leaf : bool ndarray of shape (n_nodes,)
    feature : int32 ndarray of shape (n_inner,)
    threshold : float32 ndarray of shape (n_inner,)
        0 where the node has a set.
    missing_left : bool ndarray of shape (n_inner,)
    set_size : int32 ndarray of shape (n_inner,)
        Categories of the node's set; 0 where the node compares numbers.
    categories : int32 ndarray
        The sets, end to end, each ascending.
    leaf_value : float32 ndarray of shape (n_leaves,)
    """

    n_features: int
    base: npt.NDArray[np.float64]
    group: Ints
    node_count: Longs
    is_leaf: Bools
    feature: Ints
    threshold: Floats32
    missing_left: Bools
    set_size: Ints
    categories: Ints
    leaf_value: Floats32

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.node_count)

    @property
    def n_groups(self) -> int:
        """Number of outputs."""
        return len(self.base)

    def some(self, start: int, stop: int) -> Trees:
        """Return the trees from `start` to before `stop`."""
        first, last = self.first_node[[start, stop]]
        before, after = (int(n) for n in self._first_inner[[first, last]])
        sets = np.cumsum(self.set_size[:after])
        first_set = int(sets[before - 1]) if before else 0
        return replace(
            self,
            group=self.group[start:stop],
            node_count=self.node_count[start:stop],
            is_leaf=self.is_leaf[first:last],
            feature=self.feature[before:after],
            threshold=self.threshold[before:after],
            missing_left=self.missing_left[before:after],
            set_size=self.set_size[before:after],
            categories=self.categories[first_set : int(sets[-1]) if after else 0],
            leaf_value=self.leaf_value[first - before : last - after],
        )

    @cached_property
    def _first_inner(self) -> Longs:
        return np.concatenate([[0], np.cumsum(~self.is_leaf)]).astype(np.int64)

    @cached_property
    def first_node(self) -> Longs:
        """First node of each tree, and the end of the last; shape (n_trees + 1,)."""
        return np.concatenate([[0], np.cumsum(self.node_count)]).astype(np.int64)

    @cached_property
    def right_child(self) -> Longs:
        """Right child of each inner node, as a place among all nodes; shape (n_inner,)."""
        # `open` counts the subtrees still to come where a node begins. A node's right child is the
        # next node after it that begins with as many.
        still_open = open_subtrees(self.is_leaf, self.first_node)
        order = stable_order(still_open)
        following = np.empty(len(order), np.int64)
        following[order[:-1]] = order[1:]
        return following[~self.is_leaf]

    @cached_property
    def depth(self) -> Ints:
        """Edges from the root to each node; shape (n_nodes,)."""
        inner = np.flatnonzero(~self.is_leaf)
        right = np.zeros(len(self.is_leaf), np.int64)
        right[inner] = self.right_child
        result = np.zeros(len(self.is_leaf), np.int32)
        level, below_root = self.first_node[:-1], 0
        while (level := level[right[level] > 0]).size:
            below_root += 1
            level = np.concatenate([level + 1, right[level]])
            result[level] = below_root
        return result


def joined(first: Trees, second: Trees) -> Trees:
    """Return the trees of two models that read the same columns: the sum of both.

    Raises
    ------
    StorageError
        If they read other numbers of columns, or give other outputs.
    """
    if (first.n_features, first.n_groups) != (second.n_features, second.n_groups):
        raise StorageError(
            f"trees of {first.n_features} columns and {first.n_groups} outputs cannot be joined with trees "
            f"of {second.n_features} and {second.n_groups}"
        )
    parts = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in (f.name for f in fields(Trees))
        if name not in ("n_features", "base")
    }
    return Trees(n_features=first.n_features, base=first.base + second.base, **parts)


def open_subtrees(is_leaf: Bools, first_node: Longs) -> Longs:
    """Return how many subtrees begin at or after each node and before its tree ends; 1 at a root."""
    step = np.where(is_leaf, -1, 1)
    before = np.cumsum(step) - step
    roots = np.repeat(before[first_node[:-1]], np.diff(first_node))
    return 1 + before - roots


def stable_order(keys: npt.NDArray[Any]) -> Longs:
    """Return the stable order of integers of 0 or more; NumPy sorts those of 16 bits in linear time."""
    if len(keys) and int(keys.max()) <= np.iinfo(np.uint16).max:
        keys = keys.astype(np.uint16)
    return np.argsort(keys, kind="stable")


def in_preorder(left: Longs, right: Longs, roots: Longs) -> tuple[Longs, Longs]:
    """Return the nodes of trees in preorder, tree by tree.

    Parameters
    ----------
    left, right : int64 ndarray of shape (n_nodes,)
        Children among all nodes; -1 in a leaf.
    roots : int64 ndarray of shape (n_trees,)

    Returns
    -------
    nodes : int64 ndarray
        Nodes that a root leads to.
    node_count : int64 ndarray of shape (n_trees,)

    Raises
    ------
    StorageError
        If a node has two parents.
    """
    split = left >= 0
    parents = np.bincount(np.concatenate([left[split], right[split], roots]), minlength=len(left))
    if parents.max(initial=0) > 1:
        raise StorageError("a node of a stored tree has two parents; the file is damaged")
    levels = [roots]
    while True:
        inner = levels[-1][left[levels[-1]] >= 0]
        if not inner.size:
            break
        levels.append(np.concatenate([left[inner], right[inner]]))
    size = np.ones(len(left), np.int64)
    for level in reversed(levels[:-1]):
        inner = level[left[level] >= 0]
        size[inner] = 1 + size[left[inner]] + size[right[inner]]
    place = np.empty(len(left), np.int64)
    place[roots] = np.cumsum(size[roots]) - size[roots]
    for level in levels[:-1]:
        inner = level[left[level] >= 0]
        place[left[inner]] = place[inner] + 1
        place[right[inner]] = place[inner] + 1 + size[left[inner]]
    reached = np.concatenate(levels)
    nodes = np.empty(len(reached), np.int64)
    nodes[place[reached]] = reached
    return nodes, size[roots]


def joined_sets(starts: Longs, sizes: Longs, pool: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the pieces ``pool[start : start + size]`` end to end."""
    ends = np.cumsum(sizes)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    return pool[np.repeat(starts, sizes) + within]


def below(thresholds: npt.NDArray[np.float64]) -> Floats32:
    """Return the float32 that just the float32 values at most `thresholds` are below."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, rounded, np.nextafter(rounded, np.float32(np.inf)))


def rounded(values: npt.NDArray[Any], bits: int) -> Floats32:
    """Return values as float32 of so many significant bits (at most 24), to the nearest (ties to even)."""
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(values, np.float32)
    if bits >= ALL_BITS:
        return single
    drop, raw = np.uint32(ALL_BITS - bits), single.view(np.uint32)
    half = np.uint32((1 << (ALL_BITS - bits - 1)) - 1)
    up = raw + half + ((raw >> drop) & np.uint32(1))
    return ((up >> drop) << drop).view(np.float32)
