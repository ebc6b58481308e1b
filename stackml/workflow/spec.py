"""From a pipeline.yaml and `--set` to a checked `PipelineSpec`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stackml.foundation.errors import SpecError as SpecError
from stackml.foundation.errors import near_miss
from stackml.workflow.complaints import complaints, fields_at, unknown_key
from stackml.workflow.models import PipelineSpec as PipelineSpec
from stackml.workflow.shipped import SPEC_FILE, names_in, template_names, templates_folder
from stackml.workflow.yaml_lines import read_lined


def load_spec(pipeline: str, *, folder: Path | None = None) -> PipelineSpec:
    """Return the spec of a pipeline.

    Parameters
    ----------
    pipeline : str
        A name, looked for in ``pipelines/NAME/pipeline.yaml`` and then among the ready
        pipelines of the package; or a path to a YAML file or to a folder that holds one.
    folder : Path, optional
        The project's folder; the working folder by default.

    Raises
    ------
    SpecError
        If there is no such pipeline, or its file is wrong; the message has one line a mistake,
        each with file, line, key and the nearest right one.
    """
    folder = Path.cwd() if folder is None else Path(folder)
    path = find_spec(pipeline, folder)
    return parse_spec(path.read_text(encoding="utf-8"), _shown(path, folder))


def find_spec(pipeline: str, folder: Path) -> Path:
    """Return the file of a pipeline given by name or path.

    Raises
    ------
    SpecError
        If there is none.
    """
    if pipeline.endswith((".yaml", ".yml")) or "/" in pipeline or "\\" in pipeline:
        path = folder / pipeline
        path = path / SPEC_FILE if path.is_dir() else path
        if not path.is_file():
            raise SpecError(
                f"there is no file '{pipeline}'; give a pipeline's name or the path of its {SPEC_FILE}"
            )
        return path
    for place in (folder / "pipelines", templates_folder()):
        if pipeline in names_in(place):
            return place / pipeline / SPEC_FILE
    known = sorted({*names_in(folder / "pipelines"), *template_names()})
    raise SpecError(
        f"there is no pipeline '{pipeline}'{near_miss(pipeline, known)}; known: {', '.join(known)} "
        "(a path to a YAML file works too)"
    )


def parse_spec(text: str, where: str) -> PipelineSpec:
    """Return the spec written in a YAML text.

    Raises
    ------
    SpecError
        With one line for each mistake.
    """
    lined = read_lined(text, where)
    try:
        return PipelineSpec.model_validate(lined.values)
    except ValidationError as error:
        told = [(lined.line_of(path), what) for path, what in complaints(error, PipelineSpec)]
        raise SpecError("\n".join(f"{where}, line {line}: {what}" for line, what in sorted(told))) from None


def apply_sets(
    spec: PipelineSpec, sets: Sequence[str], *, options: Mapping[str, str] | None = None
) -> PipelineSpec:
    """Return a spec with some values replaced.

    Parameters
    ----------
    spec : PipelineSpec
    sets : sequence of str
        ``"split.folds=3"``: the path of a key and its new value, written as in YAML.
    options : mapping of str to str, optional
        For those of `sets` that the caller wrote another way: how, as ``"--preset fast"``.

    Raises
    ------
    SpecError
        If a key or value is wrong; the message names it and the nearest right one.
    """
    values = spec.model_dump()
    options = options or {}
    placed: dict[tuple[str, ...], str] = {}
    wrong: list[str] = []
    for text in sets:
        try:
            placed[_place(values, text)] = text
        except SpecError as error:
            wrong.append(f"{options.get(text, f'--set {text}')}: {error}")
    if wrong:
        raise SpecError("\n".join(wrong))
    try:
        return PipelineSpec.model_validate(values)
    except ValidationError as error:
        raise SpecError(
            "\n".join(
                _told(_behind(path, placed), what, options) for path, what in complaints(error, PipelineSpec)
            )
        ) from None


def _place(values: dict[str, Any], text: str) -> tuple[str, ...]:
    key, equals, written = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise SpecError("write it as path=value, for instance stack.time_limit=60")
    _check_known(path)
    if path == ("dataset",):
        # Its models would be registered as if they were those of the default table.
        raise SpecError(f"choose a table with --dataset {written} (in Python: dataset={written!r})")
    try:
        value = yaml.safe_load(written)
    except yaml.YAMLError as error:
        raise SpecError(f"the value is not YAML: {str(error).splitlines()[0]}") from None
    part = values
    for name in path[:-1]:
        part = part.setdefault(name, {})
    part[path[-1]] = value
    return path


def _check_known(path: tuple[str, ...]) -> None:
    for depth in range(1, len(path) + 1):
        known = fields_at(path[: depth - 1], PipelineSpec)
        if not known and depth > 1 and path[depth - 2] not in ("datasets", "ordered"):
            raise SpecError(f"'{'.'.join(path[: depth - 1])}' holds a value, not keys of its own")
        if known and path[depth - 1] not in known:
            raise SpecError(unknown_key(path[:depth], PipelineSpec))


def _told(text: str, what: str, options: Mapping[str, str]) -> str:
    if text not in options:
        return f"--set {text}: {what}"
    # An option's user never wrote the path that it stands for.
    key = text.partition("=")[0]
    return f"{options[text]}: {what.removeprefix(repr(key)).removeprefix(':').strip()}"


def _behind(path: tuple[str | int, ...], placed: dict[tuple[str, ...], str]) -> str:
    for at, text in placed.items():
        if path[: len(at)] == at or at[: len(path)] == path:
            return text
    return ", ".join(placed.values())


def _shown(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return str(path)
