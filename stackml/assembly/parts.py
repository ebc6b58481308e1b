"""From whatever a user calls a model to the part of an assembly, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stackml.assembly.base import FittedAssembly, FittedModel, Part
from stackml.foundation.errors import ParameterError
from stackml.stack.estimator import BaseStack
from stackml.stack.fitted import FittedStack


def parts_of(models: Any, *, least: int = 2) -> tuple[Part, ...]:
    """Return the parts of models given as a mapping of names, as pairs (name, model), or bare.

    Parameters
    ----------
    models : mapping, or sequence of models or (name, model) pairs
    least : int
        Fewest parts that have a meaning.

    Raises
    ------
    ParameterError
        If there are too few, two have one name, or one is no fitted model.
    """
    pairs = _named(models)
    if len(pairs) < least:
        raise ParameterError(f"models: give at least {least} fitted models; found {len(pairs)}")
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"models: two are named '{name}'; give each a name of its own")
    return tuple(Part(name, fitted_model(model, name)) for name, model in pairs)


def fitted_model(model: Any, name: str) -> FittedModel:
    """Return the fitted half of a model.

    Raises
    ------
    ParameterError
        If it is not fitted, or nothing that answers for rows.
    """
    if isinstance(model, FittedStack | FittedAssembly):
        return model
    found = getattr(model, "fitted_", None)
    if isinstance(found, FittedStack | FittedAssembly):
        return found
    if isinstance(model, BaseStack):
        raise ParameterError(f"model '{name}' is not fitted; call its fit first")
    raise ParameterError(
        f"model '{name}' is a {type(model).__name__}; give a fitted stack or another fitted model of stackml"
    )


def _named(models: Any) -> list[tuple[str, Any]]:
    if isinstance(models, Mapping):
        return [(str(name), model) for name, model in models.items()]
    if isinstance(models, str) or not isinstance(models, Sequence):
        raise ParameterError(f"models={models!r:.60}: give a mapping of names to fitted models, or a list")
    return [
        (str(item[0]), item[1]) if isinstance(item, tuple) and len(item) == 2 else (f"model_{i}", item)
        for i, item in enumerate(models, start=1)
    ]


def missing_row(model: FittedModel) -> pd.DataFrame:
    """Return one row in which every column that a model knows is missing."""
    return pd.DataFrame({column.name: [None] for column in model.schema.columns})
