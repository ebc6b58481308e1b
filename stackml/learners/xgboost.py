"""XGBoost: histogram boosting, level by level, with an intercept and regularised leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, ClassVar, final

import numpy as np

from stackml.features.native import NativeView, learn_native_view
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
from stackml.learners.trees.from_xgboost import trees_from_ubjson
from stackml.learners.xgboost_bins import BinnedMatrix
from stackml.learners.xgboost_trees import check_model_bytes
from stackml.tables.table import Table
from stackml.tables.target import Target

_BUILDING = Lock()

_OBJECTIVES = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}
_METRICS = {"binary": "logloss", "multiclass": "mlogloss", "regression": "rmse"}


@final
@dataclass(frozen=True)
class XGBoostLearner(Learner):
    """Gradient boosting with XGBoost.

    Attributes
    ----------
    learning_rate : float
        Shrinkage of each tree, above 0.
    max_depth : int, optional
        Deepest tree; 0 for no limit. By default 4 to 6 for two classes, 5 to 7 for numbers and
        up to ten classes, one more for four times the rows, and 6 for more classes.
    extra_levels : int
        Added to that default.
    max_leaves : int
        Most leaves of a tree; 0 for no limit.
    leafwise : bool
        Grow the best leaf first instead of level by level; wants `max_leaves`.
    min_child_weight : float
        Least sum of second derivatives in a leaf.
    subsample, colsample_bytree : float
        Share of rows a tree is grown on, and of columns it may use, five at least, in (0, 1].
    reg_alpha, reg_lambda : float
        Penalties on leaf values.
    gamma : float
        Least gain of a split.
    max_cat_to_onehot : int
        Columns of at most so many categories are split one against the rest.
    most_levels : int
        Categories of more values are read by how common a value is.
    max_bin : int
        Most bins of a column.
    max_rounds : int
        Most trees (trees a class, for several classes).
    patience : int, optional
        Rounds without a better loss before stopping; by default 2.5 / `learning_rate`.
    follow_metric : bool
        Keep the round that is best by the user's ranking metric among those of nearly the best
        loss; see `stackml.learners.stopping`.
    """

    kind: ClassVar[str] = "xgboost"
    library: ClassVar[str] = "xgboost"
    stops_early: ClassVar[bool] = True
    family: ClassVar[str] = FAMILY

    learning_rate: float = 0.05
    max_depth: int | None = None
    extra_levels: int = 0
    max_leaves: int = 0
    leafwise: bool = False
    min_child_weight: float = 1.0
    subsample: float = 0.9
    colsample_bytree: float = 0.8
    reg_alpha: float = 0.0
    reg_lambda: float = 1.0
    gamma: float = 0.0
    max_cat_to_onehot: int = 4
    most_levels: int = 100
    max_bin: int = 256
    max_rounds: int = 2000
    patience: int | None = None
    follow_metric: bool = False

    def __post_init__(self) -> None:
        check_extra_levels(self.kind, self.extra_levels)
        check_parameters(
            self,
            positive=("learning_rate", "max_bin", "max_rounds"),
            fractions=("subsample", "colsample_bytree"),
            not_negative=("max_depth", "max_leaves", "min_child_weight", "reg_alpha", "reg_lambda", "gamma"),
        )

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """All XGBoost learners that read categories alike share the bins."""
        return (self.kind, self.most_levels, self.max_bin)

    def prepare(self, table: Table, rows: Rows | None = None) -> BinnedMatrix:
        """Return the table and its bins, made once for all folds and variants.

        Raises
        ------
        SchemaError
            If the table has neither numbers nor categories.
        """
        view = learn_native_view(table, rows, self.most_levels)
        matrix = view.matrix(table)
        types = view.types(table.schema)
        with _BUILDING:
            return BinnedMatrix(view, matrix, types, self.max_bin, rows)

    def fit(
        self,
        prepared: BinnedMatrix,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedXGBoost:
        """Return a model learned from some rows of the matrix.

        Raises
        ------
        FitError
            If no row has a weight above zero.
        """
        import xgboost as xgb

        rows = training_rows(target, rows, self.kind)
        stop_rows = None if budget.rounds is not None else rows_with_weight(target, stop_rows)
        patience = self._patience(budget, prepared, target, rows, stop_rows)
        outputs = Outputs.of(target, rows)
        learned = self._part(prepared, outputs, target, rows)
        held = None if stop_rows is None else self._part(prepared, outputs, target, stop_rows)
        booster = xgb.Booster(
            self._settings(target, prepared.matrix.shape[1], seed),
            [learned] if held is None else [learned, held],
        )
        done, goes_on = 0, True
        while goes_on:
            booster.update(learned, iteration=done)
            loss = None if held is None else _loss(booster, held, done)
            goes_on = patience.goes_on(loss, None if held is None else lambda: booster.predict(held))
            done += 1
        kept = patience.kept
        model = bytes((booster if kept == done else booster[:kept]).save_raw("ubj"))
        return FittedXGBoost(model, prepared.view, outputs, prepared.matrix.shape[1], kept)

    def _patience(
        self, budget: Budget, prepared: BinnedMatrix, target: Target, rows: Rows, stop_rows: Rows | None
    ) -> Patience:
        rounds = patience_of(self.patience, self.learning_rate)
        if not self.follow_metric:
            return Patience(budget, self.max_rounds, rounds)
        cost = self.cost(len(rows), prepared.matrix.shape[1], 1) / expected_rounds(
            self.max_rounds, self.learning_rate
        )
        return patience_for(budget, self.max_rounds, rounds, target, rows, stop_rows, cost)

    def _part(self, prepared: BinnedMatrix, outputs: Outputs, target: Target, rows: Rows) -> Any:
        part = prepared.part(rows)
        part.set_label(outputs.labels(target, rows))
        if target.weight is not None:
            part.set_weight(target.weight[rows].astype(np.float32))
        return part

    def _settings(self, target: Target, n_columns: int, seed: int) -> dict[str, Any]:
        problem = target.problem
        classes = {"num_class": problem.n_classes} if problem.kind == "multiclass" else {}
        return classes | {
            "objective": _OBJECTIVES[problem.kind],
            "eval_metric": _METRICS[problem.kind],
            "tree_method": "hist",
            "grow_policy": "lossguide" if self.leafwise else "depthwise",
            "learning_rate": self.learning_rate,
            "max_depth": self._depth(target),
            "max_leaves": self.max_leaves,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bytree": share_of_columns(self.colsample_bytree, n_columns),
            "reg_alpha": self.reg_alpha,
            "reg_lambda": self.reg_lambda,
            "gamma": self.gamma,
            "max_cat_to_onehot": self.max_cat_to_onehot,
            "max_bin": self.max_bin,
            "seed": seed,
            "nthread": 1,
            "verbosity": 0,
        }

    def _depth(self, target: Target) -> int:
        if self.max_depth is not None:
            return self.max_depth
        return max(1, usual_levels(target.problem, target.n_rows) + 1 + self.extra_levels)

    def usual_rounds(self, n_rows: int) -> int:
        """Return the rounds a fit usually takes, whatever the number of rows."""
        return expected_rounds(self.max_rounds, self.learning_rate)

    def paced(self, share: float) -> XGBoostLearner:
        """Return the learner with larger steps, which needs fewer of them."""
        return replace(self, learning_rate=faster_rate(self.learning_rate, share))

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return about the seconds one core needs, early stopping counted in."""
        depth = max(1, 6 + self.extra_levels) if self.max_depth is None else self.max_depth or 10
        a_round = 1.5e-3 + 6e-9 * n_rows * n_features * depth / 6
        return self.usual_rounds(n_rows) * n_outputs * a_round


@final
class FittedXGBoost(FittedTrees):
    """An XGBoost model, read into arrays.

    Parameters
    ----------
    model : bytes
        As the library wrote it in UBJSON.
    view : NativeView
    outputs : Outputs
    n_features : int
    rounds : int
    """

    kind: ClassVar[str] = "xgboost"

    def __init__(
        self, model: bytes, view: NativeView, outputs: Outputs, n_features: int, rounds: int
    ) -> None:
        trees = trees_from_ubjson(model)
        check_width(trees.n_features, n_features, self.kind)
        super().__init__(trees, view, outputs, rounds)

    @classmethod
    def _native(cls, model: object, n_features: int, outputs: Outputs) -> Trees:
        found, objective = check_blob(model, cls.kind), _OBJECTIVES[outputs.problem.kind]
        check_model_bytes(found, n_features, outputs.problem.n_outputs, objective)
        return trees_from_ubjson(found, ALL_BITS)


def _loss(booster: Any, held: Any, number: int) -> float:
    # "[7]\tstop-logloss:0.17754947631685764"
    return float(booster.eval_set([(held, "stop")], number).rsplit(":", 1)[1])
