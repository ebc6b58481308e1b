"""From a file back to an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stackml.stack.adopting import adopted
from stackml.stack.estimators import StackClassifier, StackRegressor
from stackml.stack.file import read_stack
from stackml.stack.fitted import FittedStack


def load(path: str | Path, *, trusted: Sequence[str] = ()) -> StackClassifier | StackRegressor:
    """Read a `.stack` file.

    Parameters
    ----------
    path : str or Path
    trusted : sequence of str
        Full names of types outside the catalog (scikit-learn estimators given by the user)
        that may be built.

    Returns
    -------
    StackClassifier or StackRegressor
        It predicts exactly as the one saved. Training rows and out-of-fold predictions are
        not in the file, so learners can no longer be added or dropped.

    Raises
    ------
    StorageError
        If the file is damaged, hostile, of another format, or holds types not trusted.
    """
    stack, estimator = read_stack(path, trusted=trusted)
    return as_estimator(stack, estimator)


def as_estimator(stack: FittedStack, estimator: str) -> StackClassifier | StackRegressor:
    """Return the public estimator around a fitted stack."""
    return adopted(StackClassifier() if estimator == "StackClassifier" else StackRegressor(), stack)
