"""Nearest neighbours on the dense view, against a stored sample of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias, final

import numpy as np
import numpy.typing as npt

from stackml.features.dense import DenseChoice, DenseView
from stackml.features.dense_rows import DenseMatrix, PreparedDense, prepare_dense
from stackml.features.shared import SharedViews
from stackml.foundation.randomness import stream
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.learners.boosting import check_parameters, training_rows
from stackml.learners.constant import fit_constant, has_one_class
from stackml.storage.fields import finite_array, refuse
from stackml.storage.state import State
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

Bytes: TypeAlias = npt.NDArray[np.int8]
Floats32: TypeAlias = npt.NDArray[np.float32]

_REACH = 4.0  # values further from the mean count as if they were here
_STEP = 127.0 / _REACH
_EXACT_COLUMNS = 340  # float32 holds every partial sum of so many products of int8 exactly
_BLOCK = 128
_READ = 4096  # training rows at once
_STATE_BYTES = 2_000_000


@final
@dataclass(frozen=True)
class NeighborsLearner(Learner):
    """The mean outcome of the nearest reference rows, weighted by inverse distance.

    Columns count in proportion to their correlation with the target in the training rows. The
    reference rows are a seeded sample that holds more of rare classes than their share, each
    row counting for the rows it stands for.

    Attributes
    ----------
    n_neighbors : int, optional
        By default 60 for classes and 25 for numbers.
    max_reference : int
        Reference rows kept; fewer where the columns are many (two megabytes at most).
    least_relevance : float
        Within (0, 1]: how much a column without correlation counts beside the best one.
    """

    n_neighbors: int | None = None
    max_reference: int = 6000
    least_relevance: float = 0.2
    kind: ClassVar[str] = "neighbors"

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        given = tuple(
            n
            for n in (
                "n_neighbors",
                "max_reference",
            )
            if getattr(self, n) is not None
        )
        check_parameters(self, positive=given, fractions=("least_relevance",))

    @property
    def seeded(self) -> bool:
        """Of more models, more rows would have to be kept: one with more references does as well."""
        return False

    def prepare(self, table: Table, rows: Rows | None = None) -> PreparedDense:
        """Learn scales and put every row through them."""
        return prepare_dense(table, rows, DenseChoice())

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """Learners that read the same view share it."""
        return ("dense", DenseChoice())

    def fit(
        self,
        prepared: PreparedDense,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Weigh the columns and draw the reference rows; `stop_rows` are not read."""
        rows = training_rows(target, rows, self.kind)
        if has_one_class(target, rows):
            return fit_constant(target, rows)
        view, matrix = prepared.fit(target, rows, seed)
        outcome = _outcome(target, rows)
        weight = np.ones(len(rows)) if target.weight is None else target.weight[rows]
        size = min(self.max_reference, max(1000, _STATE_BYTES // matrix.shape[1]))
        drawn, stands_for = _draw(target, rows, weight, size, seed)
        relevance = _relevance(matrix, outcome, weight, self.least_relevance)
        prior = (weight @ outcome) / weight.sum()
        wanted = self.n_neighbors or (25 if target.problem.is_regression else 60)
        return FittedNeighbors(
            view,
            relevance,
            _in_steps(matrix[drawn], relevance),
            outcome[drawn].astype(np.float32),
            stands_for.astype(np.float32),
            prior.astype(np.float32),
            min(wanted, len(drawn)),
        )

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return seconds of one fit and the prediction of a quarter of the rows, roughly."""
        return 0.05 + (1e-6 * n_features + 6e-5) * n_rows


@final
@dataclass(frozen=True, eq=False)
class FittedNeighbors(FittedLearner):
    """Reference rows on a grid of int8 steps.

    Distances between grid points are whole numbers, so they come out the same whatever the
    size of the batch.

    Attributes
    ----------
    view : DenseView
    relevance : float32 ndarray of shape (n_dense,)
        Factor of each column.
    reference : int8 ndarray of shape (n_reference, n_dense)
    outcome : float32 ndarray of shape (n_reference, n_outputs)
    stands_for : float32 ndarray of shape (n_reference,)
        Weight of the training rows a reference row stands for.
    prior : float32 ndarray of shape (n_outputs,)
        Mean outcome, which counts like one more neighbour.
    n_neighbors : int
    """

    view: DenseView
    relevance: Floats32
    reference: Bytes
    outcome: Floats32
    stands_for: Floats32
    prior: Floats32
    n_neighbors: int
    kind: ClassVar[str] = "neighbors"

    def predict(self, table: Table) -> Prediction:
        """Return the weighted mean outcome of the neighbours, the same in any company of rows."""
        return self.predict_shared(SharedViews(table))

    def predict_shared(self, views: SharedViews) -> Prediction:
        """Return `predict` of the rows being scored."""
        table = views.table
        queries = _in_steps(self.view.shared(views), self.relevance)
        exact = np.dtype(np.float32 if queries.shape[1] <= _EXACT_COLUMNS else np.float64)
        reference: npt.NDArray[Any] = self.reference.astype(exact)
        squares = (reference * reference).sum(axis=1)
        result = np.empty((table.n_rows, len(self.prior)), np.float32)
        for first in range(0, table.n_rows, _BLOCK):
            block: npt.NDArray[Any] = queries[first : first + _BLOCK].astype(exact)
            distance = squares - 2 * (block @ reference.T)
            distance += (block * block).sum(axis=1, keepdims=True)
            result[first : first + _BLOCK] = self._vote(distance)
        return result

    def _vote(self, squared: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        k = self.n_neighbors
        nearest = np.argpartition(squared, k - 1, axis=1)[:, :k]
        distance = np.sqrt(np.take_along_axis(squared, nearest, axis=1).astype(np.float64)) / _STEP
        near = 1.0 / (distance + 0.1 * distance.mean(axis=1, keepdims=True) + 0.05)
        votes = near * self.stands_for[nearest]
        one_more = votes.mean(axis=1, keepdims=True)
        # Summed neighbour by neighbour: an inner product rounds by the size of the batch.
        total = one_more * self.prior.astype(np.float64)
        for i in range(k):
            total += votes[:, i : i + 1] * self.outcome[nearest[:, i]]
        return np.asarray(total / (votes.sum(axis=1, keepdims=True) + one_more))

    def to_state(self) -> State:
        """Return view, reference rows and outcomes."""
        return {
            "view": self.view.to_state(),
            "relevance": self.relevance,
            "reference": self.reference,
            "outcome": self.outcome,
            "stands_for": self.stands_for,
            "prior": self.prior,
            "n_neighbors": self.n_neighbors,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model."""
        prior = finite_array(state["prior"], "neighbors: prior", (None,))
        relevance = finite_array(state["relevance"], "neighbors: relevance", (None,))
        reference, k = state["reference"], state["n_neighbors"]
        if not isinstance(reference, np.ndarray) or reference.dtype != np.int8 or reference.ndim != 2:
            refuse("neighbors: reference", "is not a table of int8")
        if reference.shape[1] != len(relevance):
            refuse("neighbors: reference", f"has {reference.shape[1]} columns, not {len(relevance)}")
        if type(k) is not int or not 1 <= k <= len(reference):
            refuse("neighbors: n_neighbors", f"is not within 1 and {len(reference)}")
        return cls(
            view=DenseView.from_state(state["view"]),
            relevance=relevance,
            reference=reference,
            outcome=finite_array(state["outcome"], "neighbors: outcome", (len(reference), len(prior))),
            stands_for=finite_array(state["stands_for"], "neighbors: stands_for", (len(reference),)),
            prior=prior,
            n_neighbors=k,
        )


def _in_steps(matrix: Floats32, relevance: Floats32) -> Bytes:
    bounded = np.clip(matrix, -_REACH, _REACH) * (relevance * np.float32(_STEP))
    return np.asarray(np.rint(bounded), np.int8)


def _outcome(target: Target, rows: Rows) -> npt.NDArray[np.float64]:
    values = target.values[rows]
    if target.problem.kind == "multiclass":
        return np.asarray(np.eye(target.problem.n_classes)[values], np.float64)
    return np.asarray(values, np.float64)[:, None]


def _relevance(
    matrix: DenseMatrix, outcome: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], least: float
) -> Floats32:
    share = weight / weight.sum()
    centred = outcome - share @ outcome
    squares, sums = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[1])
    covariance = np.zeros((matrix.shape[1], centred.shape[1]))
    for first in range(0, len(matrix), _READ):
        span = slice(first, first + _READ)
        block = matrix[span].astype(np.float64)
        squares += share[span] @ block**2
        sums += share[span] @ block
        covariance += block.T @ (share[span, None] * centred[span])
    variance = squares - sums**2
    scale = np.sqrt(np.maximum(variance, 1e-12)[:, None] * np.maximum(share @ centred**2, 1e-12))
    correlation = np.abs(covariance / scale).max(axis=1)
    return np.asarray(least + (1 - least) * correlation / max(correlation.max(), 1e-12), np.float32)


