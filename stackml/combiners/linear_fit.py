"""Coefficients of linear combiners: penalised towards the plain mean on the link's scale.

Every kernel returns ``(n_predictors + n_extras * n_outputs + n_outputs,)``: weights of the
learners, of the extra columns for each output, and intercepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear, minimize
from scipy.special import log_softmax

from stackml.combiners.inputs import FloatArray, Rows
from stackml.decision.newton import penalised_logistic
from stackml.tables.target import Problem

_INTERCEPT_PENALTY = 1e-3


@dataclass(frozen=True, eq=False)
class Rowwise:
    """The rows of a linear fit.

    Attributes
    ----------
    links : float64 ndarray of shape (n_predictors, n_rows, n_outputs)
    extras : float64 ndarray of shape (n_rows, n_extras)
    y : ndarray of shape (n_rows,)
    weight : float64 ndarray of shape (n_rows,)
    problem : Problem
    """

    links: FloatArray
    extras: FloatArray
    y: NDArray[Any]
    weight: FloatArray
    problem: Problem

    def take(self, rows: Rows) -> Rowwise:
        """Return the given rows."""
        return Rowwise(
            np.ascontiguousarray(self.links[:, rows]),
            self.extras[rows],
            self.y[rows],
            self.weight[rows],
            self.problem,
        )

    @property
    def n_outputs(self) -> int:
        """Columns of the prediction."""
        return self.problem.n_outputs

    def prior(self) -> FloatArray:
        """Return the coefficients of the plain mean."""
        n_links = len(self.links)
        rest = self.extras.shape[1] * self.n_outputs + self.n_outputs
        return np.concatenate([np.full(n_links, 1.0 / max(n_links, 1)), np.zeros(rest)])

    def flat(self) -> FloatArray:
        """Return all columns of a single-output fit, the intercept last."""
        ones = np.ones((len(self.y), 1))
        return np.column_stack([self.links[:, :, 0].T, self.extras, ones])


def fit_linear(
    data: Rowwise, penalty: float, nonnegative: bool, start: FloatArray | None = None
) -> FloatArray:
    """Return the coefficients of least loss plus ``0.5 * penalty * |b - prior|^2``.

    Loss is summed over rows (log loss, or half the squared error in units of the plain mean's),
    so the penalty counts in rows whatever their number.
    """
    if data.problem.kind == "multiclass":
        return _multinomial(data, penalty, nonnegative, start)
    X, prior = data.flat(), data.prior()
    pulls = np.full(X.shape[1], penalty)
    pulls[-1] = _INTERCEPT_PENALTY
    if data.problem.is_regression:
        return _ridge(X, data, pulls, prior, nonnegative)
    if nonnegative:
        return _nonnegative_logistic(X, data, pulls, prior, start)
    return penalised_logistic(X, data.y, data.weight, pulls, prior, start)


def predict_linear(data: Rowwise, coefficients: FloatArray) -> FloatArray:
    """Return the linear predictor, float64 of shape (n_rows, n_outputs)."""
    n_links, n_extras, n_out = len(data.links), data.extras.shape[1], data.n_outputs
    slopes = coefficients[n_links : n_links + n_extras * n_out].reshape(n_extras, n_out)
    z = np.tensordot(coefficients[:n_links], data.links, axes=1) + data.extras @ slopes
    return np.asarray(z + coefficients[n_links + n_extras * n_out :])


def losses_of(data: Rowwise, z: FloatArray) -> FloatArray:
    """Return the loss of each row from its linear predictor, float64 of shape (n_rows,)."""
    if data.problem.is_regression:
        return np.asarray((z[:, 0] - data.y) ** 2)
    if data.problem.kind == "binary":
        flat = z[:, 0]
        return np.asarray(np.maximum(flat, 0.0) + np.log1p(np.exp(-np.abs(flat))) - data.y * flat)
    own = np.asarray(data.y, dtype=np.int64)[:, None]
    return np.asarray(-np.take_along_axis(log_softmax(z, axis=1), own, axis=1)[:, 0])


def _ridge(
    X: FloatArray, data: Rowwise, pulls: FloatArray, prior: FloatArray, nonnegative: bool
) -> FloatArray:
    """Weighted ridge around the prior, on centred columns, the intercept free."""
    n_links = len(data.links)
    w = data.weight / data.weight.sum()
    centre, y_centre = w @ X[:, :-1], float(w @ data.y)
    A, target = X[:, :-1] - centre, data.y - y_centre
    # Errors of the plain mean set the unit in which a penalty counts as rows.
    error = float(w @ (target - A @ prior[:-1]) ** 2)
    variance = max(error, 1e-9 * float(w @ target**2), 1e-300)
    # Links are in the target's unit; extras are standardised.
    scale = pulls[:-1] * np.where(np.arange(X.shape[1] - 1) < n_links, variance, 1.0)
    gram = A.T @ (A * data.weight[:, None]) + np.diag(scale)
    right = A.T @ (data.weight * target) + scale * prior[:-1]
    gram[np.diag_indices_from(gram)] += 1e-12 * max(float(np.trace(gram)), 1e-300)
    slopes = _bounded(gram, right, n_links) if nonnegative else np.linalg.solve(gram, right)
    return np.append(slopes, y_centre - float(centre @ slopes))


def _bounded(gram: FloatArray, right: FloatArray, n_links: int) -> FloatArray:
    root = np.linalg.cholesky(gram).T
    lower = np.full(len(right), -np.inf)
    lower[:n_links] = 0.0
    return np.asarray(
        lsq_linear(root, np.linalg.solve(root.T, right), bounds=(lower, np.inf), method="bvls").x
    )


def _nonnegative_logistic(
    X: FloatArray, data: Rowwise, pulls: FloatArray, prior: FloatArray, start: FloatArray | None
) -> FloatArray:
    """Drop learners of negative weight, the most negative first, until none is left."""
    kept = np.ones(X.shape[1], dtype=bool)
    while True:
        begin = None if start is None else start[kept]
        beta = penalised_logistic(X[:, kept], data.y, data.weight, pulls[kept], prior[kept], begin)
        full = np.zeros(X.shape[1])
        full[kept] = beta
        worst = int(np.argmin(full[: len(data.links)])) if len(data.links) else 0
        if not len(data.links) or full[worst] >= 0:
            return full
        kept[worst] = False


def _multinomial(data: Rowwise, penalty: float, nonnegative: bool, start: FloatArray | None) -> FloatArray:
    prior = data.prior()
    n_links, n_extras, n_out = len(data.links), data.extras.shape[1], data.n_outputs
    cut = n_links + n_extras * n_out
    pulls = np.full(len(prior), penalty)
    pulls[cut:] = max(1.0, _INTERCEPT_PENALTY)
    total = float(data.weight.sum())
    own = np.asarray(data.y, dtype=np.int64)
    at = np.arange(len(own))

    def objective(b: FloatArray) -> tuple[float, FloatArray]:
        z = predict_linear(data, b)
        z -= z.max(axis=1, keepdims=True)
        raised = np.exp(z)
        sums = raised.sum(axis=1)
        loss = float(data.weight @ (np.log(sums) - z[at, own]))
        residual = raised * (data.weight / sums)[:, None]
        residual[at, own] -= data.weight
        gradient = np.concatenate(
            [
                data.links.reshape(n_links, -1) @ residual.reshape(-1),
                (data.extras.T @ residual).reshape(-1),
                residual.sum(axis=0),
            ]
        )
        value = loss + 0.5 * float(pulls @ (b - prior) ** 2)
        return value / total, (gradient + pulls * (b - prior)) / total

    bounds = [(0.0 if nonnegative and i < n_links else None, None) for i in range(len(prior))]
    found = minimize(
        objective,
        prior if start is None else start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 200, "ftol": 1e-10, "gtol": 1e-6},
    )
    return np.asarray(found.x, dtype=np.float64)
