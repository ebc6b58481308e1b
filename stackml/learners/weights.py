"""A fitted model as named arrays: what merging reads, and what it gives back.

A learner whose models are arrays of one form says so by `FittedLearner.weights`; everything that is
not an array to be merged, and that must be equal for the arrays to mean the same, is named beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Weights:
    """A model taken apart.

    Attributes
    ----------
    arrays : dict of str to float ndarray
        What a method of merging works on.
    fixed : dict of str to JSON values
        What must be equal in models that merge, by names for people.
    statistics : dict of str to float ndarray
        What was counted on the training rows rather than trained: target codes, rounds. The weighted
        mean is taken of it by every method.
    axes : dict of str to tuple of str or None
        The group of hidden units that each axis of an array runs over; None is an axis that stays.
    signed : frozenset of str
        Groups that are free to change signs and not places.
    outlet : (str, str), optional
        Weights and biases of the last layer, whose output times `unit` plus `centre` is the value.
    centre, unit : float
        0 and 1 but for regressions.
    bounds : (float, float), optional
        Lowest and highest output of the last layer that counts.
    start : dict of str to float ndarray, optional
        The arrays before training, where several models share them.
    """

    arrays: dict[str, Array]
    fixed: dict[str, Any]
    statistics: dict[str, Array] = field(default_factory=dict)
    axes: dict[str, tuple[str | None, ...]] = field(default_factory=dict)
    signed: frozenset[str] = frozenset()
    outlet: tuple[str, str] | None = None
    centre: float = 0.0
    unit: float = 1.0
    bounds: tuple[float, float] | None = None
    start: dict[str, Array] | None = None

    def in_units(self, centre: float, unit: float) -> Weights:
        """Return the same model with its outputs in other units: exact but for rounding.

        Where the units are those it has, nothing changes.
        """
        if self.outlet is None or (centre, unit) == (self.centre, self.unit):
            return self
        ratio, shift = self.unit / unit, (self.centre - centre) / unit
        bounds = self.bounds
        return replace(
            self,
            bounds=None if bounds is None else (bounds[0] * ratio + shift, bounds[1] * ratio + shift),
            arrays=self._rescaled(self.arrays, centre, unit),
            start=None if self.start is None else self._rescaled(self.start, centre, unit),
            centre=centre,
            unit=unit,
        )

    def _rescaled(self, arrays: Mapping[str, Array], centre: float, unit: float) -> dict[str, Array]:
        assert self.outlet is not None
        weights, bias = self.outlet
        ratio, shift = self.unit / unit, (self.centre - centre) / unit
        changed = dict(arrays)
        changed[weights] = (arrays[weights].astype(np.float64) * ratio).astype(arrays[weights].dtype)
        changed[bias] = (arrays[bias].astype(np.float64) * ratio + shift).astype(arrays[bias].dtype)
        return changed


def same_start(first: Weights, second: Weights) -> bool:
    """Return whether two models are known to have set out from the same weights, in their own units."""
    a, b = first.start, second.start
    if a is None or b is None or a.keys() != b.keys():
        return False
    return all(a[name].shape == b[name].shape and np.allclose(a[name], b[name]) for name in a)
