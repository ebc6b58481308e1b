"""From whatever a user calls a model to the part of an assembly, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stackml.assembly.base import FittedAssembly, FittedModel, Part
from stackml.assembly.estimator import Assembly
from stackml.foundation.errors import DataError, ParameterError
from stackml.stack.estimator import BaseStack
from stackml.stack.fitted import FittedStack
from stackml.stack.outside.foreign import stack_of_estimator


def parts_of(models: Any, *, least: int = 2, rows: pd.DataFrame | None = None) -> tuple[Part, ...]:
    """Return the parts of models given as a mapping of names, as pairs (name, model), or bare.

    Parameters
    ----------
    models : mapping, or sequence of models or (name, model) pairs
    least : int
        Fewest parts that have a meaning.
    rows : DataFrame, optional
        A sample of rows, which tells the columns of an estimator that stackml did not fit; without
        it such an estimator reads numbers alone.

    Raises
    ------
    ParameterError
        If there are too few, two have one name, or one is no fitted model.
    DataError
        If an estimator that stackml did not fit cannot read the rows.
    """
    pairs = named_models(models)
    if len(pairs) < least:
        raise ParameterError(f"models: give at least {least} fitted models; found {len(pairs)}")
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"models: two are named '{name}'; give each a name of its own")
    return tuple(Part(name, fitted_model(model, name, rows)) for name, model in pairs)


def fitted_model(model: Any, name: str, rows: pd.DataFrame | None = None) -> FittedModel:
    """Return the fitted half of a model.

    Parameters
    ----------
    model : fitted stack, assembly, or scikit-learn classifier or regressor
    name : str
        For messages.
    rows : DataFrame, optional
        See `parts_of`.

    Raises
    ------
    ParameterError
        If it is not fitted, or nothing that answers for rows.
    DataError
        If an estimator that stackml did not fit cannot read the rows.
    """
    if isinstance(model, FittedStack | FittedAssembly):
        return model
    found = getattr(model, "fitted_", None)
    if isinstance(found, FittedStack | FittedAssembly):
        return found
    if isinstance(model, BaseStack | Assembly):
        raise ParameterError(f"model '{name}' is not fitted; call its fit first")
    if not hasattr(model, "predict"):
        raise ParameterError(
            f"model '{name}' is a {type(model).__name__}; give a fitted stack, another fitted model of "
            "stackml, or a fitted scikit-learn classifier or regressor"
        )
    try:
        return stack_of_estimator(model, rows)
    except (ParameterError, DataError) as error:
        raise type(error)(f"model '{name}': {error}") from error


def named_models(models: Any) -> list[tuple[str, Any]]:
    """Return names and models of a mapping, of pairs, or of bare models, which are numbered."""
    if isinstance(models, Mapping):
        return [(str(name), model) for name, model in models.items()]
    if isinstance(models, str) or not isinstance(models, Sequence):
        raise ParameterError(f"models={models!r:.60}: give a mapping of names to fitted models, or a list")
    return [
        (str(item[0]), item[1]) if isinstance(item, tuple) and len(item) == 2 else (f"model_{i}", item)
        for i, item in enumerate(models, start=1)
    ]


def plain_row(model: FittedModel) -> pd.DataFrame:
    """Return one row that every model can read: numbers are 0, everything else is missing."""
    columns = model.schema.columns
    return pd.DataFrame({c.name: [0.0 if c.kind == "number" else None] for c in columns})
