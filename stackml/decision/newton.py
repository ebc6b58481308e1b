"""Penalised logistic regression by Newton's method: the kernel of beta calibration and of stacking."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]


def penalised_logistic(
    X: FloatArray,
    y: NDArray[Any],
    weight: FloatArray,
    penalty: FloatArray,
    prior: FloatArray,
    start: FloatArray | None = None,
    max_steps: int = 50,
) -> FloatArray:
    """Return the coefficients that minimise the weighted log loss plus a quadratic pull.

    Minimised is ``sum_i weight_i * loss(y_i, X_i b) + 0.5 * sum_j penalty_j * (b_j - prior_j)^2``.

    Parameters
    ----------
    X : float64 ndarray of shape (n_rows, n_columns)
        An intercept is a column of ones.
    y : ndarray of shape (n_rows,)
        0 or 1.
    weight : float64 ndarray of shape (n_rows,)
    penalty : float64 ndarray of shape (n_columns,)
        Above 0 wherever the data could drive a coefficient to infinity.
    prior : float64 ndarray of shape (n_columns,)
    start : float64 ndarray of shape (n_columns,), optional
        Where to begin; the prior by default.
    max_steps : int

    Returns
    -------
    float64 ndarray of shape (n_columns,)
    """
    beta = np.array(prior if start is None else start, dtype=np.float64)
    z = X @ beta
    value = _objective(z, y, weight, beta, penalty, prior)
    for _ in range(max_steps):
        p = expit(z)
        gradient = X.T @ (weight * (p - y)) + penalty * (beta - prior)
        hessian = X.T @ (X * (weight * p * (1 - p))[:, None])
        hessian[np.diag_indices_from(hessian)] += penalty + 1e-10
        step = np.linalg.solve(hessian, gradient)
        decrement = float(gradient @ step)
        if decrement <= 1e-12 * (1.0 + abs(value)):
            break
        beta, z, new = _backtrack(X, y, weight, penalty, prior, beta, z, step, value, decrement)
        if new >= value:
            break
        value = new
    return beta


def _objective(
    z: FloatArray,
    y: NDArray[Any],
    weight: FloatArray,
    beta: FloatArray,
    penalty: FloatArray,
    prior: FloatArray,
) -> float:
    # log(1 + e^z) without overflow; faster than logaddexp.
    loss = np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))) - y * z
    return float(weight @ loss) + 0.5 * float(penalty @ (beta - prior) ** 2)


def _backtrack(
    X: FloatArray,
    y: NDArray[Any],
    weight: FloatArray,
    penalty: FloatArray,
    prior: FloatArray,
    beta: FloatArray,
    z: FloatArray,
    step: FloatArray,
    value: float,
    decrement: float,
) -> tuple[FloatArray, FloatArray, float]:
    along = X @ step
    size = 1.0
    for _ in range(30):
        candidate = beta - size * step
        moved = z - size * along
        new = _objective(moved, y, weight, candidate, penalty, prior)
        if new <= value - 1e-4 * size * decrement:
            return candidate, moved, new
        size /= 2
    return beta, z, value
