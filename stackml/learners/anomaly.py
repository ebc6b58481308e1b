"""Anomaly detectors: how strange a row is, learned without a target; higher is stranger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self, TypeAlias, final

import numpy as np
import numpy.typing as npt

from stackml.features.frequency import Frequencies, learn_frequencies
from stackml.features.levels import check_levels, level_counts
from stackml.features.ordinal import OrdinalView, PreparedOrdinal, prepare_ordinal
from stackml.features.scaling import RobustScaler, learn_scaler, scaler_from_state
from stackml.learners.base import Budget, FittedLearner, Learner, OutputKind, Prediction, Rows
from stackml.learners.boosting import check_parameters, check_width, training_rows
from stackml.storage.fields import finite_array, finite_number, refuse
from stackml.storage.state import State
from stackml.storage.trees import (
    Forest,
    forest_from_state,
    forest_from_trees,
    mean_path_length,
    rebuild_trees,
)
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

Floats: TypeAlias = npt.NDArray[np.float64]

_RANK_KNOTS = 513


@dataclass(frozen=True)
class AnomalyLearner(Learner):
    """What both detectors share: one output, a score within 0 to 1, no target looked at."""

    supports_weight: ClassVar[bool] = False

    def output_kind(self, problem: Problem) -> OutputKind:
        """Return "score"."""
        return "score"

    def n_outputs(self, problem: Problem) -> int:
        """Return 1."""
        return 1


@final
@dataclass(frozen=True)
class IsolationForestLearner(AnomalyLearner):
    """Isolation forest (Liu, Ting & Zhou 2008): strange rows are cut off by few random splits.

    Attributes
    ----------
    n_trees : int
    max_rows_per_tree : int
    """

    n_trees: int = 100
    max_rows_per_tree: int = 256
    kind: ClassVar[str] = "isolation_forest"

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        given = tuple(
            n
            for n in (
                "n_trees",
                "max_rows_per_tree",
            )
            if getattr(self, n) is not None
        )
        check_parameters(self, positive=given, fractions=())

    def prepare(self, table: Table, rows: Rows | None = None) -> PreparedOrdinal:
        """Learn frequencies of categories."""
        return prepare_ordinal(table, rows)

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """The view of the forests."""
        return ("ordinal", False)

    def fit(
        self,
        prepared: PreparedOrdinal,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Grow the trees on the rows; of the target only zero weights are read."""
        from sklearn.ensemble import IsolationForest

        rows = training_rows(target, rows, self.kind)
        view, matrix = prepared.fit_plain(rows)
        drawn = min(self.max_rows_per_tree, len(rows))
        n_trees = budget.rounds or self.n_trees
        grown = IsolationForest(n_estimators=n_trees, max_samples=drawn, n_jobs=1, random_state=seed)
        grown.fit(matrix)
        forest = forest_from_trees(grown.estimators_, keep_samples=True)
        leaves = forest.path_length[forest.left_step == 0].astype(np.float32)
        forest = replace(forest, leaf_value=leaves[:, None, None], n_node_samples=None)
        usual = float(mean_path_length(np.array([max(drawn, 2)]))[0])
        fitted = FittedIsolationForest(view, forest, usual, np.zeros(0))
        scores = fitted.scores(matrix[:: -(-len(rows) // 20_000)])
        return replace(fitted, ranks=rank_knots(scores))

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return seconds of one fit, roughly."""
        return 0.2 + 1e-3 * self.n_trees + 1e-7 * self.n_trees * min(n_rows, 20_000)


@final
@dataclass(frozen=True, eq=False)
class FittedIsolationForest(FittedLearner):
    """Trees whose leaves hold path lengths.

    Attributes
    ----------
    view : OrdinalView
    forest : Forest
    usual : float
        Mean path length of a random tree of as many rows, which divides the path lengths.
    ranks : float64 ndarray
        Quantiles of the training rows' scores, ascending.
    """

    view: OrdinalView
    forest: Forest
    usual: float
    ranks: Floats
    kind: ClassVar[str] = "isolation_forest"

    @property
    def rounds(self) -> int:
        """Number of trees."""
        return self.forest.n_trees

    @cached_property
    def _trees(self) -> list[Any]:
        return rebuild_trees(self.forest)

    def scores(self, matrix: npt.NDArray[np.float32]) -> Floats:
        """Return the scores of the paper, ``2 ** -(mean path length / usual)``."""
        check_width(self.forest.n_features, matrix.shape[1], self.kind)  # a tree reads where it is told to
        total = np.zeros(len(matrix))
        for tree in self._trees:
            total += tree.predict(matrix).reshape(-1)
        return np.asarray(2.0 ** -(total / (self.forest.n_trees * self.usual)))

    def predict(self, table: Table) -> Prediction:
        """Return each row's rank among the training rows, within 0 to 1."""
        return ranked(self.scores(self.view.transform(table)), self.ranks)

    def to_state(self) -> State:
        """Return view, trees and ranks."""
        return {
            "view": self.view.to_state(),
            "forest": self.forest.to_state(),
            "usual": self.usual,
            "ranks": self.ranks,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the trees after their indices have been checked."""
        forest = forest_from_state(state["forest"], "isolation forest")
        finite_array(forest.leaf_value, "isolation forest: leaf_value", (None, 1, 1))
        usual = finite_number(state["usual"], "isolation forest: usual")
        if usual <= 0:
            refuse("isolation forest: usual", "is not above 0")
        ranks = _ranks_from_state(state["ranks"])
        return cls(OrdinalView.from_state(state["view"]), forest, usual, ranks)


@final
@dataclass(frozen=True)
class HBOSLearner(AnomalyLearner):
    """Histogram-based outlier score (Goldstein & Dengel 2012): the sum over columns of how rare a value is.

    Numbers are put on a robust scale (heavy tails by a signed logarithm) and counted in bins of
    equal width; missing values and categories are counted as they are.

    Attributes
    ----------
    n_bins : int, optional
        By default the square root of the number of rows, within 5 to 50.
    """

    n_bins: int | None = None
    kind: ClassVar[str] = "hbos"

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        given = tuple(n for n in ("n_bins",) if getattr(self, n) is not None)
        check_parameters(self, positive=given, fractions=())

    @property
    def seeded(self) -> bool:
        """Chance has no part in it."""
        return False

    def prepare(self, table: Table, rows: Rows | None = None) -> Table:
        """Return the table itself."""
        return table

    def fit(
        self,
        prepared: Table,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Count the rows in bins; of the target only zero weights are read."""
        seen = prepared.take(training_rows(target, rows, self.kind))
        scaler = learn_scaler(seen.tree_numbers, "robust")
        assert isinstance(scaler, RobustScaler)
        n_bins = self.n_bins or int(np.clip(np.sqrt(seen.n_rows), 5, 50))
        scaled = scaler.transform(seen.tree_numbers)
        low = scaled.min(axis=0, initial=0.0)
        width = np.maximum(scaled.max(axis=0, initial=0.0) - low, 1e-6) / n_bins
        cells = bins_of(scaled, np.isnan(seen.tree_numbers), low, width, n_bins)
        rarity = [_rarity(cells[:, j], n_bins) for j in range(cells.shape[1])]
        shares = learn_frequencies(seen.codes, range(seen.codes.shape[1]), level_counts(seen.schema), None)
        table = np.stack(rarity, axis=1) if rarity else np.zeros((n_bins + 3, 0), np.float32)
        fitted = FittedHBOS(scaler, low, width, table, shares, np.zeros(0))
        return replace(fitted, ranks=rank_knots(fitted.scores(seen)))

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return seconds of one fit, roughly."""
        return 0.02 + 1e-7 * n_rows * n_features


@final
@dataclass(frozen=True, eq=False)
class FittedHBOS(FittedLearner):
    """Histograms.

    Attributes
    ----------
    scaler : RobustScaler
    low, width : float32 ndarray of shape (n_slots,)
        Start of the first bin and width of every bin.
    rarity : float32 ndarray of shape (n_bins + 3, n_slots)
        Negative log-share of: below all bins, each bin, above all bins, missing.
    shares : Frequencies
        Of all code columns.
    ranks : float64 ndarray
        Quantiles of the training rows' scores, ascending.
    """

    scaler: RobustScaler
    low: npt.NDArray[np.float32]
    width: npt.NDArray[np.float32]
    rarity: npt.NDArray[np.float32]
    shares: Frequencies
    ranks: Floats
    kind: ClassVar[str] = "hbos"

    def scores(self, table: Table) -> Floats:
        """Return the sum over columns of the negative log-share of the row's bin or level."""
        n_bins = len(self.rarity) - 3
        check_width(self.rarity.shape[1], table.tree_numbers.shape[1], self.kind)
        check_levels(self.shares.levels, table.schema)
        scaled = self.scaler.transform(table.tree_numbers)
        cells = bins_of(scaled, np.isnan(table.tree_numbers), self.low, self.width, n_bins)
        total = np.zeros(table.n_rows)
        for j in range(cells.shape[1]):
            total += self.rarity[cells[:, j], j]
        shares = self.shares.encode(table.codes)
        for j in range(shares.shape[1]):
            total -= shares[:, j]
        return total

    def predict(self, table: Table) -> Prediction:
        """Return each row's rank among the training rows, within 0 to 1."""
        return ranked(self.scores(table), self.ranks)

    def to_state(self) -> State:
        """Return histograms and ranks."""
        return {
            "scaler": self.scaler.to_state(),
            "low": self.low,
            "width": self.width,
            "rarity": self.rarity,
            "shares": self.shares.to_state(),
            "ranks": self.ranks,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model."""
        scaler = scaler_from_state(state["scaler"])
        if not isinstance(scaler, RobustScaler):
            refuse("hbos: scaler", "is of another spread than 'robust'")
        n = len(scaler.centre)
        low, width = (finite_array(state[name], f"hbos: {name}", (n,)) for name in ("low", "width"))
        rarity = finite_array(state["rarity"], "hbos: rarity", (None, n))
        if len(rarity) < 4 or not (width > 0).all():
            refuse("hbos", "has no bins")
        shares = Frequencies.from_state(state["shares"])
        return cls(scaler, low, width, rarity, shares, _ranks_from_state(state["ranks"]))


def bins_of(
    scaled: npt.NDArray[np.float32],
    missing: npt.NDArray[np.bool_],
    low: npt.NDArray[np.float32],
    width: npt.NDArray[np.float32],
    n_bins: int,
) -> npt.NDArray[np.int64]:
    """Return 0 below all bins, 1 to `n_bins` within them, then one place for above and one for missing."""
    at = np.floor((scaled - low) / width)
    # The largest training value ends the last bin.
    at = np.where((at == n_bins) & (scaled <= low + width * n_bins * (1 + 1e-6)), n_bins - 1, at)
    cells = np.clip(at, -1, n_bins).astype(np.int64) + 1
    return np.where(missing, n_bins + 2, cells)


def _rarity(cells: npt.NDArray[np.int64], n_bins: int) -> npt.NDArray[np.float32]:
    counts = np.bincount(cells, minlength=n_bins + 3).astype(np.float64)
    return np.asarray(-np.log((counts + 1.0) / (len(cells) + 1.0)), np.float32)


def rank_knots(scores: Floats) -> Floats:
    """Return quantiles of training scores for `ranked`; float64, ascending."""
    return np.asarray(np.quantile(scores, np.linspace(0, 1, _RANK_KNOTS)))


def _ranks_from_state(value: Any) -> Floats:
    ranks = finite_array(value, "ranks of training scores", (None,))
    if len(ranks) < 2 or (np.diff(ranks) < 0).any():
        refuse("ranks of training scores", "do not ascend")
    return ranks


def ranked(scores: Floats, knots: Floats) -> Prediction:
    """Return the share of training scores below each score (half of equals), float32 of shape (n_rows, 1)."""
    ends = np.searchsorted(knots, scores, side="right"), np.searchsorted(knots, scores, side="left")
    places = np.linspace(0, 1, len(knots))
    within = np.interp(scores, knots, places)
    tied = ends[0] - ends[1] > 1
    middle = (ends[0] + ends[1] - 1) / (2.0 * (len(knots) - 1))
    return np.where(tied, middle, within).astype(np.float32)[:, None]
