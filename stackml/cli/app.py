"""`stackml`: the commands put together. Whatever is slow to import is imported inside them."""

from __future__ import annotations

from typing import Annotated

import typer

import stackml
from stackml.cli import (
    compare,
    data,
    doctor,
    evaluate,
    explain,
    init,
    learners,
    promote,
    score,
    train,
    ui,
    update,
)
from stackml.cli.errors import OneLineErrors, quiet_warnings
from stackml.cli.examples import lines

app = typer.Typer(
    name="stackml",
    cls=OneLineErrors,
    help="Stacking ensembles on tables: train, score, evaluate, compare.",
    epilog=lines(
        "Examples:",
        "  stackml init                    write the ready pipelines into this folder",
        "  stackml train fraud             train one on simulated data",
        "  stackml score models:/fraud@champion rows.csv scores.csv",
        "  stackml ui                      look at the runs in a browser",
        "",
        "Exit codes:",
        "    0  done",
        "    1  something unexpected happened, or the doctor found a fault",
        "    2  what was given is wrong: a name, a file, a column, a value",
        "  130  interrupted (Ctrl-C)",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text is quicker, and reads the same in a pipe
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"stackml {stackml.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for _name, _run, _examples, _short in (
    ("train", train.train, train.EXAMPLES, "Train a pipeline, store it, track it."),
    ("score", score.score, score.EXAMPLES, "Score a file of rows."),
    ("evaluate", evaluate.evaluate, evaluate.EXAMPLES, "Measure a stack on rows with known answers."),
    ("explain", explain.explain, explain.EXAMPLES, "Say why rows are predicted as they are."),
    ("compare", compare.compare, compare.EXAMPLES, "Put runs or models side by side."),
    ("update", update.update, update.EXAMPLES, "Let a stack take up new rows."),
    ("promote", promote.promote, promote.EXAMPLES, "Make a registered version the champion."),
    ("learners", learners.learners, learners.EXAMPLES, "List the learners and presets."),
    ("init", init.init, init.EXAMPLES, "Write the ready pipelines into a project."),
    ("ui", ui.ui, ui.EXAMPLES, "Open the MLflow UI on the project's runs."),
    ("doctor", doctor.doctor, doctor.EXAMPLES, "Check whether this machine can do the work."),
):
    app.command(_name, epilog=_examples, short_help=_short)(_run)
app.add_typer(data.app, name="data", short_help="List, make, fetch and verify known tables.")


def main() -> None:
    """Run the command line and leave with its exit code."""
    quiet_warnings()
    app(prog_name="stackml")


if __name__ == "__main__":
    main()
