"""Writing a simulated table to a file."""

from __future__ import annotations

from pathlib import Path

from stackml.datasets.loading import simulate
from stackml.foundation.errors import ParameterError

ENDINGS = (".parquet", ".csv")


def make_dataset(name: str, into: Path, *, n_rows: int | None = None, seed: int = 0) -> Path:
    """Write a simulated table and return the file's path.

    Parameters
    ----------
    name : str
        A simulated table of the catalog.
    into : Path
        A file ending in .parquet or .csv, or a folder, which gets ``NAME.parquet``.
    n_rows : int, optional
        Rows; None: the simulator's default.
    seed : int
        Equal arguments give an equal table.

    Raises
    ------
    DataError
        If the name is unknown or the table is a real one.
    ParameterError
        If the file has another ending.
    """
    path = into if into.suffix and not into.is_dir() else into / f"{name}.parquet"
    if path.suffix not in ENDINGS:
        raise ParameterError(f"{path}: a table is written as {' or '.join(ENDINGS)}; found '{path.suffix}'")
    frame = simulate(name, n_rows, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".csv":
            frame.to_csv(unfinished, index=False)
        else:
            frame.to_parquet(unfinished, index=False)
        return unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
