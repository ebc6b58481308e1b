"""Newton's method on the simplex: convex functions of weights that are 0 or more and sum to 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stackml.foundation.errors import FitError

FloatArray = NDArray[np.float64]
Objective = Callable[[FloatArray, bool], tuple[float, FloatArray, FloatArray]]
"""``objective(w, with_slopes)``: value, gradient (n,), Hessian (n, n); slopes only where asked for."""


def minimise_on_simplex(
    objective: Objective, n: int, tolerance: float = 1e-9, max_steps: int = 200
) -> FloatArray:
    """Return the weights of least value.

    Each step minimises the local quadratic over the simplex and goes as far towards its minimum
    as the value falls. It ends when no single weight could lower the value by more than
    `tolerance` (the duality gap).

    Parameters
    ----------
    objective : callable
        Convex and twice differentiable.
    n : int
    tolerance : float
        In units of the objective.
    max_steps : int

    Returns
    -------
    float64 ndarray of shape (n,)

    Raises
    ------
    FitError
        If it has not converged after `max_steps`.
    """
    w = np.full(n, 1.0 / n)
    for _ in range(max_steps):
        value, gradient, hessian = objective(w, True)
        gap = float(gradient @ w - gradient.min())
        if gap <= tolerance:
            return w
        direction = quadratic_on_simplex(hessian, gradient - hessian @ w, w) - w
        slope = float(gradient @ direction)
        moved = _backtrack(objective, w, direction, value, slope)
        if moved is None:  # rounding leaves nothing to gain
            return w
        w = moved
    raise FitError(
        f"simplex weights did not converge in {max_steps} steps (gap {gap:.2g}); use the combiner 'greedy'"
    )


def _backtrack(
    objective: Objective, w: FloatArray, direction: FloatArray, value: float, slope: float
) -> FloatArray | None:
    size = 1.0
    while size > 1e-12 and slope < 0:
        moved = np.maximum(w + size * direction, 0.0)
        moved /= moved.sum()
        reached = objective(moved, False)[0]
        # Near the minimum the bound rounds to `value` itself, and steps that gain nothing go on for ever.
        if reached < value and reached <= value + 1e-4 * size * slope:
            return np.asarray(moved)
        size /= 2
    return None


def quadratic_on_simplex(hessian: FloatArray, linear: FloatArray, start: FloatArray) -> FloatArray:
    """Return the minimum of ``0.5 w'Hw + linear'w`` over the simplex, by an active set.

    Parameters
    ----------
    hessian : float64 ndarray of shape (n, n)
        Positive semidefinite.
    linear : float64 ndarray of shape (n,)
    start : float64 ndarray of shape (n,)
        On the simplex.
    """
    n = len(linear)
    H = hessian
    w = start.copy()
    free = w > 0
    for _ in range(10 * n + 10):
        goal = _on_face(H, linear, free)
        step = goal - w
        blocked = free & (goal < 0)
        if blocked.any():
            lengths = np.where(blocked, w / np.where(blocked, -step, 1.0), np.inf)
            w = w + lengths.min() * step
            free &= lengths > lengths.min()
            w[~free] = 0.0
            continue
        w = goal
        gradient = H @ w + linear
        level = float(gradient[free].mean())
        excess = np.where(free, 0.0, gradient - level)
        entering = int(np.argmin(excess))
        if excess[entering] >= -1e-13 * (1.0 + abs(level)):
            break
        free[entering] = True
    return w


def _on_face(H: FloatArray, linear: FloatArray, free: NDArray[np.bool_]) -> FloatArray:
    """Return the minimum with the free weights summing to 1 and the others 0."""
    at = np.flatnonzero(free)
    k = len(at)
    # Scaled to a unit diagonal: a learner that is far off must not drown the others' digits.
    scale = 1.0 / np.sqrt(np.maximum(np.diag(H)[at], 1e-300))
    system = np.zeros((k + 1, k + 1))
    system[:k, :k] = H[np.ix_(at, at)] * scale[:, None] * scale
    system[np.arange(k), np.arange(k)] += 1e-12
    level = 1.0 / scale.max()
    system[:k, k] = system[k, :k] = scale * level
    solution = np.linalg.lstsq(system, np.append(-linear[at] * scale, level), rcond=1e-15)[0]
    w = np.zeros(len(linear))
    w[at] = solution[:k] * scale
    return w
