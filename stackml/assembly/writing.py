"""An assembly written to one `.stack` file: its parts as stacks are, its rule beside them."""

from __future__ import annotations

from pathlib import Path

from stackml.assembly.base import DEEPEST, FittedAssembly, Part, depth
from stackml.foundation.errors import StorageError
from stackml.stack.file import KIND, library_versions, to_state
from stackml.stack.fitted import FittedStack
from stackml.stack.labels import labels_to_state
from stackml.storage.archive import write_archive
from stackml.storage.state import State


def write_assembly(path: str | Path, assembly: FittedAssembly) -> Path:
    """Write an assembly to one file.

    Raises
    ------
    StorageError
        If it holds something a file cannot, or the file cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise StorageError(f"{path}: there is no folder '{path.parent}'; make it first")
    if depth(assembly) > DEEPEST:
        raise StorageError(
            f"{path}: {depth(assembly)} assemblies stand in each other, and a file holds {DEEPEST} at most; "
            "put the models of the inner ones into one of them"
        )
    manifest = {
        "problem": assembly.problem.kind,
        "columns": [column.name for column in assembly.schema.read],
        "parts": [part.name for part in assembly.parts],
        "versions": library_versions(),
    }
    write_archive(path, kind=assembly.kind, state=_assembly_to_state(assembly), manifest=manifest)
    return path


def _assembly_to_state(assembly: FittedAssembly) -> State:
    return {
        "parts": [_part_to_state(part) for part in assembly.parts],
        "problem": {"kind": assembly.problem.kind, "n_classes": assembly.problem.n_classes},
        "classes": labels_to_state(assembly.classes, assembly.label_dtype),
        "rule": assembly.rule_to_state(),
        "card": assembly.card,
    }


def _part_to_state(part: Part) -> State:
    model = part.model
    if isinstance(model, FittedStack):
        return {"name": part.name, "kind": KIND, "model": to_state(model)}
    return {"name": part.name, "kind": model.kind, "model": _assembly_to_state(model)}
