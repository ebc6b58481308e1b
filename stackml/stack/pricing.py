"""What a prediction costs: microseconds a row, megabytes stored, and who is worth the price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import StorageError
from stackml.learners.base import FittedLearner
from stackml.oof.result import LearnerRun
from stackml.stack.building import Built
from stackml.storage.sizing import stored_bytes


@dataclass(frozen=True)
class Price:
    """What one learner, or several together, cost who predicts.

    Attributes
    ----------
    us_per_row : float
        Microseconds a row on one core, measured on held-out rows; NaN where it was not measured.
    megabytes : float
        About what its models take in a file, in units of 10^6 bytes; NaN where they cannot be stored.
    """

    us_per_row: float
    megabytes: float


def price_of(run: LearnerRun) -> Price:
    """Return the price of a fitted learner: all its models are asked for a row.

    A model fitted again on all rows has held out none; it is taken to be as fast as those of the
    folds are on average.
    """
    measured = np.array(run.us_per_row)
    known = measured[np.isfinite(measured)]
    each = float(known.mean()) if known.size else np.nan
    return Price(each * len(run.models), megabytes(run.models))


def megabytes(models: Sequence[FittedLearner]) -> float:
    """Return about the 10^6 bytes that models take in a file; NaN where one cannot be stored."""
    try:
        return sum(stored_bytes(model.to_state()) for model in models) / 1e6
    except StorageError:  # an estimator of the user's own that no file takes
        return float("nan")


def prices_of(built: Built) -> dict[tuple[int, str], Price]:
    """Return the price of every fitted learner, by layer (counted from 1) and name."""
    return {
        (number, run.name): price_of(run)
        for number, result in enumerate(built.layers, start=1)
        for run in result.fitted
    }


def whole_price(built: Built, prices: dict[tuple[int, str], Price]) -> Price:
    """Return the price of the stack: of the learners its combiner needs, and of all layers below."""
    needed = built.combined.combiner.learners
    last = len(built.layers)
    return total([price for (layer, name), price in prices.items() if layer < last or name in needed])


def total(prices: Sequence[Price]) -> Price:
    """Return what several cost together."""
    return Price(
        float(sum(price.us_per_row for price in prices)), float(sum(price.megabytes for price in prices))
    )


def on_the_front(
    scores: npt.NDArray[np.float64], prices: Sequence[Price], *, greater_is_better: bool
) -> npt.NDArray[np.bool_]:
    """Return who is beaten by nobody in score, time and size at once (the Pareto front).

    One is beaten by another that is at least as good in all three and better in one. A price that
    is not known counts as the highest; who has no score is not on the front.

    Parameters
    ----------
    scores : float64 ndarray of shape (n,)
    prices : sequence of Price, n of them
    greater_is_better : bool

    Returns
    -------
    bool ndarray of shape (n,)
    """
    found = np.zeros(len(scores), dtype=bool)
    scored = np.flatnonzero(~np.isnan(scores))
    worth = -scores[scored] if greater_is_better else scores[scored]
    costs = np.array([[prices[i].us_per_row, prices[i].megabytes] for i in scored.tolist()]).reshape(-1, 2)
    table = np.column_stack([worth, np.where(np.isnan(costs), np.inf, costs)])
    no_worse = (table[:, None] <= table[None]).all(axis=2)
    better = (table[:, None] < table[None]).any(axis=2)
    found[scored] = ~(no_worse & better).any(axis=0)
    return found
