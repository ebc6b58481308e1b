"""Weights of models learned from rows they did not see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

__all__ = ["weights_of_least_loss"]

FloatArray = npt.NDArray[np.float64]

_STEP = 1e-4  # by which slopes are measured, in log weight; votes that are found by iteration are not exact
_FARTHEST = 7.0  # in log weight; a thousandth of the largest says nothing already


def weights_of_least_loss(loss: Callable[[FloatArray], float], n: int) -> FloatArray:
    """Return weights above 0, summing to 1, from which no small change lowers the loss.

    The search starts from equal weights and goes by their logarithms, bounded so that no model falls silent.
    The loss of a mean is convex in the weights, so what is found is its minimum; of other rules it is one
    near equal weights.

    Parameters
    ----------
    loss : callable
        Of weights, float64 of shape (n,), that sum to 1.
    n : int
    """

    def of_logarithms(logs: FloatArray) -> float:
        return loss(_weights(logs))

    found = minimize(
        of_logarithms,
        np.zeros(n),
        method="L-BFGS-B",
        bounds=[(-_FARTHEST, _FARTHEST)] * n,
        options={"maxiter": 40, "ftol": 1e-8, "eps": _STEP},
    )
    return _weights(found.x)


def _weights(logs: FloatArray) -> FloatArray:
    raised = np.exp(logs - logs.max())
    return raised / raised.sum()
