"""Parts that predict the same thing: checked, and their outputs brought into one order of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.base import FittedModel, Part
from stackml.foundation.errors import ParameterError
from stackml.storage.fields import refuse
from stackml.tables.target import Problem


def alike(parts: Sequence[Part]) -> FittedModel:
    """Return the first model after checking that all predict what it predicts.

    Raises
    ------
    ParameterError
        If one predicts numbers and another classes, or their classes differ; both are named.
    """
    first = parts[0]
    for part in parts[1:]:
        ours, theirs = first.model, part.model
        if ours.problem.is_regression != theirs.problem.is_regression:
            numbers, classes = (first, part) if ours.problem.is_regression else (part, first)
            raise ParameterError(
                f"model '{numbers.name}' predicts numbers and '{classes.name}' classes; "
                "give models of one target"
            )
        missing = [label for label in (*ours.classes, *theirs.classes) if label not in _both(ours, theirs)]
        if missing:
            if set(map(str, ours.classes)) == set(map(str, theirs.classes)):
                raise ParameterError(
                    f"model '{first.name}' and '{part.name}' know classes that are spelled alike and differ "
                    f"in type: {ours.classes[0]!r} and {theirs.classes[0]!r}; fit one of the two with labels "
                    "of the other's type"
                )
            raise ParameterError(
                f"model '{first.name}' and '{part.name}' know different classes: {missing[0]!r} is known to "
                "one alone; models of different labels are put together by stackml.LabelUnion"
            )
    return first.model


def check_stored(common: Mapping[str, Any]) -> None:
    """Refuse stored parts that are not alike, or labels other than those of the first one.

    Parameters
    ----------
    common : mapping
        Fields of `FittedAssembly`, as read from a file.

    Raises
    ------
    ParameterError
        If the parts do not predict the same.
    StorageError
        If the assembly does not predict what they predict.
    """
    first = alike(common["parts"])
    said = common["problem"], common["classes"], common["label_dtype"]
    if said != (first.problem, first.classes, first.label_dtype):
        refuse("the labels of the assembly", "are not those of its first part")


def _both(ours: FittedModel, theirs: FittedModel) -> set[Any]:
    return set(ours.classes) & set(theirs.classes)


def outputs_of(
    parts: Sequence[Part], classes: Sequence[Any], rows: pd.DataFrame, *, n_jobs: int = 1
) -> npt.NDArray[np.float64]:
    """Return every part's prediction, its columns in the order of `classes`.

    Returns
    -------
    float64 ndarray of shape (n_parts, n_rows, n_outputs)
    """
    return np.stack([in_order(part.predict(rows, n_jobs=n_jobs), part.model, classes) for part in parts])


def in_order(
    outputs: npt.NDArray[np.float64], model: FittedModel, classes: Sequence[Any]
) -> npt.NDArray[np.float64]:
    """Return a model's outputs with their columns in the order of `classes`, which are all its own."""
    if tuple(model.classes) == tuple(classes):
        return outputs
    if len(classes) == 2:
        return 1.0 - outputs
    return outputs[:, [model.classes.index(label) for label in classes]]


def shown(outputs: npt.NDArray[np.float64], problem: Problem) -> npt.NDArray[np.float64]:
    """Return outputs in the shape that metrics read."""
    return outputs if problem.kind == "multiclass" else outputs[:, 0]
