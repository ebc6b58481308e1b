"""Models side by side on the same rows, as `stackml compare --data` prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackml.cli.terminal import (
    PIPED_WIDTH,
    console,
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

    from stackml.workflow.side_by_side import Comparison

_STYLES = {"better": "green", "worse": "red"}


def print_models(
    models: Sequence[str],
    data: str,
    *,
    outputs: Sequence[Path],
    experiment: str | None,
    track: bool,
    tracking_uri: str | None,
    positive: str | None,
    options: Mapping[str, Any],
) -> None:
    """Compare models, print what was found, write files and the MLflow run."""
    from stackml.cli.options import place_of, value_of
    from stackml.workflow.side_by_side import compare_models
    from stackml.workflow.side_by_side_recording import (
        EXPERIMENT,
        check_output,
        record_comparison,
        write_comparison,
    )

    for path in outputs:
        check_output(path)
    file, dataset = place_of(data)
    found = compare_models(
        models,
        file,
        dataset=dataset,
        positive=value_of(positive),
        tracking_uri=tracking_uri,
        **options,
    )
    _print_found(found)
    kept = []
    for path in outputs:
        write_comparison(found, path)
        kept.append(("written", short_path(path)))
    if track:
        params = {"given": ", ".join(models), **{k: v for k, v in options.items() if k in _LOGGED}}
        logged = record_comparison(
            found, params=params, experiment=experiment or EXPERIMENT, tracking_uri=tracking_uri
        )
        kept.append(("tracked", f"run {logged.run_id} in {logged.tracking_uri} ({logged.experiment})"))
    if kept:
        say()
        pairs(kept)


_LOGGED = ("learners", "groups", "weight", "n_rows", "margin", "seed")


def _print_found(found: Comparison) -> None:
    board = found.table
    names = list(dict.fromkeys(board["model"]))
    units = "" if found.units == found.rows else f" in {found.units:,} groups"
    heading(
        f"{len(names)} models on {short_path(found.data)}: {found.rows:,} rows{units}, target {found.target}"
    )
    for metric in found.metrics:
        rows = board[board["metric"] == metric]
        heading(f"{metric} (baseline: {found.baseline})")
        _print_scores(rows)
    say()
    _say_how(found)
    heading("Costs")
    _print_costs(board[board["metric"] == found.metrics[0]])
    say()
    for sentence in found.verdicts:
        say(f"{_capital(sentence)}.")
    say()
    say(f"{_capital(found.recommendation)}.", style="bold")
    if found.notes:
        heading("Notes")
    for note in found.notes:
        say(f"- {note}")


def _print_scores(rows: pd.DataFrame) -> None:
    wide = console().width >= PIPED_WIDTH
    columns = ["model", "value", *(["95 % interval"] if wide else []), "gain", "interval", "verdict"]
    cells = [
        [
            str(row["model"]),
            number(row["value"]),
            *([interval(row["low"], row["high"])] if wide else []),
            _signed(row["difference"]),
            ""
            if row["verdict"] == "baseline"
            else _signed_interval(row["together_low"], row["together_high"]),
            str(row["verdict"]),
        ]
        for row in rows.to_dict("records")
    ]
    styles = [_STYLES.get(word, "") for word in rows["verdict"]]
    table(columns, cells, right=columns[1:-1], styles=styles)


def _say_how(found: Comparison) -> None:
    several = f"all {found.comparisons} comparisons together, " if found.comparisons > 1 else ""
    say(
        f"Gain: over {found.baseline}, + is better in every metric; intervals: {several}"
        f"{100 * found.level:g} %, paired bootstrap."
    )


def _print_costs(rows: pd.DataFrame) -> None:
    asked = bool((rows["asked"] != "").any())
    columns = ["model", "kind", "us/row", "MB", *(["calls/row", "asked"] if asked else [])]
    cells = [
        [
            str(row["model"]),
            str(row["kind"]),
            number(row["us_per_row"], 1),
            number(row["megabytes"], 3),
            *([number(row["calls_per_row"], 2), str(row["asked"])] if asked else []),
        ]
        for row in rows.to_dict("records")
    ]
    styles = ["bold" if taken else "" for taken in rows["recommended"]]
    table(columns, cells, right=("us/row", "MB", "calls/row"), styles=styles)


def _signed(value: float, digits: int = 4) -> str:
    if math.isnan(value):
        return ""
    text = number(value, digits)
    return text if text.startswith("-") else f"+{text}"


def _signed_interval(low: float, high: float) -> str:
    return f"[{_signed(low)}, {_signed(high)}]" if interval(low, high) else ""


def _capital(sentence: str) -> str:
    """Return a sentence with a capital, unless it begins with the name of a model."""
    return sentence[:1].upper() + sentence[1:] if sentence.startswith("recommended") else sentence
