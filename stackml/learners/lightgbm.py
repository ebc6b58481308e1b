"""LightGBM: histogram boosting, leaf by leaf, on bins that all folds and variants share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
import numpy.typing as npt

from stackml.features.levels import level_counts
from stackml.features.native import CATEGORY, NativeView, learn_native_view, values_of
from stackml.features.target_encoding import fit_target_encoder
from stackml.foundation.errors import StorageError
from stackml.learners.base import Budget, Learner, Rows
from stackml.learners.boosting import (
    FAMILY,
    Outputs,
    Patience,
    check_blob,
    check_extra_levels,
    check_parameters,
    check_width,
    expected_rounds,
    faster_rate,
    patience_of,
    rows_with_weight,
    share_of_columns,
    training_rows,
    usual_levels,
)
from stackml.learners.stopping import patience_for
from stackml.learners.trees.additive import FittedTrees
from stackml.learners.trees.arrays import ALL_BITS, Trees
from stackml.learners.trees.from_lightgbm import trees_from_text
from stackml.storage.lightgbm_text import END, OBJECTIVES, check_model_text
from stackml.tables.table import Table
from stackml.tables.target import Target

Block: TypeAlias = npt.NDArray[np.float32]
_RARE = 50.0  # rows by which categories of many values are shrunk
_BUILDING = Lock()  # of shared bins; it is quick
_SAMPLED_ROWS = 100_000  # that bins are cut by, in doubles; the library would take 200,000 (experiment 0021)

_METRICS = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}


@final
@dataclass(frozen=True)
class LightGBMLearner(Learner):
    """Gradient boosting with LightGBM.

    Attributes
    ----------
    learning_rate : float
        Shrinkage of each tree, above 0.
    num_leaves : int, optional
        Most leaves of a tree, at least 2. By default 7 to 31 for two classes, 15 to 63 for numbers
        and up to ten classes, twice as many for four times the rows, and 31 for more classes.
    extra_levels : int
        Doublings of that default.
    max_depth : int
        Deepest tree; -1 for no limit.
    min_child_samples : int, optional
        Least rows in a leaf; by default 20 for two classes and 5 otherwise.
    feature_fraction, bagging_fraction : float
        Share of columns a tree may use, five columns at least, and of rows it is grown on, in (0, 1].
    lambda_l1, lambda_l2 : float
        Penalties on leaf values.
    extra_trees : bool
        Draw one threshold a column at random: more different trees, for diversity.
    cat_smooth, cat_l2 : float
        Shrinkage of category statistics towards the mean, in rows; penalty on category splits.
    max_cat_to_onehot : int, optional
        Columns of at most so many categories are split one against the rest, others after sorting
        them by their statistics; by default 30 for two classes and 4 otherwise.
    min_data_per_group : int
        Least rows a category needs to be sorted on its own.
    most_levels : int
        Categories of more values are read by how common a value is.
    target_codes : bool
        Whether those are also read by their smoothed target means, which every fit learns from its
        own rows, and for each of these from inner folds without it, earlier ones where there is time.
    as_categories : bool
        Whether those are also read as categories, which tells apart what a value means in different
        places; shrinkage is then 50 rows at least, as rare values are noisy (experiment 0027).
    max_bin : int
        Most bins of a column; learners that share it share the bins.
    max_rounds : int
        Most trees (trees a class, for several classes).
    patience : int, optional
        Rounds without a better loss before stopping; by default 2.5 / `learning_rate`.
    follow_metric : bool
        Keep the round that is best by the user's ranking metric among those of nearly the best
        loss; see `stackml.learners.stopping`.
    """

    kind: ClassVar[str] = "lightgbm"
    library: ClassVar[str] = "lightgbm"
    stops_early: ClassVar[bool] = True
    family: ClassVar[str] = FAMILY

    learning_rate: float = 0.05
    num_leaves: int | None = None
    extra_levels: int = 0
    max_depth: int = -1
    min_child_samples: int | None = None
    feature_fraction: float = 0.8
    bagging_fraction: float = 0.9
    lambda_l1: float = 0.0
    lambda_l2: float = 1.0
    extra_trees: bool = False
    cat_smooth: float = 10.0
    cat_l2: float = 1.0
    max_cat_to_onehot: int | None = None
    min_data_per_group: int = 20
    most_levels: int = 30
    target_codes: bool = True
    as_categories: bool = False
    max_bin: int = 255
    max_rounds: int = 2000
    patience: int | None = None
    follow_metric: bool = False

    def __post_init__(self) -> None:
        check_extra_levels(self.kind, self.extra_levels)
        check_parameters(
            self,
            positive=(
                "learning_rate",
                "num_leaves",
                "min_child_samples",
                "max_cat_to_onehot",
                "max_bin",
                "max_rounds",
            ),
            fractions=("feature_fraction", "bagging_fraction"),
            not_negative=("lambda_l1", "lambda_l2", "cat_smooth", "cat_l2"),
        )

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """All LightGBM learners of the same bins share one binned table."""
        return (self.kind, self.most_levels, self.max_bin)

    def prepare(self, table: Table, rows: Rows | None = None) -> BinnedTable:
        """Return the table binned once.

        Raises
        ------
        SchemaError
            If the table has neither numbers nor categories.
        """
        view = learn_native_view(table, rows, self.most_levels)
        matrix = view.matrix(table)
        categories = [i for i, kind in enumerate(view.types(table.schema)) if kind == CATEGORY]
        with _BUILDING:
            past = None if rows is None else _binned(matrix[np.sort(rows)], categories, self.max_bin, None)
            full = _binned(matrix, categories, self.max_bin, past)
            full.reference = None  # the bins are copied; let go of the past's rows
            return BinnedTable(view, full, table)

    def fit(
        self,
        prepared: BinnedTable,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLightGBM:
        """Return a model learned from some rows of the binned table.

        Raises
        ------
        FitError
            If no row has a weight above zero.
        """
        import lightgbm as lgb

        rows = training_rows(target, rows, self.kind)
        stop_rows = None if budget.rounds is not None else rows_with_weight(target, stop_rows)
        patience = self._patience(budget, prepared, target, rows, stop_rows)
        outputs = Outputs.of(target, rows)
        view, learned, held_out = self._read(prepared, outputs, target, rows, stop_rows, seed)
        booster = lgb.Booster(self._settings(target, view, learned.num_feature(), seed), learned)
        if held_out is not None:
            booster.add_valid(held_out, "stop")
        held = None if stop_rows is None else lambda: _held_out(booster)
        goes_on = True
        while goes_on:
            is_exhausted = booster.update()
            score = None if stop_rows is None else float(booster.eval_valid()[0][2])
            # A round that finds no split is taken back by the library, save the very first one.
            goes_on = not is_exhausted and patience.goes_on(score, held)
        kept = max(1, min(patience.kept, booster.current_iteration()))
        text = booster.model_to_string(num_iteration=kept)
        return FittedLightGBM(text[: text.index(END)] + END, view, outputs, booster.num_feature(), kept)

    def _read(
        self,
        prepared: BinnedTable,
        outputs: Outputs,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        seed: int,
    ) -> tuple[NativeView, Any, Any]:
        """Return the view, and the rows to learn from and to stop on as the library reads them."""
        learned = _subset(prepared.bins, outputs, target, rows)
        held_out = None if stop_rows is None else _subset(prepared.bins, outputs, target, stop_rows)
        view, codes = prepared.view, prepared.table.codes
        columns = view.frequencies.columns
        if self.as_categories and columns:
            view = replace(view, as_categories=columns)
            many = codes[:, list(columns)]
            held_values = None if stop_rows is None else values_of(many[stop_rows])
            learned_values = values_of(many[rows])
            self._widen(learned, held_out, learned_values, held_values, list(range(len(columns))))
        if self.target_codes and columns:
            n_levels = level_counts(prepared.table.schema)
            encoder, encoded = fit_target_encoder(codes, columns, n_levels, target, rows, seed)
            view = replace(view, encoder=encoder)
            held_means = None if stop_rows is None else encoder.encode(codes[stop_rows])
            self._widen(learned, held_out, encoded, held_means, [])
        return view, learned, held_out

    def _widen(
        self, learned: Any, held_out: Any, values: Block, held_values: Block | None, categories: list[int]
    ) -> None:
        """Put columns that this fit alone reads behind those it shares."""
        added = _binned(values, categories, self.max_bin, None)
        _add_columns(learned, added)
        if held_values is not None:
            _add_columns(held_out, _binned(held_values, categories, self.max_bin, added))

    def _patience(
        self, budget: Budget, prepared: BinnedTable, target: Target, rows: Rows, stop_rows: Rows | None
    ) -> Patience:
        rounds = patience_of(self.patience, self.learning_rate)
        if not self.follow_metric:
            return Patience(budget, self.max_rounds, rounds)
        cost = self.cost(len(rows), prepared.bins.num_feature(), 1) / expected_rounds(
            self.max_rounds, self.learning_rate
        )
        return patience_for(budget, self.max_rounds, rounds, target, rows, stop_rows, cost)

    def _settings(self, target: Target, view: NativeView, n_columns: int, seed: int) -> dict[str, Any]:
        problem = target.problem
        least = _RARE if view.as_categories else 0.0
        classes = {"num_class": problem.n_classes} if problem.kind == "multiclass" else {}
        return classes | {
            "objective": OBJECTIVES[problem.kind],
            "metric": _METRICS[problem.kind],
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves or self._usual_leaves(target),
            "max_depth": self.max_depth,
            "min_data_in_leaf": self.min_child_samples or (20 if problem.kind == "binary" else 5),
            "feature_fraction": share_of_columns(self.feature_fraction, n_columns),
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1 if self.bagging_fraction < 1 else 0,
            "lambda_l1": self.lambda_l1,
            "lambda_l2": self.lambda_l2,
            "extra_trees": self.extra_trees,
            "cat_smooth": max(least, self.cat_smooth),
            "cat_l2": max(least, self.cat_l2),
            "max_cat_to_onehot": self.max_cat_to_onehot or (30 if problem.kind == "binary" else 4),
            "min_data_per_group": self.min_data_per_group,
            "seed": seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

    def _usual_leaves(self, target: Target) -> int:
        levels = usual_levels(target.problem, target.n_rows) + self.extra_levels
        return max(2, int(2**levels) - 1)

    def usual_rounds(self, n_rows: int) -> int:
        """Return the rounds a fit usually takes, whatever the number of rows."""
        return expected_rounds(self.max_rounds, self.learning_rate)

    def paced(self, share: float) -> LightGBMLearner:
        """Return the learner with larger steps, which needs fewer of them."""
        return replace(self, learning_rate=faster_rate(self.learning_rate, share))

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return about the seconds one core needs, early stopping counted in."""
        depth = math.log2(max(2, self.num_leaves or 2.0 ** (5 + self.extra_levels))) / 5
        a_round = 2.5e-3 + 6e-9 * n_rows * n_features * depth
        return self.usual_rounds(n_rows) * n_outputs * a_round


