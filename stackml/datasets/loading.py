"""Loading a known table by its name, cleaned, with its target ready to learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from stackml.datasets.catalog import DatasetCard, dataset_card
from stackml.datasets.cleaning import clean
from stackml.datasets.files import find_file, read_table_file, require_columns, verify_dataset
from stackml.datasets.simulators.credit import simulate_credit
from stackml.datasets.simulators.fraud import simulate_fraud
from stackml.datasets.simulators.readmission import simulate_readmission
from stackml.foundation.errors import DataError, ParameterError
from stackml.foundation.randomness import stream

SIMULATORS: Final[Mapping[str, Callable[..., pd.DataFrame]]] = {
    "fraud_sim": simulate_fraud,
    "credit_sim": simulate_credit,
    "readmission_sim": simulate_readmission,
}


@dataclass(frozen=True)
class Dataset:
    """A table and the roles of its columns.

    Attributes
    ----------
    card : DatasetCard
        What is known about it.
    frame : pandas.DataFrame
        All columns, cleaned, those of `drop` too. The target of a binary table is int8, 1 the
        positive class; other targets are as published.
    target : str
        Column of `frame` to predict.
    positive : int or None
        1 for a binary table, else None.
    group, time : str or None
        Columns of `frame`.
    drop, protected, category_codes : tuple of str
        Columns of `frame`.
    """

    card: DatasetCard
    frame: pd.DataFrame
    target: str
    positive: int | None
    group: str | None
    time: str | None
    drop: tuple[str, ...]
    protected: tuple[str, ...]
    category_codes: tuple[str, ...]


def load_dataset(
    name: str, *, data_dir: Path | None = None, verify: bool = True, n_rows: int | None = None, seed: int = 0
) -> Dataset:
    """Return a table of the catalog.

    Parameters
    ----------
    name : str
        Name in the catalog. Simulated tables are made; real ones are read from
        ``NAME.parquet`` or ``NAME.csv``.
    data_dir : Path, optional
        Folder of the real tables; without it ``$STACKML_DATA`` and then ``data/raw``.
    verify : bool
        Refuse a Parquet file whose content is not the catalog's.
    n_rows : int, optional
        Rows to make, or rows to draw from a real table (they keep their order); None: the
        simulator's default, or all.
    seed : int
        Seed of the simulator or of the draw.

    Raises
    ------
    DataError
        If the name is unknown, the file is absent, or its sha256 is wrong.
    SchemaError
        If a column of the card is missing.
    ParameterError
        If `n_rows` is not positive.

    Examples
    --------
    >>> data = load_dataset("credit_sim", n_rows=200)
    >>> data.target, len(data.frame)
    ('default', 200)
    """
    card = dataset_card(name)
    if n_rows is not None and n_rows < 1:
        raise ParameterError(f"n_rows: at least 1; found {n_rows}")
    frame = simulate(name, n_rows, seed) if card.kind == "simulated" else _read(card, data_dir, verify)
    if card.kind == "real" and n_rows is not None and n_rows < len(frame):
        kept = stream(seed, "datasets", "draw", name).choice(len(frame), size=n_rows, replace=False)
        frame = frame.iloc[np.sort(kept)].reset_index(drop=True)
    return Dataset(
        card=card,
        frame=frame.assign(**{card.target: _target(frame, card)}),
        target=card.target,
        positive=None if card.positive is None else 1,
        group=card.group,
        time=card.time,
        drop=card.drop,
        protected=card.protected,
        category_codes=card.category_codes,
    )


def simulate(name: str, n_rows: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Return the table that the named simulator makes.

    Raises
    ------
    DataError
        If the name is unknown or the table is a real one.
    """
    card = dataset_card(name)
    if card.kind != "simulated":
        known = ", ".join(SIMULATORS)
        raise DataError(f"dataset '{name}' is a real table and cannot be made (these can: {known})")
    make = SIMULATORS[name]
    return make(seed=seed) if n_rows is None else make(n_rows, seed)


def _read(card: DatasetCard, data_dir: Path | None, verify: bool) -> pd.DataFrame:
    path = find_file(card, data_dir)
    if verify and path.suffix == ".parquet":
        verify_dataset(card, path)
    frame = read_table_file(path)
    require_columns(frame, card, str(path))
    frame = clean(frame[list(card.columns)], card.clean)
    rule = card.exclude_rows
    if rule is not None:
        frame = frame[~frame[rule.column].isin(rule.values)].reset_index(drop=True)
    return frame


def _target(frame: pd.DataFrame, card: DatasetCard) -> pd.Series:
    values = frame[card.target]
    n_missing = int(values.isna().sum())
    if n_missing:
        raise DataError(f"dataset '{card.name}': target '{card.target}' is missing in {n_missing} rows")
    if card.positive is None:
        return values
    return (values == card.positive).astype(np.int8)
