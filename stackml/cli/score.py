"""`stackml score`: a file of rows in, a file of predictions out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackml.cli.examples import examples
from stackml.cli.options import Model, TrackingUri, Trusted, load_stack

EXAMPLES = examples(
    "stackml score models:/fraud@champion rows.parquet scores.parquet",
    "stackml score fraud.stack rows.csv out/scores.csv --id transaction_id",
    "stackml score runs:/1f0c.../stack rows.csv scores.csv --batch-rows 10000",
)


def score(
    model: Model,
    input_: Annotated[
        Path, typer.Argument(metavar="INPUT", help="Rows to score: .parquet, .csv or .csv.gz.")
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT", help="Where the predictions go: .parquet, .csv or .csv.gz; the folder is made."
        ),
    ],
    batch_rows: Annotated[
        int, typer.Option(metavar="N", help="Rows in memory at once; changes no prediction.")
    ] = 50_000,
    ids: Annotated[
        list[str] | None,
        typer.Option(
            "--id", metavar="COLUMN", help="A column to keep beside the predictions; repeat for more."
        ),
    ] = None,
    tracking_uri: TrackingUri = None,
    trusted: Trusted = None,
) -> None:
    """Score a file of rows; the output appears whole or not at all."""
    from stackml.cli.progress import progress
    from stackml.cli.terminal import duration, pairs, short_path
    from stackml.scoring.batch import score_file

    stack = load_stack(model, tracking_uri, trusted)
    with progress() as listener:
        done = score_file(
            stack, input_, output, batch_rows=batch_rows, id_columns=ids or (), listener=listener
        )
    told = [
        ("rows", f"{done.rows:,}"),
        ("time", f"{duration(done.seconds)} ({done.rows_per_second:,.0f} rows/s)"),
        ("output", short_path(done.output)),
    ]
    if done.ignored:
        told.append(("columns not read", ", ".join(done.ignored)))
    pairs(told)