@dataclass(frozen=True, eq=False)
class BinnedTable:
    """A table binned once for all folds and variants.

    Attributes
    ----------
    view : NativeView
        How the table was read.
    bins : lightgbm.Dataset
        Of all rows, without label.
    table : Table
    """

    view: NativeView
    bins: Any
    table: Table


@final
class FittedLightGBM(FittedTrees):
    """A LightGBM model, read into arrays.

    Parameters
    ----------
    text : str
        The trees, without training parameters, as the library wrote them.
    view : NativeView
    outputs : Outputs
    n_features : int
    rounds : int
    """

    kind: ClassVar[str] = "lightgbm"

    def __init__(self, text: str, view: NativeView, outputs: Outputs, n_features: int, rounds: int) -> None:
        trees = trees_from_text(text)
        check_width(trees.n_features, n_features, self.kind)
        super().__init__(trees, view, outputs, rounds)

    @classmethod
    def _native(cls, model: object, n_features: int, outputs: Outputs) -> Trees:
        try:
            text = check_blob(model, cls.kind).decode("ascii")
        except UnicodeDecodeError as error:
            raise StorageError("lightgbm: the stored model is not text; the file is damaged") from error
        check_model_text(text, n_features, outputs.problem.n_outputs, OBJECTIVES[outputs.problem.kind])
        return trees_from_text(text, ALL_BITS)


