"""The method on one page: split, fit out of fold, combine, calibrate, assemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.combiners.auto import WITH_LAST_FIT, Choice, choose_combiner
from stackml.combiners.base import Combiner, Context, FittedCombiner, MetaFeatures
from stackml.combiners.catalog import default_candidates, known_candidates
from stackml.combiners.single import SingleCombiner
from stackml.decision.base import FittedCalibrator
from stackml.decision.calibration import CalibrationRecord, choose_calibrator
from stackml.decision.catalog import make_calibrator
from stackml.decision.cross_fitted import cross_calibrated
from stackml.explain.typical import typical_row
from stackml.foundation.progress import Event
from stackml.foundation.threads import one_thread_each
from stackml.oof.engine import Engine
from stackml.oof.result import OofResult
from stackml.stack.dividing import folds_among, split, within_budget
from stackml.stack.fitted import FittedStack, Layer, Member
from stackml.stack.layering import grow_layers
from stackml.stack.layers import Sources, layer_job
from stackml.stack.recipe import Recipe
from stackml.stack.repeating import further_folds, may_repeat, refitted, repeated
from stackml.tables.table import Table
from stackml.tables.target import Target


@dataclass(frozen=True, eq=False)
class Combined:
    """The upper half of a stack and how it was chosen.

    Attributes
    ----------
    combiner : FittedCombiner
    calibrator : FittedCalibrator
    choice : Choice
        Which combiners were tried, and what each scored.
    calibration : CalibrationRecord
    nested : float64 ndarray of shape (n_rows, n_outputs)
        Calibrated predictions whose combiner never saw the row; NaN where there is none.
    """

    combiner: FittedCombiner
    calibrator: FittedCalibrator
    choice: Choice
    calibration: CalibrationRecord
    nested: npt.NDArray[np.float64]

    def combiner_card(self) -> dict[str, Any]:
        """Return how the combiner was chosen and what it has to tell, as JSON values."""
        report = self.combiner.report()
        return {**self.choice.to_state(), **({self.combiner.kind: report} if report else {})}


@dataclass(frozen=True, eq=False)
class Built:
    """A fitted stack and everything it was fitted from, kept so that it can be changed."""

    stack: FittedStack
    recipe: Recipe
    sources: Sources
    layers: tuple[OofResult, ...]
    combined: Combined

    @property
    def target(self) -> Target:
        """The target of all rows."""
        return self.sources.target


FEW_LEARNERS = 6  # are what a tight limit leaves to combine
PastTable = Callable[[npt.NDArray[np.int64]], Table]


def build(
    table: Table,
    target: Target,
    classes: Sequence[Any],
    recipe: Recipe,
    engine: Engine,
    past_table: PastTable | None = None,
) -> Built:
    """Fit a stack.

    Parameters
    ----------
    table : Table
    target : Target
    classes : sequence
        Labels in code order.
    recipe : Recipe
    engine : Engine
    past_table : callable, optional
        ``past_table(rows)`` gives all rows, read by what those rows alone tell of the columns;
        used under time folds.

    Raises
    ------
    SplitError
        If the rows cannot be divided as asked.
    FitError
        If no learner could be fitted.
    """
    recipe = within_budget(recipe, table, target, engine)
    folds = split(target, classes, recipe)
    fold_tables: dict[int, Table] = {}
    if past_table is not None and not folds.exchangeable:
        fold_tables = {number: past_table(fold.train) for number, fold in enumerate(folds.folds)}
    first = folds if recipe.fitted_folds is None else folds.first(recipe.fitted_folds)
    sources = Sources(table, target, first, fold_tables)
    engine.clock.expect_combining(combining_seconds(recipe, sources))
    results, grown = grow_layers(sources, recipe, engine)
    if recipe.fitted_folds is not None:
        whole = replace(sources, folds=folds)
        engine.clock.expect_combining(combining_seconds(recipe, whole))
        results = (further_folds(results[0], whole, recipe, engine),)
        sources = replace(sources, folds=results[0].folds)
        recipe = replace(recipe, fitted_folds=sources.folds.n_folds)
    recipe = replace(recipe, layers=len(results), grown=grown)
    if may_repeat(recipe, folds):
        results = (repeated(results[0], sources, classes, recipe, engine),)
    return assemble(sources, classes, results, recipe, engine)


def combining_seconds(recipe: Recipe, sources: Sources) -> list[float]:
    """Return about the seconds that each candidate for the combiner will take."""
    n_features, n_outputs = sources.table.n_features, sources.target.problem.n_outputs
    candidates = default_candidates(lean=recipe.lean) if recipe.combiner is None else (recipe.combiner,)
    n_read = min(FEW_LEARNERS, len(recipe.learners)) + (n_features if recipe.passes_features else 0)
    size = len(sources.folds.held_out_rows), n_read, n_outputs
    return [WITH_LAST_FIT * candidate.cost(*size) for candidate in candidates]


def assemble(
    sources: Sources,
    classes: Sequence[Any],
    results: tuple[OofResult, ...],
    recipe: Recipe,
    engine: Engine,
) -> Built:
    """Combine and calibrate on the last layer's out-of-fold predictions."""
    engine.listener(Event("stage", "choosing the combiner", seconds=engine.clock.elapsed))
    table, target = sources.table, sources.target
    with one_thread_each():
        combined = combine(results[-1], table, target, recipe, engine.clock.deadline)
    if recipe.refits:
        engine.clock.expect_combining(())  # that is behind us
        job = layer_job(sources, results[:-1], recipe)
        results = (*results[:-1], refitted(results[-1], job, combined.combiner, recipe, engine))
    stack = FittedStack(
        schema=table.schema,
        problem=target.problem,
        classes=tuple(classes),
        layers=tuple(_layer(result) for result in results),
        combiner=combined.combiner,
        calibrator=combined.calibrator,
        passthrough=recipe.passes_features,
        typical=typical_row(table),
    )
    return Built(stack, recipe, sources, results, combined)


