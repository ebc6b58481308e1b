"""Whether a stack read from a file works: its parts fit together, and one row goes through them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stackml.combiners.base import MetaFeatures
from stackml.foundation.threads import one_thread_each
from stackml.learners.trees.additive import check_alike
from stackml.stack.fitted import FittedStack, Layer, Member, with_proposals
from stackml.storage.fields import refuse
from stackml.tables.encoding import MISSING
from stackml.tables.table import Table
from stackml.tables.target import Problem

_SUM = 1e-3  # how far float32 probabilities of many classes may add up to something else than 1


def prove(stack: FittedStack) -> None:
    """Check how the parts of a stack fit together, then predict one row.

    The row is the typical one, or one in which everything is missing; it goes through the first
    model of every learner, the combiner and the calibrator.

    Raises
    ------
    StorageError
        If a part does not fit the others, or what comes out is no prediction.
    Exception
        Whatever a damaged part raises on the way.
    """
    for number, layer in enumerate(stack.layers, start=1):
        _check_members(layer, stack.problem, number)
    _check_combiner(stack)
    with one_thread_each(), np.errstate(all="ignore"):
        _predict_one(stack, _row(stack))


def _check_members(layer: Layer, problem: Problem, number: int) -> None:
    names = [member.name for member in layer.members]
    if len(set(names)) != len(names):
        refuse(f"layer {number}", "holds two learners of one name")
    predicts = "value" if problem.is_regression else "probability"
    for member in layer.members:
        what = f"learner '{member.name}'"
        if member.output_kind not in (predicts, "score"):
            refuse(what, f"gives a {member.output_kind!r:.40} in a {problem.kind} problem")
        expected = 1 if member.output_kind == "score" else problem.n_outputs
        if member.width != expected:
            refuse(what, f"is said to give {member.width} columns, not {expected}")


def _check_combiner(stack: FittedStack) -> None:
    members = {member.name for member in stack.layers[-1].members}
    names, shares = stack.combiner.learners, stack.combiner.weights()
    if not names:
        refuse("the combiner", "reads no learner")
    for name in names:
        if name not in members:
            refuse("the combiner", f"reads the learner {name!r:.40}, which is not in the file")
    if set(shares) != set(names) or not all(np.isfinite(share) and share >= 0 for share in shares.values()):
        refuse("the combiner", "gives a learner a share that is none")


def _row(stack: FittedStack) -> Table:
    if stack.typical is not None:
        return stack.typical
    numbers = np.full((1, len(stack.schema.number_slots)), np.nan, np.float32)
    codes = np.full((1, len(stack.schema.categories)), MISSING, np.int32)
    return Table(stack.schema, numbers, codes)


def _predict_one(stack: FittedStack, row: Table) -> None:
    problem, seen = stack.problem, row
    for number, layer in enumerate(stack.layers, start=1):
        meta = MetaFeatures(
            np.concatenate([_of_member(member, seen, problem) for member in layer.members], axis=1),
            tuple(member.name for member in layer.members),
            tuple(member.width for member in layer.members),
            tuple(member.output_kind for member in layer.members),
            problem,
            row if stack.passthrough else None,
        )
        seen = with_proposals(seen, meta, number)
    combined = stack.combiner.predict(meta)
    check_output(combined, problem, "the combiner")
    check_output(stack.calibrator.apply(combined), problem, "the calibrator")


def _of_member(member: Member, table: Table, problem: Problem) -> npt.NDArray[np.float32]:
    # Of several models the first: building the trees of all would make loading half as long again.
    # Trees beside it must be of its form, as they are summed together by native code.
    check_alike([model.additive for model in member.models if model.additive is not None])
    found = member.models[0].predict(table)
    if member.output_kind == "score":
        _check_values(found, 1, f"learner '{member.name}'")
    else:
        check_output(found, problem, f"learner '{member.name}'")
    return found


def check_output(values: npt.NDArray[np.floating], problem: Problem, what: str) -> None:
    """Refuse what is no prediction of one row."""
    _check_values(values, problem.n_outputs, what)
    if problem.is_regression:
        return
    within = ((values >= 0) & (values <= 1)).all()
    if not within or (problem.kind == "multiclass" and abs(float(values.sum()) - 1) > _SUM):
        refuse(what, "gives numbers that are no probabilities")


def _check_values(values: npt.NDArray[np.floating], width: int, what: str) -> None:
    if not isinstance(values, np.ndarray) or values.shape != (1, width):
        refuse(what, f"gives the shape {np.shape(values)} for one row, not (1, {width})")
    if not np.isfinite(values).all():
        refuse(what, "gives a value that is not finite")
