"""Into how many parts rows are divided, and which: as asked, by groups and time, within a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.combiners.nested import restricted
from stackml.foundation.errors import SplitError
from stackml.oof.engine import Engine
from stackml.oof.fold_counts import FOLDS, NOMINAL_IN_TIME, affordable_folds, first_folds, usual_folds
from stackml.splitting.base import Fold, Folds, Kind
from stackml.splitting.catalog import choose_splitter
from stackml.splitting.holdout import check_embargo_needs_time
from stackml.stack.recipe import AUTO_FOLDS, Recipe
from stackml.tables.table import Table
from stackml.tables.target import Target

LIKELY_LAYERS = 2  # where their number is open


def within_budget(recipe: Recipe, table: Table, target: Target, engine: Engine) -> Recipe:
    """Return the recipe with a number of folds: as many as are worth it and can be paid within a limit.

    Where that number is open and models of all rows will predict, the folds' models serve the
    combiner alone, which learns a few weights. Where not all learners can be had on all folds, a few
    are fitted first: more learners are worth more than more rows to weigh them by (docs/decisions/0024).
    """
    if recipe.fitted_folds is not None and not recipe.only:  # decided for other rows, before an update
        recipe = replace(recipe, folds=AUTO_FOLDS, fitted_folds=None)
    is_free = not engine.spending.is_limited or bool(recipe.only)
    if recipe.folds != AUTO_FOLDS and (is_free or not isinstance(recipe.folds, int)):
        return recipe
    if is_free:
        return replace(recipe, folds=FOLDS)
    size = target.n_rows, table.n_features, target.problem.n_outputs
    budget = engine.spending.left / (LIKELY_LAYERS if isinstance(recipe.layers, str) else recipe.layers)
    nominal = NOMINAL_IN_TIME * budget if engine.spending.is_timed else budget
    learners = [learner for _, learner in recipe.learners]
    folds = recipe.folds
    if not isinstance(folds, int):
        # Some folds of few groups need not look like all: rare classes and large groups are dealt first.
        deals_rows = target.time is None and target.groups is None
        if recipe.refits and recipe.layers == 1 and deals_rows:
            first = first_folds(FOLDS, learners, *size, nominal, n_rarest=_n_rarest(target))
            if first < FOLDS:
                return replace(recipe, folds=FOLDS, fitted_folds=first)
        keeps_folds = target.time is None and not recipe.refits
        folds = usual_folds(learners, *size, nominal) if keeps_folds else FOLDS
    return replace(recipe, folds=affordable_folds(folds, learners, *size, budget))


def _n_rarest(target: Target) -> int:
    if target.problem.is_regression:
        return target.n_rows
    return int(np.unique_counts(target.values).counts.min())


def split(target: Target, classes: Sequence[Any], recipe: Recipe) -> Folds:
    """Return folds that honour groups and time where they are given."""
    folds = FOLDS if isinstance(recipe.folds, str) else recipe.folds
    if not isinstance(folds, int):
        return stated_folds(folds, target, recipe.embargo)
    splitter = choose_splitter(
        folds,
        groups_given=target.groups is not None,
        time_given=target.time is not None,
        embargo=recipe.embargo,
    )
    return splitter.split(
        n_rows=target.n_rows,
        y_codes=target.values,
        groups=target.groups,
        time=target.moments,
        seed=recipe.seed,
        class_names=[str(c) for c in classes] or None,
    )


def stated_folds(folds: Folds | tuple[Fold, ...], target: Target, embargo: float = 0.0) -> Folds:
    """Return a user's own folds, proven to honour groups and time where these are given."""
    if isinstance(folds, tuple):
        folds = Folds(folds, target.n_rows, "plain")
    if folds.n_rows != target.n_rows:
        raise SplitError(
            f"folds are for {folds.n_rows} rows, X has {target.n_rows}; make them for these rows"
        )
    if target.time is None:
        check_embargo_needs_time(embargo, time_given=False)
    elif folds.exchangeable:
        kind: Kind = "temporal" if target.groups is None else "grouped_temporal"
        folds = Folds(folds.folds, folds.n_rows, kind, folds.notes)
    return folds.prove(target.groups, target.moments, embargo)


def folds_among(folds: Folds, rows: npt.NDArray[np.int64]) -> Folds | None:
    """Return the folds of the rows that have out-of-fold predictions, renumbered among them."""
    return folds if len(rows) == folds.n_rows else restricted(folds, rows)
