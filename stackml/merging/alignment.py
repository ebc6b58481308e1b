"""Hidden units put in one order before networks are merged.

Exchanging two hidden units of a network, with all that leads to and from them, changes no
prediction. Networks trained from different starts therefore hold like units in unlike places, and
the mean of their weights is the mean of strangers. Here units are matched by their weights, one
group of units after another by linear assignment, until nothing is gained: the weight matching of
Ainsworth, Hayase and Srinivasa (2022, "Git Re-Basin: merging models modulo permutation symmetries").
A matching only reorders, so every model predicts as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from stackml.foundation.errors import ParameterError
from stackml.merging.base import Array, Arrays

Axes: TypeAlias = Mapping[str, tuple[str | None, ...]]
Places: TypeAlias = Sequence[tuple[str, int]]

_PASSES = 50
_ROUNDS = 10
_GAIN = 1e-9  # of the similarity, below which a matching is as good as it was


@dataclass(frozen=True, eq=False)
class Aligned:
    """Models whose units correspond.

    Attributes
    ----------
    models : tuple of dict of str to ndarray
    moved : tuple of float
        Share of each model's units that changed places (or signs); the first model keeps all.
    """

    models: tuple[dict[str, Array], ...]
    moved: tuple[float, ...]


def align(models: Sequence[Arrays], axes: Axes, signed: Set[str] = frozenset()) -> Aligned:
    """Return the models with their units in the order of the first model's.

    With three or more models each is then matched with the mean of the others, round by round, until
    none changes.

    Parameters
    ----------
    models : sequence of mappings of str to float ndarray
        Of the same names and shapes; see `stackml.merging.base.check_alike`.
    axes : mapping of str to tuple of str or None
        For each array the group of units that each axis runs over; None is an axis that stays.
        An array that is not named stays as it is.
    signed : set of str
        Groups whose freedom is no permutation but a sign: two arrays meet in them, and both change theirs.

    Raises
    ------
    ParameterError
        If `axes` does not fit the arrays.
    """
    groups = _groups(models[0], axes)
    current = [_start(model, groups, signed) for model in models]
    for number in range(1, len(current)):
        current[number] = _matched(current[number], current[0].arrays, groups)
    for _ in range(_ROUNDS if len(current) > 2 else 0):
        changed = False
        for number in range(1, len(current)):
            others = [model.arrays for i, model in enumerate(current) if i != number]
            before = current[number]
            current[number] = _matched(before, _mean(others), groups)
            changed |= current[number] is not before
        if not changed:
            break
    return Aligned(tuple(model.arrays for model in current), tuple(model.moved for model in current))


@dataclass(frozen=True, eq=False)
class _Ordered:
    """A model and, for each group, where its units come from, or their signs."""

    arrays: dict[str, Array]
    orders: dict[str, npt.NDArray[np.int64]]
    signed: Set[str]

    @property
    def moved(self) -> float:
        changed = sum(
            int((order != (1 if group in self.signed else np.arange(len(order)))).sum())
            for group, order in self.orders.items()
        )
        return changed / max(1, sum(len(order) for order in self.orders.values()))

    def changed(self, group: str, places: Places, order: npt.NDArray[np.int64]) -> _Ordered:
        """Return the model with a group reordered, or its signs changed."""
        arrays = dict(self.arrays)
        for name, axis in places:
            if group in self.signed:
                shape = [1] * arrays[name].ndim
                shape[axis] = -1
                arrays[name] = arrays[name] * order.reshape(shape).astype(arrays[name].dtype)
            else:
                arrays[name] = np.take(arrays[name], order, axis=axis)
        old = self.orders[group]
        new = old * order if group in self.signed else old[order]
        return _Ordered(arrays, {**self.orders, group: new}, self.signed)


def _start(model: Arrays, groups: Mapping[str, Places], signed: Set[str]) -> _Ordered:
    orders = {}
    for group, places in groups.items():
        name, axis = places[0]
        size = model[name].shape[axis]
        orders[group] = np.ones(size, np.int64) if group in signed else np.arange(size)
    return _Ordered({name: np.asarray(array) for name, array in model.items()}, orders, signed)


def _groups(arrays: Arrays, axes: Axes) -> dict[str, Places]:
    found: dict[str, list[tuple[str, int]]] = {}
    sizes: dict[str, int] = {}
    for name, along in axes.items():
        if name not in arrays or arrays[name].ndim != len(along):
            raise ParameterError(f"the axes of '{name}' are not those of an array of the model")
        for axis, group in enumerate(along):
            if group is None:
                continue
            size = arrays[name].shape[axis]
            if sizes.setdefault(group, size) != size:
                raise ParameterError(f"'{name}' has {size} units of '{group}', another array {sizes[group]}")
            found.setdefault(group, []).append((name, axis))
    return dict(found)


def _matched(model: _Ordered, reference: Arrays, groups: Mapping[str, Places]) -> _Ordered:
    """Return the model in the order of the reference; the very same object where nothing is gained."""
    for _ in range(_PASSES):
        gained = False
        for group, places in groups.items():
            similar = _similarity(model.arrays, reference, places)
            diagonal = np.diagonal(similar)
            if group in model.signed:
                order = np.where(diagonal < 0, -1, 1)
                best = float(np.abs(diagonal).sum())
            else:
                order = linear_sum_assignment(similar, maximize=True)[1]
                best = float(similar[np.arange(len(order)), order].sum())
            if best - float(diagonal.sum()) > _GAIN * float(np.abs(similar).sum()):
                model, gained = model.changed(group, places, order), True
        if not gained:
            break
    return model


def _similarity(current: Arrays, reference: Arrays, places: Places) -> npt.NDArray[np.float64]:
    """Return how alike each unit of the reference (rows) and each of the model (columns) are."""
    total: npt.NDArray[np.float64] | None = None
    for name, axis in places:
        theirs, ours = (
            np.moveaxis(arrays[name].astype(np.float64), axis, 0).reshape(arrays[name].shape[axis], -1)
            for arrays in (reference, current)
        )
        product = theirs @ ours.T
        total = product if total is None else total + product
    assert total is not None
    return total


def _mean(models: Sequence[Arrays]) -> dict[str, Array]:
    return {name: np.mean([m[name].astype(np.float64) for m in models], axis=0) for name in models[0]}
