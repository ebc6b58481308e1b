"""`stackml explain`: why rows are predicted as they are, in sentences or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackml.cli.examples import examples
from stackml.cli.options import Model, TrackingUri, Trusted, load_stack, place_of

if TYPE_CHECKING:
    import pandas as pd

    from stackml.assembly.loading import Model as AnyModel
    from stackml.explain.explanation import Explanation
    from stackml.scoring.reading import Rows

EXAMPLES = examples(
    "stackml explain models:/fraud@champion rows.parquet --rows 5",
    "stackml explain fraud.stack rows.csv --highest --id transaction_id",
    "stackml explain credit.stack declined.csv --rows 500 --output reasons.csv",
)


def explain(
    model: Model,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A file of rows, or a known table (stackml data list).")
    ],
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Rows to explain.")] = 10,
    k: Annotated[int, typer.Option("--k", "-k", metavar="K", min=1, help="Reasons a row.")] = 3,
    highest: Annotated[
        bool, typer.Option("--highest", help="The rows with the highest prediction, not the first ones.")
    ] = False,
    class_: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="LABEL",
            help="Class to explain.  [default: the second of two, else the likeliest]",
        ),
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="The column that names a row.  [default: its place]"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the reasons to a .csv or .parquet file instead."),
    ] = None,
    tracking_uri: TrackingUri = None,
    trusted: Trusted = None,
) -> None:
    """Say which columns raise each row's prediction, and by how much.

    What is usual in each column of the training table is where the reasons start from. Of models put
    together (routers, ensembles, ...) it says for each row who answered, or weighed how much.
    """
    from stackml.cli.members import tell_members
    from stackml.cli.terminal import pairs, short_path
    from stackml.scoring.formats import format_of
    from stackml.stack.estimator import BaseStack
    from stackml.stack.explaining import leading_rows

    if output is not None:
        format_of(output)
    stack = load_stack(model, tracking_uri, trusted)
    frame, names = _read(stack, data, None if highest else rows, id_)
    if not isinstance(stack, BaseStack):
        tell_members(stack.member_weights(frame.head(rows)), names)
        return
    chosen = leading_rows(stack.fitted_, frame, rows, output=class_) if highest else slice(rows)
    found = stack.explain(frame.iloc[chosen], k=k, output=class_)
    if output is None:
        _tell(found, names)
        return
    _write(found, names, output)
    told = [("rows", f"{len(found.prediction):,}"), ("reasons", f"{len(found.reasons):,}")]
    pairs([*told, ("output", short_path(output))])


def _read(stack: AnyModel, data: str, n_rows: int | None, name: str | None) -> tuple[pd.DataFrame, pd.Series]:
    """Return rows under their places, no more columns than the stack knows, and what each is called."""
    from stackml.datasets.loading import load_dataset
    from stackml.foundation.errors import DataError, SchemaError, near_miss
    from stackml.scoring.reading import open_rows

    file, dataset = place_of(data)
    schema = stack.fitted_.schema
    if file is not None:
        opened = open_rows(file, schema, () if name is None else (name,))
        frame, ids = _from_file(opened, n_rows)
        if frame.empty:
            raise DataError(f"'{data}' has no rows to explain")
    else:
        assert dataset is not None, "it is a file or a known table"
        frame = ids = load_dataset(dataset).frame.reset_index(drop=True)
        if name is not None and name not in ids.columns:
            raise SchemaError(f"{data} has no column '{name}' to name rows by{near_miss(name, ids.columns)}")
    known = [column.name for column in schema.columns if column.name in frame.columns]
    own = [c.name for c in schema.columns if c.role == "id" and c.name in ids.columns]
    if name is None and len(own) == 1:
        name = own[0]
    names = ids[name] if name is not None else frame.index.to_series()
    return frame[known], names.rename("row")


def _from_file(rows: Rows, n_rows: int | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the first rows of a file, or all, and their ids, both numbered from 0."""
    import pandas as pd

    frames, ids, found = [], [], 0
    for batch in rows.batches(50_000 if n_rows is None else n_rows):
        frames.append(batch.frame)
        ids.append(batch.ids.to_pandas())
        found += batch.n_rows
        if n_rows is not None and found >= n_rows:
            break
    if not frames:
        return pd.DataFrame(), pd.DataFrame()
    return pd.concat(frames, ignore_index=True), pd.concat(ids, ignore_index=True)


def _tell(found: Explanation, names: pd.Series) -> None:
    from stackml.cli.terminal import heading, number, say

    sentences: dict[int, list[str]] = {}
    for place, sentence in zip(found.reasons["row"], found.reasons["sentence"], strict=True):
        sentences.setdefault(place, []).append(sentence)
    columns = (found.prediction.index, found.prediction, found.output, found.baseline)
    for place, prediction, label, usual in zip(*columns, strict=True):
        of = "" if found.scale == "value" else f" of {label}"
        heading(f"{names.loc[place]}: {found.scale}{of}: {number(prediction)} (typical row: {number(usual)})")
        for sentence in sentences.get(place, ["nothing raises it above the typical row"]):
            say(f"- {sentence}")


def _write(found: Explanation, names: pd.Series, output: Path) -> None:
    """Write the reasons, each beside its row's prediction; the file appears whole or not at all."""
    from stackml.foundation.errors import DataError
    from stackml.scoring.formats import format_of

    places = found.reasons["row"].astype("int64")
    frame = found.reasons.assign(row=names.loc[places].to_numpy())
    for at, column in enumerate((found.output, found.prediction, found.baseline), start=1):
        frame.insert(at, str(column.name), column.loc[places].to_numpy())
    unfinished = output.with_name(f".part.{output.name}")  # the ending says whether it is compressed
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if format_of(output) == "parquet":
            frame.to_parquet(unfinished, index=False)
        else:
            frame.to_csv(unfinished, index=False)
        unfinished.replace(output)
    except OSError as error:
        raise DataError(f"'{output}' cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
