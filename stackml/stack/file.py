"""A fitted stack as one `.stack` file: what is written, and the way back."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

import numpy as np

from stackml.combiners.catalog import restore_combiner
from stackml.decision.catalog import restore_calibrator
from stackml.foundation.errors import StorageError
from stackml.learners.catalog import restore_learner
from stackml.stack.fitted import FittedStack, Layer, Member
from stackml.storage.archive import read_archive, write_archive
from stackml.storage.state import State
from stackml.tables.encoding import MISSING
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Problem, ProblemKind

KIND = "stack"
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
    estimator = str(manifest.entries.get("estimator", ""))
    if estimator not in ESTIMATORS:
        raise StorageError(f"{path}: was written for '{estimator}', which this version does not know")
    try:
        return from_state(state, trusted=trusted), estimator
    except StorageError:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise StorageError(
            f"{path}: its state is not that of a stack ({type(error).__name__}: {error})"
        ) from error


def to_state(stack: FittedStack) -> State:
    """Return a stack as plain data."""
    return {
        "schema": stack.schema.to_state(),
        "problem": {"kind": stack.problem.kind, "n_classes": stack.problem.n_classes},
        "classes": _classes_to_state(stack.classes),
        "layers": [[_member_to_state(m) for m in layer.members] for layer in stack.layers],
        "combiner": {"kind": stack.combiner.kind, "state": stack.combiner.to_state()},
        "calibrator": {"kind": stack.calibrator.kind, "state": stack.calibrator.to_state()},
        "passthrough": stack.passthrough,
        "typical": _typical_to_state(stack.typical),
        "card": stack.card,
    }


def from_state(state: Mapping[str, Any], *, trusted: Sequence[str] = ()) -> FittedStack:
    """Rebuild a stack from plain data."""
    classes = _classes_from_state(state["classes"])
    if not state["layers"] or not all(state["layers"]):
        raise StorageError("the file holds a layer without learners, or none; it is damaged")
    schema = Schema.from_state(state["schema"])
    return FittedStack(
        schema=schema,
        problem=_problem_from_state(state["problem"], len(classes)),
        classes=tuple(classes),
        layers=tuple(
            Layer(tuple(_member_from_state(member, trusted) for member in layer)) for layer in state["layers"]
        ),
        combiner=restore_combiner(state["combiner"]["kind"], state["combiner"]["state"]),
        calibrator=restore_calibrator(state["calibrator"]["kind"], state["calibrator"]["state"]),
        passthrough=bool(state["passthrough"]),
        typical=_typical_from_state(state.get("typical"), schema),
        card=dict(state["card"]),
    )


def _problem_from_state(state: Mapping[str, Any], n_labels: int) -> Problem:
    problem = Problem(**state)
    if problem.kind not in get_args(ProblemKind):
        raise StorageError(
            f"unknown kind of problem '{problem.kind}'; known: {', '.join(get_args(ProblemKind))}"
        )
    if n_labels != problem.n_classes:
        raise StorageError(
            f"{n_labels} class labels for a problem of {problem.n_classes}; the file is damaged"
        )
    return problem


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
        "models": [model.to_state() for model in member.models],
    }


def _member_from_state(state: Mapping[str, Any], trusted: Sequence[str]) -> Member:
    models = tuple(restore_learner(state["kind"], model, trusted=tuple(trusted)) for model in state["models"])
    if not models:
        raise StorageError(f"learner '{state['name']}' has no models in the file")
    return Member(state["name"], state["output_kind"], int(state["width"]), models)


def _classes_to_state(classes: Sequence[Any]) -> State:
    for value in classes:
        if not isinstance(value, str | bool | int | float):
            raise StorageError(
                f"the class label {value!r} is a {type(value).__name__}; "
                "a file keeps text, numbers and booleans"
            )
    return {"labels": list(classes)}


def _classes_from_state(state: Mapping[str, Any]) -> list[Any]:
    return list(state["labels"])


def labels_array(classes: Sequence[Any]) -> np.ndarray:
    """Return class labels as the array `classes_` holds."""
    return np.asarray(list(classes))


def library_versions() -> dict[str, str]:
    """Return the versions a fitted stack stands on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
