"""One file of rows in, one file of predictions out, with no more than a batch in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from stackml.assembly.loading import Model
from stackml.foundation.errors import DataError, ParameterError
from stackml.foundation.progress import Event, Listener, silent
from stackml.scoring.formats import format_of
from stackml.scoring.predicting import Predictor
from stackml.scoring.reading import Rows, open_rows
from stackml.scoring.writing import ROW, ScoreWriter


@dataclass(frozen=True)
class BatchSummary:
    """What a scoring run did.

    Attributes
    ----------
    rows : int
        Rows scored.
    seconds : float
        From opening the input to the finished output.
    rows_per_second : float
        Zero where there were no rows.
    output : Path
        The file written.
    ignored : tuple of str
        Columns of the input that the stack does not know.
    """

    rows: int
    seconds: float
    rows_per_second: float
    output: Path
    ignored: tuple[str, ...] = ()


def score_file(
    stack: Model,
    input: str | Path,
    output: str | Path,
    *,
    batch_rows: int = 50_000,
    id_columns: Sequence[str] = (),
    listener: Listener = silent,
) -> BatchSummary:
    """Score a file of rows.

    The output has the column ``row`` (int64, the row's place in the input counted from 0,
    header not counted), the id columns as they were, ``prediction``, and for classes one
    ``probability_<class>`` each (float64, rows sum to 1). It appears whole or not at all, and
    does not depend on `batch_rows`.

    Parameters
    ----------
    stack : StackClassifier, StackRegressor or Assembly
        Fitted.
    input : path
        ``.parquet``, ``.pq``, ``.csv`` or ``.csv.gz``; columns in any order. A file without rows
        gives an output without rows.
    output : path
        Of the same endings; its folder is made where absent, a file already there is replaced.
    batch_rows : int
        Rows held in memory at once, 1 or more.
    id_columns : sequence of str
        Columns to keep beside the predictions, in addition to those the stack knows as ids.
    listener : callable
        Hears one event a batch.

    Returns
    -------
    BatchSummary

    Raises
    ------
    ParameterError
        If `batch_rows` is below 1.
    SchemaError
        If a column the stack reads, or an id column, is missing.
    DataError
        If a file cannot be read or written, or a value cannot be read; the message names the
        row in the file.
    """
    if batch_rows < 1:
        raise ParameterError(f"batch_rows={batch_rows}: give the rows of one batch, 1 or more")
    started = perf_counter()
    source, target = Path(input), Path(output)
    format_of(target)
    _refuse_overwriting(source, target)
    predictor = Predictor(stack)
    rows = open_rows(source, predictor.schema, id_columns, reserved=(ROW, *predictor.column_names))
    n_rows = _score(rows, target, predictor, batch_rows, listener)
    seconds = perf_counter() - started
    listener(Event("finished", f"{n_rows} rows scored", n_rows, n_rows, seconds))
    return BatchSummary(n_rows, seconds, n_rows / seconds if seconds else 0.0, target, rows.ignored)


def _score(rows: Rows, target: Path, predictor: Predictor, batch_rows: int, listener: Listener) -> int:
    started, done = perf_counter(), 0
    with ScoreWriter(target, rows.ids, predictor.empty()) as writer:
        for batch in rows.batches(batch_rows):
            writer.write(batch.start, batch.ids, predictor.predict(batch, rows.name))
            done += batch.n_rows
            listener(Event("task_done", "scoring rows", done, rows.total or 0, perf_counter() - started))
    return done


def _refuse_overwriting(source: Path, target: Path) -> None:
    if target.is_dir():
        raise DataError(f"the output '{target}' is a folder; name a file in it, such as scores.parquet")
    if source.exists() and target.exists() and source.samefile(target):
        raise DataError(f"the output '{target}' is the input itself; name another file")
