"""`stackml update`: let a stored stack take up new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackml.cli.examples import examples
from stackml.cli.options import Model, TrackingUri, Trusted, existing_store, load_stack, place_of

EXAMPLES = examples(
    "stackml update fraud.stack june.parquet june.stack --target fraud",
    "stackml update models:/fraud@champion june.parquet --time day",
)


def update(
    model: Model,
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A file of new labelled rows, or a known table."),
    ],
    output: Annotated[
        Path | None, typer.Argument(metavar="OUTPUT", help="File for the updated stack.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The answers.  [default: as in training]")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Order of the rows.  [default: as they come]")
    ] = None,
    ways: Annotated[
        list[str] | None,
        typer.Option("--way", metavar="WAY", help="What to try; repeat for more.  [default: all]"),
    ] = None,
    tracking_uri: TrackingUri = None,
    trusted: Trusted = None,
) -> None:
    """Update a stack with the earlier rows, and compare it with the old one on the later ones.

    A registered model gets a new version, which becomes the champion where it is better; a file is
    written to OUTPUT.
    """
    from stackml.cli.terminal import heading, number, say, table
    from stackml.foundation.errors import ParameterError
    from stackml.workflow.challenging import challenge

    name = (
        model.removeprefix("models:/").split("@")[0].split("/")[0] if model.startswith("models:/") else None
    )
    if name is None and output is None:
        raise ParameterError("say where to write the updated stack: stackml update MODEL DATA OUTPUT")
    stack = load_stack(model, tracking_uri, trusted)
    store = existing_store(tracking_uri) if name is not None else None
    file, dataset = place_of(data)
    found = challenge(
        stack, file, dataset=dataset, target=target, time=time, ways=ways or "auto", name=name, store=store
    )
    record = found.record
    heading(f"{model}: {found.learned:,} new rows to learn from, {found.compared:,} later ones to compare on")
    rows = [
        [
            f"{c['name']} (taken)" if c["name"] == record["chosen"] else c["name"],
            number(c.get("score")),
            number(c.get("gain")),
            c["reason"],
        ]
        for c in record["candidates"]
    ]
    table(("way", record["metric"], "gain", ""), rows, right=(record["metric"], "gain"))
    say()
    say(found.standing.reason)
    if output is not None:
        say(f"written: {found.stack.save(output)}")
