"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stackml.assembly.loading import Model as AnyModel
    from stackml.tracking.store import Store

TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store: sqlite:///file.db or http://host:port.  "
        "[default: MLFLOW_TRACKING_URI, else mlflow.db here]",
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A .stack file, a folder with one, models:/NAME@champion, models:/NAME/3 or runs:/ID/stack.",
    ),
]
Trusted = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted",
        metavar="TYPE",
        help="Full name of a type outside the catalog that the stack may build; repeat for more.",
    ),
]


def existing_store(tracking_uri: str | None) -> Store:
    """Open the store a command was given; a missing database is an error, not made anew."""
    from stackml.tracking.store import connect

    return connect(tracking_uri, create=False)


def load_stack(model: str, tracking_uri: str | None, trusted: list[str] | None) -> AnyModel:
    """Load a stack from wherever `model` says; MLflow is asked only where it must be."""
    from stackml.tracking.flavor import load_model

    tracked = model.startswith(("models:", "runs:"))
    store = existing_store(tracking_uri) if tracked else None
    return load_model(model, trusted=trusted or (), store=store)


def place_of(data: str) -> tuple[Path | None, str | None]:
    """Return the file or the known table that is meant."""
    from stackml.datasets.catalog import dataset_cards
    from stackml.foundation.errors import DataError, near_miss

    path = Path(data)
    if path.exists() or path.suffix:
        return path, None
    if data in dataset_cards():
        return None, data
    known = [*dataset_cards(), *(found.name for found in Path().glob("*.*"))]
    raise DataError(f"there is neither a file nor a known table '{data}'{near_miss(data, known)}")


def value_of(text: str | None) -> str | int | None:
    """Return a number as one: the column that is compared with it holds numbers then."""
    return int(text) if text is not None and text.lstrip("-").isdigit() else text
