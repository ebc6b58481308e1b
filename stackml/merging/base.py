"""What a way of merging is: a description, and the shell that checks arrays before its kernel sees them.

A model is a mapping of named arrays here and nothing else. Where they come from, and that a name
means the same in each model, is for the caller; that names and shapes agree is checked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import ParameterError

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Floats: TypeAlias = npt.NDArray[np.float64]
Score: TypeAlias = Callable[[Arrays, Floats], float]


@dataclass(frozen=True, eq=False)
class Merged:
    """What became of some models.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Of the names, shapes and dtypes of the models.
    weights : tuple of float
        What each model weighed, summing to 1; 0 for one that was left out.
    """

    arrays: dict[str, Array]
    weights: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Context:
    """What a merge may know besides the models.

    Attributes
    ----------
    base : mapping of str to ndarray, optional
        Where the models set out from; methods that merge differences take the weighted mean of the
        models where it is not known.
    score : callable, optional
        ``score(arrays, weights)`` says how good a model with these arrays is, greater is better. The
        weights are those of all models in it: what is no array is made by them too.
    seed : int
        Of the methods that draw.
    """

    base: Arrays | None = None
    score: Score | None = None
    seed: int = 0


@dataclass(frozen=True)
class Merge(ABC):
    """Description of a way of merging; its dataclass fields are its parameters."""

    kind: ClassVar[str]
    takes_weights: ClassVar[bool] = True  # else each model counts alike, or the method decides
    needs_score: ClassVar[bool] = False
    reads_base: ClassVar[bool] = False
    order_matters: ClassVar[bool] = False  # even where weights are equal

    def merge(
        self,
        models: Sequence[Arrays],
        weights: Sequence[float] | None = None,
        context: Context | None = None,
    ) -> Merged:
        """Return one model.

        Parameters
        ----------
        models : sequence of mappings of str to float ndarray
            One or more, of the same names and shapes. They are not changed.
        weights : sequence of float, optional
            Non-negative, of any sum above 0; equal by default.
        context : Context, optional

        Raises
        ------
        ParameterError
            If names or shapes differ (the first that does is named), an array is not finite, weights
            have no meaning, or the method needs a score that is not given.
        """
        context = context or Context()
        check_alike(models)
        if context.base is not None:
            check_alike([models[0], context.base], "the base")
        if weights is not None and not self.takes_weights:
            raise ParameterError(f"method '{self.kind}' finds its weights itself; leave out weights=")
        if self.needs_score and context.score is None:
            raise ParameterError(f"method '{self.kind}' judges models on rows; give X= and y=")
        return self._merged(models, checked_weights(weights, len(models)), context)

    @abstractmethod
    def _merged(self, models: Sequence[Arrays], weights: Floats, context: Context) -> Merged:
        """Return the merged model; everything was checked, and weights sum to 1."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def checked_weights(weights: Sequence[float] | None, n: int) -> Floats:
    """Return weights that sum to 1.

    Raises
    ------
    ParameterError
        If there are not as many as models, one is negative or no number, or all are 0.
    """
    if weights is None:
        return np.full(n, 1.0 / n)
    try:
        found = np.asarray(list(weights), np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"weights={weights!r}: give one number for each model") from None
    if found.shape != (n,):
        raise ParameterError(f"weights={weights!r}: {found.size} weights for {n} models; give one for each")
    if not np.isfinite(found).all() or (found < 0).any() or found.sum() <= 0:
        raise ParameterError(f"weights={weights!r}: they must be 0 or more, finite, and not all 0")
    return found / found.sum()


def check_alike(models: Sequence[Arrays], second: str = "") -> None:
    """Refuse models of other names or shapes than the first.

    Parameters
    ----------
    models : sequence of mappings of str to ndarray
    second : str
        What to call the second model in messages; by default models are numbered from 1.

    Raises
    ------
    ParameterError
        It names the first array that differs.
    """
    if not models:
        raise ParameterError("there is no model to merge; give two or more")
    first = models[0]
    for number, model in enumerate(models, start=1):
        called = second if second and number == 2 else f"model {number}"
        for name in (*first, *(n for n in model if n not in first)):
            if name not in model or name not in first:
                has, lacks = ("model 1", called) if name in first else (called, "model 1")
                raise ParameterError(
                    f"{has} has the array '{name}', {lacks} has not; only models of one form merge"
                )
            _check_array(name, first[name], model[name], called)


def _check_array(name: str, first: Array, array: Array, called: str) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise ParameterError(f"'{name}' of {called} is not an array of floats, so it cannot be merged")
    if array.shape != first.shape:
        raise ParameterError(
            f"'{name}' has the shape {first.shape} in model 1 and {array.shape} in {called}; "
            "only models of one shape merge"
        )
    if not np.isfinite(array).all():
        raise ParameterError(f"'{name}' of {called} holds a value that is not finite")
