"""LightGBM's text read into arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import StorageError
from stackml.learners.trees.arrays import (
    SIGNIFICANT_BITS,
    Longs,
    Trees,
    below,
    in_preorder,
    joined_sets,
    rounded,
)

Numbers: TypeAlias = npt.NDArray[np.float64]

_CATEGORY, _DEFAULT_LEFT = 1, 2  # bits of decision_type; the two above say what missing is
_ZERO, _NAN = 1, 2  # what counts as missing; 0 is nothing, so that a NaN is a zero
_FIELDS = (
    *("num_leaves", "num_cat", "split_feature", "threshold", "decision_type", "left_child", "right_child"),
    *("leaf_value", "cat_boundaries", "cat_threshold"),
)
_SIGMOID = re.compile(r"sigmoid:([0-9.e+-]+)")


def trees_from_text(text: str, bits: int = SIGNIFICANT_BITS) -> Trees:
    """Return the trees of a model.

    Leaf values are rounded by `rounded`; apart from that the sums of leaves are the model's raw
    outputs for float32 rows.

    Parameters
    ----------
    text : str
        As LightGBM wrote it, or as `check_model_text` proved it.
    bits : int
        Significant bits kept of a leaf value; 24 keeps float32.

    Raises
    ------
    StorageError
        If the trees have a form that LightGBM gives to other settings than the learner's.
    """
    header = dict(line.partition("=")[::2] for line in text.partition("\n\n")[0].split("\n"))
    n_groups = int(header["num_tree_per_iteration"])
    columns = _numbers_of(text)
    n_leaves = columns["num_leaves"].astype(np.int64)
    inner = n_leaves - 1
    kinds = columns["decision_type"].astype(np.int64)
    missing = (kinds >> 2) & 3
    if (missing == _ZERO).any() or "average_output" in header:
        raise StorageError("lightgbm: the model takes zeros for missing values, or averages; fit it again")
    left, right, roots = _children(columns, n_leaves)
    nodes, node_count = in_preorder(left, right, roots)
    first_inner = np.cumsum(inner) - inner
    first_node = np.cumsum(n_leaves + inner) - (n_leaves + inner)
    own = np.repeat(np.arange(len(n_leaves)), node_count)
    within = nodes - first_node[own]
    is_leaf = within >= inner[own]
    at = (first_inner[own] + within)[~is_leaf]
    leaf = (np.cumsum(n_leaves) - n_leaves)[own][is_leaf] + (within - inner[own])[is_leaf]
    is_set = (kinds & _CATEGORY)[at] == 1
    threshold = columns["threshold"][at]
    set_size, categories = _sets(columns, own[~is_leaf], threshold, is_set)
    # A NaN where the library saw none in training is a zero to it.
    by_zero = threshold >= 0
    missing_left = np.where(missing[at] == _NAN, (kinds[at] & _DEFAULT_LEFT) > 0, by_zero) | is_set
    factor = _SIGMOID.search(header["objective"])
    scale = float(factor[1]) if factor else 1.0
    return Trees(
        n_features=int(header["max_feature_idx"]) + 1,
        base=np.zeros(n_groups),
        group=(np.arange(len(n_leaves)) % n_groups).astype(np.int32),
        node_count=node_count,
        is_leaf=is_leaf,
        feature=columns["split_feature"][at].astype(np.int32),
        threshold=np.where(is_set, np.float32(0), below(np.where(is_set, 0.0, threshold))),
        missing_left=missing_left,
        set_size=set_size.astype(np.int32),
        categories=categories.astype(np.int32),
        leaf_value=rounded(columns["leaf_value"][leaf] * scale, bits),
    )


def _numbers_of(text: str) -> dict[str, Numbers]:
    """Return the numbers of each field that matters, of all trees end to end."""
    lists: dict[str, list[str]] = {name: [] for name in _FIELDS}
    for line in text.split("\n"):
        name, _, value = line.partition("=")
        if value and name in lists:
            lists[name].append(value)
    return {name: np.fromstring(" ".join(found), np.float64, sep=" ") for name, found in lists.items()}


def _children(columns: Mapping[str, Numbers], n_leaves: Longs) -> tuple[Longs, Longs, Longs]:
    # A tree's nodes are its inner nodes, then its leaves. LightGBM calls leaf k by ~k. In a set
    # split those in the set go left; here they go right.
    inner = n_leaves - 1
    counts = n_leaves + inner
    first = np.cumsum(counts) - counts
    own = np.repeat(np.arange(len(inner)), inner)
    is_set = (columns["decision_type"].astype(np.int64) & _CATEGORY) == 1
    here = first[own] + np.arange(len(own)) - (np.cumsum(inner) - inner)[own]
    sides = []
    for name in ("left_child", "right_child"):
        child = columns[name].astype(np.int64)
        sides.append(first[own] + np.where(child < 0, inner[own] + ~child, child))
    left, right = (np.full(int(counts.sum()), -1, np.int64) for _ in range(2))
    left[here] = np.where(is_set, sides[1], sides[0])
    right[here] = np.where(is_set, sides[0], sides[1])
    return left, right, first


def _sets(
    columns: Mapping[str, Numbers], tree: Longs, threshold: Numbers, is_set: npt.NDArray[np.bool_]
) -> tuple[Longs, Longs]:
    """Return the number of categories of each node, and the categories."""
    size = np.zeros(len(is_set), np.int64)
    if not is_set.any():
        return size, np.zeros(0, np.int64)
    n_sets = columns["num_cat"].astype(np.int64)
    bounds = columns["cat_boundaries"].astype(np.int64)
    words = columns["cat_threshold"].astype(np.uint32)
    # Each tree with sets has one boundary more than sets.
    n_bounds = np.where(n_sets > 0, n_sets + 1, 0)
    last = np.cumsum(n_bounds) - 1
    n_words = np.where(n_sets > 0, bounds[np.maximum(last, 0)], 0)
    first_word, first_bound = np.cumsum(n_words) - n_words, np.cumsum(n_bounds) - n_bounds
    at = first_bound[tree[is_set]] + threshold[is_set].astype(np.int64)
    starts, lengths = first_word[tree[is_set]] + bounds[at], bounds[at + 1] - bounds[at]
    # All bits of all words of the sets, in the order of the nodes.
    picked = joined_sets(starts, lengths, words)
    bits = (picked[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    row, bit = np.nonzero(bits)
    ends = np.cumsum(lengths)
    word_in_set = np.arange(len(picked)) - np.repeat(ends - lengths, lengths)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    size[is_set] = np.bincount(owner[row], minlength=len(lengths))
    return size, word_in_set[row] * 32 + bit
