"""Boosters that go on from where they ended: further trees, grown on new rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.native import CATEGORY
from stackml.features.shared import SharedViews
from stackml.foundation.errors import FitError
from stackml.learners.base import FittedLearner
from stackml.learners.boosting import rows_with_weight
from stackml.learners.trees.additive import Bags, FittedTrees
from stackml.learners.trees.arrays import Trees
from stackml.learners.trees.from_lightgbm import trees_from_text
from stackml.storage.lightgbm_text import OBJECTIVES
from stackml.tables.table import Table
from stackml.tables.target import Target

Rows = npt.NDArray[np.int64]

_METRICS = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}


@dataclass(frozen=True)
class Continuation:
    """How boosters go on.

    Attributes
    ----------
    learning_rate : float
    num_leaves : int
        Most leaves of a tree; fewer than usual, as new rows are few.
    min_child_samples : int
        Least rows in a leaf.
    max_rounds, patience : int
        Most rounds, and rounds without a better loss on the latest rows after which to stop.
    stop_share : float
        Share of the rows, the latest ones, that tell when to stop; the trees are then grown on all.
    """

    learning_rate: float = 0.05
    num_leaves: int = 15
    min_child_samples: int = 20
    max_rounds: int = 200
    patience: int = 20
    stop_share: float = 0.25


def can_continue(models: Sequence[FittedLearner]) -> bool:
    """Return whether models that predict together by the mean of their margins are boosters."""
    return all(isinstance(model, FittedTrees) for model in models)


def continued(
    models: Sequence[FittedLearner],
    table: Table,
    target: Target,
    rows: Rows,
    seed: int,
    how: Continuation | None = None,
) -> tuple[FittedLearner, ...]:
    """Return boosters that predict together, with trees grown on new rows from the margin they give them.

    The trees are grown by LightGBM, whoever grew those before, and go to the first model, their
    leaves times the number of models: so the mean of margins moves by just what they say.

    Parameters
    ----------
    models : sequence of FittedTrees
        A bag whose margins are averaged.
    table : Table
        Of the schema they learned from.
    target : Target
        Of its rows.
    rows : int64 ndarray
        Rows to learn from, earliest first.
    seed : int
    how : Continuation, optional

    Raises
    ------
    FitError
        If no row has a weight above zero.
    """
    how = Continuation() if how is None else how
    first = models[0]
    assert isinstance(first, FittedTrees)
    if target.weight is not None:
        rows = rows[target.weight[rows] > 0]
    if rows_with_weight(target, rows) is None:
        raise FitError("a booster cannot go on: none of the new rows has a weight above zero")
    own = first.additive
    sums = [model.additive for model in models if model.additive is not None]
    seen = table.take(rows)
    margin = (Bags([sums]).margins(SharedViews(seen)) - own.offset) / own.scale
    grown = _grown(first, seen, target.take(rows), margin, how, seed)
    leaves = (grown.leaf_value * np.float32(len(models))).astype(np.float32)
    more = replace(grown, leaf_value=leaves)
    return (first.with_more(more), *models[1:])


def _grown(
    model: FittedTrees,
    table: Table,
    target: Target,
    margin: npt.NDArray[np.float64],
    how: Continuation,
    seed: int,
) -> Trees:
    import lightgbm as lgb

    view, outputs = model.view, model.outputs
    matrix = view.matrix(table)
    categories = [i for i, kind in enumerate(view.types(table.schema)) if kind == CATEGORY]
    everyone = np.arange(table.n_rows)
    label = outputs.labels(target, everyone)

    def data(rows: Rows) -> Any:
        return lgb.Dataset(
            matrix[rows],
            label=label[rows],
            weight=None if target.weight is None else target.weight[rows],
            init_score=margin[rows].ravel(order="F"),
            categorical_feature=categories,
            params={"verbosity": -1, "num_threads": 1, "feature_pre_filter": False},
        )

    settings = _settings(target, how, seed)
    rounds = how.max_rounds
    n_learn = table.n_rows - round(how.stop_share * table.n_rows)
    if 0 < n_learn < table.n_rows:
        trial = lgb.train(
            settings,
            data(everyone[:n_learn]),
            how.max_rounds,
            valid_sets=[data(everyone[n_learn:])],
            callbacks=[lgb.early_stopping(how.patience, verbose=False)],
        )
        rounds = max(1, trial.best_iteration)
    booster = lgb.train(settings, data(everyone), rounds)
    return trees_from_text(booster.model_to_string())


def _settings(target: Target, how: Continuation, seed: int) -> dict[str, Any]:
    problem = target.problem
    classes = {"num_class": problem.n_classes} if problem.kind == "multiclass" else {}
    return classes | {
        "objective": OBJECTIVES[problem.kind],
        "metric": _METRICS[problem.kind],
        "learning_rate": how.learning_rate,
        "num_leaves": how.num_leaves,
        "min_data_in_leaf": how.min_child_samples,
        "lambda_l2": 1.0,
        "cat_smooth": 50.0,
        "cat_l2": 50.0,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
