"""Kernels: many arrays of one shape become one. Nothing is checked here, nothing is changed in place.

Sums are taken in float64, whatever the arrays are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_PARALLEL = 1e-7  # radians below which an arc is a straight line
_STEPS = 100
_TIE = 1e-9  # share of all differences below which the sum of a tie lies


def mean(stack: Floats, weights: Floats) -> Floats:
    """Return the weighted mean over the first axis.

    It is the first array and the weighted differences from it, so that equal arrays give themselves
    bit for bit.

    Parameters
    ----------
    stack : float64 ndarray of shape (n_models, ...)
    weights : float64 ndarray of shape (n_models,)
        Non-negative, summing to 1.
    """
    return np.asarray(stack[0] + np.tensordot(weights, stack - stack[0], axes=1))


def slerp(stack: Floats, weights: Floats) -> Floats:
    """Return the mean on the sphere, with the weighted mean of the lengths.

    For two arrays it is Shoemake's interpolation (1985, "Animating rotation with quaternion
    curves"): the direction moves along the arc between them by the second weight. For more it is the
    weighted mean of Buss and Fillmore (2001, "Spherical averages"), which does not depend on their
    order. Where directions are opposite or one has no length, there is no arc, and it is the plain mean.

    Parameters
    ----------
    stack : float64 ndarray of shape (n_models, ...)
    weights : float64 ndarray of shape (n_models,)
        Non-negative, summing to 1.
    """
    flat = stack.reshape(len(stack), -1)
    lengths = np.linalg.norm(flat, axis=1)
    straight = mean(stack, weights)
    if not (stack - stack[0]).any() or not (lengths > 0).all():
        return straight
    units = flat / lengths[:, None]
    middle = weights @ units
    size = float(np.linalg.norm(middle))
    if size < _PARALLEL:
        return straight
    middle /= size
    for _ in range(_STEPS):
        cosine = np.clip(units @ middle, -1.0, 1.0)
        angle = np.arccos(cosine)
        if (angle > np.pi - 1e-4).any():
            return straight
        sine = np.sin(angle)
        stretch = np.where(sine > _PARALLEL, angle / np.where(sine > _PARALLEL, sine, 1.0), 1.0)
        step = (weights * stretch) @ (units - cosine[:, None] * middle)
        size = float(np.linalg.norm(step))
        if size < 1e-13:
            break
        middle = np.cos(size) * middle + np.sin(size) / size * step
        middle /= np.linalg.norm(middle)
    return np.asarray(float(weights @ lengths) * middle).reshape(stack.shape[1:])


def trimmed(delta: Floats, density: float) -> Floats:
    """Return the differences with all but the largest set to 0.

    Parameters
    ----------
    delta : float64 ndarray
    density : float
        Share kept, in (0, 1]; values as large as the least one kept stay too.
    """
    n_kept = int(np.ceil(density * delta.size))
    if n_kept >= delta.size:
        return delta.copy()
    size = np.abs(delta)
    least = np.partition(size.ravel(), delta.size - n_kept)[delta.size - n_kept]
    return np.where(size >= least, delta, 0.0)


def dropped(delta: Floats, density: float, rng: np.random.Generator) -> Floats:
    """Return the differences with some set to 0 by chance and the others divided by `density`.

    The expectation is the difference itself (Yu et al. 2023, "Language models are super Mario").

    Parameters
    ----------
    delta : float64 ndarray
    density : float
        Chance to stay, in (0, 1].
    rng : numpy.random.Generator
    """
    return np.where(rng.random(delta.shape) < density, delta / density, 0.0)


def elected(deltas: Floats, weights: Floats) -> Floats:
    """Return the mean of those differences that have the sign of the weighted sum; 0 where it is 0.

    Sign election and disjoint mean of TIES (Yadav et al. 2023, "TIES-merging: resolving interference
    when merging models"). Differences of 0 do not count.

    Parameters
    ----------
    deltas : float64 ndarray of shape (n_models, ...)
    weights : float64 ndarray of shape (n_models,)
    """
    shares = weights.reshape(-1, *[1] * (deltas.ndim - 1))
    total = np.tensordot(weights, deltas, axes=1)
    # A sum that is nothing but rounding elects nobody: around a mean all untrimmed sums are.
    sign = np.sign(total) * (np.abs(total) > _TIE * np.tensordot(weights, np.abs(deltas), axes=1))
    agrees = (np.sign(deltas) == sign) & (sign != 0)
    share = (shares * agrees).sum(axis=0)
    summed = (shares * np.where(agrees, deltas, 0.0)).sum(axis=0)
    return np.asarray(np.divide(summed, share, out=np.zeros_like(summed), where=share > 0))
