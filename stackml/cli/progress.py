"""Progress on stderr: a bar for people, a line a step for a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from stackml.foundation.progress import Event, Listener

LOGGED = {"stage": "", "learner_done": "done: ", "learner_failed": "failed: ", "learner_skipped": "skipped: "}


@contextmanager
def progress() -> Iterator[Listener]:
    """Give a listener that tells how far the work is."""
    if not sys.stderr.isatty():
        yield _log
        return
    from stackml.foundation.progress_bar import progress_bar

    with progress_bar() as listener:
        yield listener


def _log(event: Event) -> None:
    if event.kind in LOGGED:
        typer.echo(f"{LOGGED[event.kind]}{event.message}", err=True)
