"""A fitted stack as one `.stack` file: what is written, and the way back."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import numpy as np

from stackml.combiners.catalog import restore_combiner
from stackml.decision.catalog import restore_calibrator
from stackml.foundation.errors import MissingExtraError, StorageError
from stackml.learners.base import FittedLearner, OutputKind
from stackml.learners.catalog import restore_learner
from stackml.stack.bagging import Mean
from stackml.stack.fitted import FittedStack, Layer, Member
from stackml.stack.labels import labels_from_state, labels_to_state
from stackml.stack.outside.frozen import FittedFrozen
from stackml.stack.outside.warm import FittedWarm
from stackml.stack.proving import prove
from stackml.storage.archive import read_archive, write_archive
from stackml.storage.fields import one_of, refuse
from stackml.storage.manifest import Manifest
from stackml.storage.state import State
from stackml.tables.encoding import MISSING
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Problem, ProblemKind

Built = TypeVar("Built")

KIND = "stack"
DEEPEST = 4  # stacks within a stack
ESTIMATORS = ("StackClassifier", "StackRegressor")
PACKAGES = ("stackml", "numpy", "scikit-learn", "lightgbm", "xgboost-cpu", "xgboost", "catboost")


def write_stack(path: str | Path, stack: FittedStack, *, estimator: str) -> Path:
    """Write a stack to one file.

    Raises
    ------
    StorageError
        If the stack holds something a file cannot, or the file cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise StorageError(f"{path}: there is no folder '{path.parent}'; make it first")
    manifest = {
        "estimator": estimator,
        "problem": stack.problem.kind,
        "columns": [c.name for c in stack.schema.read],
        "learners": [m.name for layer in stack.layers for m in layer.members],
        "combiner": stack.combiner.kind,
        "versions": library_versions(),
    }
    write_archive(path, kind=KIND, state=to_state(stack), manifest=manifest)
    return path


def read_stack(path: str | Path, *, trusted: Sequence[str] = ()) -> tuple[FittedStack, str]:
    """Read a stack and the name of the estimator that wrote it.

    Parameters
    ----------
    path : str or Path
    trusted : sequence of str
        Full type names outside the catalog that may be built (scikit-learn estimators given
        by the user).

    Raises
    ------
    StorageError
        If the file is damaged, hostile, of another format, or holds types not trusted. Nothing
        is built before all of it was checked.
    """
    manifest, state = read_archive(path, kind=KIND)
    return opened_stack(path, manifest, state, trusted)


def opened_stack(
    path: str | Path, manifest: Manifest, state: State, trusted: Sequence[str]
) -> tuple[FittedStack, str]:
    """Build the stack of an archive that was read; see `read_stack`."""
    estimator = str(manifest.entries.get("estimator", ""))
    if estimator not in ESTIMATORS:
        raise StorageError(f"{path}: was written for '{estimator}', which this version does not know")
    stack = built(path, "stack", lambda: from_state(state, trusted=trusted), prove)
    if stack.problem.is_regression != (estimator == "StackRegressor"):
        raise StorageError(
            f"{path}: was written for '{estimator}', but holds a {stack.problem.kind} problem; "
            "the file is damaged"
        )
    return stack, estimator


def built(path: str | Path, what: str, build: Callable[[], Built], prove: Callable[[Built], None]) -> Built:
    """Build something from a foreign state, then prove that it works.

    Raises
    ------
    StorageError
        If either fails, whatever it raised.
    """
    try:
        found = build()
    except (StorageError, MissingExtraError):
        raise
    except Exception as error:  # a foreign state may make any part of any library stumble
        raise StorageError(f"{path}: its state is not that of a {what} ({_reason(error)})") from error
    try:
        prove(found)
    except MissingExtraError:
        raise
    except Exception as error:
        raise StorageError(f"{path}: its state does not make a working {what} ({_reason(error)})") from error
    return found


def _reason(error: Exception) -> str:
    line = " ".join(str(error).split())[:300]
    return line if isinstance(error, StorageError) else f"{type(error).__name__}: {line}"


def to_state(stack: FittedStack) -> State:
    """Return a stack as plain data."""
    return {
        "schema": stack.schema.to_state(),
        "problem": {"kind": stack.problem.kind, "n_classes": stack.problem.n_classes},
        "classes": labels_to_state(stack.classes, stack.label_dtype),
        "layers": [[_member_to_state(m) for m in layer.members] for layer in stack.layers],
        "combiner": {"kind": stack.combiner.kind, "state": stack.combiner.to_state()},
        "calibrator": {"kind": stack.calibrator.kind, "state": stack.calibrator.to_state()},
        "passthrough": stack.passthrough,
        "typical": _typical_to_state(stack.typical),
        "card": stack.card,
    }


