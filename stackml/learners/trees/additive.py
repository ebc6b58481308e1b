"""Models that are sums of trees under a link: boosters, and forests of one output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from stackml.features.native import NativeView
from stackml.features.shared import SharedViews
from stackml.foundation.digest import digest
from stackml.learners.base import FittedLearner, Prediction
from stackml.learners.boosting import Outputs, check_width
from stackml.learners.solvers import probabilities
from stackml.learners.trees.arrays import Floats32, Trees, joined
from stackml.learners.trees.booster import Part, Sum
from stackml.learners.trees.joining import joined_trees, on_one_view
from stackml.learners.trees.stored import trees_from_state, trees_to_state
from stackml.storage.fields import refuse
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table

Link: TypeAlias = Literal["identity", "share", "logistic", "softmax"]
Floats: TypeAlias = npt.NDArray[np.float64]

FEW_ROWS = 4  # up to here arrays are faster than XGBoost's predictor
_LINKS: dict[str, Link] = {"binary": "logistic", "multiclass": "softmax", "regression": "identity"}


class View(Protocol):
    """What makes the matrix that trees read."""

    @property
    def digest(self) -> str:
        """Views of one digest make one matrix."""

    def shared(self, views: SharedViews) -> Floats32:
        """Return the matrix of some rows, made once."""


@dataclass(frozen=True, eq=False)
class Additive:
    """``link(scale * (base + sum of leaves) + offset)`` of the rows as a view shows them."""

    view: View
    trees: Trees
    link: Link
    scale: float = 1.0
    offset: float = 0.0

    @property
    def constant(self) -> Floats:
        """What is added to the scaled sums of leaves, shape (n_outputs,)."""
        return self.trees.base * self.scale + self.offset


def check_alike(models: Sequence[Additive]) -> None:
    """Refuse models that cannot be one bag: native code would read or write past the end of an array.

    Raises
    ------
    StorageError
        If they read other numbers of columns, or give other outputs.
    """
    forms = {(m.trees.n_features, m.trees.n_groups, m.link) for m in models}
    if len(forms) > 1:
        columns, outputs, _ = (sorted({form[i] for form in forms}) for i in range(3))
        refuse("a bag of trees", f"holds models of {columns} columns and {outputs} outputs side by side")


class Bags:
    """Additive models summed together: one output group for each model, or for each bag of models.

    Parameters
    ----------
    bags : sequence of sequences of Additive
        The margin of a bag is the mean of the margins of its models, which share a link.
    """

    def __init__(self, bags: list[list[Additive]]) -> None:
        for bag in bags:
            check_alike(bag)
        self._links = [bag[0].link for bag in bags]
        widths = [bag[0].trees.n_groups for bag in bags]
        self._bounds = np.concatenate([[0], np.cumsum(widths)]).tolist()
        self._constant = np.concatenate([np.mean([model.constant for model in bag], axis=0) for bag in bags])
        parts: dict[str, list[Part]] = {}
        self._views: dict[str, View] = {}
        for bag, first in zip(bags, self._bounds, strict=False):
            for model in bag:
                key = model.view.digest
                self._views.setdefault(key, model.view)
                parts.setdefault(key, []).append(Part(model.trees, first, model.scale / len(bag)))
        self._sums = {key: Sum(found, self._bounds[-1]) for key, found in parts.items()}

    def of(self, views: SharedViews) -> list[Prediction]:
        """Return the prediction of each bag, float32 of shape (n_rows, n_outputs)."""
        margins = self.margins(views)
        bounds = zip(self._bounds, self._bounds[1:], self._links, strict=False)
        return [_linked(margins[:, a:b], link).astype(np.float32) for a, b, link in bounds]

    def margins(self, views: SharedViews) -> Floats:
        """Return what the links are given, float64 of shape (n_rows, all outputs), bag after bag."""
        margins = np.repeat(self._constant[None, :], views.table.n_rows, axis=0)
        for key, total in self._sums.items():
            matrix = self._views[key].shared(views)
            check_width(total.n_features, matrix.shape[1], "trees")
            margins += total.of_few(matrix) if views.few else total.of(matrix)
        return margins


def _linked(margins: Floats, link: Link) -> Floats:
    # Shares are sums of leaves within 0 and 1, but for rounding.
    return np.clip(margins, 0.0, 1.0) if link == "share" else probabilities(margins, link)


def _mean(values: Sequence[float], shares: Sequence[float]) -> float:
    # From the first on, so that equal values give themselves.
    return values[0] + sum(s * (v - values[0]) for v, s in zip(values, shares, strict=True))


class FittedTrees(FittedLearner):
    """A booster's trees; see the subclasses.

    Parameters
    ----------
    trees : Trees
    view : NativeView
    outputs : Outputs
    rounds : int
    """

    kind: ClassVar[str]
    built: ClassVar[tuple[str, ...]] = ("_alone",)

    def __init__(self, trees: Trees, view: NativeView, outputs: Outputs, rounds: int) -> None:
        self._trees = trees
        self._view = view
        self._outputs = outputs
        self._rounds = rounds

    @property
    def rounds(self) -> int:
        """Rounds kept after early stopping."""
        return self._rounds

    @property
    def view(self) -> NativeView:
        """How the trees read a table."""
        return self._view

    @property
    def outputs(self) -> Outputs:
        """How the trees' sums relate to the target."""
        return self._outputs

    def with_more(self, trees: Trees) -> Self:
        """Return the model with further trees, whose bases are added too."""
        model = type(self).__new__(type(self))
        rounds = self._rounds + max(1, trees.n_trees // trees.n_groups)
        FittedTrees.__init__(model, joined(self._trees, trees), self._view, self._outputs, rounds)
        return model

    @cached_property
    def additive(self) -> Additive:
        """The model as a sum of trees."""
        outputs = self._outputs
        return Additive(self._view, self._trees, _LINKS[outputs.problem.kind], outputs.scale, outputs.offset)

    @cached_property
    def _alone(self) -> Bags:
        return Bags([[self.additive]])

    def predict(self, table: Table) -> Prediction:
        """Return predictions, float32 of shape (n_rows, n_outputs); see the base class.

        Raises
        ------
        StorageError
            If the table has another number of columns.
        """
        return self._alone.of(SharedViews(table, table.n_rows <= FEW_ROWS))[0]

    def joins(self, schema: Schema) -> dict[str, Any]:
        """Return what must be equal; see the base class. Target codes may differ: all are kept."""
        problem = self._outputs.problem
        shares, encoder = self._view.frequencies, self._view.encoder
        names = [schema.categories[i].name for i in shares.columns]
        return {
            "the problem": [problem.kind, problem.n_classes],
            "the number of columns read": self._trees.n_features,
            "the categories of many values read as such": [
                schema.categories[i].name for i in self._view.as_categories
            ],
            "the columns with target codes": [schema.categories[i].name for i in encoder.columns],
            "the number of target codes": encoder.width,
            "the categories read by how common they are": names,
            **{
                f"how common the values of '{n}' are": digest(table)
                for n, table in zip(names, shares.tables, strict=True)
            },
        }

    def joined(self, others: Sequence[Self], shares: Sequence[float]) -> Self:
        """Return a booster whose margin is the weighted mean; see the base class."""
        kept = [(m, s) for m, s in zip((self, *others), shares, strict=True) if s > 0]
        outputs = [model._outputs for model, _ in kept]
        offset = _mean([o.offset for o in outputs], [s for _, s in kept])
        scale = _mean([o.scale for o in outputs], [s for _, s in kept])
        factors = [share * o.scale / scale for (_, share), o in zip(kept, outputs, strict=True)]
        view, trees = on_one_view([m._view for m, _ in kept], [m._trees for m, _ in kept])
        model = type(self).__new__(type(self))
        FittedTrees.__init__(
            model,
            joined_trees(trees, factors),
            view,
            replace(self._outputs, offset=offset, scale=scale),
            sum(m._rounds for m, _ in kept),
        )
        return model

    def to_state(self) -> State:
        """Return the trees and how to read their outputs."""
        return {
            "trees": trees_to_state(self._trees),
            "view": self._view.to_state(),
            "outputs": self._outputs.to_state(),
            "rounds": self._rounds,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model; format 1 holds the library's own text or bytes.

        Raises
        ------
        StorageError
            If the trees are damaged, or are not those of a model with such outputs.
        """
        outputs = Outputs.from_state(state["outputs"])
        if "trees" in state:
            trees = trees_from_state(state["trees"], cls.kind)
        else:
            trees = cls._native(state["model"], int(state["n_features"]), outputs)
            values = (trees.threshold, trees.leaf_value, trees.base)
            if np.isnan(values[0]).any() or not all(np.isfinite(v).all() for v in values[1:]):
                refuse(cls.kind, "holds a threshold or a leaf that is no number")
        check_width(trees.n_groups, outputs.problem.n_outputs, f"{cls.kind}: outputs")
        model = cls.__new__(cls)
        FittedTrees.__init__(
            model, trees, NativeView.from_state(state["view"]), outputs, int(state["rounds"])
        )
        return model

    @classmethod
    def _native(cls, model: object, n_features: int, outputs: Outputs) -> Trees:
        """Return the trees of a model as format 1 stores it, all bits of float32 kept."""
        raise NotImplementedError
