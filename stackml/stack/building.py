"""The method on one page: split, fit out of fold, combine, calibrate, assemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.combiners.auto import Choice, choose_combiner
from stackml.combiners.base import Combiner, Context, FittedCombiner, MetaFeatures
from stackml.combiners.catalog import default_candidates
from stackml.combiners.nested import restricted
from stackml.combiners.single import SingleCombiner
from stackml.decision.base import FittedCalibrator
from stackml.decision.calibration import CalibrationRecord, choose_calibrator
from stackml.explain.typical import typical_row
from stackml.foundation.errors import SplitError
from stackml.foundation.progress import Event
from stackml.foundation.threads import one_thread_each
from stackml.oof.engine import Engine
from stackml.oof.plan import Job
from stackml.oof.result import OofResult
from stackml.splitting.base import Fold, Folds, Kind
from stackml.splitting.catalog import choose_splitter
from stackml.stack.fitted import FittedStack, Layer, Member, with_proposals
from stackml.stack.recipe import Recipe
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


@dataclass(frozen=True, eq=False)
class Built:
    """A fitted stack and everything it was fitted from, kept so that it can be changed."""

    stack: FittedStack
    recipe: Recipe
    table: Table
    target: Target
    layers: tuple[OofResult, ...]
    combined: Combined


def build(table: Table, target: Target, classes: Sequence[Any], recipe: Recipe, engine: Engine) -> Built:
    """Fit a stack.

    Raises
    ------
    SplitError
        If the rows cannot be divided as asked.
    FitError
        If no learner could be fitted.
    """
    folds = split(target, classes, recipe)
    results = fit_layers(table, target, folds, recipe, engine)
    return assemble(table, target, classes, results, recipe, engine)


def split(target: Target, classes: Sequence[Any], recipe: Recipe) -> Folds:
    """Return folds that honour groups and time where they are given."""
    if not isinstance(recipe.folds, int):
        return stated_folds(recipe.folds, target)
    splitter = choose_splitter(
        recipe.folds,
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


def stated_folds(folds: Folds | tuple[Fold, ...], target: Target) -> Folds:
    """Return a user's own folds, proven to honour groups and time where these are given."""
    if isinstance(folds, tuple):
        kind: Kind = "temporal" if target.time is not None else "plain"
        folds = Folds(folds, target.n_rows, kind)
    if folds.n_rows != target.n_rows:
        raise SplitError(
            f"folds are for {folds.n_rows} rows, X has {target.n_rows}; make them for these rows"
        )
    return folds.prove(target.groups, target.moments)


def fit_layers(
    table: Table, target: Target, folds: Folds, recipe: Recipe, engine: Engine
) -> tuple[OofResult, ...]:
    """Fit every layer; each further one reads the features and the out-of-fold predictions below."""
    results: list[OofResult] = []
    for number in range(1, recipe.layers + 1):
        if results:
            table = with_proposals(table, results[-1].meta_features(), number - 1)
            folds = among_predicted(folds)
        rounds = {(name, fold): r for (at, name, fold), r in recipe.rounds.items() if at == number}
        job = Job(table, target, folds, recipe.seed + number - 1, recipe.strict, rounds)
        results.append(engine.run(recipe.learners_of(number), job))
    return tuple(results)


def last_table(table: Table, results: Sequence[OofResult]) -> Table:
    """Return the table the last layer learned from."""
    for number, result in enumerate(results[:-1], start=1):
        table = with_proposals(table, result.meta_features(), number)
    return table


def among_predicted(folds: Folds) -> Folds:
    """Return the folds with training rows that have out-of-fold predictions themselves."""
    held = folds.fold_of_row >= 0
    if held.all():
        return folds
    kept = [
        Fold(fold.train[held[fold.train]], fold.held_out) for fold in folds.folds if held[fold.train].any()
    ]
    if not kept:
        raise SplitError(
            "a further layer has nothing to learn from: no fold trains on rows that another fold holds out; "
            "use layers=1, or more folds"
        )
    return Folds(tuple(kept), folds.n_rows, folds.kind, folds.notes)


def assemble(
    table: Table,
    target: Target,
    classes: Sequence[Any],
    results: tuple[OofResult, ...],
    recipe: Recipe,
    engine: Engine,
) -> Built:
    """Combine and calibrate on the last layer's out-of-fold predictions."""
    engine.listener(Event("stage", "choosing the combiner", seconds=engine.clock.elapsed))
    with one_thread_each():
        combined = combine(results[-1], table, target, recipe)
    stack = FittedStack(
        schema=table.schema,
        problem=target.problem,
        classes=tuple(classes),
        layers=tuple(_layer(result) for result in results),
        combiner=combined.combiner,
        calibrator=combined.calibrator,
        passthrough=recipe.passthrough,
        typical=typical_row(table),
    )
    return Built(stack, recipe, table, target, results, combined)


def combine(result: OofResult, table: Table, target: Target, recipe: Recipe) -> Combined:
    """Choose and fit combiner and calibrator on rows that have out-of-fold predictions."""
    rows = result.rows
    meta = result.meta_features()
    if recipe.passthrough:
        meta = replace(meta, features=table)
    meta, known = meta.take(rows), target.take(rows)
    context = Context(recipe.seed, recipe.metric, folds_among(result.folds, rows))
    candidates = _candidates(meta, recipe)
    combiner, choice = choose_combiner(candidates, meta, known, context)
    nested = choice.nested
    calibrator, record = _calibrated(nested, known, context, recipe)
    whole = np.full((target.n_rows, nested.shape[1]), np.nan)
    scored = np.isfinite(nested).all(axis=1)
    whole[rows[scored]] = calibrator.apply(nested[scored])
    return Combined(combiner, calibrator, choice, record, whole)


def _candidates(meta: MetaFeatures, recipe: Recipe) -> tuple[Combiner, ...]:
    if recipe.combiner is not None:
        return (recipe.combiner,)
    if len(meta.learners) == 1 and meta.predictors and meta.features is None:
        return (SingleCombiner(),)  # nothing to combine; whether to bend it is for the calibrator
    return default_candidates()


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


def folds_among(folds: Folds, rows: npt.NDArray[np.int64]) -> Folds | None:
    """Return the folds of the rows that have out-of-fold predictions, renumbered among them."""
    return folds if len(rows) == folds.n_rows else restricted(folds, rows)


def _layer(result: OofResult) -> Layer:
    return Layer(tuple(Member(r.name, r.output_kind, r.oof.shape[1], r.models) for r in result.fitted))
