"""A stack or an assembly read from one `.stack` file; nothing is built before all of it was checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from stackml.assembly.base import DEEPEST, FittedAssembly, FittedModel, Part, leaves
from stackml.assembly.catalog import ASSEMBLIES
from stackml.assembly.parts import plain_row
from stackml.foundation.errors import StorageError, near_miss
from stackml.foundation.threads import one_thread_each
from stackml.stack.file import KIND, built, card_from_state, from_state, opened_stack, problem_from_state
from stackml.stack.labels import labels_from_state
from stackml.stack.proving import check_output, prove
from stackml.storage.archive import read_archive
from stackml.storage.fields import refuse


def read_model(path: str | Path, *, trusted: Sequence[str] = ()) -> FittedModel:
    """Read a stack or an assembly.

    Raises
    ------
    StorageError
        As `stackml.stack.file.read_stack`.
    """
    manifest, state = read_archive(path)
    if manifest.kind == KIND:
        return opened_stack(path, manifest, state, trusted)[0]
    if manifest.kind not in ASSEMBLIES:
        known = (KIND, *ASSEMBLIES)
        raise StorageError(
            f"{path}: holds a '{manifest.kind}'{near_miss(manifest.kind, known)}, which this version does "
            f"not know; known: {', '.join(known)}"
        )
    kind = manifest.kind
    return built(path, kind, lambda: _assembly_from_state(kind, state, trusted, DEEPEST), _prove)


def _assembly_from_state(
    kind: str, state: Mapping[str, Any], trusted: Sequence[str], deepest: int
) -> FittedAssembly:
    if deepest == 0:
        raise StorageError(f"assemblies stand in each other more than {DEEPEST} deep; the file is damaged")
    parts = state["parts"]
    if not isinstance(parts, list) or not parts:
        refuse("the parts", "are none")
    built_parts = tuple(_part_from_state(part, trusted, deepest) for part in parts)
    names = [part.name for part in built_parts]
    if len(set(names)) != len(names):
        refuse("the parts", "hold two of one name")
    classes, dtype = labels_from_state(state["classes"])
    common = {
        "parts": built_parts,
        "problem": problem_from_state(state["problem"], len(classes)),
        "classes": classes,
        "label_dtype": dtype,
        "card": card_from_state(state["card"]),
    }
    rule = state["rule"]
    if not isinstance(rule, dict):
        refuse("the rule", "is not one")
    return ASSEMBLIES[kind].from_rule(common, rule)


def _part_from_state(state: Mapping[str, Any], trusted: Sequence[str], deepest: int) -> Part:
    name, kind = state["name"], state["kind"]
    if not isinstance(name, str) or not isinstance(kind, str):
        refuse("a part", f"has the name {name!r:.40} or a kind that is no text")
    if kind == KIND:
        return Part(name, from_state(state["model"], trusted=trusted))
    if kind not in ASSEMBLIES:
        refuse(f"part '{name}'", f"is a {kind!r:.40}, which is unknown")
    return Part(name, _assembly_from_state(kind, state["model"], trusted, deepest - 1))


def _prove(model: FittedModel) -> None:
    assembly = cast(FittedAssembly, model)
    for stack in leaves(assembly):
        prove(stack)
    with one_thread_each(), np.errstate(all="ignore"):
        found = assembly.answers(plain_row(assembly))
    check_output(found.values, assembly.problem, "the assembly")
    weights = found.weights
    if weights.shape != (1, len(assembly.parts)) or not np.isclose(weights.sum(), 1.0, atol=1e-6):
        refuse("the assembly", "gives its parts shares that do not add up to 1")
