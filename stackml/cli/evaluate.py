"""`stackml evaluate`: how good a stored stack is on rows with known answers."""

from __future__ import annotations

from typing import Annotated

import typer

from stackml.cli.examples import examples
from stackml.cli.options import Model, TrackingUri, Trusted, load_stack, place_of, value_of

EXAMPLES = examples(
    "stackml evaluate models:/fraud@champion later.parquet --target fraud",
    "stackml evaluate fraud.stack fraud_sim --metric roc_auc --metric log_loss",
)


def evaluate(
    model: Model,
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A file of labelled rows, or a known table (stackml data list)."),
    ],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The answers.  [default: as in training]")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE", help="Value of the target that is class 1, where the stack learned 0 and 1."
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="What to measure; repeat for more.")
    ] = None,
    tracking_uri: TrackingUri = None,
    trusted: Trusted = None,
) -> None:
    """Score a stack on rows with known answers, with 95 % intervals."""
    from stackml.cli.terminal import heading, interval, number, say, table
    from stackml.workflow.evaluation import evaluate as run

    stack = load_stack(model, tracking_uri, trusted)
    file, dataset = place_of(data)
    found = run(
        stack, file, dataset=dataset, target=target, positive=value_of(positive), metrics=metrics or None
    )
    heading(f"{model} on {data}: {found.rows:,} rows, target {found.target}")
    rows = [[s.metric, number(s.value), interval(s.low, s.high)] for s in found.scores]
    table(("metric", "value", "95 % interval"), rows, right=("value", "95 % interval"))
    if found.notes:
        say()
    for note in found.notes:
        say(f"- {note}")
