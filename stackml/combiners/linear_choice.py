"""Which learners a linear combination reads: those that know something, less those it can do without."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, softmax

from stackml.combiners.inputs import FloatArray
from stackml.combiners.linear_fit import Bools, Rowwise, fit_linear, losses_of, predict_linear

_SURE = 4.0  # standard errors: of learners that know nothing one in 30,000 seems to know something


def informed(data: Rowwise) -> Bools:
    """Return whether each learner, on its own, goes with the target beyond doubt; shape (n_predictors,).

    A learner that knows nothing leans against the target out of fold: the more of a class a fold
    holds, the fewer of it its model has learned from. Under a negative weight it would seem to know
    something.
    """
    w = data.weight / data.weight.sum()
    truth = data.y[:, None].astype(np.float64)
    if data.problem.kind == "multiclass":
        truth = (truth == np.arange(data.n_outputs)).astype(np.float64)
    truth = truth - w @ truth
    found = np.zeros(len(data.links), dtype=bool)
    for i, link in enumerate(data.links):
        together = ((link - w @ link) * truth).sum(axis=1)
        mean = float(w @ together)
        found[i] = mean > _SURE * float(np.sqrt(w**2 @ (together - mean) ** 2))
    return found


def fit_needed(data: Rowwise, penalty: float, bounded: Bools, least: float) -> tuple[list[int], FloatArray]:
    """Fit all learners, and leave one after the other out while the loss hardly rises.

    Parameters
    ----------
    data : Rowwise
    penalty : float
        In rows.
    bounded : bool ndarray of shape (n_predictors,)
        Learners whose weights must be 0 or more.
    least : float
        A learner is left out where the loss without it, the others weighed anew, rises by less than
        this part of it; 0 leaves out those of no weight alone.

    Returns
    -------
    list of int
        Learners that are left; none where no learner has a weight.
    float64 ndarray of shape (n_left + n_extras * n_outputs + n_outputs,)
    """
    left = list(range(len(data.links)))
    found = fit_linear(data, penalty, bounded)
    while True:
        needed = np.flatnonzero(found[: len(left)])
        if len(needed) == len(left) > 1 and least > 0:
            part = data.only(left)
            rises = rises_without(part, found, penalty)
            loss = float(part.weight @ losses_of(part, predict_linear(part, found)))
            cheapest = int(np.argmin(rises))  # to do without
            needed = np.delete(needed, cheapest) if rises[cheapest] < least * loss else needed
        if len(needed) == len(left):
            return left, found
        start = np.concatenate([found[needed], found[len(left) :]])
        left = [left[i] for i in needed]
        found = fit_linear(data.only(left), penalty, bounded[left], start)


def rises_without(data: Rowwise, coefficients: FloatArray, penalty: float) -> FloatArray:
    """Return about how much the summed loss rises without each learner, shape (n_predictors,).

    By the curvature of the loss at its minimum (the Wald statistic), in the unit of `losses_of`.
    """
    n_links = len(data.links)
    curvature = _curvature(data, coefficients, penalty)
    curvature[np.diag_indices_from(curvature)] += 1e-12 * max(float(np.trace(curvature)), 1e-300)
    spread = np.diag(np.linalg.inv(curvature))[:n_links]
    return np.asarray(0.5 * coefficients[:n_links] ** 2 / spread)


def _curvature(data: Rowwise, coefficients: FloatArray, penalty: float) -> FloatArray:
    """Return second derivatives of the summed loss, of the learners' weights and what moves with them."""
    n_links = len(data.links)
    z = predict_linear(data, coefficients)
    if data.problem.kind == "multiclass":
        # Intercepts and extras are let be, but for what centring the links takes of them.
        p = softmax(z, axis=1)
        w = data.weight / data.weight.sum()
        links = data.links - np.einsum("n,inc->ic", w, data.links)[:, None, :]
        links = links - np.einsum("nc,inc->in", p, links)[:, :, None]
        flat = (links * np.sqrt(p * data.weight[:, None])).reshape(n_links, -1)
        found = flat @ flat.T
        return np.asarray(found + penalty * np.eye(n_links))
    X = data.flat()
    pulls = np.full(X.shape[1], penalty)
    pulls[-1] = 0.0
    if data.problem.is_regression:
        # Squared errors are counted whole; a penalty is in units of them.
        pulls[:n_links] *= float(data.weight @ losses_of(data, z)) / float(data.weight.sum())
        return np.asarray(2.0 * (X.T @ (X * data.weight[:, None]) + np.diag(pulls)))
    p = expit(z[:, 0])
    return np.asarray(X.T @ (X * (data.weight * p * (1 - p))[:, None]) + np.diag(pulls))
