"""How sure a classifier is of its answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

FloatArray = npt.NDArray[np.float64]


def entropy(outputs: FloatArray) -> FloatArray:
    """Return the entropy of predicted probabilities, in nats: the log loss a calibrated model expects.

    Parameters
    ----------
    outputs : float64 ndarray of shape (n_rows, n_outputs)
        As `FittedStack.predict` returns them for classes.

    Returns
    -------
    float64 ndarray of shape (n_rows,)
        Within 0 and log(n_classes).
    """
    p = np.hstack([1.0 - outputs, outputs]) if outputs.shape[1] == 1 else outputs
    p = np.ascontiguousarray(p)  # rows of another layout are summed in an order that depends on their number
    return np.asarray(-xlogy(p, p).sum(axis=1))
