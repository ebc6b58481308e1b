"""XGBoost's UBJSON read into arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.learners.trees.arrays import SIGNIFICANT_BITS, Trees, in_preorder, joined_sets, rounded
from stackml.learners.ubjson import read_ubjson

_LOGISTIC = "binary:logistic"
_EDGE = 1e-6


def trees_from_ubjson(model: bytes, bits: int = SIGNIFICANT_BITS) -> Trees:
    """Return the trees of a model.

    Leaf values are rounded by `rounded`; apart from that base and sums of leaves are the model's
    margins.

    Parameters
    ----------
    model : bytes
        What ``save_raw("ubj")`` returned, or what `check_model_bytes` proved.
    bits : int
        Significant bits kept of a leaf value; 24 keeps float32.
    """
    learner = read_ubjson(model)["learner"]
    model_part = learner["gradient_booster"]["model"]
    trees = model_part["trees"]
    counts = np.array([len(tree["left_children"]) for tree in trees], np.int64)
    first = np.cumsum(counts) - counts
    left, right = (_children(trees, name, first, counts) for name in ("left_children", "right_children"))
    nodes, node_count = in_preorder(left, right, first)
    is_leaf = left[nodes] < 0
    at = nodes[~is_leaf]
    values = _joined(trees, "split_conditions").astype(np.float32)
    is_set = _joined(trees, "split_type")[at] == 1
    set_size, categories = _sets(trees, first, at)
    n_groups = max(1, int(learner["learner_model_param"]["num_class"]))
    return Trees(
        n_features=int(learner["learner_model_param"]["num_feature"]),
        base=_base(learner, n_groups),
        group=np.asarray(model_part["tree_info"], np.int32),
        node_count=node_count,
        is_leaf=is_leaf,
        feature=_joined(trees, "split_indices")[at].astype(np.int32),
        threshold=np.where(is_set, np.float32(0), values[at]),
        missing_left=_joined(trees, "default_left")[at] == 1,
        set_size=set_size,
        categories=categories,
        leaf_value=rounded(values[nodes[is_leaf]], bits),
    )


def _joined(trees: list[dict[str, Any]], name: str) -> npt.NDArray[Any]:
    return np.concatenate([tree[name] for tree in trees])


def _children(
    trees: list[dict[str, Any]], name: str, first: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    own = _joined(trees, name).astype(np.int64)
    return np.where(own < 0, -1, own + np.repeat(first, counts))


def _sets(
    trees: list[dict[str, Any]], first: npt.NDArray[np.int64], at: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    with_sets = [i for i, tree in enumerate(trees) if len(tree["categories_nodes"])]
    n_nodes = int(first[-1]) + len(trees[-1]["left_children"])
    size, start = np.zeros(n_nodes, np.int64), np.zeros(n_nodes, np.int64)
    pools, before = [np.zeros(0, np.int64)], 0
    for i in with_sets:
        tree = trees[i]
        nodes = first[i] + np.asarray(tree["categories_nodes"], np.int64)
        size[nodes] = tree["categories_sizes"]
        start[nodes] = before + np.asarray(tree["categories_segments"], np.int64)
        pools.append(np.asarray(tree["categories"], np.int64))
        before += len(pools[-1])
    sets = joined_sets(start[at], size[at], np.concatenate(pools))
    return size[at].astype(np.int32), sets.astype(np.int32)


def _base(learner: dict[str, Any], n_groups: int) -> npt.NDArray[np.float64]:
    text = learner["learner_model_param"]["base_score"].removeprefix("[").removesuffix("]")
    score = np.array([float(part) for part in text.split(",")], np.float64)
    if learner["objective"]["name"] == _LOGISTIC:
        score = np.clip(score, _EDGE, 1.0 - _EDGE)  # as the library does where there is one class only
        score = np.log(score) - np.log1p(-score)
    return np.broadcast_to(score, (n_groups,)).copy()
