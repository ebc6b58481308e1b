"""Rows of a file, batch by batch, read alike however the batches fall."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd
import pyarrow as pa

from stackml.foundation.errors import DataError, SchemaError, StackmlWarning, near_miss
from stackml.scoring.csv_rows import CsvRows
from stackml.scoring.dates import DateReader
from stackml.scoring.formats import format_of
from stackml.scoring.parquet_rows import ParquetRows
from stackml.tables.schema import Schema
from stackml.tables.table import check_columns


class Source(Protocol):
    """A file that gives columns by name, in batches."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Names, in their order."""
        ...

    @property
    def total(self) -> int | None:
        """Number of rows where the file says so beforehand."""
        ...

    def batches(
        self, batch_rows: int, schema: Schema, ids: Sequence[str]
    ) -> Iterator[tuple[pd.DataFrame, pa.Table]]:
        """Yield features as a frame and ids as an Arrow table."""
        ...

    def empty_ids(self, ids: Sequence[str]) -> pa.Table:
        """Return the id columns of no rows."""
        ...


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a file.

    Attributes
    ----------
    start : int
        Place of the first row in the file, counted from 0.
    frame : DataFrame
        The columns the stack reads.
    ids : pyarrow.Table
        The columns kept beside the predictions.
    """

    start: int
    frame: pd.DataFrame
    ids: pa.Table

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.frame)


@dataclass(frozen=True, eq=False)
class Rows:
    """An opened file that has the columns a stack needs."""

    source: Source
    schema: Schema
    id_columns: tuple[str, ...]
    _dates: DateReader = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_dates", DateReader(c.name for c in self.schema.read if c.kind == "datetime")
        )

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return self.source.path.name

    @property
    def total(self) -> int | None:
        """Number of rows where the file says so beforehand."""
        return self.source.total

    @property
    def ids(self) -> pa.Table:
        """The id columns of no rows."""
        return self.source.empty_ids(self.id_columns)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns of the file that neither the stack nor the output needs."""
        known = {*self.schema.by_name, *self.id_columns}
        return tuple(name for name in self.source.columns if name not in known)

    def batches(self, batch_rows: int) -> Iterator[Batch]:
        """Yield the rows in their order, at most `batch_rows` at once.

        Raises
        ------
        DataError
            If the file cannot be read to its end, or a value is no date.
        """
        start = 0
        parts = self.source.batches(batch_rows, self.schema, self.id_columns)
        while True:
            try:
                frame, ids = next(parts)
            except StopIteration:
                return
            except (ValueError, OSError) as error:
                raise _unreadable(self.source.path, error) from error
            yield Batch(start, self._dates.read(frame, start, self.name), ids)
            start += len(frame)


def open_rows(
    path: Path, schema: Schema, id_columns: Sequence[str] = (), reserved: Sequence[str] = ()
) -> Rows:
    """Open a file and check its columns before a row is read.

    Parameters
    ----------
    path : Path
    schema : Schema
        What the stack reads; its columns of role "id" are kept where the file has them.
    id_columns : sequence of str
        Further columns to keep.
    reserved : sequence of str
        Names the output needs for itself.

    Raises
    ------
    SchemaError
        If a column is missing.
    DataError
        If the file is absent, of another kind or damaged, or an id column has a reserved name.
    """
    source = _opened(path)
    _check_header(source, schema)
    known_ids = [c.name for c in schema.columns if c.role == "id" and c.name in source.columns]
    kept = tuple(dict.fromkeys([*known_ids, *id_columns]))
    for name in kept:
        if name not in source.columns:
            hint = near_miss(name, source.columns)
            raise SchemaError(f"{path.name} has no column '{name}' to keep as an id{hint}")
        if name in reserved:
            raise DataError(f"{path.name}: the output has a column '{name}' of its own; rename the id column")
    return Rows(source, schema, kept)


def _opened(path: Path) -> Source:
    kind = format_of(path)
    if not path.is_file():
        siblings = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(f"there is no file '{path}'{near_miss(path.name, siblings)}")
    try:
        return ParquetRows.open(path) if kind == "parquet" else CsvRows.open(path)
    except pd.errors.EmptyDataError:
        raise DataError(f"'{path}' is empty: it has no header and no rows") from None
    except DataError:
        raise
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"'{path}' cannot be read as {format_of(path)}: {said}")


def _check_header(source: Source, schema: Schema) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StackmlWarning)  # further columns are usual here: targets, ids
        try:
            check_columns(pd.DataFrame(columns=list(source.columns)), schema)
        except SchemaError as error:
            raise SchemaError(f"{source.path.name}: {error}") from error
