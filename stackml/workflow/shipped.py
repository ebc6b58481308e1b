"""The ready pipelines: one source, `pipelines/` of the project, which the wheel carries as templates."""

from __future__ import annotations

from pathlib import Path

from stackml.foundation.errors import SpecError, near_miss

SPEC_FILE = "pipeline.yaml"


def templates_folder() -> Path:
    """Return the folder of the ready pipelines.

    A built package holds a copy beside this module; a checkout has the source itself.
    """
    beside = Path(__file__).parent / "templates"
    return beside if beside.is_dir() else Path(__file__).parents[2] / "pipelines"


def template_names() -> list[str]:
    """Return the names of the ready pipelines."""
    return names_in(templates_folder())


def template(name: str) -> Path:
    """Return the folder of a ready pipeline: its `pipeline.yaml` and `README.md`.

    Raises
    ------
    SpecError
        If there is none of this name; the message offers the nearest one.
    """
    if name not in template_names():
        known = template_names()
        raise SpecError(f"there is no template '{name}'{near_miss(name, known)}; known: {', '.join(known)}")
    return templates_folder() / name


def names_in(folder: Path) -> list[str]:
    """Return the names of the pipelines in a folder, sorted."""
    return sorted(path.parent.name for path in folder.glob(f"*/{SPEC_FILE}"))
