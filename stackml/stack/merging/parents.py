"""The stacks that become one: proven alike, and what follows their learners."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.combiners.base import Combiner, Context, FittedCombiner
from stackml.combiners.catalog import make_combiner
from stackml.combiners.nested import nested_predictions
from stackml.decision.base import FittedCalibrator
from stackml.decision.calibration import choose_calibrator
from stackml.decision.identity import FittedIdentity
from stackml.foundation.digest import digest
from stackml.foundation.errors import DataError, ParameterError, StackmlWarning
from stackml.stack.estimator import BaseStack
from stackml.stack.fitted import FittedStack
from stackml.stack.inputs import checked_weight, classification_target, regression_target
from stackml.tables.table import Table
from stackml.tables.target import Target


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """Rows that no parent learned from.

    Attributes
    ----------
    table : Table
    target : Target
        In the class codes of the stacks.
    """

    table: Table
    target: Target

    @staticmethod
    def of(stack: FittedStack, X: Any, y: Any, sample_weight: Any = None) -> JudgedRows:
        """Read rows as a stack does.

        Raises
        ------
        DataError
            If `y` does not belong to `X`, or holds a class the stack does not know.
        """
        table = Table.of(X, stack.schema)
        if stack.problem.is_regression:
            values = regression_target(y, table.n_rows).values
        else:
            values = _codes(stack, classification_target(y, table.n_rows))
        weight = checked_weight(sample_weight, table.n_rows)
        return JudgedRows(table, Target(stack.problem, values, weight))


def _codes(stack: FittedStack, encoded: Any) -> npt.NDArray[np.int64]:
    known = list(stack.classes)
    labels = encoded.classes.tolist()
    for label in labels:
        if label not in known:
            raise DataError(f"y holds the class {label!r}, which the stacks do not know; they know {known}")
    places = np.array([known.index(label) for label in labels], np.int64)
    return np.asarray(places[encoded.values])


def checked_parents(models: Any) -> tuple[BaseStack, ...]:
    """Return fitted stacks that are alike; see `stackml.stack.merging.front.merge`.

    Raises
    ------
    ParameterError
        If one is no fitted stack, or differs from the first in problem, classes, columns, layers or
        learners; the message names the first difference.
    """
    given = (models,) if isinstance(models, BaseStack) else models
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ParameterError(f"merge: give a fitted stack or a list of them, not {type(models).__name__}")
    if not given:
        raise ParameterError("merge: the list of stacks is empty; give at least one fitted stack")
    for number, model in enumerate(given, start=1):
        if not isinstance(model, BaseStack) or not hasattr(model, "fitted_"):
            what = "is not fitted" if isinstance(model, BaseStack) else f"is a {type(model).__name__}"
            raise ParameterError(
                f"merge: model {number} {what}; give fitted StackClassifiers or StackRegressors"
            )
    first = given[0].fitted_
    for number, model in enumerate(given[1:], start=2):
        difference = _difference(first, model.fitted_)
        if difference:
            raise ParameterError(
                f"merge: model {number} differs from model 1: {difference}; merge stacks that were fitted "
                "with the same learners to the same columns, or the fold models of one stack"
            )
    if len(given) > 1 and len(first.layers) > 1:
        raise ParameterError(
            f"merge: the stacks have {len(first.layers)} layers, and each upper learner knows the "
            "predictions of its own stack below; merge stacks of one layer, or the fold models of one stack"
        )
    return tuple(given)


def _difference(one: FittedStack, two: FittedStack) -> str:
    if one.problem.kind != two.problem.kind:
        return f"the problem is {two.problem.kind}, not {one.problem.kind}"
    if one.classes != two.classes:
        extra = [c for c in (*two.classes, *one.classes) if (c in one.classes) != (c in two.classes)]
        which = f"; '{extra[0]}' is in one of them alone" if extra else ""
        return f"the classes are {list(two.classes)}, not {list(one.classes)}{which}"
    found = _column_difference(one, two)
    if found:
        return found
    if len(one.layers) != len(two.layers):
        return f"it has {len(two.layers)} layers, not {len(one.layers)}"
    if one.passthrough != two.passthrough:
        return "the combiner of one of them reads the features too"
    for number, (a, b) in enumerate(zip(one.layers, two.layers, strict=True), start=1):
        names, others = [m.name for m in a.members], [m.name for m in b.members]
        if names != others and max(len(names), len(others)) > 1:
            return f"layer {number} holds the learners {', '.join(others)}, not {', '.join(names)}"
        for m, n in zip(a.members, b.members, strict=True):
            if (m.kind, m.width, m.mean) != (n.kind, n.width, n.mean):
                return f"learner '{m.name}' is a '{n.kind}', not a '{m.kind}', or predicts in another form"
    return ""


def _column_difference(one: FittedStack, two: FittedStack) -> str:
    a, b = one.schema.by_name, two.schema.by_name
    for name in (*a, *(n for n in b if n not in a)):
        if name not in a or name not in b:
            return f"the column '{name}' is known to one of them alone"
        for part in fields(a[name]):
            mine, others = getattr(a[name], part.name), getattr(b[name], part.name)
            if mine == others:
                continue
            if part.name == "encoder":  # its terms would fill a screen
                return (
                    f"the column '{name}' is read through another encoder, which depends on the rows and "
                    "the random_state of the fit"
                )
            return f"the column '{name}' has another {part.name}: {_short(others)}, not {_short(mine)}"
    if list(a) != list(b):
        return "the columns stand in another order"
    return ""


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} values ({', '.join(map(str, value[:3]))}{', ...' if len(value) > 3 else ''})"
    return repr(value)


@dataclass(frozen=True, eq=False)
class Ending:
    """What turns predictions of learners into the stack's, and where it comes from.

    Attributes
    ----------
    combiner : FittedCombiner
    calibrator : FittedCalibrator
    combiner_from, calibrator_from : str
        "parents" where they agree, "rows" where it was fitted on rows given, "none".
    """

    combiner: FittedCombiner
    calibrator: FittedCalibrator
    combiner_from: str
    calibrator_from: str


def ending_of(models: Sequence[BaseStack], made: FittedStack, rows: JudgedRows | None, seed: int) -> Ending:
    """Return combiner and calibrator of a merged stack.

    Those on which the parents agree are kept. Others are fitted on the rows given, and with a
    combiner its calibrator, unless no parent has one. Without rows different combiners are refused,
    and different calibrators left out with a warning.

    Parameters
    ----------
    models : sequence of BaseStack
        The parents.
    made : FittedStack
        With merged learners, and the first parent's combiner and calibrator.
    rows : JudgedRows, optional
    seed : int

    Raises
    ------
    ParameterError
        If combiners differ and there are no rows.
    """
    parents = [model.fitted_ for model in models]
    first = parents[0]
    same_combiner = len({_of_combiner(p, first) for p in parents}) == 1
    same_calibrator = len({digest(p.calibrator.kind, p.calibrator.to_state()) for p in parents}) == 1
    if same_combiner and same_calibrator:
        return Ending(first.combiner, first.calibrator, "parents", "parents")
    if not same_combiner:
        if rows is None:
            raise ParameterError(
                "merge: the combiners of the stacks weigh the learners differently; give X= and y= of rows "
                "the stacks were not fitted on, so that a combiner can be fitted to the merged learners"
            )
        combining = _description(models[0])
        context = Context(seed, str(first.card.get("metric") or ""))
        meta = made.meta_features(rows.table)
        combiner = combining.fit(meta, rows.target, context)
        if same_calibrator and isinstance(first.calibrator, FittedIdentity):
            return Ending(combiner, first.calibrator, "rows", "parents")
        nested = nested_predictions(combining, meta, rows.target, context)
        return Ending(combiner, _calibrator(nested, rows.target, seed), "rows", "rows")
    if rows is None:
        warnings.warn(
            "merge: the stacks were calibrated differently, so the merged one is not calibrated; give X= and "
            "y= of rows the stacks were not fitted on to calibrate it",
            StackmlWarning,
            stacklevel=3,
        )
        return Ending(first.combiner, FittedIdentity(), "parents", "none")
    raw = first.combiner.predict(made.meta_features(rows.table, needed_only=True))
    return Ending(first.combiner, _calibrator(raw, rows.target, seed), "parents", "rows")


def _description(model: BaseStack) -> Combiner:
    """Return how a stack's combiner was asked for; one chosen by itself, or loaded, as the catalog has it."""
    given, kind = model.combiner, model.fitted_.combiner.kind
    return given if isinstance(given, Combiner) and given.kind == kind else make_combiner(kind)


def _calibrator(raw: npt.NDArray[np.float64], target: Target, seed: int) -> FittedCalibrator:
    return choose_calibrator(raw, target.values, target.problem, weight=target.weight, seed=seed)[0]


def _of_combiner(stack: FittedStack, first: FittedStack) -> str:
    # Stacks of one learner may call it differently, and then say the same with other names.
    names = [m.name for m in stack.layers[-1].members]
    if len(names) == 1 and stack.combiner.weights() == {names[0]: 1.0} and stack.combiner.kind in _WEIGHING:
        return "the one learner"
    return digest(stack.combiner.kind, stack.combiner.to_state())


_WEIGHING = ("single", "mean", "simplex", "greedy")
