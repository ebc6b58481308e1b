"""From a file back to what was saved: a stack, or models put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from stackml.assembly.base import FittedModel
from stackml.assembly.estimator import Assembly
from stackml.assembly.public import PUBLIC
from stackml.assembly.reading import read_model
from stackml.stack.adopting import adopted
from stackml.stack.estimators import StackClassifier, StackRegressor
from stackml.stack.fitted import FittedStack

Model: TypeAlias = StackClassifier | StackRegressor | Assembly


def load(path: str | Path, *, trusted: Sequence[str] = ()) -> Model:
    """Read a `.stack` file.

    Parameters
    ----------
    path : str or Path
    trusted : sequence of str
        Full names of types outside the catalog (scikit-learn estimators given by the user)
        that may be built.

    Returns
    -------
    StackClassifier, StackRegressor or Assembly
        It predicts exactly as the one saved. Training rows and out-of-fold predictions are
        not in the file.

    Raises
    ------
    StorageError
        If the file is damaged, hostile, of another format, or holds types not trusted.
    """
    return public(read_model(path, trusted=trusted))


def public(model: FittedModel) -> Model:
    """Return the public estimator around a fitted model."""
    if isinstance(model, FittedStack):
        return adopted(StackRegressor() if model.problem.is_regression else StackClassifier(), model)
    return PUBLIC[model.kind].of(model)
