"""Check the text of a LightGBM model before the library's C++ parser sees it.

The parser believes the sizes, columns and child numbers written in the text; a wrong one
would be read outside the model's memory.
"""

from __future__ import annotations

import re
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import StorageError

END = "end of trees\n"

# LightGBM writes inf itself: the threshold of a split of missing against all the rest.
_NUMBER = re.compile(r"-?(\d{1,20}(\.\d{1,25})?(e[+-]\d{2,3})?|inf)", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,10}", re.ASCII)
_LEAF_LISTS = {"leaf_weight", "leaf_count"}
_NODE_LISTS = {
    *("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child"),
    *("internal_value", "internal_weight", "internal_count"),
}
_SINGLES = {"Tree", "num_leaves", "num_cat", "is_linear", "shrinkage"}
_INTEGERS = {
    *("Tree", "num_leaves", "num_cat", "is_linear", "split_feature", "decision_type", "left_child"),
    *("right_child", "leaf_count", "internal_count", "cat_boundaries", "cat_threshold"),
}

_Ints = npt.NDArray[np.int64]

OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}
"""First word of the objective of each kind of problem."""


def check_model_text(text: str, n_features: int, n_outputs: int, objective: str) -> None:
    """Check header, sizes and every tree's indices.

    Parameters
    ----------
    text : str
        From ``tree`` to ``end of trees``.
    n_features : int
        Columns the model must read.
    n_outputs : int
        Trees a round must have.
    objective : str
        First word of the objective the model must have.

    Raises
    ------
    StorageError
        If anything is not as the library would have written it.
    """
    try:
        _check(text, n_features, n_outputs, objective)
    except (KeyError, ValueError, IndexError, OverflowError) as error:
        if isinstance(error, StorageError):
            raise
        _refuse(f"a value is absent or no number ({error})")


def shape_of(text: str) -> tuple[int, int, str]:
    """Return the columns, the outputs and the objective's first word that a model's header names.

    They are what the text says of itself: `check_model_text` proves that the trees agree.

    Raises
    ------
    StorageError
        If the header does not name them.
    """
    try:
        header = _fields(text.partition("\n\n")[0])
        found = int(header["max_feature_idx"]) + 1, int(header["num_tree_per_iteration"])
        objective = header["objective"].split(" ")[0]
    except (KeyError, ValueError) as error:
        if isinstance(error, StorageError):
            raise
        _refuse(f"the header is not that of a model ({error})")
    if min(found) < 1 or objective not in OBJECTIVES.values():
        _refuse("the header names no columns, no outputs or another objective")
    return *found, objective


def _check(text: str, n_features: int, n_outputs: int, objective: str) -> None:
    head, found, _ = text.partition("\n\n")
    if not found or not head.startswith("tree\nversion=v4\n"):
        _refuse("the header is not that of a version 4 model")
    if not text.endswith("\n" + END):
        _refuse("the end is missing")
    header = _fields(head)
    expected = {
        "num_class": str(n_outputs),
        "num_tree_per_iteration": str(n_outputs),
        "max_feature_idx": str(n_features - 1),
    }
    for key, value in expected.items():
        if header[key] != value:
            _refuse(f"{key} is {header[key]!r} where {value} was expected")
    if header["objective"].split(" ")[0] != objective:
        _refuse(f"the objective is {header['objective']!r} where {objective!r} was expected")
    sizes = _ints(header["tree_sizes"])
    if not sizes.size or sizes.size % n_outputs or (sizes <= 0).any():
        _refuse("the sizes of its trees have no meaning")
    start = len(head) + 2
    if start + int(sizes.sum()) + len(END) != len(text.rstrip("\n")) + 1:
        _refuse("its length is not the sum of its trees")
    for number, size in enumerate(sizes.tolist()):
        block = text[start : start + size]
        if not block.startswith(f"Tree={number}\n"):
            _refuse(f"tree {number} is not where the header says")
        _check_tree(_fields(block), n_features, number)
        start += size


def _check_tree(tree: dict[str, str], n_features: int, number: int) -> None:
    n_leaves, n_categorical = int(tree["num_leaves"]), int(tree["num_cat"])
    if n_leaves < 1 or n_categorical < 0 or tree["is_linear"] != "0":
        _refuse(f"tree {number} is of an unknown form")
    _check_lengths(tree, n_leaves, n_categorical, number)
    if n_leaves == 1:
        return
    own = np.arange(n_leaves - 1)
    columns = _ints(tree["split_feature"])
    if (columns < 0).any() or (columns >= n_features).any():
        _refuse(f"tree {number} splits a column that is not there")
    for side in ("left_child", "right_child"):
        child = _ints(tree[side])
        # An inner node is always written after its parent; else a walk might never end.
        if not (((child > own) & (child < own.size)) | ((child < 0) & (child >= -n_leaves))).all():
            _refuse(f"tree {number} has a branch that leads nowhere")
    categorical = (_ints(tree["decision_type"]) & 1) == 1
    if categorical.any() or n_categorical:
        places = np.array(tree["threshold"].split(" "), dtype=np.float64)[categorical]
        _check_categories(tree, places, n_categorical, number)


def _check_lengths(tree: dict[str, str], n_leaves: int, n_categorical: int, number: int) -> None:
    # The parser ends the process where a list is shorter or longer than it should be.
    optional = set() if n_leaves > 1 else _LEAF_LISTS | _NODE_LISTS
    for key, value in tree.items():
        if key in _LEAF_LISTS | {"leaf_value"}:
            n = n_leaves
        elif key in _NODE_LISTS:
            n = n_leaves - 1
        elif key in _SINGLES:
            n = 1
        elif key == "cat_boundaries" and n_categorical:
            n = n_categorical + 1
        elif key == "cat_threshold" and n_categorical:
            n = int(tree["cat_boundaries"].split(" ")[-1])
        else:
            continue  # a later version of the library may write more
        if key in optional and not value:
            continue
        numbers = value.split(" ") if value else []
        pattern = _INTEGER if key in _INTEGERS else _NUMBER
        if len(numbers) != n or not all(pattern.fullmatch(item) for item in numbers):
            _refuse(f"tree {number}: {key} is not a list of {n} numbers")
    absent = (_LEAF_LISTS | _NODE_LISTS | _SINGLES | {"leaf_value"}) - optional - tree.keys()
    if absent or (n_categorical and not {"cat_boundaries", "cat_threshold"} <= tree.keys()):
        _refuse(f"tree {number} is not whole")


def _check_categories(
    tree: dict[str, str], places: npt.NDArray[np.float64], n_categorical: int, number: int
) -> None:
    bounds, words = _ints(tree["cat_boundaries"]), _ints(tree["cat_threshold"])
    in_order = bounds[0] == 0 and bounds[-1] == words.size and (np.diff(bounds) >= 0).all()
    if not in_order or not ((places >= 0) & (places < n_categorical)).all():
        _refuse(f"tree {number} has category sets that are not there")


def _fields(block: str) -> dict[str, str]:
    pairs = [line.partition("=")[::2] for line in block.split("\n") if line and line != "tree"]
    result = dict(pairs)
    if len(result) != len(pairs):
        _refuse("a line is repeated")
    return result


def _ints(values: str) -> _Ints:
    return np.array(values.split(), dtype=np.int64)


def _refuse(reason: str) -> NoReturn:
    raise StorageError(f"lightgbm: the stored model cannot be trusted: {reason}; the file is damaged")
