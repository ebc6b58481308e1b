"""Adding, replacing and removing learners: no other is fitted again, the combiner is chosen anew.

Where learners are fitted once more on all rows (`refit`), that is done for the new learner alone: one
that only now gets a weight predicts by its fold models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stackml.foundation.errors import FitError, ParameterError, near_miss
from stackml.learners.base import Learner
from stackml.oof.engine import Engine
from stackml.oof.result import LearnerRun, OofResult
from stackml.stack.building import Built, assemble
from stackml.stack.layers import layer_job

Found = tuple[str, Learner]


def with_learner(built: Built, classes: Sequence[Any], found: Found, engine: Engine) -> Built:
    """Return the stack with one more learner in its last layer."""
    name, _ = found
    result = built.layers[-1]
    if name in [run.name for run in result.runs]:
        raise ParameterError(f"the stack has a learner '{name}' already; give the new one another name")
    run = _fitted(built, found, engine)
    return _assembled(built, result.with_run(run), classes, (*built.recipe.learners, found), engine)


def with_replacement(built: Built, classes: Sequence[Any], found: Found, engine: Engine) -> Built:
    """Return the stack with another learner under the name, and in the place, of one of its last layer."""
    name, _ = found
    result = built.layers[-1]
    _check_known(name, result)
    run = _fitted(built, found, engine)
    changed = replace(result, runs=tuple(run if r.name == name else r for r in result.runs))
    learners = tuple(found if pair[0] == name else pair for pair in built.recipe.learners)
    return _assembled(built, changed, classes, learners, engine)


def without_learner(built: Built, classes: Sequence[Any], name: str, engine: Engine) -> Built:
    """Return the stack without a learner of its last layer."""
    result = built.layers[-1]
    _check_known(name, result)
    rest = result.without(name)
    if not rest.fitted:
        raise FitError(f"'{name}' is the last learner of the stack; a stack needs at least one")
    learners = tuple(pair for pair in built.recipe.learners if pair[0] != name)
    return _assembled(built, rest, classes, learners, engine)


def _check_known(name: str, result: OofResult) -> None:
    names = [run.name for run in result.runs]
    if name not in names:
        raise ParameterError(
            f"the stack has no learner '{name}'{near_miss(name, names)}; it has: {', '.join(names)}"
        )


def _fitted(built: Built, found: Found, engine: Engine) -> LearnerRun:
    job = layer_job(built.sources, built.layers[:-1], built.recipe.of_its_own())
    (run,) = engine.run([found], job).runs
    return run


def _assembled(
    built: Built, result: OofResult, classes: Sequence[Any], learners: tuple[Found, ...], engine: Engine
) -> Built:
    kept = {id(run) for run in built.layers[-1].runs}
    new = frozenset(run.name for run in result.runs if id(run) not in kept)
    recipe = replace(built.recipe.of_its_own(), learners=learners, refit_only=new)
    return assemble(built.sources, classes, (*built.layers[:-1], result), recipe, engine)
