"""`stackml train`: from a pipeline to a stored, tracked stack."""

from __future__ import annotations

from typing import Annotated

import typer

from stackml.cli.examples import examples
from stackml.cli.options import TrackingUri

EXAMPLES = examples(
    "stackml train fraud",
    "stackml train fraud --dataset banksim --time-limit 300",
    "stackml train credit --preset fast --set split.folds=3 --rows 5000",
    "stackml train readmission --resume",
    "stackml train my/pipeline.yaml --tracking-uri http://localhost:5000",
)


def train(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="A name under pipelines/, a ready one, or a YAML file.")
    ],
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A table of the pipeline in place of its default.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="PRESET", help="Learners: fast, balanced or best.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop fitting after so many seconds.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Replace a value of the pipeline; repeat for more."),
    ] = None,
    tracking_uri: TrackingUri = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the fits an interrupted run has finished.")
    ] = False,
    n_jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Fits at once; changes no result.  [default: all cores]")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Use only so many rows, to try things out.")
    ] = None,
) -> None:
    """Train a pipeline, score it on rows it never saw, store it and track it in MLflow."""
    from stackml.cli.progress import progress
    from stackml.cli.report import print_report
    from stackml.workflow.spec import apply_sets, load_spec
    from stackml.workflow.training import train as run

    options = _as_sets(preset, time_limit, rows)
    spec = apply_sets(load_spec(pipeline), [*(set_ or []), *options], options=options)
    with progress() as listener:
        result = run(
            spec,
            dataset=dataset,
            tracking_uri=tracking_uri,
            resume=resume,
            n_jobs=n_jobs,
            listener=listener,
        )
    print_report(result, tracking_uri)


def _as_sets(preset: str | None, time_limit: float | None, rows: int | None) -> dict[str, str]:
    """Return what options are short for, each with how it was written, so that the same checks speak."""
    given = {
        "--preset": ("stack.learners", preset),
        "--time-limit": ("stack.time_limit", time_limit),
        "--rows": ("n_rows", rows),
    }
    return {
        f"{path}={value}": f"{option} {value}" for option, (path, value) in given.items() if value is not None
    }
