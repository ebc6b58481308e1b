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
from stackml.storage.trees import Forest, rebuild_trees

_BLOCK = 16_384  # rows led through a tree at a time: the tree is read from memory once for them


class Leaves:
    """The leaves of a forest.

    Parameters
    ----------
    forest : Forest
        Of one output of several classes.
    parts : int64 ndarray of shape (n_parts,), optional
        Trees of each of the forests it was joined of; one by default.
    """

    def __init__(self, forest: Forest, parts: Longs | None = None) -> None:
        self._forest = forest
        sizes = np.array([forest.n_trees], np.int64) if parts is None else parts
        self._starts: Longs = np.cumsum(sizes) - sizes
        self._shares: Floats32 = forest.leaf_value[:, 0].astype(np.float32)

    def summed(self, matrix: Floats32, *, few: bool) -> npt.NDArray[np.float64]:
        """Return the sums of the shares a row ends at, over the trees of each part.

        Shape (n_rows, n_parts, n_classes).

        A row's sum is the same in any company, bit for bit. With `few`, the leaves are found by
        arrays, which is faster for a few rows.
        """
        sums = self._gathered(matrix) if few else self._accumulated(matrix)
        return sums.astype(np.float64)

    def _gathered(self, matrix: Floats32) -> Floats32:
        from scipy.sparse import csr_matrix

        walker, leaf = self._walker
        leaves = leaf[walker.leaves(matrix)]
        n_rows, n_trees = leaves.shape
        n_parts = len(self._starts)
        starts = np.append((np.arange(n_rows)[:, None] * n_trees + self._starts).ravel(), leaves.size)
        chosen = csr_matrix(
            (np.ones(leaves.size, np.float32), leaves.ravel(), starts), (n_rows * n_parts, len(self._shares))
        )
        return np.asarray(chosen @ self._shares).reshape(n_rows, n_parts, -1)

    def _accumulated(self, matrix: Floats32) -> Floats32:
        # Tree by tree, so that its leaves stay in the cache while many rows ask for them.
        sums = np.zeros((len(matrix), len(self._starts), self._shares.shape[1]), np.float32)
        part = np.searchsorted(self._starts, np.arange(len(self._trees)), side="right") - 1
        for first in range(0, len(matrix), _BLOCK):
            rows = slice(first, first + _BLOCK)
            some, block = sums[rows], matrix[rows]
            for tree, start, at in zip(self._trees, self._forest.first_node[:-1], part, strict=True):
                some[:, at] += self._shares.take(self._leaf_of_node[start + tree.apply(block)], axis=0)
        return sums

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
        return rebuild_trees(bare)
