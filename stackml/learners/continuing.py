"""Boosters that go on from where they ended: further trees, grown on new rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, softmax

from stackml.decision.base import clipped, mean_loss
from stackml.features.native import CATEGORY, NativeView
from stackml.features.shared import SharedViews
from stackml.foundation.errors import FitError
from stackml.learners.base import FittedLearner
from stackml.learners.boosting import Outputs
from stackml.learners.trees.additive import Bags, FittedTrees
from stackml.learners.trees.arrays import Trees
from stackml.learners.trees.from_lightgbm import trees_from_text
from stackml.storage.lightgbm_text import OBJECTIVES
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

Floats = npt.NDArray[np.float64]
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

    @property
    def usual_rounds(self) -> int:
        """Rounds where nothing tells when to stop."""
        return max(1, self.max_rounds // 4)


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
    if not len(rows):
        raise FitError("a booster cannot go on: none of the new rows has a weight above zero")
    own = first.additive
    sums = [model.additive for model in models if model.additive is not None]
    seen, known = table.take(rows), target.take(rows)
    margin = (Bags([sums]).margins(SharedViews(seen)) - own.offset) / own.scale
    everyone = np.arange(len(rows))
    earlier = everyone[: len(rows) - round(how.stop_share * len(rows))]
    shared = (first.view, first.outputs, seen, known, margin, how, seed)
    trial = grown(*shared, rows=earlier, stop_rows=everyone[len(earlier) :], rounds=None)
    if trial is None:
        return tuple(models)
    trees = grown(*shared, rows=everyone, stop_rows=None, rounds=trial.n_trees // trial.n_groups)
    assert trees is not None
    leaves = (trees.leaf_value * np.float32(len(models))).astype(np.float32)
    return (first.with_more(replace(trees, leaf_value=leaves)), *models[1:])


def grown(
    view: NativeView,
    outputs: Outputs,
    table: Table,
    target: Target,
    margin: Floats,
    how: Continuation,
    seed: int,
    *,
    rows: Rows,
    stop_rows: Rows | None,
    rounds: int | None,
) -> Trees | None:
    """Return trees that mend a margin.

    Parameters
    ----------
    view : NativeView
        How the trees read the table.
    outputs : Outputs
    table : Table
    target : Target
        Of its rows.
    margin : float64 ndarray of shape (n_rows, n_outputs)
        To begin from, in the units of the trees.
    how : Continuation
    seed : int
    rows : int64 ndarray
        Rows to learn from, of weight above zero.
    stop_rows : int64 ndarray, optional
        Rows that tell when to stop.
    rounds : int, optional
        Exactly so many rounds; then `stop_rows` are not looked at.

    Returns
    -------
    Trees or None
        None where the margin is best on `stop_rows` as it is.
    """
    import lightgbm as lgb

    matrix = view.matrix(table)
    categories = [i for i, kind in enumerate(view.types(table.schema)) if kind == CATEGORY]

    def data(rows: Rows) -> Any:
        return lgb.Dataset(
            matrix[rows],
            label=outputs.labels(target, rows),
            weight=None if target.weight is None else target.weight[rows],
            init_score=margin[rows].ravel(order="F"),
            categorical_feature=categories,
            params={"verbosity": -1, "num_threads": 1, "feature_pre_filter": False},
        )

    settings = _settings(target, how, seed)
    if rounds is not None or stop_rows is None or not len(stop_rows):
        booster = lgb.train(settings, data(rows), max(1, rounds or how.usual_rounds))
        return trees_from_text(booster.model_to_string())
    booster = lgb.train(
        settings,
        data(rows),
        how.max_rounds,
        valid_sets=[data(stop_rows)],
        callbacks=[lgb.early_stopping(how.patience, verbose=False)],
    )
    before = mean_loss(
        linked(margin[stop_rows] * outputs.scale + outputs.offset, target.problem),
        target.values[stop_rows],
        target.problem,
        None if target.weight is None else target.weight[stop_rows],
    )
    found = next(iter(next(iter(booster.best_score.values())).values()))
    loss = found * outputs.scale**2 if target.problem.is_regression else found
    if not loss < before:
        return None
    return trees_from_text(booster.model_to_string(num_iteration=max(1, booster.best_iteration)))


def margin_of(prediction: npt.NDArray[Any], problem: Problem) -> Floats:
    """Return log odds, logarithms of probabilities, or the values themselves; float64 of the same shape."""
    if problem.is_regression:
        return np.asarray(prediction, np.float64)
    p = clipped(prediction)
    return np.asarray(logit(p) if problem.kind == "binary" else np.log(p))


def linked(margin: Floats, problem: Problem) -> Floats:
    """Return what `margin_of` came from."""
    if problem.is_regression:
        return margin
    return np.asarray(expit(margin) if problem.kind == "binary" else softmax(margin, axis=1))


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