def combine(
    result: OofResult, table: Table, target: Target, recipe: Recipe, deadline: float | None = None
) -> Combined:
    """Choose and fit combiner and calibrator on rows that have out-of-fold predictions."""
    rows = result.rows
    meta = result.meta_features()
    if recipe.passes_features:
        meta = replace(meta, features=table)
    meta, known = meta.take(rows), target.take(rows)
    context = Context(recipe.seed, recipe.metric, folds_among(result.folds, rows))
    candidates = _candidates(meta, recipe)
    combiner, choice = choose_combiner(candidates, meta, known, context, deadline=deadline)
    nested = choice.nested
    calibrator, record = _calibrated(nested, known, context, recipe)
    whole = np.full((target.n_rows, nested.shape[1]), np.nan)
    scored = np.flatnonzero(np.isfinite(nested).all(axis=1))
    whole[rows[scored]] = _cross_calibrated(nested[scored], known.take(scored), scored, context, record)
    return Combined(combiner, calibrator, choice, record, whole)


def _cross_calibrated(
    nested: npt.NDArray[np.float64],
    target: Target,
    rows: npt.NDArray[np.int64],
    context: Context,
    record: CalibrationRecord,
) -> npt.NDArray[np.float64]:
    # The fitted calibrator has seen every row; the score of the stack must come from one that has not.
    if target.problem.is_regression or record.chosen == "none" or context.folds is None:
        return nested
    return cross_calibrated(
        make_calibrator(record.chosen),
        nested,
        target.values,
        target.problem,
        target.weight,
        context.folds.fold_of_row[rows],
        forward=not context.folds.exchangeable,
    )


def _candidates(meta: MetaFeatures, recipe: Recipe) -> tuple[Combiner, ...]:
    if recipe.combiner is not None:
        return (recipe.combiner,)
    if recipe.tried:
        known = known_candidates(lean=recipe.lean)
        return tuple(known[kind] for kind in known if kind in recipe.tried)
    if len(meta.learners) == 1 and meta.predictors and meta.features is None:
        return (SingleCombiner(),)  # nothing to combine; whether to bend it is for the calibrator
    return default_candidates(lean=recipe.lean)


def _calibrated(
    nested: npt.NDArray[np.float64], target: Target, context: Context, recipe: Recipe
) -> tuple[FittedCalibrator, CalibrationRecord]:
    folds = context.folds
    return choose_calibrator(
        nested,
        target.values,
        target.problem,
        weight=target.weight,
        fold_of_row=None if folds is None else folds.fold_of_row,
        seed=recipe.seed,
        forward=folds is not None and not folds.exchangeable,
        method=recipe.calibration,
    )


def _layer(result: OofResult) -> Layer:
    return Layer(tuple(Member(r.name, r.output_kind, r.oof.shape[1], r.models) for r in result.fitted))
