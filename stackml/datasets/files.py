"""Files of tables: where they lie, how they are read, whether they hold what the card says."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from stackml.datasets.catalog import DatasetCard
from stackml.foundation.digest import digest
from stackml.foundation.errors import DataError, SchemaError, near_miss
from stackml.tables.reading import read_csv

DEFAULT_FOLDER = Path("data") / "raw"


def data_folders(data_dir: Path | None) -> tuple[Path, ...]:
    """Return the folders to look into: `data_dir`, else ``$STACKML_DATA`` and ``data/raw``."""
    if data_dir is not None:
        return (Path(data_dir),)
    named = os.environ.get("STACKML_DATA")
    return (Path(named), DEFAULT_FOLDER) if named else (DEFAULT_FOLDER,)


def find_file(card: DatasetCard, data_dir: Path | None = None) -> Path:
    """Return the Parquet or, where there is none, the CSV file of a table.

    Raises
    ------
    DataError
        If no folder has it; the message says which file to place where, and how to fetch it.
    """
    folders = data_folders(data_dir)
    for folder in folders:
        for ending in (".parquet", ".csv"):
            path = folder / f"{card.name}{ending}"
            if path.is_file():
                return path
    raise DataError(
        f"dataset '{card.name}': no {card.name}.parquet or {card.name}.csv in "
        f"{' or '.join(str(folder) for folder in folders)}. Place {card.file_name} "
        f"(sha256 {card.sha256}) in {folders[0]}, or set STACKML_DATA to the folder that has it, "
        f"or run: stackml data fetch {card.name}"
    )


def read_table_file(path: Path) -> pd.DataFrame:
    """Read a Parquet or CSV file whole.

    Raises
    ------
    DataError
        If the file cannot be read as what its ending says.
    """
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as {path.suffix[1:]}: {error}") from error


def require_columns(frame: pd.DataFrame, card: DatasetCard, where: str) -> None:
    """Refuse a frame that lacks a column of the card.

    Raises
    ------
    SchemaError
        Naming the first missing column, the nearest present one and how many are missing.
    """
    absent = [name for name in card.columns if name not in frame.columns]
    if absent:
        raise SchemaError(
            f"{where}: column '{absent[0]}' is missing{near_miss(absent[0], map(str, frame.columns))} "
            f"({len(absent)} of {len(card.columns)} columns of '{card.name}' are missing)"
        )


def file_sha256(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def values_sha256(frame: pd.DataFrame) -> str:
    """Return the sha256 (hex) of column names and values, in their order.

    Numbers count as float64, everything else as text, and a missing value as missing. The same
    table written by another program or version has other bytes but the same digest here.
    """
    parts: list[str | list[str] | np.ndarray] = []
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            # Adding zero turns -0.0 into 0.0; every NaN becomes the same one.
            values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
            parts += [str(name), np.where(np.isnan(values), np.nan, values)]
        else:
            codes, words = pd.factorize(column)
            parts += [str(name), codes.astype(np.int64), [str(word) for word in words]]
    return digest(*parts)


def verify_dataset(card: DatasetCard, path: Path) -> Literal["file", "values", "columns"]:
    """Check a real table's file against its card.

    Returns
    -------
    {"file", "values", "columns"}
        What agreed: the bytes of the Parquet file; its values, the bytes being those of another
        writer; or, for a CSV, which has no digest of its own, the names of the columns.

    Raises
    ------
    DataError
        If the values differ; the message has the digest found and the one expected.
    SchemaError
        If a column is missing.
    """
    if path.suffix == ".csv":
        require_columns(read_table_file(path), card, str(path))
        return "columns"
    found = file_sha256(path)
    if found == card.sha256:
        return "file"
    wrong = (
        f"{path}: sha256 is {found}, expected {card.sha256}: this is not the '{card.name}' of the catalog. "
        f"Replace the file, or run: stackml data fetch {card.name}"
    )
    try:
        values = values_sha256(read_table_file(path))
    except DataError as error:
        raise DataError(wrong) from error
    if values != card.values_sha256:
        raise DataError(wrong)
    return "values"
