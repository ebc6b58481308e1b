"""One learner's models made one: trees exactly, weights by a method, whatever else not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stackml.foundation.errors import ParameterError
from stackml.learners.base import FittedLearner
from stackml.learners.weights import Weights, same_start
from stackml.merging import Context, Merge, align, check_alike
from stackml.merging.base import Arrays, Floats
from stackml.merging.kernels import mean
from stackml.tables.schema import Schema

Judge = Callable[[FittedLearner], float]


@dataclass(frozen=True, eq=False)
class Way:
    """How models are merged.

    Attributes
    ----------
    merge : Merge, optional
        For models made of weights; None where trees alone are merged.
    align : bool
        Whether hidden units are put in one order first.
    seed : int
    """

    merge: Merge | None
    align: bool = True
    seed: int = 0


def kind_of(models: Sequence[FittedLearner], schema: Schema) -> str:
    """Return "trees", "weights", or "" for models that cannot be made one."""
    first = models[0]
    if first.joins(schema) is not None:
        return "trees"
    return "weights" if first.weights(schema) is not None else ""


def one_of_many(
    name: str,
    models: Sequence[FittedLearner],
    shares: Floats,
    schema: Schema,
    way: Way,
    judge: Judge | None = None,
) -> tuple[FittedLearner, dict[str, Any]]:
    """Return one model and a record of how it was made.

    Parameters
    ----------
    name : str
        Of the learner, for messages.
    models : sequence of FittedLearner
        For which `kind_of` is not "".
    shares : float64 ndarray of shape (n_models,)
        Summing to 1.
    schema : Schema
        Of the tables they read.
    way : Way
    judge : callable, optional
        Says how good a model is, greater is better; soups need it.

    Raises
    ------
    ParameterError
        If the models differ in what must be equal; the message names the first difference.
    """
    for number, model in enumerate(models, start=1):
        if model.kind != models[0].kind:
            raise ParameterError(
                f"learner '{name}': model {number} is a '{model.kind}', model 1 a '{models[0].kind}' "
                "(a fit on rows of one class gives a constant); they cannot be made one"
            )
    if kind_of(models, schema) == "trees":
        _check(name, [model.joins(schema) or {} for model in models])
        record = {"method": "trees", "weights": shares.tolist()}
        return models[0].joined(models[1:], shares.tolist()), record
    if way.merge is None:
        raise ParameterError(
            f"learner '{name}' ('{models[0].kind}') is no sum of trees; choose another method"
        )
    return _merged(name, models, shares, schema, way, judge)


def _merged(
    name: str,
    models: Sequence[FittedLearner],
    shares: Floats,
    schema: Schema,
    way: Way,
    judge: Judge | None,
) -> tuple[FittedLearner, dict[str, Any]]:
    assert way.merge is not None
    parts = [_weights(model, schema) for model in models]
    _check(name, [part.fixed for part in parts])
    try:
        check_alike([part.arrays for part in parts])
    except ParameterError as error:
        raise ParameterError(f"learner '{name}': {error}") from None
    centre = float(mean(np.array([part.centre for part in parts]), shares))
    unit = float(mean(np.array([part.unit for part in parts]), shares))
    shared = len(parts) > 1 and all(same_start(parts[0], part) for part in parts[1:])
    parts = [part.in_units(centre, unit) for part in parts]
    moved: list[float] | None = None
    arrays: Sequence[Arrays] = [part.arrays for part in parts]
    if way.align and any(group for axes in parts[0].axes.values() for group in axes):
        aligned = align(arrays, parts[0].axes, parts[0].signed)
        arrays, moved = aligned.models, [round(share, 4) for share in aligned.moved]
    base = _start(parts, shares) if shared else None

    def rebuilt(found: Arrays, weights: Floats) -> FittedLearner:
        return models[0].with_weights(_with(parts, dict(found), weights))

    def score(found: Arrays, weights: Floats) -> float:
        assert judge is not None
        return judge(rebuilt(found, weights))

    given = None if not way.merge.takes_weights else shares.tolist()
    context = Context(base, None if judge is None else score, way.seed)
    made = way.merge.merge(arrays, given, context)
    record = {
        "method": way.merge.kind,
        **way.merge.parameters,
        "weights": list(made.weights),
        "shared_start": shared,
        "units_moved": moved,
    }
    if way.merge.reads_base:
        record["base"] = "start" if shared else "mean"
    return rebuilt(made.arrays, np.array(made.weights)), record


def _with(parts: Sequence[Weights], arrays: dict[str, Any], weights: Floats) -> Weights:
    first = parts[0]
    statistics = {
        name: np.asarray(
            mean(np.stack([np.asarray(part.statistics[name], np.float64) for part in parts]), weights)
        ).astype(value.dtype)
        for name, value in first.statistics.items()
    }
    bounds = first.bounds
    if bounds is not None:
        every = [part.bounds for part in parts if part.bounds is not None]
        bounds = min(low for low, _ in every), max(high for _, high in every)
    return replace(first, arrays=arrays, statistics=statistics, bounds=bounds)


def _start(parts: Sequence[Weights], shares: Floats) -> dict[str, Any]:
    # One start, but for the units that each model's outputs have.
    starts = [part.start or {} for part in parts]
    return {
        name: mean(np.stack([np.asarray(start[name], np.float64) for start in starts]), shares).astype(
            a.dtype
        )
        for name, a in starts[0].items()
    }


def _weights(model: FittedLearner, schema: Schema) -> Weights:
    found = model.weights(schema)
    assert found is not None
    return found


def _check(name: str, fixed: Sequence[Mapping[str, Any]]) -> None:
    first = fixed[0]
    for number, other in enumerate(fixed[1:], start=2):
        for what in (*first, *(key for key in other if key not in first)):
            if what in first and what in other and first[what] == other[what]:
                continue
            mine, others = first.get(what), other.get(what)
            shown = "" if _is_digest(mine) or _is_digest(others) else f" ({others}, not {mine})"
            raise ParameterError(
                f"learner '{name}': model {number} differs from model 1 in {what}{shown}; such models "
                "read rows differently and cannot be made one (fold models of one stack read them "
                "alike, and so do stacks fitted on the same rows with the same form)"
            )


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64
