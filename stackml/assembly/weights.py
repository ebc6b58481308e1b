"""Weights of the parts of an assembly: given by a user, or read from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import ParameterError
from stackml.storage.fields import finite_array, refuse


def checked_weights(weights: Any, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return weights that sum to 1, one a part.

    Parameters
    ----------
    weights : None, sequence of float, or mapping of name to float
        None weighs all alike.
    names : sequence of str

    Raises
    ------
    ParameterError
        If there are more or fewer than parts, one is negative or no number, or all are 0.
    """
    if weights is None:
        return np.full(len(names), 1.0 / len(names))
    if isinstance(weights, Mapping):
        odd = [name for name in (*weights, *names) if name not in weights or name not in names]
        if odd:
            raise ParameterError(
                f"weights: '{odd[0]}' is no model, or has no weight; models: {', '.join(names)}"
            )
        weights = [weights[name] for name in names]
    try:
        found = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"weights={weights!r:.80}: give one number a model") from None
    if found.shape != (len(names),):
        raise ParameterError(f"weights: give one number a model, {len(names)}; found the shape {found.shape}")
    if not np.isfinite(found).all() or (found < 0).any() or found.max() <= 0:
        raise ParameterError(f"weights={found.tolist()}: each must be 0 or more, and one above 0")
    if found.max() > np.finfo(np.float64).max / len(found):  # their sum may be infinite
        found = found / found.max()
    return found / found.sum()


def stored_weights(value: Any, n_parts: int) -> npt.NDArray[np.float64]:
    """Return weights read from a file, proven to be what `checked_weights` returns.

    Raises
    ------
    StorageError
        If they are not.
    """
    found = finite_array(value, "the weights of the parts", (n_parts,)).astype(np.float64)
    if (found < 0).any() or not np.isclose(found.sum(), 1.0, atol=1e-9):
        refuse("the weights of the parts", "are negative or do not add up to 1")
    return found
