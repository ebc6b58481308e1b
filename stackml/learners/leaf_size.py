"""The size of a forest's leaves, chosen by what a few trees say of the rows they did not draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from stackml.foundation.randomness import stream
from stackml.learners.base import Rows
from stackml.learners.out_of_bag import left_out, outputs_of
from stackml.tables.target import Problem

_TREES = 5
_MOST_ROWS = 20_000
_WORTH = 0.01  # of the loss: smaller leaves have to gain so much, as they take more space and time

Grower: TypeAlias = Callable[[npt.NDArray[np.float32], int], Any]
Data: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[Any], npt.NDArray[np.float64] | None]


def usual_leaves(problem: Problem, n_drawn: int, weighted: bool) -> tuple[int, ...]:
    """Return the sizes to choose from, the largest first.

    Classes: an 800th of the rows a tree is grown on and 5 at least, 1 (2 where rows have weights, which
    would not count in a leaf of one row), and the geometric mean. Numbers: a 15,000th, 2 at least.
    """
    if problem.is_regression:
        return (max(2, n_drawn // 15_000),)
    largest, smallest = max(5, n_drawn // 800), 2 if weighted else 1
    return (largest, max(smallest, round(largest**0.5)), smallest)


def choose_leaf(
    sizes: Sequence[int], make: Grower, data: Data, problem: Problem, seed: int, n_drawn: int
) -> int:
    """Return the size of least squared error in a forest without end, larger ones preferred.

    Parameters
    ----------
    sizes : sequence of int
        The largest first, for trees of `n_drawn` rows.
    make : callable
        Returns a scikit-learn forest that draws rows with replacement, of a matrix and a size.
    data : tuple
        Matrix, float32 of shape (n_rows, n_features); class codes and, or None, weights of its rows.
    problem : Problem
    seed : int
    n_drawn : int
        Rows that a tree of the forest itself draws.
    """
    if len(sizes) == 1:
        return sizes[0]
    matrix, values, weight = data
    rows = _sample(len(matrix), seed)
    part = min(1.0, len(rows) / n_drawn)
    asked = matrix[rows], values[rows], None if weight is None else weight[rows] / weight[rows].mean()
    chosen, least = sizes[0], np.inf
    tried: set[int] = set()
    for size in sizes:
        leaf = max(1, round(part * size))
        if leaf in tried:
            continue
        tried.add(leaf)
        forest = make(asked[0], leaf).set_params(n_estimators=_TREES)
        forest.fit(asked[0], asked[1], sample_weight=asked[2])
        loss = endless_loss(forest, *asked, problem)
        if loss < (1 - _WORTH) * least:
            chosen, least = size, loss
    return chosen


def endless_loss(
    forest: Any,
    matrix: npt.NDArray[np.float32],
    values: npt.NDArray[Any],
    weight: npt.NDArray[np.float64] | None,
    problem: Problem,
) -> float:
    """Return the mean squared error a forest of ever more such trees would have out of the bag.

    The error of a mean of trees is the mean over pairs of trees of the product of their errors, as
    their number grows, and pairs of a few trees tell it without bias (for classes: the Brier score).
    """
    truth = values[:, None].astype(np.float64)
    if problem.kind == "multiclass":
        truth = (truth == np.arange(problem.n_classes)).astype(np.float64)
    total, squares = np.zeros(truth.shape), np.zeros(len(truth))
    votes = np.zeros(len(truth))
    for tree in forest.estimators_:
        out = left_out(tree.random_state, forest)
        said = outputs_of(tree.tree_.predict(matrix[out]), getattr(forest, "classes_", None), problem)
        error = said - truth[out]
        total[out] += error
        squares[out] += (error**2).sum(axis=1)
        votes[out] += 1
    w = np.ones(len(truth)) if weight is None else weight
    products = float(w @ ((total**2).sum(axis=1) - squares))
    pairs = float(w @ (votes * (votes - 1)))
    return products / pairs if pairs > 0 else np.inf


def _sample(n_rows: int, seed: int) -> Rows:
    if n_rows <= _MOST_ROWS:
        return np.arange(n_rows)
    return np.sort(stream(seed, "forest", "leaves").choice(n_rows, _MOST_ROWS, replace=False))
