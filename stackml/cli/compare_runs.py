"""Runs side by side, as `stackml compare` prints them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# MLflow allows no "%" in a name.
_AT_CAPACITY = re.compile(r"^((?:recall|precision)_at_[\d.]+)_*$")


def print_runs(runs: Sequence[str], pipeline: str | None, tracking_uri: str | None) -> None:
    """Compare runs, or the latest of a pipeline, and print what they scored and in what they differ."""
    from stackml.cli.terminal import heading, say, table
    from stackml.foundation.errors import ParameterError
    from stackml.workflow.comparison import compare as run

    if bool(runs) == bool(pipeline):
        raise ParameterError("give run ids, or --pipeline NAME for its latest runs, and not both")
    found = run(runs, pipeline=pipeline, tracking_uri=tracking_uri)
    board = found.table
    started = [moment.strftime("%Y-%m-%d %H:%M") for moment in board["started"]]
    heading("Runs")
    names = zip(map(str, board.index), board["name"], board["status"], started, strict=True)
    table(("run", "name", "status", "started (UTC)"), [[str(cell) for cell in row] for row in names])
    heading("On rows never seen (95 % intervals)")
    table(("metric", "run", "value", "interval"), _scores(board), right=("value", "interval"))
    differing = [str(column) for column in board.columns if str(column).startswith("param:")]
    if differing:
        heading("What differs")
        rows = [[name.removeprefix("param:"), *map(_given, board[name])] for name in differing]
        table(("parameter", *map(str, board.index)), rows)
    if found.verdicts:
        say()
    for sentence in found.verdicts:
        say(f"{sentence[:1].upper()}{sentence[1:]}.", style="bold")


def _scores(board: pd.DataFrame) -> list[list[str]]:
    """Return a block of rows for each metric of the stack itself."""
    from stackml.cli.terminal import interval, number

    columns = [str(column) for column in board.columns]
    rows: list[list[str]] = []
    for name in columns[columns.index("started") + 1 :]:
        ends = [f"{name}{gap}{end}" for end in ("low", "high") for gap in ("_", "__")]
        low_high = [end for end in ends if end in columns]
        if "/" in name or len(low_high) != 2:
            continue
        for place, (run, row) in enumerate(board.iterrows()):
            low, high = (float(row[end]) for end in low_high)
            label = _AT_CAPACITY.sub(r"\1%", name) if place == 0 else ""
            rows.append([label, str(run), number(float(row[name])), interval(low, high)])
    return rows


def _given(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "-" if missing else str(value)