def _binned(matrix: npt.NDArray[np.float32], categories: list[int], max_bin: int, like: Any) -> Any:
    import lightgbm as lgb

    settings = {
        "max_bin": max_bin,
        "bin_construct_sample_cnt": _SAMPLED_ROWS,
        # Else columns are dropped for the leaf size of whichever learner comes first.
        "feature_pre_filter": False,
        "num_threads": 1,
        "verbosity": -1,
    }
    unused_label = np.zeros(len(matrix), dtype=np.float32)  # the library insists on one
    return lgb.Dataset(
        matrix,
        label=unused_label,
        reference=like,
        categorical_feature=categories,
        params=settings,
        free_raw_data=True,
    ).construct()


def _subset(full: Any, outputs: Outputs, target: Target, rows: Rows) -> Any:
    # Constructed before the booster sees it: then the booster's parameters cannot clash with
    # those the bins were made with. `rows` rise, as the library sorts them and not the labels.
    subset = full.subset([])
    subset.used_indices = rows.astype(np.int32)  # a list of so many numbers would take the memory of the rows
    subset.construct()
    subset.set_label(outputs.labels(target, rows))
    if target.weight is not None:
        subset.set_weight(target.weight[rows].astype(np.float32))
    return subset


def _add_columns(data: Any, added: Any) -> None:
    # `Dataset.add_features_from` but for its warnings, that no raw values are kept: they cannot be
    # silenced here, because filters of warnings are of all threads.
    from lightgbm.basic import _LIB, _safe_call

    _safe_call(_LIB.LGBM_DatasetAddFeaturesFrom(data._handle, added._handle))


def _held_out(booster: Any) -> npt.NDArray[np.float32]:
    # The library hands its own running predictions for the stop rows to a function that scores them.
    seen = []

    def look(raw: Any, _: Any) -> tuple[str, float, bool]:
        seen.append(np.array(raw, dtype=np.float32))
        return "seen", 0.0, False

    booster.eval_valid(look)
    return seen[0]
