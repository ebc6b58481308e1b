"""What commands print: prose that wraps for people only, and tables that fit."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 100


def console() -> Console:
    """Return the standard output; in a pipe it has a fixed width unless COLUMNS says another."""
    out = Console(highlight=False, markup=False)
    if not out.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        out.width = PIPED_WIDTH
    return out


def say(text: str = "", style: str = "") -> None:
    """Print a line; people see it wrapped at words, a pipe gets it whole."""
    out = console()
    out.print(Text(text, style=style), soft_wrap=not out.is_terminal)


def heading(text: str) -> None:
    """Print a heading with a blank line above."""
    say()
    say(text, style="bold")


def pairs(rows: Iterable[tuple[str, str]]) -> None:
    """Print labelled lines, the labels in one column."""
    shown = list(rows)
    width = max((len(label) for label, _ in shown), default=0)
    for label, text in shown:
        say(f"{label:<{width}}  {text}")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    styles: Sequence[str] = (),
) -> None:
    """Print a table.

    Parameters
    ----------
    columns : sequence of str
    rows : iterable of sequences of str
    right : sequence of str
        Columns of numbers.
    styles : sequence of str
        One style a row; none for those beyond.
    """
    drawn = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold"
    )
    for name in columns:
        # Text may wrap, and a number cut in two would be another number.
        number_like = name in right
        justify: Literal["left", "right"] = "right" if number_like else "left"
        drawn.add_column(Text(name), justify=justify, no_wrap=number_like, overflow="fold")
    for number, row in enumerate(rows):
        cells = [Text(cell) for cell in row]
        drawn.add_row(*cells, style=styles[number] if number < len(styles) else None)
    out = console()
    if out.is_terminal:
        out.print(drawn)
        return
    with out.capture() as captured:
        out.print(drawn)
    for line in captured.get().splitlines():  # blanks at the end of a line are for nobody
        out.print(Text(line.rstrip()), soft_wrap=True)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number to `digits` decimals, or to so many significant ones where it is large."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if abs(value) >= 1000:
        return f"{value:,.{max(0, digits - 3)}f}"
    return f"{value:.{digits}f}"


def interval(low: float, high: float, digits: int = 4) -> str:
    """Return ``[low, high]``, or "" where there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def short_path(path: str | Path) -> str:
    """Return a path as seen from the working folder where it lies inside."""
    try:
        return Path(path).resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return str(path)
