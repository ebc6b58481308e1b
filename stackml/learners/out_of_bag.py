"""Out-of-bag votes: each row is predicted by the trees that did not draw it (Breiman 1996)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.learners.base import Prediction
from stackml.tables.target import Problem


class Ballot:
    """Sums of what trees say of the rows they did not draw.

    A sum takes up trees in the order they were grown, and only those that never saw the row: it is
    the same number, bit for bit, whatever the row's own target, for trees of the same parameters.

    Parameters
    ----------
    matrix : float32 ndarray of shape (n_rows, n_features)
        The rows trees draw from.
    problem : Problem
    """

    def __init__(self, matrix: npt.NDArray[np.float32], problem: Problem) -> None:
        self._matrix = matrix
        self._problem = problem
        self._total = np.zeros((len(matrix), problem.n_outputs))
        self._votes = np.zeros(len(matrix), np.int64)
        self._counted = 0

    def count(self, estimator: Any) -> bool:
        """Count the trees of a scikit-learn forest not counted yet; return whether every row has a vote."""
        for tree in estimator.estimators_[self._counted :]:
            out = left_out(tree.random_state, estimator)
            said = tree.tree_.predict(self._matrix[out])
            self._total[out] += outputs_of(said, getattr(estimator, "classes_", None), self._problem)
            self._votes[out] += 1
        self._counted = len(estimator.estimators_)
        return bool(self._votes.min() > 0)

    def means(self) -> Prediction:
        """Return the mean vote, float32 of shape (n_rows, n_outputs); NaN where there is none.

        Several classes share half a vote more.
        """
        votes = np.where(self._votes > 0, self._votes, np.nan)[:, None]
        if self._problem.kind == "multiclass":
            return np.asarray(with_half_vote(self._total, votes), np.float32)
        return np.asarray(self._total / votes, np.float32)


def with_half_vote(total: npt.NDArray[np.float64], n_votes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the mean vote where half a vote more is spread alike over the classes.

    No class gets a probability of 0, which a single row that has it would be punished for without
    end (experiment 0017).

    Parameters
    ----------
    total : float64 ndarray of shape (..., n_classes)
        Sums of the probabilities the trees gave.
    n_votes : ndarray that broadcasts with `total`
        Number of trees.
    """
    return (total + 0.5 / total.shape[-1]) / (n_votes + 0.5)


def left_out(seed: int, estimator: Any) -> npt.NDArray[np.int64]:
    """Return the positions that the tree of a seed did not draw, in rising order.

    scikit-learn does not keep the draws: they are made again from the tree's seed, with its own
    function.
    """
    from sklearn.ensemble._forest import _generate_unsampled_indices

    drawn = (estimator._n_samples, estimator._n_samples_bootstrap, estimator._sample_weight)
    return np.asarray(_generate_unsampled_indices(seed, *drawn), np.int64)


def outputs_of(
    said: npt.NDArray[np.float64], classes: npt.NDArray[np.int64] | None, problem: Problem
) -> npt.NDArray[np.float64]:
    """Return what a tree says with a column for each output, 0 for classes it never saw."""
    if classes is None:
        return said
    full = np.zeros((len(said), max(2, problem.n_classes)))
    full[:, classes] = said
    return full[:, 1:2] if problem.kind == "binary" else full
