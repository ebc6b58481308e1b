"""A progress bar on the terminal for whoever asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stackml.foundation.progress import Event, Listener, silent


@contextmanager
def progress_bar() -> Iterator[Listener]:
    """Draw events as one bar, with a line for each learner that fails or is skipped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<36}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("starting", total=None)

        def listen(event: Event) -> None:
            if event.kind in ("learner_failed", "learner_skipped"):
                word = "failed" if event.kind == "learner_failed" else "skipped"
                progress.console.print(f"[yellow]{word}[/yellow] {event.message}", highlight=False)
            total = event.total or None
            progress.update(bar, description=event.message[:36], completed=event.done, total=total)

        yield listen


@contextmanager
def listening(verbose: int | Listener) -> Iterator[Listener]:
    """Give the listener that `verbose` asks for: itself, a bar on the terminal, or one that says nothing."""
    if callable(verbose):
        yield verbose
    elif verbose:
        with progress_bar() as listener:
            yield listener
    else:
        yield silent
