"""Rules that combine predictions without learning from a target: mean, median, votes, ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from stackml.combiners.inputs import CLIP, FloatArray
from stackml.foundation.errors import ParameterError, near_miss
from stackml.storage.fields import finite_array, refuse
from stackml.storage.state import State
from stackml.tables.target import Problem

Rule = Callable[[FloatArray, FloatArray], FloatArray]
"""``rule(outputs, weights)``: float64 of shapes (n_models, n_rows, n_outputs) and (n_models,) give
float64 of shape (n_rows, n_outputs). No row has an influence on another."""

MOST_KNOTS = 1025
_TIE = 1e-12  # of the whole weight: rounding may not decide which prediction is in the middle


def rule(name: str, problem: Problem, reference: Reference | None = None) -> Rule:
    """Return a rule as a function of predictions and weights.

    Outputs are as `FittedLearner.predict` documents: the probability of the second class, one
    probability a class, or the value. Weights are 0 or more, not all 0; only their ratios count.

    Parameters
    ----------
    name : {"mean", "median", "geometric", "vote", "rank_mean"}
    problem : Problem
    reference : Reference, optional
        What "rank_mean" takes ranks against; the others need none.

    Raises
    ------
    ParameterError
        If there is no such rule, it is not made for the problem, or a reference is lacking. The
        function raises it too, if predictions, weights and reference are not of the same models.
    """
    if name not in RULES:
        raise ParameterError(f"unknown rule '{name}'{near_miss(name, RULES)}; known: {', '.join(RULES)}")
    check_made_for(name, problem)
    if name == "rank_mean":
        if reference is None:
            raise ParameterError(
                "rule 'rank_mean': ranks are taken against predictions seen before; "
                "give reference=Reference.learn(outputs)"
            )

        def ranked(outputs: FloatArray, weights: FloatArray) -> FloatArray:
            share = _shares_of_models(outputs, weights, problem)
            if reference.sizes.shape != (len(outputs), problem.n_outputs):
                n_models, n_outputs = reference.sizes.shape
                raise ParameterError(
                    f"rule 'rank_mean': the reference is of {n_models} models of {n_outputs} outputs, the "
                    f"predictions are of {len(outputs)} of {problem.n_outputs}; learn it from the same models"
                )
            return _rank_mean(outputs, share, reference, problem)

        return ranked
    kernel = RULES[name]
    return lambda outputs, weights: kernel(outputs, _shares_of_models(outputs, weights, problem), problem)


def check_made_for(name: str, problem: Problem) -> None:
    """Check that a rule has a meaning for a problem.

    Raises
    ------
    ParameterError
        If it is of classes or probabilities, and the target is a number.
    """
    if problem.is_regression and name in OF_CLASSES:
        raise ParameterError(
            f"'{name}' combines {OF_CLASSES[name]}, and the target is a number; "
            "use 'mean', 'median' or 'rank_mean'"
        )


def shares(weights: FloatArray) -> FloatArray:
    """Return weights as parts of their sum.

    Raises
    ------
    ParameterError
        If one is below 0 or not finite, or all are 0.
    """
    found = np.asarray(weights, dtype=np.float64)
    if not np.isfinite(found).all() or (found < 0).any() or not found.any():
        raise ParameterError(
            f"weights {found.tolist()}: each must be a finite number of 0 or more, and one above 0"
        )
    return np.asarray(found / found.sum())


def _shares_of_models(outputs: FloatArray, weights: FloatArray, problem: Problem) -> FloatArray:
    if outputs.ndim != 3 or outputs.shape[2] != problem.n_outputs:
        raise ParameterError(
            f"predictions of shape {outputs.shape}: a {problem.kind} problem wants (n_models, n_rows, "
            f"{problem.n_outputs})"
        )
    if np.shape(weights) != outputs.shape[:1]:
        raise ParameterError(
            f"{np.size(weights)} weights for the predictions of {len(outputs)} models; give one for each"
        )
    return shares(weights)


def _mean(outputs: FloatArray, share: FloatArray, problem: Problem) -> FloatArray:
    """Return the weighted mean: for classes the soft vote."""
    found = np.zeros(outputs.shape[1:])
    # Model by model: a matrix product would round a row by its place in the batch.
    for part, output in zip(share, outputs, strict=True):
        found += part * output
    return _proper(found, problem)


def _median(outputs: FloatArray, share: FloatArray, problem: Problem) -> FloatArray:
    """Return the weighted median: the middle of what half of the weight lies below and half above."""
    order = np.argsort(outputs, axis=0, kind="stable")
    ascending = np.take_along_axis(outputs, order, axis=0)
    below = np.cumsum(share[order], axis=0)
    low = np.argmax(below >= 0.5 - _TIE, axis=0)[None]
    high = np.argmax(below > 0.5 + _TIE, axis=0)[None]
    ends = np.take_along_axis(ascending, low, axis=0)[0], np.take_along_axis(ascending, high, axis=0)[0]
    return _proper((ends[0] + ends[1]) / 2, problem)


def _geometric(outputs: FloatArray, share: FloatArray, problem: Problem) -> FloatArray:
    """Return the weighted geometric mean of probabilities, made to sum to 1 over the classes."""
    p = np.clip(outputs, CLIP, 1 - CLIP)
    if problem.kind == "binary":  # normalised over both classes it is the mean of log odds
        return np.asarray(expit(_mean(np.asarray(logit(p)), share, Problem("regression"))))
    logs = _mean(np.log(p), share, Problem("regression"))
    return _proper(np.exp(logs - logs.max(axis=1, keepdims=True)), problem)


def _vote(outputs: FloatArray, share: FloatArray, problem: Problem) -> FloatArray:
    """Return the share of votes of each class; a model torn between classes divides its vote evenly."""
    if problem.kind == "binary":
        return _mean((outputs > 0.5) + 0.5 * (outputs == 0.5), share, problem)
    chosen = (outputs == outputs.max(axis=2, keepdims=True)).astype(np.float64)
    return _mean(chosen / chosen.sum(axis=2, keepdims=True), share, problem)


def _rank_mean(outputs: FloatArray, share: FloatArray, reference: Reference, problem: Problem) -> FloatArray:
    """Return the weighted mean of ranks, told in the unit of the predictions."""
    ranks = _mean(reference.ranks(outputs), share, Problem("regression"))
    return _proper(reference.values(ranks, share), problem)


def _proper(found: FloatArray, problem: Problem) -> FloatArray:
    if problem.is_regression:
        return found
    found = np.clip(found, 0.0, 1.0)
    if problem.kind == "binary":
        return found
    total = found.sum(axis=1, keepdims=True)
    # Where no class is left with anything, none is more probable than another.
    return np.where(total > 0, found / np.where(total > 0, total, 1.0), 1.0 / found.shape[1])


RULES: dict[str, Any] = {
    "mean": _mean,
    "median": _median,
    "geometric": _geometric,
    "vote": _vote,
    "rank_mean": _rank_mean,
}
OF_CLASSES = {"vote": "votes for classes", "geometric": "probabilities"}


@final
@dataclass(frozen=True, eq=False)
class Reference:
    """Where a prediction ranks among those a model made before.

    The rank of a value is the weight of smaller predictions and half that of equal ones, within
    (0, 1). It is taken against the stored predictions and never against the batch that is scored,
    so one row can be scored, and no row has an influence on another. Of many predictions 1025
    quantiles are kept, with straight lines between.

    Attributes
    ----------
    knots : float64 ndarray of shape (n_knots,)
        Ascending values of every model and output, one after the other.
    levels : float64 ndarray of shape (n_knots,)
        The rank of each.
    sizes : int64 ndarray of shape (n_models, n_outputs)
        How many knots each has.
    """

    knots: FloatArray
    levels: FloatArray
    sizes: NDArray[np.int64]

    @staticmethod
    def learn(outputs: FloatArray, weight: FloatArray | None = None) -> Reference:
        """Return the reference of predictions, best of rows the models did not learn from.

        Parameters
        ----------
        outputs : float64 ndarray of shape (n_models, n_rows, n_outputs)
        weight : float64 ndarray of shape (n_rows,), optional
        """
        w = np.ones(outputs.shape[1]) if weight is None else weight
        made = [[_quantiles(output[:, k], w) for k in range(outputs.shape[2])] for output in outputs]
        flat = [pair for of_model in made for pair in of_model]
        return Reference(
            np.concatenate([values for values, _ in flat]),
            np.concatenate([levels for _, levels in flat]),
            np.array([len(values) for values, _ in flat], dtype=np.int64).reshape(len(outputs), -1),
        )

    def ranks(self, outputs: FloatArray) -> FloatArray:
        """Return ranks within (0, 1), float64 of the shape of `outputs` (n_models, n_rows, n_outputs)."""
        found = np.empty(outputs.shape)
        for model, k, knots, levels in self._each():
            found[model, :, k] = np.interp(outputs[model, :, k], knots, levels)
        return found

    def values(self, ranks: FloatArray, share: FloatArray) -> FloatArray:
        """Return the weighted mean of the models' values at given ranks, shape (n_rows, n_outputs)."""
        found = np.zeros(ranks.shape)
        for model, k, knots, levels in self._each():
            found[:, k] += share[model] * np.interp(ranks[:, k], levels, knots)
        return found

    def _each(self) -> list[tuple[int, int, FloatArray, FloatArray]]:
        ends = np.cumsum(self.sizes)
        pieces = zip(np.ndindex(*self.sizes.shape), self.sizes.ravel(), ends, strict=True)
        return [
            (model, k, self.knots[end - n : end], self.levels[end - n : end]) for (model, k), n, end in pieces
        ]

    def to_state(self) -> State:
        """Return all that is needed to rebuild the reference."""
        return {"knots": self.knots, "levels": self.levels, "sizes": self.sizes}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], n_models: int) -> Self:
        """Rebuild the reference.

        Raises
        ------
        StorageError
            If its knots do not ascend, or are not those of so many models.
        """
        what = "combiner 'rank_mean': reference"
        knots = finite_array(state["knots"], what, (None,))
        levels = finite_array(state["levels"], what, knots.shape)
        sizes = state["sizes"]
        if not isinstance(sizes, np.ndarray) or sizes.dtype.kind != "i" or sizes.ndim != 2:
            refuse(what, "has sizes that are no table of integers")
        fits = (
            sizes.shape[0] == n_models
            and bool(sizes.size)
            and bool(((sizes > 0) & (sizes <= MOST_KNOTS)).all())
        )
        if not fits or int(sizes.sum()) != len(knots):
            refuse(what, "has other sizes than knots or learners")
        found = cls(knots.astype(np.float64), levels.astype(np.float64), sizes.astype(np.int64))
        for _, _, values, ranks in found._each():
            if (np.diff(values) <= 0).any() or (np.diff(ranks) <= 0).any() or ranks[0] <= 0 or ranks[-1] >= 1:
                refuse(what, "does not ascend")
        return found


def _quantiles(values: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return distinct values, ascending, and the rank of each."""
    counted = weight > 0
    distinct, at = np.unique(values[counted], return_inverse=True)
    mass = np.bincount(at, weights=weight[counted])
    levels = (np.cumsum(mass) - mass / 2) / mass.sum()
    if len(distinct) > MOST_KNOTS:
        even = np.linspace(levels[0], levels[-1], MOST_KNOTS)
        kept = np.unique(np.clip(np.searchsorted(levels, even), 0, len(distinct) - 1))
        distinct, levels = distinct[kept], levels[kept]
    return distinct, levels
