"""Kernels of the linear learners: L2-penalized logistic and least-squares fits on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import expit, softmax

from stackml.features.dense_rows import DenseMatrix

Floats: TypeAlias = npt.NDArray[np.float64]

_DOUBLE = 6_000_000  # matrices of at most so many values are worked on in double precision
_BLOCK = 4096
ABSENT = -30.0  # score of a class that no training row has


def fit_logistic(
    matrix: DenseMatrix,
    y: npt.NDArray[np.int64],
    weight: Floats,
    n_classes: int,
    C: float,
    start: tuple[Floats, Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Minimise the weighted sum of log-losses plus ``|coef|^2 / (2 C)`` by L-BFGS.

    Parameters
    ----------
    matrix : float32 ndarray of shape (n_rows, n_columns), or DenseRows
        Near unit scale.
    y : int64 ndarray of shape (n_rows,)
        At least two classes of ``0 .. n_classes - 1``.
    weight : float64 ndarray of shape (n_rows,)
    n_classes : int
    C : float
    start : tuple, optional
        What an earlier call returned.

    Returns
    -------
    coef : float64 ndarray of shape (n_columns, n_outputs)
        One output for two classes, else one a class.
    intercept : float64 ndarray of shape (n_outputs,)
    """
    # A small matrix is worked on at once, in double precision; of a large one a block is in hand at a time.
    is_small = matrix.size <= _DOUBLE
    X: Any = matrix[:].astype(np.float64) if is_small else matrix
    dtype, step = (np.float64, max(1, len(matrix))) if is_small else (np.float32, _BLOCK)
    total, n_columns = float(weight.sum()), matrix.shape[1]
    present = np.array([1]) if n_classes == 2 else np.unique(y)
    shape = (n_columns + 1, len(present))
    outcome = (y[:, None] == present).astype(dtype)
    share = (weight / total).astype(dtype)[:, None]
    ridge = 1.0 / (C * total)
    gram, means = moments_of(matrix, weight)
    values, vectors = eigh(gram / total)
    # Columns are combined into uncorrelated ones of unit variance: hinges of one number are
    # near copies of each other, and the descent would crawl along them.
    unit = np.sqrt(np.maximum(values, 0.0) + ridge + 1e-8)
    whiten = vectors / unit

    def loss(flat: Floats) -> tuple[float, Floats]:
        z = flat.reshape(shape)
        coef = whiten @ z[:-1]
        slopes, level = coef.astype(dtype), (z[-1] - means @ coef).astype(dtype)
        whole, sums, pull = 0.0, np.zeros(shape[1]), np.zeros((n_columns, shape[1]))
        for first in range(0, len(matrix), step):
            span = slice(first, first + step)
            block = X[span]
            losses, residual = losses_of(block @ slopes + level, outcome[span])
            residual *= share[span]
            whole += float(np.sum(losses * share[span, 0], dtype=np.float64))
            sums += residual.sum(axis=0)
            pull += block.T @ residual
        gradient = np.empty(shape)
        gradient[:-1] = whiten.T @ (pull - np.outer(means, sums) + ridge * coef)
        gradient[-1] = sums
        return whole + 0.5 * ridge * float((coef**2).sum()), gradient.ravel()

    z0 = np.zeros(shape)
    if start is not None:
        coef, intercept = (part[..., present if n_classes > 2 else [0]] for part in start)
        z0[:-1] = (vectors * unit).T @ coef
        z0[-1] = intercept + means @ coef
    options = {"maxiter": 200, "gtol": 1e-6, "ftol": 1e-7}
    found = minimize(loss, z0.ravel(), jac=True, method="L-BFGS-B", options=options)
    z = found.x.reshape(shape)
    coef = whiten @ z[:-1]
    intercept = z[-1] - means @ coef
    if n_classes == 2:
        return coef, intercept
    all_coef, all_intercepts = np.zeros((n_columns, n_classes)), np.full(n_classes, ABSENT)
    all_coef[:, present], all_intercepts[present] = coef, intercept - intercept.max()
    return all_coef, all_intercepts


def moments_of(matrix: DenseMatrix, weight: Floats) -> tuple[Floats, Floats]:
    """Return the weighted, centred Gram matrix and the means of the columns, in double precision."""
    n = matrix.shape[1]
    total = float(weight.sum()) or 1.0
    gram, sums = np.zeros((n, n)), np.zeros(n)
    for first in range(0, len(matrix), _BLOCK):
        block = matrix[first : first + _BLOCK].astype(np.float64)
        weighted = block * weight[first : first + _BLOCK, None]
        gram += weighted.T @ block
        sums += weighted.sum(axis=0)
    means = sums / total
    return gram - total * np.outer(means, means), means


def losses_of(scores: Any, outcome: Any) -> tuple[Any, Any]:
    """Return the log-loss of each row, and its derivative by the scores."""
    if scores.shape[1] == 1:
        residual = expit(scores) - outcome
        return np.logaddexp(0, np.where(outcome > 0, -scores, scores))[:, 0], residual
    top = scores.max(axis=1, keepdims=True)
    grown = np.exp(scores - top)
    total = grown.sum(axis=1, keepdims=True)
    losses = (np.log(total) + top)[:, 0] - (scores * outcome).sum(axis=1)
    return losses, grown / total - outcome


@dataclass(frozen=True, eq=False)
class RidgePath:
    """The weighted normal equations, diagonalised: any penalty is then solved at once."""

    values: Floats
    vectors: Floats
    projected: Floats
    means: Floats
    mean: float

    @staticmethod
    def of(matrix: DenseMatrix, y: Floats, weight: Floats) -> RidgePath:
        """Gather the equations, in double precision, a block of rows at a time.

        Parameters
        ----------
        matrix : float32 ndarray of shape (n_rows, n_columns), or DenseRows
        y, weight : float64 ndarray of shape (n_rows,)
        """
        gram, means = moments_of(matrix, weight)
        mean = float(weight @ y) / (float(weight.sum()) or 1.0)
        pull = weight * (y - mean)
        products = np.zeros(matrix.shape[1])
        for first in range(0, len(matrix), _BLOCK):
            products += pull[first : first + _BLOCK] @ matrix[first : first + _BLOCK].astype(np.float64)
        values, vectors = eigh(gram)
        return RidgePath(np.maximum(values, 0.0), vectors, vectors.T @ products, means, mean)

    def solve(self, alpha: float) -> tuple[Floats, float]:
        """Return coefficients of shape (n_columns,) and the intercept."""
        coef = self.vectors @ (self.projected / (self.values + alpha))
        return coef, self.mean - float(self.means @ coef)


def linear_scores(matrix: DenseMatrix, coef: Floats, intercept: Floats) -> Floats:
    """Return ``matrix @ coef + intercept``, summed column by column.

    A BLAS product rounds a row differently in batches of different size; this does not.

    Returns
    -------
    float64 ndarray of shape (n_rows, n_outputs)
    """
    scores = np.repeat(intercept[None, :], len(matrix), axis=0)
    for first in range(0, len(matrix), _BLOCK):
        columns = matrix[first : first + _BLOCK].T.astype(np.float64)
        block = scores[first : first + _BLOCK]
        for column, row in zip(columns, coef, strict=True):
            block += column[:, None] * row
    return scores


def probabilities(scores: Floats, link: str) -> Floats:
    """Return scores through a link: "identity", "logistic" or "softmax"."""
    if link == "identity":
        return scores
    return np.asarray(expit(scores) if link == "logistic" else softmax(scores, axis=1))
