"""What a person reads after a training: who did what, how good it is, and what to do next."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

from stackml.cli.terminal import (
    PIPED_WIDTH,
    console,
    duration,
    heading,
    interval,
    number,
    pairs,
    say,
    short_path,
    table,
)

if TYPE_CHECKING:
    import pandas as pd

    from stackml.workflow.training import TrainingResult

STACK = "stack"
_PRICES = ("us/row", "MB", "pareto")  # shown where a line has room for them


def print_report(result: TrainingResult, tracking_uri: str | None = None) -> None:
    """Print a training's result; `tracking_uri` is what the user gave, for the commands to copy."""
    spec = result.spec
    heading(f"{spec.name} on {result.dataset}: {_rows(result)}, {duration(result.seconds)}")
    if result.fits_cached:
        say(f"fits: {result.fits_cached} kept from the run before, {result.fits_done} done now")
    _print_leaderboard(result.leaderboard, spec.primary_metric)
    _print_held_out(result)
    for sentence in result.verdicts:
        say(sentence[:1].upper() + sentence[1:] + ".", style="bold")
    _print_decisions(result.decisions)
    notes = [note for note in result.notes if not _told_already(note, result.leaderboard)]
    if notes:
        heading("Notes")
        for note in notes:
            say(f"- {note}")
    heading("Next")
    pairs(_next(result, tracking_uri))


def _told_already(note: str, board: pd.DataFrame) -> bool:
    """Return whether a note says what stands under the leaderboard."""
    told = board[board["message"] != ""]
    return any(
        note.startswith(f"learner '{name}' {status}:")
        for name, status in zip(told["name"], told["status"], strict=True)
    )


def _rows(result: TrainingResult) -> str:
    return f"{result.n_train:,} rows learned from, {result.n_held_out:,} held out"


def _print_leaderboard(board: pd.DataFrame, metric: str) -> None:
    heading(f"Leaderboard (out of fold, {metric})")
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in board.to_dict("records")]
    layered = len({row["layer"] for row in rows if row["name"] != STACK}) > 1
    numbers = ("OOF score", "weight", "seconds", "rounds", "layer", *_PRICES)
    columns = ["name", "kind", "OOF score", "weight", "seconds", "rounds", "status"]
    if layered:
        columns.insert(2, "layer")
    if console().width >= PIPED_WIDTH and "pareto" in board:
        columns[-1:-1] = _PRICES
    cells = [_learner_cells(row) for row in rows]
    table(
        columns,
        [[cell[column] for column in columns] for cell in cells],
        right=numbers,
        styles=["bold" if row["name"] == STACK else _style(row["status"]) for row in rows],
    )
    for row in rows:
        if row["message"]:
            say(f"{row['name']} {row['status']}: {row['message']}", style=_style(row["status"]))


def _style(status: str) -> str:
    return {"failed": "red", "skipped": "yellow"}.get(status, "")


def _learner_cells(row: dict[str, Any]) -> dict[str, str]:
    return {
        "name": str(row["name"]),
        "kind": f"{row['kind']} (combiner)" if row["name"] == STACK else str(row["kind"]),
        "layer": str(row["layer"]),
        "OOF score": number(row["score"]),
        "weight": number(row["weight"], 2),
        "seconds": number(row["fit_seconds"], 1),
        "rounds": number(row["rounds"], 0),
        "us/row": number(row.get("us_per_row"), 1),
        "MB": number(row.get("megabytes"), 2),
        "pareto": "*" if row.get("pareto") else "",
        "status": str(row["status"]),
    }


def _print_held_out(result: TrainingResult) -> None:
    heading(f"On {result.n_held_out:,} rows never seen (95 % intervals)")
    shown = [s for s in result.held_out if interval(s.low, s.high)]
    order = list(dict.fromkeys([result.spec.primary_metric, *(s.metric for s in shown)]))
    rows: list[list[str]] = []
    styles: list[str] = []
    for metric in order:
        for place, scored in enumerate(s for s in shown if s.metric == metric):
            label = metric if place == 0 else ""
            rows.append([label, scored.name, number(scored.value), interval(scored.low, scored.high)])
            styles.append("bold" if scored.name == STACK else "")
    table(("metric", "prediction", "value", "interval"), rows, right=("value", "interval"), styles=styles)
    say()


def _print_decisions(decisions: pd.DataFrame) -> None:
    if decisions.empty:
        return
    heading("Where to draw the line (found out of fold, tried on the rows never seen)")
    rows = [
        [
            str(row["rule"]),
            number(row["threshold"]) if math.isfinite(row["threshold"]) else "-",
            f"{100 * row['flagged']:.1f} %",
            number(row["precision"], 3),
            number(row["recall"], 3),
            number(row["cost"], 3),
        ]
        for row in decisions.to_dict("records")
    ]
    numbers = ("threshold", "flagged", "precision", "recall", "cost per case")
    table(("rule", *numbers), rows, right=numbers)


def _next(result: TrainingResult, tracking_uri: str | None) -> list[tuple[str, str]]:
    path = short_path(result.stack_path)
    stored = ("stored", path)
    if result.tracking_uri is None or not result.registered_name:
        return [stored, ("score", f"{_program()} score {path} ROWS.csv SCORES.csv")]
    from stackml.tracking.redaction import without_credentials

    name, alias = result.registered_name, result.alias
    model = f"models:/{name}@{alias}"
    at = f" --tracking-uri {without_credentials(tracking_uri)}" if tracking_uri else ""
    program = _program()
    look, score = f"{program} ui{at}", f"{program} score {model} ROWS.csv SCORES.csv{at}"
    several = result.version is not None and int(result.version) > 1
    if _has_makefile() and not at:
        look = f"make ui (or: {look})"
    return [
        stored,
        ("registered", f"{name} version {result.version}, the {alias}: {model}"),
        ("tracked", f"run {result.run_id} in {without_credentials(result.tracking_uri)}"),
        ("look", look),
        *([("compare", f"{program} compare --pipeline {result.spec.name}{at}")] if several else []),
        ("score", score),
    ]


def _program() -> str:
    """Return how to call this program from here: by its name only where a shell would find it."""
    called = Path(sys.argv[0])
    return "stackml" if called.name != "stackml" or which("stackml") else short_path(called)


def _has_makefile() -> bool:
    try:
        return "stackml ui" in Path("Makefile").read_text(encoding="utf-8")
    except OSError:
        return False
