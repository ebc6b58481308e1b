"""Votes of models that do not know the same options: each abstains about those it does not know.

Among options ``c``, model ``m`` knows the set ``K_m`` and gives it the distribution ``p_m``; ``w_m`` is
its weight, and the weights sum to 1. Counting what a model does not know as 0 gives the mean ``u = sum_m
w_m p_m``. The vote instead is the distribution ``q`` of least

    sum_m w_m KL(p_m || q given K_m)  +  pull KL(u || q)

so that, seen within what a model knows, it is near to what the model says. Without the second term this is
the maximum likelihood of a Bradley-Terry model generalised to comparisons of sets (Huang, Weng and Lin,
"Generalized Bradley-Terry models and multi-class probability estimates", JMLR 7, 2006; for pairs Hastie and
Tibshirani, "Classification by pairwise coupling", Annals of Statistics 26, 1998). The second term decides
what the models leave open, such as the odds between two sets that nobody compares.

At the minimum, with ``z_m = q(K_m)``,

    q(c) = (1 + pull) u(c) / (pull + sum of w_m / z_m over the models that know c),

so options known to the same models keep the odds that ``u`` gives them, and one number a model is left to be
found: with ``z_m = exp(-t_m)`` the ``t`` of least

    (1 + pull) sum_c u(c) log(pull + sum_m w_m exp(t_m)) - sum_m w_m t_m,

which is convex in ``t``, strictly for ``pull > 0``. Newton's method finds it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_PULL", "coupled"]

FloatArray = npt.NDArray[np.float64]

LEAST_PULL = 1e-6  # below it float64 does not settle what the models leave open

_STEPS = 60
_TOLERANCE = 1e-11  # of the slope, in units of probability
_LONGEST = 4.0  # longest step in the logarithm of z; what the local curvature says does not reach further
_RIDGE = 1e-13


def coupled(votes: FloatArray, known: npt.NDArray[np.bool_], weights: FloatArray, pull: float) -> FloatArray:
    """Return the vote on groups of options, each group known to the same models.

    Parameters
    ----------
    votes : float64 ndarray of shape (n_groups, n_rows)
        The mean ``u`` summed over each group; columns sum to 1.
    known : bool ndarray of shape (n_models, n_groups)
    weights : float64 ndarray of shape (n_models, n_rows)
        Columns sum to 1; a column holds what each model's votes sum to.
    pull : float
        `LEAST_PULL` or more; the larger, the nearer to `votes`.

    Returns
    -------
    float64 ndarray of shape (n_groups, n_rows)
        Columns sum to 1.
    """
    t = np.zeros(weights.shape)
    active = np.arange(votes.shape[1])
    for _ in range(_STEPS):
        u, w, now = votes[:, active], weights[:, active], t[:, active]
        slope, curvature = _slopes(u, known, w, now, pull)
        moving = np.abs(slope).max(axis=0) > _TOLERANCE
        active = active[moving]
        if not len(active):
            break
        u, w, now, slope = u[:, moving], w[:, moving], now[:, moving], slope[:, moving]
        step = -np.linalg.solve(curvature[moving], slope.T[..., None])[..., 0].T
        step *= np.minimum(1.0, _LONGEST / np.maximum(np.abs(step).max(axis=0), _RIDGE))
        t[:, active] = now + step * _shortened(u, known, w, now, step, pull)
    found = votes / _divisor(known, weights, t, pull)
    return found / found.sum(axis=0)


def _divisor(known: npt.NDArray[np.bool_], weights: FloatArray, t: FloatArray, pull: float) -> FloatArray:
    raised = weights * np.exp(t)
    return np.stack([pull + raised[knowing].sum(axis=0) for knowing in known.T])


def _value(
    u: FloatArray, known: npt.NDArray[np.bool_], weights: FloatArray, t: FloatArray, pull: float
) -> FloatArray:
    spread = (1.0 + pull) * (u * np.log(_divisor(known, weights, t, pull))).sum(axis=0)
    return spread - (weights * t).sum(axis=0)


def _slopes(
    u: FloatArray, known: npt.NDArray[np.bool_], weights: FloatArray, t: FloatArray, pull: float
) -> tuple[FloatArray, FloatArray]:
    """Return gradient (n_models, n_rows) and Hessian (n_rows, n_models, n_models)."""
    n_models, n_rows = t.shape
    raised, divisor = weights * np.exp(t), _divisor(known, weights, t, pull)
    first, second = (1.0 + pull) * u / divisor, (1.0 + pull) * u / divisor**2
    held = np.stack([raised[m] * first[known[m]].sum(axis=0) for m in range(n_models)])
    curvature = np.empty((n_rows, n_models, n_models))
    for m in range(n_models):
        for k in range(m + 1):
            both = second[known[m] & known[k]].sum(axis=0)
            curvature[:, m, k] = curvature[:, k, m] = -raised[m] * raised[k] * both
        curvature[:, m, m] += held[m] + _RIDGE
    return held - weights, curvature


def _shortened(
    u: FloatArray,
    known: npt.NDArray[np.bool_],
    weights: FloatArray,
    t: FloatArray,
    step: FloatArray,
    pull: float,
) -> FloatArray:
    """Return the share of each row's step after which the value has not risen."""
    share, start = np.ones(t.shape[1]), _value(u, known, weights, t, pull)
    for _ in range(30):
        rises = _value(u, known, weights, t + share * step, pull) > start + 1e-12
        if not rises.any():
            break
        share[rises] /= 2
    return share
