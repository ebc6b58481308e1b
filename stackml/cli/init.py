"""`stackml init`: the ready pipelines in a folder of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackml.cli.examples import examples

EXAMPLES = examples("stackml init", "stackml init my-project")

IGNORED = "# What training leaves behind.\nmlflow.db*\nmlruns/\nruns/\ndata/raw/\n*.stack\n"


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; made if absent.")] = Path(),
) -> None:
    """Write the ready pipelines into a project; files that are there stay as they are."""
    from stackml.cli.terminal import pairs, say
    from stackml.foundation.errors import DataError
    from stackml.workflow.shipped import template, template_names

    files = {Path(".gitignore"): IGNORED}
    for name in template_names():
        for path in sorted(template(name).glob("*")):
            if path.suffix in (".yaml", ".md"):
                files[Path("pipelines") / name / path.name] = path.read_text(encoding="utf-8")
    try:
        told = [(_write(folder / path, text), str(folder / path)) for path, text in files.items()]
    except OSError as error:
        raise DataError(f"cannot write into '{folder}': {error.strerror or error}") from error
    pairs(told)
    say()
    at = "" if folder.resolve() == Path.cwd().resolve() else f"cd {folder} && "
    say(f"next: {at}stackml train {template_names()[0]}")


def _write(path: Path, text: str) -> str:
    if path.exists():
        return "kept"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return "written"
