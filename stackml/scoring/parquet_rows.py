"""Parquet in batches: the file's own types, no more than a batch decoded at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from stackml.foundation.errors import DataError
from stackml.tables.schema import Schema


@dataclass(frozen=True, eq=False)
class ParquetRows:
    """A Parquet file that was opened."""

    path: Path
    columns: tuple[str, ...]
    total: int | None
    types: pa.Schema

    @staticmethod
    def open(path: Path) -> ParquetRows:
        """Read the footer.

        Raises
        ------
        DataError
            If two columns have one name.
        ValueError
            If it is no Parquet file.
        """
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            types, total = file.schema_arrow, file.metadata.num_rows
        repeated = sorted({name for name in types.names if types.names.count(name) > 1})
        if repeated:
            raise DataError(f"'{path}' has more than one column named '{repeated[0]}'")
        return ParquetRows(path, tuple(types.names), total, types)

    def batches(
        self, batch_rows: int, schema: Schema, ids: Sequence[str]
    ) -> Iterator[tuple[pd.DataFrame, pa.Table]]:
        """Yield features as a frame and ids as an Arrow table."""
        import pyarrow.parquet as pq

        features = [column.name for column in schema.read]
        wanted = list(dict.fromkeys([*features, *ids]))
        with pq.ParquetFile(self.path) as file:
            for found in file.iter_batches(batch_size=batch_rows, columns=wanted):
                table = pa.Table.from_batches([found])
                # What pandas noted about an index of the whole file does not fit a part of it.
                frame: Any = table.select(features).to_pandas(ignore_metadata=True)
                yield frame, table.select(list(ids))

    def empty_ids(self, ids: Sequence[str]) -> pa.Table:
        """Return the id columns of no rows."""
        return pa.schema([self.types.field(name) for name in ids]).empty_table()
