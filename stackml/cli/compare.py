"""`stackml compare`: runs by what they logged, or models by what they say about the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stackml.cli.examples import examples
from stackml.cli.options import TrackingUri, Trusted

EXAMPLES = examples(
    "stackml compare 1f0c2d3e 9a8b7c6d",
    "stackml compare --pipeline fraud",
    "stackml compare fraud.stack --learners --data later.csv --target fraud",
    "stackml compare models:/fraud@champion new=a.stack --data later.parquet",
)


def compare(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|MODEL",
            help="Run ids, or their first characters, as the UI shows them. With --data: models, each a "
            ".stack file, models:/NAME@champion or runs:/ID/stack, or NAME=MODEL.",
        ),
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(metavar="NAME", help="The latest runs of a pipeline in place of run ids.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Compare models on these labelled rows: a file, or a known table. All other "
            "options but --pipeline and --tracking-uri are for models.",
        ),
    ] = None,
    learners: Annotated[
        bool, typer.Option("--learners", help="Also each single learner of a stack, and their plain mean.")
    ] = False,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whom to compare with.  [default: with --learners the best single one, else the first]",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The answers.  [default: as in training]")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="Value of the target that is class 1, where models know 0 and 1."),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="What to measure; repeat for more, the first decides."),
    ] = None,
    groups: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows of one value are resampled together.")
    ] = None,
    weight: Annotated[str | None, typer.Option(metavar="COLUMN", help="Weights of the rows.")] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Recommend only what is sure to lag by X of the metric at most.  [default: what is not "
            "shown to be worse]",
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Draw N rows by chance; all by default.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of resamples and drawn rows.")] = 0,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Write the table (.csv, .json) or figure (.png, .svg); repeat for more."
        ),
    ] = None,
    track: Annotated[
        bool, typer.Option("--track/--no-track", help="Log table and figure as an MLflow run.")
    ] = True,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of that run.  [default: comparisons]")
    ] = None,
    tracking_uri: TrackingUri = None,
    trusted: Trusted = None,
) -> None:
    """Put runs side by side by what they logged; with --data, put models side by side on the same rows."""
    from stackml.cli.compare_models import print_models
    from stackml.cli.compare_runs import print_runs

    given = {
        "--learners": learners,
        "--baseline": baseline,
        "--target": target,
        "--positive": positive,
        "--metric": metrics,
        "--groups": groups,
        "--weight": weight,
        "--margin": margin is not None,
        "--rows": rows,
        "--output": output,
        "--experiment": experiment,
        "--trusted": trusted,
    }
    if data is None:
        _check_runs(runs or [], given)
        print_runs(runs or [], pipeline, tracking_uri)
        return
    _check_models(runs or [], pipeline)
    print_models(
        runs or [],
        data,
        outputs=output or [],
        experiment=experiment if track else None,
        track=track,
        tracking_uri=tracking_uri,
        positive=positive,
        options={
            "target": target,
            "metrics": metrics or None,
            "baseline": baseline,
            "learners": learners,
            "groups": groups,
            "weight": weight,
            "n_rows": rows,
            "margin": margin,
            "seed": seed,
            "trusted": trusted or (),
        },
    )


def _check_runs(runs: list[str], given: dict[str, Any]) -> None:
    from stackml.foundation.errors import ParameterError

    models = [run for run in runs if set(":/\\.=") & set(run)]
    if models:
        raise ParameterError(
            f"'{models[0]}' is a model, not a run id; say on which labelled rows to compare models with "
            "--data FILE"
        )
    stray = [option for option, value in given.items() if value]
    if stray:
        raise ParameterError(
            f"{stray[0]} is for models on the same rows; give --data FILE, or leave it out for runs"
        )


def _check_models(models: list[str], pipeline: str | None) -> None:
    from stackml.foundation.errors import ParameterError

    if pipeline is not None:
        raise ParameterError("--pipeline is for runs; with --data name models, as models:/NAME@champion")
    if not models:
        raise ParameterError(
            "no models to compare; give .stack files, models:/NAME@champion or runs:/ID/stack"
        )
