"""When to stop at a stage of a cascade: every choice of thresholds on a grid, priced and judged at once.

A row leaves stage k for the next when its uncertainty there is above the stage's threshold. With rows
counted in cells of a grid of uncertainties, the loss and the cost of every combination of thresholds
are sums over corners of the grid, so no combination is tried row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

MOST_STAGES = 8
_COMBINATIONS = 20_000
_FINEST = 100


@dataclass(frozen=True, eq=False)
class Choices:
    """Thresholds that no others beat in mean loss and cost at once, from cheap to dear.

    Attributes
    ----------
    thresholds : float64 ndarray of shape (n_choices, n_stages - 1)
        Uncertainty above which a row goes on; infinity is never, minus infinity always.
    loss, cost : float64 ndarray of shape (n_choices,)
        Means over the rows.
    """

    thresholds: FloatArray
    loss: FloatArray
    cost: FloatArray


def choices_of(
    uncertainty: FloatArray, losses: FloatArray, costs: Sequence[float], weight: FloatArray | None = None
) -> Choices:
    """Return the best thresholds for every cost.

    Parameters
    ----------
    uncertainty : float64 ndarray of shape (n_stages - 1, n_rows)
        Of each stage but the last, finite.
    losses : float64 ndarray of shape (n_stages, n_rows)
    costs : sequence of float
        What asking each stage about one row costs.
    weight : float64 ndarray of shape (n_rows,), optional
    """
    n_rows = losses.shape[1]
    share = np.full(n_rows, 1.0 / n_rows) if weight is None else weight / weight.sum()
    levels = [_levels(u, share, len(uncertainty)) for u in uncertainty]
    cells = [np.searchsorted(edges, u) for edges, u in zip(levels, uncertainty, strict=True)]
    sizes = [len(edges) + 1 for edges in levels]
    loss = np.zeros([size + 1 for size in sizes])
    cost = np.full(loss.shape, float(costs[0]))
    for stage, own in enumerate(losses):
        loss = loss + _reached(cells, sizes, stage, share * own, stops=True)
        if stage:
            cost = cost + costs[stage] * _reached(cells, sizes, stage, share, stops=False)
    best = _front(cost.ravel(), loss.ravel())
    picked = np.stack(np.unravel_index(best, loss.shape), axis=1)
    ends = [np.concatenate([[-np.inf], edges, [np.inf]]) for edges in levels]
    thresholds = np.stack([ends[stage][picked[:, stage]] for stage in range(len(ends))], axis=1)
    return Choices(thresholds, loss.ravel()[best], cost.ravel()[best])


def _levels(uncertainty: FloatArray, share: FloatArray, n_thresholds: int) -> FloatArray:
    """Return distinct uncertainties that divide the rows about evenly."""
    count = min(_FINEST, int(_COMBINATIONS ** (1 / n_thresholds)) - 2)
    order = np.argsort(uncertainty, kind="stable")
    at = np.searchsorted(np.cumsum(share[order]), np.arange(1, count + 1) / (count + 1))
    return np.unique(uncertainty[order[np.minimum(at, len(order) - 1)]])


def _reached(
    cells: list[npt.NDArray[np.int64]], sizes: list[int], stage: int, mass: FloatArray, *, stops: bool
) -> FloatArray:
    """Return, for every combination of thresholds, the mass of rows that reach a stage, or end there.

    Position j of an axis is the threshold below which j cells of that stage's uncertainty lie: a row in
    cell c goes on where c >= j.
    """
    axes = min(stage + 1 if stops else stage, len(sizes))
    counted = np.zeros(sizes[:axes])
    np.add.at(counted, tuple(cells[axis] for axis in range(axes)), mass)
    for axis in range(axes):
        below = np.cumsum(counted, axis=axis)
        none = np.zeros_like(np.take(below, [0], axis=axis))
        stopped = np.concatenate([none, below], axis=axis)
        counted = stopped if axis == stage else np.take(below, [-1], axis=axis) - stopped
    return counted.reshape(counted.shape + (1,) * (len(sizes) - axes))


def _front(cost: FloatArray, loss: FloatArray) -> npt.NDArray[np.int64]:
    """Return the places that nothing of lower or equal cost beats in loss, in order of cost."""
    order = np.lexsort((loss, cost))
    lowest = np.concatenate([[np.inf], np.minimum.accumulate(loss[order])[:-1]])
    return order[loss[order] < lowest - 1e-15]


def stages_of(uncertainty: FloatArray, thresholds: FloatArray) -> npt.NDArray[np.int64]:
    """Return the stage (from 0) whose answer each row takes, int64 of shape (n_rows,).

    Parameters
    ----------
    uncertainty : float64 ndarray of shape (n_stages - 1, n_rows)
    thresholds : float64 ndarray of shape (n_stages - 1,)
    """
    stops = np.vstack([uncertainty <= thresholds[:, None], np.ones(uncertainty.shape[1], dtype=bool)])
    return stops.argmax(axis=0).astype(np.int64)