def _draw(
    target: Target, rows: Rows, weight: npt.NDArray[np.float64], size: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return positions drawn, and the weight each stands for."""
    if len(rows) <= size:
        return np.arange(len(rows)), weight
    rng = stream(seed, "neighbors", "reference")
    stratum = _strata(target.problem, target.values[rows])
    counts = np.bincount(stratum)
    quota = _quotas(counts, size)
    drawn, stands_for = [], []
    for k in np.flatnonzero(counts):
        members = np.flatnonzero(stratum == k)
        chosen = np.sort(rng.choice(members, quota[k], replace=False))
        drawn.append(chosen)
        stands_for.append(weight[chosen] * (weight[members].sum() / weight[chosen].sum()))
    return np.concatenate(drawn), np.concatenate(stands_for)


def _strata(problem: Problem, values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if problem.is_regression:
        return np.zeros(len(values), np.int64)
    return np.asarray(values, np.int64)


def _quotas(counts: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Return rows to draw of each class, in proportion to the root of its number of rows."""
    roots = np.sqrt(counts)
    quota = np.minimum(counts, np.floor(size * roots / roots.sum()).astype(np.int64))
    left = size - int(quota.sum())
    for k in np.argsort(-counts):
        more = min(left, int(counts[k] - quota[k]))
        quota[k] += more
        left -= more
    return np.asarray(np.maximum(quota, np.minimum(counts, 1)), np.int64)
