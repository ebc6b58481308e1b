"""The catalog of known tables: a typed reading of ``catalog.yaml``, which holds the facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from stackml.foundation.errors import DataError, near_miss

T = TypeVar("T", bound="DatasetCard | Download | ExcludeRows")
Task = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class ExcludeRows:
    """Rows that do not belong to the question: those where `column` holds one of `values`."""

    column: str
    values: tuple[int | str, ...]
    reason: str


@dataclass(frozen=True)
class Download:
    """How to get the published file and read it.

    Attributes
    ----------
    url : str
        An https address of one CSV or zip file.
    members : tuple of str
        Files inside the zip, put below one another in this order; ``a.zip!b.csv`` is a file of a
        zip inside the zip. Empty: the file itself is the CSV.
    separator : str
        Between fields.
    header : bool
        Whether the first line names the columns; if not, the card does.
    missing : tuple of str
        Text that stands for a missing value.
    comment : str or None
        Lines after this character are ignored.
    end_of_target : str
        Text cut from the end of the target's values.
    member_column : str or None
        Column to add that holds, for each row, the word of `member_words` for its member.
    member_words : tuple of str
        As many as `members`.
    """

    url: str
    members: tuple[str, ...] = ()
    separator: str = ","
    header: bool = True
    missing: tuple[str, ...] = ("", "NA")
    comment: str | None = None
    end_of_target: str = ""
    member_column: str | None = None
    member_words: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetCard:
    """What is known about one table.

    Attributes
    ----------
    name : str
        Name of the table and of its file without the ending.
    kind : {"real", "simulated"}
        Whether the rows are published or made by a simulator of this package.
    use : str
        ``fraud``, ``credit``, ``readmission``, ``binary``, ``multiclass`` or ``regression``.
    target : str
        Column to predict.
    positive : str, int or None
        Value of the target that counts as 1; None where there is no such value.
    group, time : str or None
        Column of rows that belong together; column of the order of time.
    drop : tuple of str
        Identifiers, constants and leaks, not to be learned from.
    protected : tuple of str
        Columns to watch for unequal treatment.
    category_codes : tuple of str
        Integer columns whose numbers are names.
    exclude_rows : ExcludeRows or None
        Rows left out on loading.
    clean : tuple of str
        Names of the cleanings (`stackml.datasets.cleaning`) applied on loading, in order.
    columns : tuple of str
        Names of all columns of the file, target included; empty for simulated tables.
    rows : int or None
        Rows of the file, before any are left out; None for simulated tables.
    sha256 : str or None
        Of the Parquet file.
    values_sha256 : str or None
        Of the values (`stackml.datasets.files.values_sha256`): it holds for every correct Parquet
        file of the table, whichever program wrote it.
    origin, licence, notes : str
        Who made it, under which terms, what to beware of.
    homes : tuple of str
        Public pages of the table.
    download : Download or None
        How a program can fetch it; None where the home needs an account.
    by_hand : str
        Where `download` is None: what to get from the home, one sentence.
    """

    name: str
    kind: Literal["real", "simulated"]
    use: str
    target: str
    positive: str | int | None = None
    group: str | None = None
    time: str | None = None
    drop: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    category_codes: tuple[str, ...] = ()
    exclude_rows: ExcludeRows | None = None
    clean: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: int | None = None
    sha256: str | None = None
    values_sha256: str | None = None
    origin: str = ""
    licence: str = ""
    homes: tuple[str, ...] = ()
    download: Download | None = None
    by_hand: str = ""
    notes: str = ""

    @property
    def task(self) -> Task:
        """Kind of target."""
        if self.positive is not None:
            return "binary"
        return "regression" if self.use == "regression" else "multiclass"

    @property
    def file_name(self) -> str:
        """Name of the Parquet file, such as ``banksim.parquet``."""
        return f"{self.name}.parquet"


def _build(kind: type[T], entry: Mapping[str, Any]) -> T:
    known = [field.name for field in fields(kind)]
    for key in entry:
        if key not in known:
            raise DataError(f"catalog.yaml: unknown key '{key}'{near_miss(key, known)}")
    make: Callable[..., T] = kind
    return make(**{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()})


def _card(name: str, entry: Mapping[str, Any]) -> DatasetCard:
    parts = dict(entry)
    if parts.get("download"):
        parts["download"] = _build(Download, parts["download"])
    if parts.get("exclude_rows"):
        parts["exclude_rows"] = _build(ExcludeRows, parts["exclude_rows"])
    return _build(DatasetCard, {"name": name, **parts})


@cache
def dataset_cards() -> Mapping[str, DatasetCard]:
    """Return all cards by name, the simulated tables first."""
    import yaml

    text = files("stackml.datasets").joinpath("catalog.yaml").read_text(encoding="utf-8")
    entries: dict[str, Any] = yaml.safe_load(text)
    return MappingProxyType({name: _card(name, entry) for name, entry in entries.items()})


def dataset_card(name: str) -> DatasetCard:
    """Return the card of one table.

    Raises
    ------
    DataError
        If no table has this name; the message offers the nearest one.

    Examples
    --------
    >>> dataset_card("diabetes130").group
    'patient_nbr'
    """
    cards = dataset_cards()
    if name not in cards:
        raise DataError(
            f"unknown dataset '{name}'{near_miss(name, cards)} "
            f"(known: {', '.join(cards)}; see: stackml data list)"
        )
    return cards[name]
