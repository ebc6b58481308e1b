"""Class labels of several models as the strings by which they are told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stackml.foundation.errors import ParameterError
from stackml.stack.labels import dtype_name, labels_array

__all__ = ["labels_of_texts", "same_texts", "text_of"]

_SPOKEN = {"text": "a text", "number": "a number", "truth": "a truth value", "other": "something else"}


def text_of(label: Any) -> str:
    """Return a label as a string: 1 and 1.0 are '1', True is 'True'."""
    if _kind(label) == "number":
        return str(int(label)) if float(label).is_integer() else repr(float(label))
    return str(label)


def same_texts(classes: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the label of each string.

    Parameters
    ----------
    classes : mapping of model name to its labels

    Raises
    ------
    ParameterError
        If one string is labels of two types, such as '1' and 1.
    """
    found: dict[str, tuple[str, Any]] = {}
    for model, labels in classes.items():
        for label in labels:
            first, known = found.setdefault(text_of(label), (model, label))
            if _kind(known) != _kind(label):
                raise ParameterError(
                    f"label {known!r} of model '{first}' is {_SPOKEN[_kind(known)]} and {label!r} of "
                    f"'{model}' {_SPOKEN[_kind(label)]}: they are spelled alike, and may not mean the same; "
                    "fit one of the two with labels of the other's type"
                )
    return {text: label for text, (_, label) in found.items()}


def labels_of_texts(
    texts: Sequence[str], labels: Mapping[str, Any], dtypes: Sequence[str]
) -> tuple[tuple[Any, ...], str]:
    """Return the labels of some strings, sorted, and the name of their dtype.

    Labels of several types become their strings. The dtype is the models' own where they have one in common.
    """
    kept = [labels[text] for text in texts]
    mixed = len({_kind(label) for label in kept}) > 1
    found = tuple(sorted(texts if mixed else kept))
    common = dtypes[0] if len(set(dtypes)) == 1 and not mixed else ""
    dtype = common or dtype_name(labels_array(found))
    return tuple(labels_array(found, dtype).tolist()), dtype


def _kind(label: Any) -> str:
    if isinstance(label, str):
        return "text"
    if isinstance(label, bool | np.bool_):
        return "truth"
    return "number" if isinstance(label, int | float | np.number) else "other"
