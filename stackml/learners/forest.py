"""Random forests and extremely randomized trees by scikit-learn, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import monotonic
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from stackml.features.ordinal import OrdinalView, PreparedOrdinal, prepare_ordinal
from stackml.features.shared import SharedViews
from stackml.foundation.digest import digest
from stackml.foundation.randomness import stream
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.learners.boosting import check_parameters, check_width, training_rows
from stackml.learners.constant import fit_constant, has_one_class
from stackml.learners.growing import grow, what_is_left
from stackml.learners.leaf_size import Data, choose_leaf, usual_leaves
from stackml.learners.out_of_bag import Ballot, with_half_vote
from stackml.learners.shortening import short_thresholds, short_values
from stackml.learners.trees.additive import FEW_ROWS, Additive, Bags
from stackml.learners.trees.from_forest import trees_from_forest
from stackml.learners.trees.joining import Parts, joined_forests, joined_parts, on_one_view
from stackml.learners.trees.leaves import Leaves
from stackml.storage.fields import finite_array
from stackml.storage.state import State
from stackml.storage.trees import Forest, forest_from_state, forest_from_trees
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

_LEAST_TREES = 20
_USUAL_TREES = (40, 100)
_USUAL_DRAWS = 1_200_000  # rows that all trees draw together
_MORE_OUT_OF_BAG = 2.5  # times the trees, as a row is told by a third of them
_UNHURRIED = 0.5  # share of the trees below which further ones that choose a size would be too many
_VOTING = 1.4  # of the work without: a third of the rows is predicted by every tree
_BLOCK = 50_000  # rows predicted at once where no tree drew them


@dataclass(frozen=True)
class ForestLearner(Learner):
    """What both forests share; see the subclasses.

    Two classes are grown as the numbers 0 and 1: the variance within a node is half its Gini
    impurity, so the splits are the same, and scikit-learn finds them in less time.

    Attributes
    ----------
    n_trees : int, optional
        By default as many as draw 1.2 million rows in all, at least 40 and at most 100, and 2.5 times
        as many out of the bag, where a row is told by a third of them.
    share : float
        Of the default number of trees, in (0, 1].
    min_samples_leaf : int, optional
        By default, for classes, 1 to an 800th of the rows a tree is grown on: that of least error out
        of the bag in five trees of each size (experiment 0028), or the largest where rows come in
        groups or time, which a bag knows nothing of, and where `share` is below a half. For numbers
        a 15,000th, at least 2.
    max_features : float, optional
        Share of the columns tried at a split; by default the square root of their number for
        classes and 0.7 for numbers in a random forest, twice that root and all in extra trees.
    max_rows_per_tree : int
        Most rows drawn for each tree, out of at most four times as many.
    """

    n_trees: int | None = None
    share: float = 1.0
    min_samples_leaf: int | None = None
    max_features: float | None = None
    max_rows_per_tree: int = 60_000

    library: ClassVar[str] = "sklearn.ensemble"
    scales: ClassVar[bool] = False
    seconds_per_step: ClassVar[float] = 3e-8
    keeps_voters: ClassVar[bool] = True  # all trees that vote out of the bag predict too

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        given = tuple(
            n
            for n in (
                "n_trees",
                "min_samples_leaf",
                "max_features",
                "max_rows_per_tree",
            )
            if getattr(self, n) is not None
        )
        check_parameters(self, positive=given, fractions=("share",))

    def prepare(self, table: Table, rows: Rows | None = None) -> PreparedOrdinal:
        """Learn frequencies of categories, and scales where thresholds are drawn at random."""
        return prepare_ordinal(table, rows, scaled=self.scales)

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """Learners that read the same view share it."""
        return ("ordinal", self.scales)

    def fit(
        self,
        prepared: PreparedOrdinal,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Grow the trees; `stop_rows` are not read."""
        rows = self._pool(training_rows(target, rows, self.kind), seed)
        if has_one_class(target, rows):
            return fit_constant(target, rows)
        view, matrix = prepared.fit(target, rows, seed)
        data = (matrix, target.values[rows], _mean_one(target, rows))
        started = monotonic()
        estimator = self._estimator(target, matrix, seed, self._leaf(target, data, seed, budget))
        grow(estimator, data, what_is_left(budget, started), budget.rounds or self.usual_rounds(len(rows)))
        return FittedForest(view, _forest_of(estimator, target.problem, matrix))

    def fit_out_of_bag(
        self, prepared: PreparedOrdinal, target: Target, rows: Rows, budget: Budget, seed: int
    ) -> tuple[FittedLearner, Prediction]:
        """Grow trees on rows drawn with replacement; each row is predicted by those that did not draw it.

        Categories are read without target codes, which would carry a row's target into its own
        prediction. Trees are grown past the clock until every row has a vote. Extra trees keep two
        of five for predicting, which is about as many as vote on a row out of its bag. See the base class.
        """
        pool = self._pool(training_rows(target, rows, self.kind), seed)
        view, matrix = prepared.fit_plain(pool)
        data = (matrix, target.values[pool], _mean_one(target, pool))
        started = monotonic()
        leaf = self._leaf(target, data, seed, budget)
        estimator = self._estimator(target, matrix, seed, leaf).set_params(bootstrap=True)
        ballot = Ballot(matrix, target.problem)
        budget = what_is_left(budget, started)
        n_kept = budget.rounds or self._kept(round(self._more_out_of_bag * self.usual_rounds(len(pool))))
        grow(estimator, data, budget, self._voters(n_kept), lambda: ballot.count(estimator))
        n_kept = self._kept(len(estimator.estimators_))
        # As many as a plan that knows those kept will grow again.
        grow(estimator, data, Budget(), self._voters(n_kept), lambda: ballot.count(estimator))
        forest = FittedForest(view, _forest_of(estimator, target.problem, matrix, n_kept))
        drawable = np.isin(rows, pool)
        prediction = np.empty((len(rows), target.problem.n_outputs), np.float32)
        prediction[drawable] = ballot.means()[np.searchsorted(pool, rows[drawable])]
        for block in _blocks(np.flatnonzero(~drawable)):
            prediction[block] = forest.predict(prepared.table.take(rows[block]))
        if has_one_class(target, pool):
            return fit_constant(target, pool), prediction
        return forest, prediction

    def _pool(self, rows: Rows, seed: int) -> Rows:
        # scikit-learn walks all rows for every tree, drawn or not.
        size = 4 * self.max_rows_per_tree
        if len(rows) <= size:
            return rows
        return np.sort(stream(seed, "forest", "pool").choice(rows, size, replace=False))

    def _leaf(self, target: Target, data: Data, seed: int, budget: Budget) -> int:
        # It hangs on no clock, but on what the clock made of the forest, which a plan records.
        if self.min_samples_leaf is not None:
            return self.min_samples_leaf
        n_drawn = min(len(data[0]), self.max_rows_per_tree)
        sizes = usual_leaves(target.problem, n_drawn, target.weight is not None)
        if target.groups is not None or target.time is not None or self.share < _UNHURRIED:
            return sizes[0]
        if budget.is_probe:
            return sizes[len(sizes) // 2]

        def make(matrix: npt.NDArray[np.float32], leaf: int) -> Any:
            return self._estimator(target, matrix, seed, leaf).set_params(bootstrap=True)

        return choose_leaf(sizes, make, data, target.problem, seed, n_drawn)

    def _estimator(self, target: Target, matrix: npt.NDArray[np.float32], seed: int, leaf: int) -> Any:
        raise NotImplementedError

    def _parameters(
        self, target: Target, matrix: npt.NDArray[np.float32], seed: int, leaf: int, bootstrap: bool
    ) -> dict[str, Any]:
        n_rows, n_columns = matrix.shape
        drawn = min(n_rows, self.max_rows_per_tree)
        return {
            "n_estimators": 1,  # more of them are asked for as it grows
            "min_samples_leaf": leaf,
            "max_features": self._tried(n_columns, target.problem.is_regression),
            "bootstrap": bootstrap or drawn < n_rows,
            # A share, because scikit-learn gives integer weights their meaning only then.
            "max_samples": drawn / n_rows if drawn < n_rows else (1.0 if bootstrap else None),
            "n_jobs": 1,
            "random_state": seed,
            "warm_start": True,
        }

    def _tried(self, n_columns: int, is_regression: bool) -> int:
        share = self.max_features or self.usual_share(n_columns, is_regression)
        return int(np.clip(round(share * n_columns), 1, n_columns))

    @staticmethod
    def usual_share(n_columns: int, is_regression: bool) -> float:
        """Return the share of columns tried at a split by default."""
        raise NotImplementedError

    def usual_rounds(self, n_rows: int) -> int:
        """Return the number of trees."""
        if self.n_trees is not None:
            return self.n_trees
        drawn = max(1, min(n_rows, self.max_rows_per_tree))
        fewest, most = _USUAL_TREES
        return max(_LEAST_TREES, round(self.share * np.clip(_USUAL_DRAWS / drawn, fewest, most)))

    @property
    def out_of_bag_effort(self) -> float:
        """As the base class says."""
        return _VOTING * self._more_out_of_bag

    @property
    def _more_out_of_bag(self) -> float:
        return _MORE_OUT_OF_BAG if self.n_trees is None else 1.0

    def _voters(self, n_kept: int) -> int:
        return n_kept if self.keeps_voters else round(self._more_out_of_bag * n_kept)

    def _kept(self, n_voters: int) -> int:
        return n_voters if self.keeps_voters else int(np.ceil(n_voters / self._more_out_of_bag))

    def paced(self, share: float) -> ForestLearner:
        """Return the forest with fewer trees, at least 20 of them."""
        if self.n_trees is None:
            return replace(self, share=share * self.share)
        return replace(self, n_trees=min(self.n_trees, max(_LEAST_TREES, round(share * self.n_trees))))

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return seconds of one fit, roughly."""
        drawn = min(n_rows, self.max_rows_per_tree)
        work = self.usual_rounds(n_rows) * drawn * np.log2(drawn + 2) * self._tried(n_features, False)
        return float(0.05 + self.seconds_per_step * work)


@final
@dataclass(frozen=True)
class RandomForestLearner(ForestLearner):
    """A random forest (Breiman 2001): bootstrap rows, best of a random choice of columns."""

    kind: ClassVar[str] = "random_forest"
    out_of_bag: ClassVar[frozenset[str]] = frozenset({"binary", "multiclass", "regression"})

    @staticmethod
    def usual_share(n_columns: int, is_regression: bool) -> float:
        """Return 0.7 for numbers and the square root of the number of columns for classes."""
        return 0.7 if is_regression else float(n_columns) ** -0.5

    def _estimator(self, target: Target, matrix: npt.NDArray[np.float32], seed: int, leaf: int) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        make = RandomForestClassifier if target.problem.kind == "multiclass" else RandomForestRegressor
        return make(**self._parameters(target, matrix, seed, leaf, bootstrap=True))


@final
@dataclass(frozen=True)
class ExtraTreesLearner(ForestLearner):
    """Extremely randomized trees (Geurts, Ernst & Wehenkel 2006): random thresholds, all rows."""

    kind: ClassVar[str] = "extra_trees"
    # Rows drawn with replacement tell fewer things apart, which costs numbers and several classes most.
    out_of_bag: ClassVar[frozenset[str]] = frozenset({"binary"})
    # A threshold drawn between the extremes of a heavy tail would cut off nothing else.
    scales: ClassVar[bool] = True
    seconds_per_step: ClassVar[float] = 1e-8
    keeps_voters: ClassVar[bool] = False  # two of five predict nearly as well (experiment 0020)

    @staticmethod
    def usual_share(n_columns: int, is_regression: bool) -> float:
        """Return 1 for numbers and twice the square root of the number of columns for classes."""
        return 1.0 if is_regression else 2.0 * float(n_columns) ** -0.5

    def _estimator(self, target: Target, matrix: npt.NDArray[np.float32], seed: int, leaf: int) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

        make = ExtraTreesClassifier if target.problem.kind == "multiclass" else ExtraTreesRegressor
        return make(**self._parameters(target, matrix, seed, leaf, bootstrap=False))


def _forest_of(
    estimator: Any, problem: Problem, matrix: npt.NDArray[np.float32], n_trees: int | None = None
) -> Forest:
    forest = short_thresholds(forest_from_trees(estimator.estimators_[:n_trees]), matrix)
    return compact_leaves(forest, estimator, problem)


def _mean_one(target: Target, rows: Rows) -> npt.NDArray[np.float64] | None:
    # scikit-learn draws as many rows as their weights sum to.
    if target.weight is None:
        return None
    weight = target.weight[rows]
    return np.asarray(weight / weight.mean())


def _blocks(at: Rows) -> list[Rows]:
    return [at[first : first + _BLOCK] for first in range(0, len(at), _BLOCK)]


def compact_leaves(forest: Forest, estimator: Any, problem: Problem) -> Forest:
    """Return the forest with leaves that hold what a prediction needs and no more.

    Binary leaves keep the probability of the second class. Several classes share one half vote
    more alike, which is divided among the leaves: a forest never calls a class impossible.
    Probabilities are kept in half precision, numbers to about as many digits: one part in two
    thousand, averaged out over the trees.
    """
    values = forest.leaf_value
    if problem.is_regression:
        return replace(forest, leaf_value=short_values(values))
    if problem.kind == "binary":
        return replace(forest, leaf_value=np.clip(values, 0.0, 1.0).astype(np.float16))
    nothing = with_half_vote(np.zeros(problem.n_classes), np.array(forest.n_trees))
    full = np.tile(nothing.astype(np.float16), (len(values), 1, 1))
    for place, said in zip(np.asarray(estimator.classes_, np.int64), np.moveaxis(values, 2, 0), strict=True):
        full[:, :, place] = nothing[place] + said * (1.0 - nothing.sum())
    return replace(forest, n_classes=np.array([problem.n_classes]), leaf_value=full)


@final
@dataclass(frozen=True, eq=False)
class FittedForest(FittedLearner):
    """Grown trees; a prediction is the mean over them.

    Attributes
    ----------
    view : OrdinalView
    forest : Forest
    parts : Parts, optional
        The forests it was joined of.
    """

    view: OrdinalView
    forest: Forest
    parts: Parts | None = None
    kind: ClassVar[str] = "forest"
    built: ClassVar[tuple[str, ...]] = ("additive", "_alone", "_leaves")

    @property
    def rounds(self) -> int:
        """Number of trees."""
        return self.forest.n_trees

    @cached_property
    def additive(self) -> Additive | None:
        """The forest as a sum of trees, or None where leaves hold several classes."""
        leaves = self.forest.leaf_value
        if leaves.shape[2] > 1:
            return None
        within = 0 <= leaves.min() <= leaves.max() <= 1  # then so is their mean, for classes and numbers
        trees = trees_from_forest(self.forest, None if self.parts is None else self.parts.tree_weight)
        return Additive(self.view, trees, "share" if within else "identity")

    @cached_property
    def _alone(self) -> Bags | None:
        return None if self.additive is None else Bags([[self.additive]])

    @cached_property
    def _leaves(self) -> Leaves:
        return Leaves(self.forest, None if self.parts is None else self.parts.n_trees)

    def predict(self, table: Table) -> Prediction:
        """Return the mean prediction of the trees."""
        return self.predict_shared(SharedViews(table, table.n_rows <= FEW_ROWS))

    def predict_shared(self, views: SharedViews) -> Prediction:
        """Return `predict` of the rows being scored."""
        if self._alone is not None:
            return self._alone.of(views)[0]
        matrix = self.view.shared(views)
        check_width(self.forest.n_features, matrix.shape[1], self.kind)  # a tree reads where it is told to
        total = self._leaves.summed(matrix, few=views.few)
        shares = total / total.sum(axis=2, keepdims=True)
        if self.parts is None:
            return np.asarray(shares[:, 0], np.float32)
        return np.einsum("rpc,p->rc", shares, self.parts.share).astype(np.float32)

    def joins(self, schema: Schema) -> dict[str, Any]:
        """Return what must be equal; see the base class. Target codes may differ: all are kept."""
        plain = replace(self.view, encoder=replace(self.view.encoder, tables=[]))
        return {
            "the number of classes in leaves": self.forest.n_classes.tolist(),
            "the number of columns read": self.forest.n_features,
            "the columns with target codes": [schema.categories[i].name for i in plain.encoder.columns],
            "the number of target codes": self.view.encoder.width,
            "the columns read, their scales and how common their values are": digest(
                list(plain.ranked),
                plain.frequencies.to_state(),
                None if plain.scaler is None else plain.scaler.to_state(),
            ),
        }

    def joined(self, others: Sequence[FittedForest], shares: Sequence[float]) -> FittedForest:
        """Return the forest of all trees; see the base class."""
        kept = [(m, s) for m, s in zip((self, *others), shares, strict=True) if s > 0]
        models = [model for model, _ in kept]
        view, forests = on_one_view([m.view for m in models], [m.forest for m in models])
        parts = [m.parts or Parts(np.array([m.forest.n_trees]), np.ones(1)) for m in models]
        return FittedForest(view, joined_forests(forests), joined_parts(parts, [s for _, s in kept]))

    def to_state(self) -> State:
        """Return the view and the trees as arrays."""
        state: State = {"view": self.view.to_state(), "forest": self.forest.to_state()}
        return state if self.parts is None else {**state, "parts": self.parts.to_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the trees after their indices have been checked."""
        forest = forest_from_state(state["forest"])
        finite_array(forest.leaf_value, "forest: leaf_value", (None, 1, None))
        stored = state.get("parts")
        parts = None if stored is None else Parts.from_state(stored, forest.n_trees)
        return cls(OrdinalView.from_state(state["view"]), forest, parts)