def from_state(state: Mapping[str, Any], *, trusted: Sequence[str] = (), depth: int = 0) -> FittedStack:
    """Rebuild a stack from plain data.

    Parameters
    ----------
    state : mapping
    trusted : sequence of str
        As in `read_stack`; it holds for stacks within too.
    depth : int
        How many stacks this one stands within.
    """
    classes, dtype = labels_from_state(state["classes"])
    if not state["layers"] or not all(state["layers"]):
        raise StorageError("the file holds a layer without learners, or none; it is damaged")
    schema = Schema.from_state(state["schema"])
    return FittedStack(
        schema=schema,
        problem=problem_from_state(state["problem"], len(classes)),
        classes=classes,
        layers=tuple(
            Layer(tuple(_member_from_state(member, trusted, depth) for member in layer))
            for layer in state["layers"]
        ),
        combiner=restore_combiner(state["combiner"]["kind"], state["combiner"]["state"]),
        calibrator=restore_calibrator(state["calibrator"]["kind"], state["calibrator"]["state"]),
        passthrough=_flag(state["passthrough"], "passthrough"),
        typical=_typical_from_state(state.get("typical"), schema),
        label_dtype=dtype,
        card=card_from_state(state["card"]),
    )


def problem_from_state(state: Mapping[str, Any], n_labels: int) -> Problem:
    """Return a stored problem, proven to fit its labels."""
    problem = Problem(**state)
    if type(problem.n_classes) is not int:
        raise StorageError("the number of classes is no integer; the file is damaged")
    if problem.kind not in get_args(ProblemKind):
        raise StorageError(
            f"unknown kind of problem '{problem.kind}'; known: {', '.join(get_args(ProblemKind))}"
        )
    if n_labels != problem.n_classes:
        raise StorageError(
            f"{n_labels} class labels for a problem of {problem.n_classes}; the file is damaged"
        )
    least = {"regression": 0, "binary": 2, "multiclass": 3}[problem.kind]
    if n_labels < least or (n_labels > least and problem.kind != "multiclass"):
        raise StorageError(f"a {problem.kind} problem of {n_labels} classes; the file is damaged")
    return problem


def _flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        refuse(what, f"is {value!r:.40}, not true or false")
    return value


def card_from_state(card: Any) -> dict[str, Any]:
    """Return a stored card, proven to be one."""
    if not isinstance(card, dict) or not isinstance(card.get("plan", {}), dict):
        refuse("the card", "is not one")
    if not isinstance(card.get("updates", []), list) or not isinstance(card.get("metric", ""), str):
        refuse("the card", "holds updates or a metric that are none")
    board = card.get("leaderboard", [])
    scalar = str | bool | int | float | None
    rows = board if isinstance(board, list) else [None]
    if not all(isinstance(row, dict) and all(isinstance(v, scalar) for v in row.values()) for row in rows):
        refuse("the card", "has a leaderboard that is no table")
    return card


def _typical_to_state(typical: Table | None) -> State | None:
    return None if typical is None else {"numbers": typical.numbers, "codes": typical.codes}


def _typical_from_state(state: Mapping[str, Any] | None, schema: Schema) -> Table | None:
    if state is None:
        return None
    numbers, codes = state["numbers"], state["codes"]
    sizes = np.array([len(column.vocabulary) for column in schema.categories], dtype=np.int64)
    fits = (
        (numbers.dtype, numbers.shape) == (np.float32, (1, len(schema.number_slots)))
        and (codes.dtype, codes.shape) == (np.int32, (1, len(sizes)))
        and bool(((codes >= MISSING) & (codes < sizes)).all())
    )
    if not fits:
        raise StorageError("the typical row does not fit the columns of the stack; the file is damaged")
    return Table(schema, numbers, codes)


def _member_to_state(member: Member) -> State:
    return {
        "name": member.name,
        "kind": member.kind,
        "output_kind": member.output_kind,
        "width": member.width,
        "mean": member.mean,
        "models": [model.to_state() for model in member.models],
    }


def _member_from_state(state: Mapping[str, Any], trusted: Sequence[str], depth: int) -> Member:
    name, width = state["name"], state["width"]
    if not isinstance(name, str) or not isinstance(state["output_kind"], str):
        refuse("a learner", f"has the name {name!r:.40} or an output kind that is no text")
    if type(width) is not int or width < 1:
        refuse(f"learner '{name}'", f"is said to give {width!r:.40} columns")
    models = tuple(_model_from_state(state["kind"], model, trusted, depth) for model in state["models"])
    if not models:
        raise StorageError(f"learner '{name}' has no models in the file")
    mean = one_of(state["mean"], get_args(Mean), f"learner '{name}': mean")
    return Member(name, cast(OutputKind, state["output_kind"]), width, models, mean)


def _model_from_state(
    kind: str, state: Mapping[str, Any], trusted: Sequence[str], depth: int
) -> FittedLearner:
    if kind == FittedFrozen.kind:
        return _frozen_from_state(state, trusted, depth)
    if kind == FittedWarm.kind:
        return FittedWarm.restored(state, _frozen_from_state(state["source"], trusted, depth))
    return restore_learner(kind, state, trusted=tuple(trusted))


def _frozen_from_state(state: Mapping[str, Any], trusted: Sequence[str], depth: int) -> FittedFrozen:
    if depth >= DEEPEST:
        refuse("a frozen stack", f"stands within {depth} others, more than any stack does")
    stack = from_state(state["stack"], trusted=trusted, depth=depth + 1)
    prove(stack)
    return FittedFrozen.restored(state, stack, to_state)


def library_versions() -> dict[str, str]:
    """Return the versions a fitted stack stands on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
