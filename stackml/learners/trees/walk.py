"""A few rows through many trees at once, by arrays: no library is called and nothing is set up.

XGBoost's predictor spends about a microsecond a tree before it looks at a row. Here all trees take
a step together, so a row costs as much as a few hundred such trees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stackml.learners.trees.arrays import Bools, Floats32, Ints, Longs, Trees

_WORD = 32


class Walker:
    """Nodes of many models side by side.

    Parameters
    ----------
    models : sequence of Trees
        That read the same columns.
    """

    def __init__(self, models: Sequence[Trees]) -> None:
        counts = [len(trees.is_leaf) for trees in models]
        starts = np.cumsum([0, *counts])
        self._roots: Longs = np.concatenate(
            [trees.first_node[:-1] + start for trees, start in zip(models, starts, strict=False)]
        )
        inner = np.flatnonzero(~np.concatenate([trees.is_leaf for trees in models]))
        n_nodes = int(starts[-1])
        self._feature = np.full(n_nodes, -1, np.int32)
        self._feature[inner] = np.concatenate([trees.feature for trees in models])
        self._threshold = np.zeros(n_nodes, np.float32)
        self._threshold[inner] = np.concatenate([trees.threshold for trees in models])
        self._right = np.zeros(n_nodes, np.int32)
        self._right[inner] = np.concatenate(
            [trees.right_child + start for trees, start in zip(models, starts, strict=False)]
        )
        self._missing_left = np.zeros(n_nodes, bool)
        self._missing_left[inner] = np.concatenate([trees.missing_left for trees in models])
        self._leaf: Ints = (np.cumsum(self._feature < 0) - 1).astype(np.int32)
        self._set = np.full(n_nodes, -1, np.int32)
        sizes = np.concatenate([trees.set_size for trees in models])
        self._set[inner[sizes > 0]] = np.arange(np.count_nonzero(sizes))
        self._bits, self._first_word, self._n_words = _bitsets(
            np.concatenate([trees.categories for trees in models]), sizes[sizes > 0]
        )

    def leaves(self, matrix: Floats32) -> Ints:
        """Return the leaf each tree leads each row to, int32 of shape (n_rows, n_trees).

        Leaves are counted through all trees of all models.
        """
        n_rows, n_trees = len(matrix), len(self._roots)
        at = np.tile(self._roots, n_rows)
        width = matrix.shape[1]
        cells = np.ascontiguousarray(matrix).ravel()
        rows = np.repeat(np.arange(n_rows) * width, n_trees)
        has_missing = bool(np.isnan(cells).any())
        active = np.flatnonzero(self._feature[at] >= 0)
        here, offset = at[active], rows[active]
        while active.size:
            value = cells.take(offset + self._feature.take(here))
            left = value < self._threshold.take(here)
            if len(self._first_word):
                self._ask_sets(here, value, left)
            if has_missing:
                missing = np.isnan(value)
                left[missing] = self._missing_left[here[missing]]
            here = np.where(left, here + 1, self._right.take(here))
            ends = self._feature.take(here) < 0
            at[active[ends]] = here[ends]
            goes_on = ~ends
            active, here, offset = active[goes_on], here[goes_on], offset[goes_on]
        return self._leaf[at].reshape(n_rows, n_trees)

    def _ask_sets(self, here: Longs, value: Floats32, left: Bools) -> None:
        asked = np.flatnonzero(self._set.take(here) >= 0)
        with np.errstate(invalid="ignore"):
            code = value[asked].astype(np.int64)  # NaN becomes something; it is overruled
        sets = self._set[here[asked]]
        word = code // _WORD
        within = (code >= 0) & (word < self._n_words[sets])
        bits = self._bits[self._first_word[sets] + np.where(within, word, 0)]
        left[asked] = ~(within & ((bits >> (code % _WORD).astype(np.uint32)) & 1).astype(bool))


def _bitsets(categories: Ints, sizes: Ints) -> tuple[npt.NDArray[np.uint32], Longs, Longs]:
    """Return words of bits, the first word of each set, and its number of words."""
    if not len(sizes):
        return np.zeros(1, np.uint32), np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends = np.cumsum(sizes)
    n_words = categories[ends - 1].astype(np.int64) // _WORD + 1  # the last is the largest
    first = np.cumsum(n_words) - n_words
    bits = np.zeros(int(n_words.sum()), np.uint32)
    word = np.repeat(first, sizes) + categories // _WORD
    np.bitwise_or.at(bits, word, np.uint32(1) << (categories % _WORD).astype(np.uint32))
    return bits, first, n_words
