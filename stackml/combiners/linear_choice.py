"""Which learners a linear combination reads: those that know something, less those it can do without."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from stackml.combiners.inputs import FloatArray
from stackml.combiners.linear_fit import Bools, Rowwise, fit_linear, losses_of, predict_linear

_SURE = 4.0  # standard errors of what a learner and the target have in common
_LEAST_UNITS = 20  # rows or groups: of fewer, a standard error says little

Groups = npt.NDArray[np.int64]


def informed(data: Rowwise, groups: Groups | None = None) -> Bools:
    """Return whether each learner, on its own, goes with the target beyond doubt; shape (n_predictors,).

    A learner that knows nothing leans against the target out of fold: the more of a class a fold
    holds, the fewer of it its model has learned from. Under a negative weight it would seem to know
    something. Rows of one group count as one.
    """
    w = data.weight / data.weight.sum()
    unit = np.arange(len(w)) if groups is None else np.unique(groups, return_inverse=True)[1]
    found = np.zeros(len(data.links), dtype=bool)
    if len(np.unique(unit[w > 0])) < _LEAST_UNITS:
        return found
    truth = data.y[:, None].astype(np.float64)
    if data.problem.kind == "multiclass":
        truth = (truth == np.arange(data.n_outputs)).astype(np.float64)
    truth = truth - w @ truth
    for i, link in enumerate(data.links):
        together = ((link - w @ link) * truth).sum(axis=1)
        mean = float(w @ together)
        found[i] = mean > _SURE * float(np.sqrt((np.bincount(unit, w * (together - mean)) ** 2).sum()))
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
    part, found = data, fit_linear(data, penalty, bounded)
    while True:
        needed = np.flatnonzero(found[: len(left)])
        may_lose = len(needed) == len(left) > 1 and least > 0
        if may_lose:
            needed = np.delete(needed, np.argmin(rises_without(part, found)))
        if len(needed) == len(left):
            return left, found
        fewer = [left[i] for i in needed]
        others = data.only(fewer)
        start = np.concatenate([found[needed], found[len(left) :]])
        again = fit_linear(others, penalty, bounded[fewer], start)
        if may_lose and _loss(others, again) > (1 + least) * _loss(part, found):
            return left, found
        left, part, found = fewer, others, again


def _loss(data: Rowwise, coefficients: FloatArray) -> float:
    return float(data.weight @ losses_of(data, predict_linear(data, coefficients)))


def rises_without(data: Rowwise, coefficients: FloatArray) -> FloatArray:
    """Return about how much the summed loss rises without each learner, shape (n_predictors,).

    By the curvature of the loss (the Wald statistic), as if the coefficients were those of least
    loss: good enough to say whom to ask about first. In the unit of `losses_of`.
    """
    n_links = len(data.links)
    curvature = _curvature(data, coefficients)
    size = np.sqrt(np.maximum(np.diag(curvature), 1e-300))
    # In units of each column, so that the least addition makes copies solvable and changes no other.
    scaled = curvature / size[:, None] / size + 1e-9 * np.eye(len(size))
    spread = np.diag(np.linalg.inv(scaled))[:n_links] / size[:n_links] ** 2
    return np.asarray(0.5 * coefficients[:n_links] ** 2 / spread)


def _curvature(data: Rowwise, coefficients: FloatArray) -> FloatArray:
    """Return second derivatives of the summed loss, of the learners' weights and what moves with them."""
    n_links, total = len(data.links), float(data.weight.sum())
    z = predict_linear(data, coefficients)
    if data.problem.kind == "multiclass":
        # Intercepts and extras are let be, but for what centring the links takes of them.
        p = softmax(z, axis=1)
        w = data.weight / total
        links = data.links - np.einsum("n,inc->ic", w, data.links)[:, None, :]
        links = links - np.einsum("nc,inc->in", p, links)[:, :, None]
        flat = (links * np.sqrt(p * data.weight[:, None])).reshape(n_links, -1)
        return np.asarray(flat @ flat.T)
    X, weight, factor = data.flat()[:, :-1], data.weight, 2.0  # squared errors are counted whole
    if data.problem.kind == "binary":
        p = expit(z[:, 0])
        weight, factor = data.weight * p * (1 - p), 1.0
    # The intercept moves with all of them: what is left are columns less their mean.
    X = X - (weight @ X) / max(float(weight.sum()), 1e-300)
    return np.asarray(factor * X.T @ (X * weight[:, None]))
