"""From a fitted stack to a learner of another stack, and whether the two speak of one target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from stackml.foundation.errors import ParameterError
from stackml.learners.base import Learner
from stackml.learners.continuing import Continuation
from stackml.stack.file import DEEPEST, to_state
from stackml.stack.fitted import FittedStack
from stackml.stack.outside.frozen import FittedFrozen, FrozenLearner, check_same_target
from stackml.stack.outside.warm import FittedWarm, WarmLearner
from stackml.tables.target import Problem


def freeze(
    stack: FittedStack, mapping: Mapping[str, str] | None = None, *, absent: str = "refuse"
) -> FrozenLearner:
    """Return a fitted stack as a learner that learns nothing.

    Parameters
    ----------
    stack : FittedStack
    mapping : mapping of str to str, optional
        ``{"theirs": "ours"}``: what columns the stack reads are called in the new table, where that is
        another name.
    absent : {"refuse", "missing"}
        What becomes of columns that the new table lacks.

    Raises
    ------
    SchemaError
        If the mapping names a column the stack does not read.
    ParameterError
        If `absent` is something else, or the stack holds too many stacks within each other.
    """
    _check_depth(stack)
    return FrozenLearner(stack, to_state, tuple(sorted((mapping or {}).items())), absent)


def begin_from(
    stack: FittedStack,
    mapping: Mapping[str, str] | None = None,
    *,
    absent: str = "refuse",
    how: Continuation | None = None,
) -> WarmLearner:
    """Return a booster that begins where a fitted stack ends; parameters and errors as `freeze`."""
    _check_depth(stack)
    pairs = tuple(sorted((mapping or {}).items()))
    return WarmLearner(stack, to_state, pairs, absent, Continuation() if how is None else how)


def check_sources(
    learners: Sequence[tuple[str, Learner]], problem: Problem, classes: npt.NDArray[Any]
) -> None:
    """Refuse learners made of fitted stacks that predict something else.

    Raises
    ------
    ParameterError
    """
    for name, learner in learners:
        if isinstance(learner, FrozenLearner | WarmLearner):
            check_same_target(name, learner.stack, problem, classes)


def _check_depth(stack: FittedStack) -> None:
    if _depth(stack) >= DEEPEST:
        raise ParameterError(
            f"the stack holds {DEEPEST} stacks within each other already, and a file keeps no more; "
            "distill it first"
        )


def _depth(stack: FittedStack) -> int:
    """Return how many stacks stand within each other in a stack, none being 0."""
    found = [0]
    for layer in stack.layers:
        for member in layer.members:
            for model in member.models:
                inner = model.source if isinstance(model, FittedWarm) else model
                if isinstance(inner, FittedFrozen):
                    found.append(1 + _depth(inner.stack))
    return max(found)
