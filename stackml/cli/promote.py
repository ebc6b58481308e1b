"""`stackml promote`: make a registered version the champion."""

from __future__ import annotations

from typing import Annotated

import typer

from stackml.cli.examples import examples
from stackml.cli.options import TrackingUri, existing_store

EXAMPLES = examples("stackml promote fraud 3")


def promote(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Registered name, usually the pipeline's.")],
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Version number.")],
    tracking_uri: TrackingUri = None,
) -> None:
    """Make a version the champion; the one before keeps the alias "previous"."""
    from stackml.cli.terminal import say
    from stackml.tracking.registry import champion
    from stackml.tracking.registry import promote as run

    store = existing_store(tracking_uri)
    before = champion(store, name)
    after = run(store, name, version)
    if before is not None and before.version == after.version:
        say(f"{name} version {after.version} is the champion already")
        return
    was = f" (before: version {before.version})" if before is not None else ""
    say(f"{name} version {after.version} is now the champion{was}: models:/{name}@champion")
