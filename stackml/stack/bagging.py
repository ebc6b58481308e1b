"""The members of a layer as one function of the rows: trees together, views shared, rows in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stackml.features.shared import SharedViews
from stackml.foundation.threads import one_thread_each
from stackml.learners.base import FittedLearner, OutputKind, Prediction
from stackml.learners.net_training import BLOCK
from stackml.learners.trees.additive import FEW_ROWS, Additive, Bags
from stackml.tables.table import Table

Mean = Literal["margin", "prediction"]

# Rows of a chunk: the same for any `n_jobs`, so that no result depends on it; whole blocks of nets.
MOST_CHUNK = 4096
CHUNKS = 8  # of a small table, for as many cores


@dataclass(frozen=True, eq=False)
class Member:
    """One learner of a stack: its models predict together by their mean.

    Attributes
    ----------
    name : str
    output_kind : {"probability", "value", "score"}
    width : int
        Columns of its prediction.
    models : tuple of FittedLearner
    mean : {"margin", "prediction"}
        What the mean is taken of where all models are sums of trees: boosters' margins (log odds
        for classes), or, as files of format 1 mean it, their predictions. Other models are always
        averaged by their predictions.
    """

    name: str
    output_kind: OutputKind
    width: int
    models: tuple[FittedLearner, ...]
    mean: Mean = "margin"

    @property
    def kind(self) -> str:
        """Catalog name of the fitted type."""
        return self.models[0].kind

    def predict(self, table: Table) -> Prediction:
        """Return the mean of the models' predictions, float32 of shape (n_rows, width)."""
        return Together((self,)).predict(table)[0]

    @property
    def bags(self) -> list[list[Additive]]:
        """The models as bags whose margins are averaged; none where a model is no sum of trees."""
        found = [model.additive for model in self.models]
        sums = [model for model in found if model is not None]
        if len(sums) < len(found) or len({model.link for model in sums}) > 1:
            return []
        return [sums] if self.mean == "margin" else [[model] for model in sums]


class Together:
    """Members that read the same table.

    Parameters
    ----------
    members : sequence of Member
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        bags = [member.bags for member in self._members]
        self._counts = [len(found) for found in bags]
        every = [bag for found in bags for bag in found]
        self._bags = Bags(every) if every else None

    def predict(self, table: Table, n_jobs: int = 1) -> list[Prediction]:
        """Return each member's prediction, float32 of shape (n_rows, width)."""
        few = table.n_rows <= FEW_ROWS
        size = min(MOST_CHUNK, BLOCK * max(1, -(-table.n_rows // (CHUNKS * BLOCK))))
        starts = range(0, table.n_rows, size) or (0,)
        chunks = [table.take(slice(start, start + size)) for start in starts]
        if few:
            return self._of(SharedViews(table, few))
        with one_thread_each():
            if n_jobs == 1 or len(chunks) == 1:
                found = [self._of(SharedViews(chunk)) for chunk in chunks]
            else:
                with ThreadPoolExecutor(n_jobs) as pool:
                    found = list(pool.map(lambda chunk: self._of(SharedViews(chunk)), chunks))
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _of(self, views: SharedViews) -> list[Prediction]:
        summed = iter(self._bags.of(views) if self._bags is not None else ())
        result = []
        for member, n_bags in zip(self._members, self._counts, strict=True):
            if n_bags:
                result.append(mean_of([next(summed) for _ in range(n_bags)]))
            else:
                result.append(mean_of([model.predict_shared(views) for model in member.models]))
        return result


def mean_of(predictions: Sequence[Prediction]) -> Prediction:
    """Return the mean, summed in float64."""
    if len(predictions) == 1:
        return predictions[0]
    total = predictions[0].astype(np.float64)
    for prediction in predictions[1:]:
        total += prediction
    return (total / len(predictions)).astype(np.float32)
