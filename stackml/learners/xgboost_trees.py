"""Check the bytes of an XGBoost model, as files of format 1 hold them, before they are read."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import StorageError
from stackml.learners.ubjson import read_ubjson

_NUMBER = re.compile(r"-?\d+(\.\d+)?(E-?\d+)?", re.ASCII | re.IGNORECASE)
_ROOT = 2**31 - 1  # the parent of the root
_LARGEST_CATEGORY = 2**24  # float32 holds no more codes
_NODE_ARRAYS = (
    "base_weights",
    "default_left",
    "left_children",
    "loss_changes",
    "parents",
    "right_children",
    "split_conditions",
    "split_indices",
    "split_type",
    "sum_hessian",
)
_CATEGORY_ARRAYS = ("categories", "categories_nodes", "categories_segments", "categories_sizes")

_Ints = npt.NDArray[np.int64]


def check_model_bytes(model: bytes, n_features: int, n_outputs: int, objective: str) -> None:
    """Check structure, sizes and every tree's indices.

    Parameters
    ----------
    model : bytes
        What ``save_raw("ubj")`` returned.
    n_features : int
        Columns the model must read.
    n_outputs : int
        Trees a round must have.
    objective : str

    Raises
    ------
    StorageError
        If anything is not as the library would have written it.
    """
    tree = read_ubjson(model)
    try:
        _check(tree, n_features, n_outputs, objective)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, StorageError):
            raise
        _refuse(f"a value is absent or of the wrong type ({error})")


def _check(root: dict[str, Any], n_features: int, n_outputs: int, objective: str) -> None:
    _has_keys(root, {"learner", "version"})
    learner = root["learner"]
    known = {"attributes", "feature_names", "feature_types", "gradient_booster"}
    _has_keys(learner, known | {"learner_model_param", "objective"})
    if [type(number) for number in root["version"]] != [int] * 3:
        _refuse("its version is no version")
    if len(learner["attributes"]) or len(learner["feature_names"]):
        _refuse("it holds names, and the models written here hold none")
    types = learner["feature_types"]
    if len(types) != n_features or not set(types) <= {"q", "c"}:
        _refuse(f"it reads {len(types)} columns where {n_features} were expected")
    _check_head(learner, n_features, n_outputs, objective)
    _check_forest(learner["gradient_booster"], n_features, n_outputs)


def _check_head(learner: dict[str, Any], n_features: int, n_outputs: int, objective: str) -> None:
    if learner["objective"]["name"] != objective:
        _refuse(f"the objective is {learner['objective']['name']!r} where {objective!r} was expected")
    for name, values in learner["objective"].items():
        if name != "name" and not all(_NUMBER.fullmatch(value) for value in values.values()):
            _refuse("a parameter of its objective is no number")
    head = dict(learner["learner_model_param"])
    starts = head.pop("base_score").removeprefix("[").removesuffix("]").split(",")
    if len(starts) not in (1, n_outputs) or not all(_NUMBER.fullmatch(start) for start in starts):
        _refuse("its start value is no number")
    expected = {"num_class": n_outputs if n_outputs > 1 else 0, "num_feature": n_features, "num_target": 1}
    for key, value in {**expected, "boost_from_average": 1}.items():
        if head.pop(key) != str(value):
            _refuse(f"{key} is not {value}, as was expected")


def _check_forest(booster: dict[str, Any], n_features: int, n_outputs: int) -> None:
    _has_keys(booster, {"model", "name"})
    if booster["name"] != "gbtree":
        _refuse("it is no model of trees")
    model = booster["model"]
    _has_keys(model, {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"})
    if any(len(values) for values in model["cats"].values()):
        _refuse("it holds category names, and the models written here hold none")
    trees = model["trees"]
    if not trees or len(trees) % n_outputs:
        _refuse(f"{len(trees)} trees are not whole rounds of {n_outputs}")
    says = model["gbtree_model_param"]
    if (says["num_parallel_tree"], says["num_trees"]) != ("1", str(len(trees))):
        _refuse("the number of its trees is not what it says")
    rounds = np.arange(0, len(trees) + 1, n_outputs)
    outputs = np.arange(len(trees)) % n_outputs
    if not np.array_equal(_ints(model["iteration_indptr"]), rounds):
        _refuse("its rounds are not in order")
    if not np.array_equal(_ints(model["tree_info"]), outputs):
        _refuse("its trees belong to outputs that are not there")
    for number, tree in enumerate(trees):
        _check_tree(tree, n_features, number)


def _check_tree(tree: dict[str, Any], n_features: int, number: int) -> None:
    _has_keys(tree, {*_NODE_ARRAYS, *_CATEGORY_ARRAYS, "id", "tree_param"})
    n_nodes = len(tree["left_children"])
    if not n_nodes or any(len(tree[key]) != n_nodes for key in _NODE_ARRAYS):
        _refuse(f"tree {number} lacks nodes")
    expected = {"num_feature": n_features, "num_nodes": n_nodes, "size_leaf_vector": 1}
    sizes = tree["tree_param"]
    is_right = all(sizes[key] == str(value) for key, value in expected.items())
    if not is_right or not _NUMBER.fullmatch(sizes["num_deleted"]):
        _refuse(f"tree {number} is not of the size it says")
    if tree["id"] != number or any(not isinstance(tree[key], np.ndarray) for key in _NODE_ARRAYS):
        _refuse(f"tree {number} is of an unknown form")
    left, right, parents = (_ints(tree[key]) for key in ("left_children", "right_children", "parents"))
    own, is_leaf = np.arange(n_nodes), left == -1
    for child in (left, right):
        if not (is_leaf | ((child > own) & (child < n_nodes))).all():
            _refuse(f"tree {number} has a branch that leads nowhere")
        if (parents[child[~is_leaf]] != own[~is_leaf]).any():
            _refuse(f"tree {number} has a node of two parents")
    if parents[0] != _ROOT:
        _refuse(f"tree {number} has no root")
    columns = _ints(tree["split_indices"])
    if ((columns < 0) | (columns >= n_features))[~is_leaf].any():
        _refuse(f"tree {number} splits a column that is not there")
    _check_categories(tree, is_leaf, number)


def _check_categories(tree: dict[str, Any], is_leaf: npt.NDArray[np.bool_], number: int) -> None:
    codes, nodes, starts, sizes = (_ints(tree[key]) for key in _CATEGORY_ARRAYS)
    kinds = _ints(tree["split_type"])
    if not np.isin(kinds, (0, 1)).all() or not np.array_equal(nodes, np.flatnonzero((kinds == 1) & ~is_leaf)):
        _refuse(f"tree {number} has category splits where there are none")
    ends = np.cumsum(sizes)
    in_order = sizes.size == starts.size == nodes.size and (sizes > 0).all()
    if not in_order or (starts != ends - sizes).any() or codes.size != (ends[-1] if ends.size else 0):
        _refuse(f"tree {number} has category sets that are not there")
    if ((codes < 0) | (codes >= _LARGEST_CATEGORY)).any():
        _refuse(f"tree {number} has a category that is none")


def _has_keys(found: dict[str, Any], expected: set[str]) -> None:
    # Keys not known are let be: a later version of the library may write more.
    absent = sorted(expected - found.keys())
    if absent:
        _refuse(f"{', '.join(absent[:3])} is absent")


def _ints(values: Any) -> _Ints:
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        _refuse("a list of numbers holds something else")
    return array.astype(np.int64)


def _refuse(reason: str) -> NoReturn:
    raise StorageError(f"xgboost: the stored model cannot be trusted: {reason}; the file is damaged")
