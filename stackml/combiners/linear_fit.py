"""Coefficients of linear combiners: penalised towards the plain mean on the link's scale.

Every kernel returns ``(n_predictors + n_extras * n_outputs + n_outputs,)``: weights of the
learners, of the extra columns for each output, and intercepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from stackml.combiners.inputs import FloatArray, Rows
from stackml.combiners.simplex_solver import Objective
from stackml.decision.newton import penalised_logistic
from stackml.tables.target import Problem

_INTERCEPT_PENALTY = 1e-3

Bools: TypeAlias = NDArray[np.bool_]


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

    def only(self, learners: Sequence[int]) -> Rowwise:
        """Return the rows with the links of the given learners alone."""
        if len(learners) == len(self.links):
            return self
        return Rowwise(self.links[list(learners)], self.extras, self.y, self.weight, self.problem)

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


def fit_linear(data: Rowwise, penalty: float, bounded: Bools, start: FloatArray | None = None) -> FloatArray:
    """Return the coefficients of least loss plus ``0.5 * penalty * |b - prior|^2``.

    Weights of learners that are `bounded`, shape (n_predictors,), are 0 or more.

    Loss is summed over rows (log loss, or half the squared error in units of the plain mean's),
    so the penalty counts in rows whatever their number.
    """
    if data.problem.kind == "multiclass":
        return _multinomial(data, penalty, bounded, start)
    X, prior = data.flat(), data.prior()
    pulls = np.full(X.shape[1], penalty)
    pulls[-1] = _INTERCEPT_PENALTY
    if data.problem.is_regression:
        return _ridge(X, data, pulls, prior, bounded)
    if bounded.any():
        return _bounded_logistic(X, data, pulls, prior, bounded, start)
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


def _ridge(X: FloatArray, data: Rowwise, pulls: FloatArray, prior: FloatArray, bounded: Bools) -> FloatArray:
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
    slopes = np.asarray(np.linalg.solve(gram, right))
    if (slopes[:n_links][bounded] < 0).any():

        def objective(b: FloatArray, with_slopes: bool) -> tuple[float, FloatArray, FloatArray]:
            pushed = gram @ b
            return float(b @ (0.5 * pushed - right)), pushed - right, gram

        slopes = _bounded_newton(objective, slopes, bounded)
    return np.append(slopes, y_centre - float(centre @ slopes))


def _bounded_logistic(
    X: FloatArray,
    data: Rowwise,
    pulls: FloatArray,
    prior: FloatArray,
    bounded: Bools,
    start: FloatArray | None,
) -> FloatArray:
    y, weight = data.y, data.weight

    def objective(b: FloatArray, with_slopes: bool) -> tuple[float, FloatArray, FloatArray]:
        z = X @ b
        # log(1 + e^z) without overflow; faster than logaddexp.
        losses = np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))) - y * z
        value = float(weight @ losses) + 0.5 * float(pulls @ (b - prior) ** 2)
        if not with_slopes:
            return value, b, b
        p = expit(z)
        gradient = X.T @ (weight * (p - y)) + pulls * (b - prior)
        hessian = X.T @ (X * (weight * p * (1 - p))[:, None])
        hessian[np.diag_indices_from(hessian)] += pulls + 1e-10
        return value, gradient, hessian

    return _bounded_newton(objective, prior if start is None else start, bounded)


def _bounded_newton(
    objective: Objective, start: FloatArray, bounded: Bools, max_steps: int = 100
) -> FloatArray:
    """Return the minimum of a convex function whose first arguments, where bounded, may not be negative.

    Newton's method on the arguments that are free, projected onto the bounds; plain Newton
    where no bound holds.
    """
    b = np.array(start, dtype=np.float64)
    bounds = np.full(len(b), -np.inf)
    bounds[: len(bounded)][bounded] = 0.0
    b = np.maximum(b, bounds)
    value = objective(b, False)[0]
    for _ in range(max_steps):
        _, gradient, hessian = objective(b, True)
        held = (b <= bounds + 1e-9) & (gradient > 0)
        free = ~held
        step = np.where(held, b, 0.0)
        if free.any():
            step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        if float(gradient @ step) <= 1e-12 * (1.0 + abs(value)):
            break
        b, new = _projected_step(objective, b, value, gradient, step, bounds)
        if new >= value:
            break
        value = new
    return b


def _projected_step(
    objective: Objective,
    b: FloatArray,
    value: float,
    gradient: FloatArray,
    step: FloatArray,
    bounds: FloatArray,
) -> tuple[FloatArray, float]:
    """Return the first point along the step that lowers the function enough; the start if none does."""
    size = 1.0
    for _ in range(30):
        candidate = np.maximum(b - size * step, bounds)
        new = objective(candidate, False)[0]
        if new <= value - 1e-4 * float(gradient @ (b - candidate)):
            return candidate, new
        size /= 2
    return b, value


def _multinomial(data: Rowwise, penalty: float, bounded: Bools, start: FloatArray | None) -> FloatArray:
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
                data.links.reshape(n_links, len(own) * n_out) @ residual.reshape(-1),
                (data.extras.T @ residual).reshape(-1),
                residual.sum(axis=0),
            ]
        )
        value = loss + 0.5 * float(pulls @ (b - prior) ** 2)
        return value / total, (gradient + pulls * (b - prior)) / total

    bounds = [(0.0 if of_learner else None, None) for of_learner in bounded.tolist()]
    bounds += [(None, None)] * (len(prior) - n_links)
    found = minimize(
        objective,
        prior if start is None else start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 100, "ftol": 1e-7, "gtol": 1e-5},
    )
    return np.asarray(found.x, dtype=np.float64)
