"""What went wrong, in one line and an exit code; the only place that turns errors into words."""

from __future__ import annotations

import os
import traceback
import warnings
from typing import Any, Final, TextIO

import typer
from typer.core import TyperGroup

from stackml.foundation.errors import StackmlError, StackmlWarning

UNEXPECTED: Final = 1
USER_MISTAKE: Final = 2
INTERRUPTED: Final = 130
DEBUG: Final = "STACKML_DEBUG"
RESUMABLE: Final = ("train",)


class OneLineErrors(TyperGroup):
    """The commands, with errors told instead of raised."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            again = "; run again with --resume" if ctx.invoked_subcommand in RESUMABLE else ""
            _say(f"interrupted{again}", color="yellow")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if hasattr(error, "exit_code") or isinstance(error, typer.Abort | BrokenPipeError):
                raise  # the command line's own: usage errors, leaving early
            raise typer.Exit(tell(error)) from None


def tell(error: Exception) -> int:
    """Print an error on stderr and return the exit code it stands for."""
    if os.environ.get(DEBUG):
        typer.echo("".join(traceback.format_exception(error)), err=True)
    if isinstance(error, StackmlError):
        _say(f"error: {error}")
        return USER_MISTAKE
    said = " ".join(str(error).split())[:300]
    _say(f"unexpected error: {type(error).__name__}{f': {said}' if said else ''}")
    if not os.environ.get(DEBUG):
        typer.echo(f"To see where it came from, run again with {DEBUG}=1; please report it.", err=True)
    return UNEXPECTED


def quiet_warnings() -> None:
    """Print the package's own warnings as notes, and leave out those of other libraries."""
    if os.environ.get(DEBUG):
        return

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, StackmlWarning):
            _say(f"note: {message}", color="yellow")

    warnings.showwarning = show


def _say(text: str, color: str = "red") -> None:
    plain = "NO_COLOR" in os.environ
    typer.secho(text, fg=None if plain else color, err=True)
