"""CSV in batches: a column's meaning comes from the stack, never from the values near by.

A reader that guesses types reads "01" as the number 1 in a batch of digits and as text in the
next. Here categories and ids are read as the text they are, so no batch can change another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from stackml.foundation.errors import DataError
from stackml.tables.encoding import labels_of
from stackml.tables.reading import MISSING_WORDS, NONE
from stackml.tables.schema import Schema

# As `read_csv` has it, so that a file scored is read as the file trained on was.
MISSING: Final = frozenset(MISSING_WORDS)
AMONG_NUMBERS: Final = MISSING | {NONE}
_BOOLEANS: Final = {"true": "True", "false": "False"}


@dataclass(frozen=True, eq=False)
class CsvRows:
    """A CSV file that was opened."""

    path: Path
    columns: tuple[str, ...]
    total: int | None = field(default=None, init=False)

    @staticmethod
    def open(path: Path) -> CsvRows:
        """Read the header.

        Raises
        ------
        DataError
            If two columns have one name.
        ValueError
            If it is no CSV.
        """
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
        names = tuple(str(name) for name in header.iloc[0])
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(f"'{path}' has more than one column named '{repeated[0]}'")
        return CsvRows(path, names)

    def batches(
        self, batch_rows: int, schema: Schema, ids: Sequence[str]
    ) -> Iterator[tuple[pd.DataFrame, pa.Table]]:
        """Yield features as a frame and ids, as text, as an Arrow table."""
        vocabularies = {c.name: frozenset(c.vocabulary) for c in schema.categories}
        numbers = [c.name for c in schema.read if c.kind in ("number", "datetime")]
        texts = [c.name for c in schema.texts]
        frames = self._read(batch_rows, numbers)
        # A number loses its leading zeros, and an id must not: it is read a second time.
        again = [name for name in ids if name in numbers]
        as_text = self._read(batch_rows, [], only=again) if again else None
        for frame in frames:
            kept = frame if as_text is None else _with_columns(frame, next(as_text))
            columns = {name: pa.array(kept[name].tolist(), pa.string()) for name in ids}
            features = frame[[c.name for c in schema.read]]
            features = features.assign(**{n: frame[n].mask(frame[n].isin(MISSING)) for n in texts})
            yield _with_categories(features, vocabularies), pa.table(columns)

    def empty_ids(self, ids: Sequence[str]) -> pa.Table:
        """Return the id columns of no rows."""
        return pa.schema([(name, pa.string()) for name in ids]).empty_table()

    def _read(
        self, batch_rows: int, numbers: Sequence[str], only: list[str] | None = None
    ) -> Iterator[pd.DataFrame]:
        """Yield frames in which all columns but `numbers` are text.

        All columns are parsed unless `only` some are asked for: a row of more fields than the
        header is found out in no other way.
        """
        read_as = {name: "str" for name in self.columns if name not in numbers}
        missing: Any = {name: sorted(AMONG_NUMBERS) for name in numbers}
        with pd.read_csv(
            self.path,
            usecols=only,
            chunksize=batch_rows,
            dtype=read_as,
            na_values=missing,
            keep_default_na=False,
            index_col=False,
            names=list(self.columns),
            header=0,
            low_memory=False,
        ) as reader:
            for frame in reader:
                if len(frame):
                    yield frame.reset_index(drop=True)


def _with_columns(frame: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{str(name): texts[name] for name in texts.columns})


def _with_categories(frame: pd.DataFrame, vocabularies: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    return frame.assign(**{name: _category(frame[name], known) for name, known in vocabularies.items()})


def _category(texts: pd.Series, known: frozenset[str]) -> pd.Series:
    codes, uniques = pd.factorize(texts)
    meant = pd.array([_meant(str(text), known) for text in uniques], dtype="str")
    return pd.Series(meant.take(codes, allow_fill=True), index=texts.index)


def _meant(text: str, known: frozenset[str]) -> str | None:
    """Return the category a field means: as written if the stack knows it, else as its number reads."""
    if text in known:
        return text
    if text in MISSING or (text == NONE and all(map(_is_number, known))):
        return None
    try:
        (label,) = labels_of([float(text)])
    except (ValueError, OverflowError):
        label = _BOOLEANS.get(text.lower(), text)
    return label if label in known else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
