"""`stackml data`: the known tables, where they are, and how to get them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackml.cli.examples import examples

if TYPE_CHECKING:
    from stackml.datasets.catalog import DatasetCard

app = typer.Typer(
    help="Known tables: list them, make simulated ones, fetch and verify real ones.",
    epilog=examples("stackml data list", "stackml data fetch german_credit"),
    no_args_is_help=True,
    rich_markup_mode=None,
)
_RAW = Path("data") / "raw"


@app.command("list", epilog=examples("stackml data list"))
def list_tables() -> None:
    """List the known tables and where they are."""
    from stackml.cli.terminal import say, table
    from stackml.datasets.catalog import dataset_cards
    from stackml.datasets.files import data_folders

    rows = [
        [card.name, card.use, f"{card.rows:,}" if card.rows else "any", card.target, _where(card)]
        for card in dataset_cards().values()
    ]
    table(("name", "use", "rows", "target", "where"), rows, right=("rows",))
    say()
    folders = " and ".join(str(folder) for folder in data_folders(None))
    say(f"real tables are looked for in {folders}; STACKML_DATA names another folder")
    say("stackml data fetch NAME downloads one, or says how to get it by hand")


def _where(card: DatasetCard) -> str:
    from stackml.datasets.files import find_file
    from stackml.foundation.errors import DataError

    if card.kind == "simulated":
        return "simulated"
    try:
        return f"here ({find_file(card).suffix[1:]})"
    except DataError:
        return "absent (fetch)" if card.download else "absent (by hand)"


@app.command(
    "make",
    epilog=examples(
        "stackml data make fraud_sim", "stackml data make credit_sim data/credit.csv --rows 5000 --seed 1"
    ),
)
def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A simulated table.")],
    into: Annotated[
        Path, typer.Argument(metavar="INTO", help="A .parquet or .csv file, or a folder.")
    ] = Path("data"),
    rows: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Rows.  [default: the simulator's]")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Equal seeds, equal tables.")] = 0,
) -> None:
    """Write a simulated table to a file."""
    from stackml.cli.terminal import say, short_path
    from stackml.datasets.making import make_dataset

    say(f"written: {short_path(make_dataset(name, into, n_rows=rows, seed=seed))}")


@app.command("fetch", epilog=examples("stackml data fetch german_credit"))
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A real table.")],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to keep it.")] = _RAW,
) -> None:
    """Download a real table from its public home and check it."""
    from stackml.cli.terminal import say, short_path
    from stackml.datasets.catalog import dataset_card
    from stackml.datasets.fetching import fetch_dataset

    path = fetch_dataset(name, into)
    say(f"fetched and verified: {short_path(path)}")
    licence = dataset_card(name).licence
    if licence:
        say(f"licence: {licence}")


@app.command("verify", epilog=examples("stackml data verify", "stackml data verify banksim gmsc"))
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Tables; all that are there by default.")
    ] = None,
) -> None:
    """Check the files of real tables against the catalog."""
    from stackml.cli.terminal import say, short_path
    from stackml.datasets.catalog import dataset_card, dataset_cards
    from stackml.datasets.files import find_file, verify_dataset
    from stackml.foundation.errors import DataError

    cards = [dataset_card(name) for name in names] if names else _present(list(dataset_cards().values()))
    wrong: list[str] = []
    for card in cards:
        if card.kind == "simulated":
            raise DataError(f"dataset '{card.name}' is simulated; there is no file to verify")
        path = find_file(card)
        try:
            say(f"{card.name}: {_AGREED[verify_dataset(card, path)]} ({short_path(path)})")
        except DataError as error:
            wrong.append(str(error))
    if wrong:
        raise DataError("\n".join(wrong))
    if not cards:
        say("no real tables are here; stackml data list says where they are looked for")


_AGREED = {
    "file": "verified, byte for byte",
    "values": "verified, every value (written by another program)",
    "columns": "has its columns (the values of a CSV cannot be verified)",
}


def _present(cards: list[DatasetCard]) -> list[DatasetCard]:
    return [card for card in cards if card.kind == "real" and not _where(card).startswith("absent")]
