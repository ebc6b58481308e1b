"""Forests whose leaves hold a share for each class: find each row's leaves, then sum their shares."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.learners.trees.arrays import Floats32, Ints, Longs
from stackml.learners.trees.from_forest import shape_of
from stackml.learners.trees.walk import Walker
from stackml.storage.trees import Forest, rebuild_tree


class Leaves:
    """The leaves of a forest.

    Parameters
    ----------
    forest : Forest
        Of one output of several classes.
    weight : float64 ndarray of shape (n_trees,), optional
        What the shares of each tree count; equal by default.
    """

    def __init__(self, forest: Forest, weight: npt.NDArray[np.float64] | None = None) -> None:
        self._forest = forest
        each = np.ones(forest.n_trees) if weight is None else weight
        self._weight: Floats32 = each.astype(np.float32)
        self._shares: Floats32 = forest.leaf_value[:, 0].astype(np.float32)

    def summed(self, matrix: Floats32, *, few: bool) -> npt.NDArray[np.float64]:
        """Return the sum over the trees of the shares a row ends at, shape (n_rows, n_classes).

        A row's sum is the same in any company, bit for bit. With `few`, the leaves are found by
        arrays, which is faster for a few rows.
        """
        from scipy.sparse import csr_matrix

        leaves = self._walked(matrix) if few else self._applied(matrix)
        n_rows, n_trees = leaves.shape
        starts = np.arange(0, leaves.size + 1, n_trees)
        chosen = csr_matrix(
            (np.tile(self._weight, n_rows), leaves.ravel(), starts), (n_rows, len(self._shares))
        )
        return np.asarray(chosen @ self._shares, np.float64)

    def _walked(self, matrix: Floats32) -> Longs:
        walker, leaf = self._walker
        return leaf[walker.leaves(matrix)]

    def _applied(self, matrix: Floats32) -> Ints:
        found = np.empty((len(matrix), self._forest.n_trees), np.int32)
        for number, tree in enumerate(self._trees):
            found[:, number] = self._leaf_of_node[self._forest.first_node[number] + tree.apply(matrix)]
        return found

    @cached_property
    def _walker(self) -> tuple[Walker, Longs]:
        trees, leaf = shape_of(self._forest)
        return Walker([trees]), leaf

    @cached_property
    def _leaf_of_node(self) -> Ints:
        return (np.cumsum(self._forest.left_step == 0) - 1).astype(np.int32)

    @cached_property
    def _trees(self) -> list[Any]:
        # Without their values, which would take eight bytes a class and node.
        n_leaves = len(self._shares)
        bare = replace(self._forest, n_classes=np.ones(1, np.int64), leaf_value=np.zeros((n_leaves, 1, 1)))
        return [rebuild_tree(bare, i) for i in range(bare.n_trees)]
