"""More of the same, as long as a limit pays: folds, rounds of cross-validation, models of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stackml.combiners.base import FittedCombiner
from stackml.foundation.randomness import derive_seed
from stackml.oof.engine import Engine
from stackml.oof.plan import ALL_ROWS, Job
from stackml.oof.repeating import most_repeats
from stackml.oof.result import OofResult
from stackml.splitting.base import Folds
from stackml.stack.dividing import split
from stackml.stack.layers import Sources, layer_job
from stackml.stack.recipe import Recipe


def further_folds(result: OofResult, sources: Sources, recipe: Recipe, engine: Engine) -> OofResult:
    """Return the result of the first folds with as many of the others as a limit pays for.

    Where some are left out a note of the folds says so. A recorded run had those it had.
    """
    asked = sources.folds.n_folds
    if not recipe.only:
        result = engine.further_folds(result, layer_job(sources, (), recipe))
    folds = result.folds
    if folds.n_folds == asked:
        return result
    note = (
        f"{folds.n_folds} of {asked} folds were fitted within the limit: rows of the others have no "
        "out-of-fold predictions"
    )
    return replace(result, folds=Folds(folds.folds, folds.n_rows, folds.kind, (*folds.notes, note)))


def may_repeat(recipe: Recipe, folds: Folds) -> bool:
    """Return whether rows may be divided otherwise and fitted on again."""
    return folds.exchangeable and isinstance(recipe.folds, int) and recipe.layers == 1 and not recipe.refits


def repeated(
    result: OofResult, sources: Sources, classes: Sequence[Any], recipe: Recipe, engine: Engine
) -> OofResult:
    """Return the result with further rounds: those of a recorded run, or what a limit has left."""
    if recipe.only:
        for number in sorted({n for done in recipe.repeats.values() for n in done} - {0}):
            names = [name for name, done in recipe.repeats.items() if number in done]
            result = engine.repeat_once(result, repeat_job(number, sources, classes, recipe), names)
        return result
    if not engine.spending.is_limited:
        return result
    jobs = (
        repeat_job(number, sources, classes, recipe)
        for number in range(1, most_repeats(sources.folds.n_folds))
    )
    return engine.repeat(result, jobs)


def repeat_job(number: int, sources: Sources, classes: Sequence[Any], recipe: Recipe) -> Job:
    """Return the job of a further round, with folds and a seed of its own."""
    seed = derive_seed(recipe.seed, "repeat", number)
    folds = split(sources.target, classes, replace(recipe, seed=seed))
    rounds = {}
    for (_, name, at), used in recipe.rounds.items():
        done = recipe.repeats.get(name, (0,))
        first = done.index(number) * folds.n_folds if number in done else -1
        if 0 <= first <= at < first + folds.n_folds:
            rounds[name, at - first] = used
    job = layer_job(sources, (), replace(recipe, rounds={}))
    return replace(job, folds=folds, seed=seed, rounds=rounds, number=number)


def refitted(
    result: OofResult, job: Job, combiner: FittedCombiner, recipe: Recipe, engine: Engine
) -> OofResult:
    """Return the result with models of all rows for the learners a combiner needs, of most weight first."""
    weights = combiner.weights()
    names = sorted(combiner.learners, key=lambda name: -weights.get(name, 0.0))
    if recipe.refit_only is not None:
        names = [name for name in names if name in recipe.refit_only]
    result = engine.refit(result, job, names)
    for number in range(1, recipe.refits):
        again = replace(job, seed=derive_seed(job.seed, "refit", number), number=number)
        if recipe.only:
            recorded = {name: done for name, done in recipe.refit_rounds.items() if number < len(done)}
            rounds = {(name, ALL_ROWS): done[number] for name, done in recorded.items()}
            names = list(recorded)
            again = replace(again, rounds={key: used for key, used in rounds.items() if used is not None})
        before, result = result, engine.refit_again(result, again, names)
        if result is before:
            break
    return result
