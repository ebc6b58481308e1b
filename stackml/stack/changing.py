"""Adding and removing learners: nothing else is fitted again but the combiner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stackml.foundation.errors import FitError, ParameterError, near_miss
from stackml.learners.base import Learner
from stackml.oof.engine import Engine
from stackml.stack.building import Built, assemble
from stackml.stack.layers import layer_job


def with_learner(built: Built, classes: Sequence[Any], found: tuple[str, Learner], engine: Engine) -> Built:
    """Return the stack with one more learner in its last layer."""
    name, _ = found
    result = built.layers[-1]
    if name in [run.name for run in result.runs]:
        raise ParameterError(f"the stack has a learner '{name}' already; give the new one another name")
    job = layer_job(built.sources, built.layers[:-1], built.recipe.of_its_own())
    (run,) = engine.run([found], job).runs
    recipe = replace(built.recipe.of_its_own(), learners=(*built.recipe.learners, found))
    return _assembled(built, result.with_run(run), classes, recipe, engine)


def without_learner(built: Built, classes: Sequence[Any], name: str, engine: Engine) -> Built:
    """Return the stack without a learner of its last layer."""
    result = built.layers[-1]
    names = [run.name for run in result.runs]
    if name not in names:
        raise ParameterError(
            f"the stack has no learner '{name}'{near_miss(name, names)}; it has: {', '.join(names)}"
        )
    rest = result.without(name)
    if not rest.fitted:
        raise FitError(f"'{name}' is the last learner of the stack; a stack needs at least one")
    learners = tuple(pair for pair in built.recipe.learners if pair[0] != name)
    recipe = replace(built.recipe.of_its_own(), learners=learners)
    return _assembled(built, rest, classes, recipe, engine)


def _assembled(built: Built, result: Any, classes: Sequence[Any], recipe: Any, engine: Engine) -> Built:
    layers = (*built.layers[:-1], result)
    return assemble(built.sources, classes, layers, recipe, engine)
