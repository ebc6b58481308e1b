"""Trees of several models laid end to end, so that one model says the weighted mean of what they say.

Sums of trees are linear in their leaves: nothing is approximated, and nothing is learned again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.ordinal import OrdinalView
from stackml.features.target_encoding import TargetEncoder
from stackml.foundation.digest import digest
from stackml.learners.trees.arrays import Trees
from stackml.storage.trees import Forest

Floats = npt.NDArray[np.float64]


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


def on_one_view(views: Sequence[OrdinalView], forests: Sequence[Forest]) -> tuple[OrdinalView, list[Forest]]:
    """Return a view that holds the target codes of all, and the forests reading each its own there.

    Parameters
    ----------
    views : sequence of OrdinalView
        Equal but for their target codes, which are the last columns.
    forests : sequence of Forest
        One that reads each view.
    """
    first = views[0].encoder
    width = len(first.columns) * first.n_outputs
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


def tree_weights(
    forests: Sequence[Forest], within: Sequence[Floats | None], shares: Sequence[float]
) -> Floats | None:
    """Return each tree's weight within the joined forest, summing to 1; None where all are equal.

    Parameters
    ----------
    forests : sequence of Forest
    within : sequence of float64 ndarray of shape (n_trees,), or None
        Weights of the trees within each forest; None where they are equal.
    shares : sequence of float
        Of the forests, summing to 1.
    """
    parts = []
    for forest, weight, share in zip(forests, within, shares, strict=True):
        own = np.full(forest.n_trees, 1.0) if weight is None else weight
        parts.append(share * own / own.sum())
    joined = np.concatenate(parts)
    ends = np.cumsum([0, *(len(part) for part in parts)])
    alike = all(np.ptp(joined[a:b]) == 0 for a, b in pairwise(ends)) and np.ptp(joined) < 1e-15
    return None if alike else joined
