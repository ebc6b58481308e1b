"""Which kinds of files can be streamed, told by the end of their names."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from stackml.foundation.errors import DataError, near_miss

FileFormat = Literal["parquet", "csv"]

ENDINGS: Final[dict[str, FileFormat]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
}


def format_of(path: Path) -> FileFormat:
    """Return how a file is read or written.

    Raises
    ------
    DataError
        If the name ends in none of `ENDINGS`.
    """
    name = path.name.lower()
    for ending, found in ENDINGS.items():
        if name.endswith(ending):
            return found
    given = path.suffix or "no ending"
    raise DataError(
        f"'{path}': rows stream from and to {', '.join(ENDINGS)}; found {given}{near_miss(given, ENDINGS)}"
    )


def is_gzip(path: Path) -> bool:
    """Return whether a CSV is compressed."""
    return path.name.lower().endswith(".gz")
