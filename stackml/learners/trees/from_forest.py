"""A forest of one output read into additive trees: leaves divided by the number of trees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stackml.learners.trees.arrays import Longs, Trees, below, in_preorder
from stackml.storage.trees import Forest


def trees_from_forest(forest: Forest, weight: npt.NDArray[np.float64] | None = None) -> Trees:
    """Return the trees of a forest whose leaves hold one value each; their sum is the forest's mean.

    Parameters
    ----------
    forest : Forest
    weight : float64 ndarray of shape (n_trees,), optional
        Of each tree, summing to 1; equal by default.
    """
    trees, leaf = shape_of(forest)
    values = forest.leaf_value.reshape(-1).astype(np.float64)[leaf]
    if weight is None:
        return replace(trees, leaf_value=(values / forest.n_trees).astype(np.float32))
    n_leaves = np.add.reduceat(trees.is_leaf.astype(np.int64), trees.first_node[:-1])
    return replace(trees, leaf_value=(values * np.repeat(weight, n_leaves)).astype(np.float32))


def shape_of(forest: Forest) -> tuple[Trees, Longs]:
    """Return the trees of a forest with leaves of 0, and the forest's leaf behind each of theirs."""
    here = np.arange(len(forest.left_step), dtype=np.int64)
    inner = forest.left_step > 0
    left, right = (np.where(inner, here + step, -1) for step in (forest.left_step, forest.right_step))
    nodes, node_count = in_preorder(left, right, forest.first_node[:-1])
    is_leaf = ~inner[nodes]
    at = (np.cumsum(inner) - 1)[nodes[~is_leaf]]
    leaf = (np.cumsum(~inner) - 1)[nodes[is_leaf]]
    trees = Trees(
        n_features=forest.n_features,
        base=np.zeros(1),
        group=np.zeros(forest.n_trees, np.int32),
        node_count=node_count,
        is_leaf=is_leaf,
        feature=forest.feature[at].astype(np.int32),
        threshold=below(forest.threshold[at].astype(np.float64)),
        missing_left=forest.missing_left[at],
        set_size=np.zeros(len(at), np.int32),
        categories=np.zeros(0, np.int32),
        leaf_value=np.zeros(len(leaf), np.float32),
    )
    return trees, leaf
