"""Errors a user can act on: each says what, where, what was found and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class StackmlError(Exception):
    """Base of every error stackml raises on purpose."""


class DataError(StackmlError, ValueError):
    """The rows given cannot be used as they are."""


class SchemaError(DataError):
    """The columns given do not match what is needed or was learned."""


class SplitError(DataError):
    """The rows cannot be divided into the folds asked for."""


class ParameterError(StackmlError, ValueError):
    """A parameter has a value that has no meaning."""


class SpecError(StackmlError, ValueError):
    """A pipeline file is wrong; the message names file, line and key."""


class FitError(StackmlError, RuntimeError):
    """Nothing could be fitted."""


class StorageError(StackmlError, ValueError):
    """A stored file is damaged, hostile, or of another format."""


class TrackingError(StackmlError, RuntimeError):
    """The tracking store or the model registry could not do what was asked."""


class MissingExtraError(StackmlError, ImportError):
    """An optional package is needed and is not installed."""


def near_miss(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or ``""``."""
    close = get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


class StackmlWarning(UserWarning):
    """Something the user should know that does not stop the work."""
