"""Trees of several models laid end to end, so that one model says the weighted mean of what they say.

Sums of trees are linear in their leaves: nothing is approximated, and nothing is learned again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from stackml.features.native import NativeView
from stackml.features.ordinal import OrdinalView
from stackml.features.target_encoding import TargetEncoder
from stackml.foundation.digest import digest
from stackml.learners.trees.arrays import Trees
from stackml.storage.fields import finite_array, refuse
from stackml.storage.state import State
from stackml.storage.trees import Forest

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-9


def joined_trees(models: Sequence[Trees], factors: Sequence[float]) -> Trees:
    """Return trees whose output is the sum of the models' outputs, each times its factor.

    Leaves become float32 of all 24 bits: rounded to fewer, the product would be off by more than sums
    of trees are.

    Parameters
    ----------
    models : sequence of Trees
        Of the same columns and outputs.
    factors : sequence of float
    """
    scaled = [t.leaf_value.astype(np.float64) * f for t, f in zip(models, factors, strict=True)]
    names = (
        "group",
        "node_count",
        "is_leaf",
        "feature",
        "threshold",
        "missing_left",
        "set_size",
        "categories",
    )
    laid: dict[str, Any] = {name: np.concatenate([getattr(t, name) for t in models]) for name in names}
    return replace(
        models[0],
        base=np.sum([t.base * f for t, f in zip(models, factors, strict=True)], axis=0),
        leaf_value=np.concatenate(scaled).astype(np.float32),
        **laid,
    )


def joined_forests(forests: Sequence[Forest]) -> Forest:
    """Return the trees of all forests as one forest.

    Parameters
    ----------
    forests : sequence of Forest
        Of the same columns, outputs and classes.
    """
    names = ("node_count", "left_step", "right_step", "feature", "threshold", "missing_left", "leaf_value")
    laid: dict[str, Any] = {name: np.concatenate([getattr(f, name) for f in forests]) for name in names}
    return replace(forests[0], n_node_samples=None, **laid)


View = TypeVar("View", OrdinalView, NativeView)
Grown = TypeVar("Grown", Forest, Trees)


def on_one_view(views: Sequence[View], forests: Sequence[Grown]) -> tuple[View, list[Grown]]:
    """Return a view that holds the target codes of all, and the forests reading each its own there.

    Parameters
    ----------
    views : sequence of OrdinalView or NativeView
        Equal but for their target codes, which are the last columns.
    forests : sequence of Forest or Trees
        One that reads each view.
    """
    first = views[0].encoder
    width = first.width
    if not width:
        return views[0], list(forests)
    n_plain = forests[0].n_features - width
    places: dict[str, int] = {}
    columns: list[int] = []
    tables = []
    starts = []
    for view in views:
        key = digest(view.encoder.to_state())
        if key not in places:
            places[key] = len(places) * width
            columns += view.encoder.columns
            tables += view.encoder.tables
        starts.append(places[key])
    moved = [
        replace(
            forest,
            n_features=n_plain + len(places) * width,
            feature=np.where(forest.feature < n_plain, forest.feature, forest.feature + start).astype(
                forest.feature.dtype
            ),
        )
        for forest, start in zip(forests, starts, strict=True)
    ]
    return replace(views[0], encoder=TargetEncoder(tuple(columns), tables, first.n_outputs)), moved


@dataclass(frozen=True, eq=False)
class Parts:
    """The forests within a joined forest, in the order of its trees.

    Attributes
    ----------
    n_trees : int64 ndarray of shape (n_parts,)
    share : float64 ndarray of shape (n_parts,)
        What each forest counts, summing to 1.
    """

    n_trees: npt.NDArray[np.int64]
    share: Floats

    @property
    def tree_weight(self) -> Floats:
        """Weight of each tree in the mean of all, summing to 1."""
        return np.repeat(self.share / self.n_trees, self.n_trees)

    def to_state(self) -> State:
        """Return numbers and shares."""
        return {"n_trees": self.n_trees, "share": self.share}

    @staticmethod
    def from_state(state: Mapping[str, Any], n_trees: int) -> Parts:
        """Rebuild the parts of a forest of so many trees.

        Raises
        ------
        StorageError
            If they are not parts of it.
        """
        counts = state["n_trees"]
        if not isinstance(counts, np.ndarray) or counts.dtype.kind != "i" or counts.ndim != 1:
            refuse("forest: parts", "have no numbers of trees")
        if not len(counts) or counts.min() < 1 or counts.max() > n_trees or counts.sum() != n_trees:
            refuse("forest: parts", f"are not those of {n_trees} trees")
        share = finite_array(state["share"], "forest: shares of parts", counts.shape).astype(np.float64)
        if (share < 0).any() or abs(float(share.sum()) - 1) > _ROUNDING:
            refuse("forest: shares of parts", "do not sum to 1")
        return Parts(counts.astype(np.int64), share)


def joined_parts(within: Sequence[Parts], shares: Sequence[float]) -> Parts:
    """Return the parts of a joined forest.

    Parameters
    ----------
    within : sequence of Parts
        Of each forest.
    shares : sequence of float
        Of the forests.
    """
    share = np.concatenate([s * part.share for part, s in zip(within, shares, strict=True)])
    return Parts(np.concatenate([part.n_trees for part in within]), share / share.sum())
