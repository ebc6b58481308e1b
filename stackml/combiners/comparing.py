"""What one combination loses to another on rows neither has seen, and the standard error of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stackml.combiners.inputs import FloatArray, weight_of
from stackml.decision.base import loss_rows
from stackml.metrics.arrays import weighted_mean
from stackml.tables.target import Target

LEAST_FOLDS = 3
_TRUSTED_FOLDS = 5  # fewer say little about their own spread
NEAR = 1 / 2  # of a standard error: what a simpler combination may be worse and still be preferred
ROUNDING = 1e-12  # may not part candidates that are the same


@dataclass(frozen=True, eq=False)
class Lags:
    """What each of several combinations loses to one of them.

    Attributes
    ----------
    difference : float64 ndarray of shape (n,)
        Mean paired difference of scores, or of losses where few folds can be scored.
    standard_error : float64 ndarray of shape (n,)
        Of the difference.
    loses : bool ndarray of shape (n,)
        Where the loss over rows speaks against it although the few folds may not.
    """

    difference: FloatArray
    standard_error: FloatArray
    loses: npt.NDArray[np.bool_]

    @property
    def within(self) -> npt.NDArray[np.bool_]:
        """Whether each is within one standard error."""
        return (self.difference <= self.standard_error + ROUNDING) & ~self.loses

    @property
    def near(self) -> npt.NDArray[np.bool_]:
        """Whether each is near enough to be preferred where it is simpler (docs/decisions/0008)."""
        return (self.difference <= NEAR * self.standard_error + ROUNDING) & ~self.loses


def lags(scores: FloatArray, nested: Sequence[FloatArray], target: Target, best: int | None = None) -> Lags:
    """Return what each combination loses to the best, or to a given one.

    Differences are those of the folds' scores, or of the rows' losses where fewer than three
    folds can be scored. Where fewer than five can, their spread alone would let too much pass,
    and the loss over rows must not be higher by more than one standard error either.

    Parameters
    ----------
    scores : float64 ndarray of shape (n, n_folds)
        Greater is better; NaN where a fold cannot be scored.
    nested : sequence of float64 ndarray of shape (n_rows, n_outputs)
        Predictions of rows not seen; NaN where there are none.
    target : Target
    best : int, optional
        Whom to compare with.
    """
    known = scores[:, ~np.isnan(scores).any(axis=0)]
    if known.shape[1] >= LEAST_FOLDS:
        means, errors = score_gaps(known, best)
        at = int(np.argmin(means)) if best is None else best
        lag, spread = _loss_gaps(nested, target, at)
    else:
        means, errors = lag, spread = _loss_gaps(nested, target, best)
    few = known.shape[1] < _TRUSTED_FOLDS
    return Lags(means, errors, few & (lag > spread + ROUNDING))


def score_gaps(scores: FloatArray, best: int | None = None) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard error of the best's lead, from float64 of shape (n, n_folds)."""
    # Equal but for rounding: the first, simpler one is the best.
    at = int(np.argmax(np.round(scores.mean(axis=1), 12))) if best is None else best
    gaps = scores[at] - scores
    return gaps.mean(axis=1), gaps.std(axis=1, ddof=1) / np.sqrt(gaps.shape[1])


def row_losses(prediction: FloatArray, target: Target) -> FloatArray:
    """Return the loss of each row, NaN where there is no prediction."""
    found = np.full(target.n_rows, np.nan)
    rows = np.flatnonzero(np.isfinite(prediction).all(axis=1))
    if rows.size:
        found[rows] = loss_rows(prediction[rows], target.values[rows], target.problem)
    return found


def _loss_gaps(
    nested: Sequence[FloatArray], target: Target, best: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard error, over rows, of what each loses to the best."""
    losses = np.stack([row_losses(prediction, target) for prediction in nested])
    seen = ~np.isnan(losses[0])
    w = weight_of(target)[seen]
    losses = losses[:, seen]
    at = int(np.argmin([weighted_mean(row, w) for row in losses])) if best is None else best
    gaps = losses - losses[at]
    means = np.array([weighted_mean(row, w) for row in gaps])
    return means, np.sqrt((w**2 * (gaps - means[:, None]) ** 2).sum(axis=1)) / max(float(w.sum()), 1e-300)
