"""A weighted mean of predictions: what mean, single, greedy and simplex share once fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from stackml.combiners.base import FittedCombiner, MetaFeatures
from stackml.combiners.inputs import FloatArray
from stackml.storage.fields import finite_array, names, refuse
from stackml.storage.state import State


@dataclass(frozen=True, eq=False)
class FittedWeights(FittedCombiner):
    """Weighted mean of the predictions of some learners; features passed through are not read.

    Abstract: each combiner that finds weights names its own kind.

    Attributes
    ----------
    names : tuple of str
        Learners, ascending.
    shares : tuple of float
        Their weights: above 0, summing to 1.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, names: Sequence[str], weights: FloatArray, prune: float = 0.0) -> Self:
        """Return the learners whose weight is above `prune` of the whole, weights summing to 1."""
        shares = weights / weights.sum()
        kept = np.flatnonzero(shares > min(prune, 0.999 * shares.max()))
        shares = shares[kept] / shares[kept].sum()
        pairs = sorted((names[int(i)], float(share)) for i, share in zip(kept, shares, strict=True))
        return cls(tuple(n for n, _ in pairs), tuple(s for _, s in pairs))

    @property
    def learners(self) -> tuple[str, ...]:
        """Learners with weight."""
        return self.names

    def predict(self, meta: MetaFeatures) -> FloatArray:
        """Return the weighted mean; multiclass rows are made to sum to 1."""
        result = np.zeros((meta.n_rows, meta.problem.n_outputs))
        # Learner by learner: a matrix product would round a row by its place in the batch.
        for name, share in zip(self.names, self.shares, strict=True):
            result += share * meta.of(name)
        if meta.problem.kind == "multiclass":
            result /= result.sum(axis=1, keepdims=True)
        elif meta.problem.kind == "binary":
            np.clip(result, 0.0, 1.0, out=result)
        return result

    def weights(self) -> dict[str, float]:
        """Return the weights."""
        return dict(zip(self.names, self.shares, strict=True))

    def to_state(self) -> State:
        """Return the weights."""
        return {"names": list(self.names), "shares": np.array(self.shares)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the combiner.

        Raises
        ------
        StorageError
            If the shares are not one a learner, above 0 and summing to 1.
        """
        what = f"combiner '{cls.kind}'"
        learners = names(state["names"], f"{what}: names")
        shares = finite_array(state["shares"], f"{what}: shares", (len(learners),))
        if (shares < 0).any() or abs(float(shares.sum()) - 1) > 1e-6:
            refuse(f"{what}: shares", "are not 0 or more with a sum of 1")
        return cls(learners, tuple(float(s) for s in shares))
