"""Predictions to a file that appears whole or not at all."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import numpy as np
import pyarrow as pa

from stackml.foundation.errors import DataError
from stackml.scoring.formats import format_of, is_gzip

ROW: Final = "row"


class _Sink(Protocol):
    """Takes tables of one schema, one after another."""

    def add(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class ScoreWriter:
    """Writes beside the output under another name, and takes the name at the end.

    Parameters
    ----------
    path : Path
        The output; its ending says the format.
    ids, predictions : pyarrow.Table of no rows
        Names and types of the columns to come.
    """

    def __init__(self, path: Path, ids: pa.Table, predictions: pa.Table) -> None:
        self.path = path
        self._unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._empty = _joined(0, ids, predictions)
        self._sink: _Sink | None = None

    def __enter__(self) -> Self:
        with _readable(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            make = _ParquetSink if format_of(self.path) == "parquet" else _CsvSink
            self._sink = make(self._unfinished, self._empty, compressed=is_gzip(self.path))
        return self

    def write(self, start: int, ids: pa.Table, predictions: pa.Table) -> None:
        """Add a batch whose first row is row `start` of the input."""
        assert self._sink is not None, "write inside the with block"
        with _readable(self.path):
            self._sink.add(_joined(start, ids, predictions).cast(self._empty.schema))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with _readable(self.path):
                if self._sink is not None:
                    self._sink.close()
                if error is None:
                    self._unfinished.replace(self.path)
        finally:
            self._unfinished.unlink(missing_ok=True)


class _ParquetSink:
    def __init__(self, path: Path, empty: pa.Table, *, compressed: bool) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(path, empty.schema, compression="zstd")

    def add(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


class _CsvSink:
    def __init__(self, path: Path, empty: pa.Table, *, compressed: bool) -> None:
        opened: Any = gzip.open if compressed else open
        self._stream = opened(path, "wt", encoding="utf-8", newline="")
        self._text(empty).to_csv(self._stream, index=False)

    def add(self, table: pa.Table) -> None:
        self._text(table).to_csv(self._stream, index=False, header=False)

    def close(self) -> None:
        self._stream.close()

    def _text(self, table: pa.Table) -> Any:
        # Whole numbers beside a missing value would be written as 1.0.
        return table.to_pandas(integer_object_nulls=True)


def _joined(start: int, ids: pa.Table, predictions: pa.Table) -> pa.Table:
    n_rows = predictions.num_rows
    rows = pa.array(np.arange(start, start + n_rows, dtype=np.int64))
    columns = {ROW: rows}
    columns |= {name: ids[name] for name in ids.column_names}
    columns |= {name: predictions[name] for name in predictions.column_names}
    return pa.table(columns)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}") from error
