"""The schema: what each column is, how it becomes numbers or codes, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from math import isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stackml.foundation.digest import digest
from stackml.foundation.errors import ParameterError, SchemaError, near_miss
from stackml.tables.embedding import EmbeddingEncoder
from stackml.tables.text import TextEncoder

Kind = Literal["number", "category", "datetime", "text", "embedding"]
Role = Literal["feature", "target", "group", "time", "weight", "id", "drop"]

KINDS: tuple[str, ...] = ("number", "category", "datetime", "text", "embedding")
WIDE: tuple[str, ...] = ("text", "embedding")  # kinds of which one column fills many slots
ROLES: tuple[str, ...] = ("feature", "target", "group", "time", "weight", "id", "drop")

FINE_PARTS = ("fine", "finest")  # slots of what the parts before round away
CALENDAR_PARTS = ("month", "day", "day_of_week", "hour")


@dataclass(frozen=True)
class Column:
    """One column: its kind, its role and how its values are encoded.

    Attributes
    ----------
    name : str
        Name in the table given.
    kind : {"number", "category", "datetime", "text", "embedding"}
        What the values are.
    role : str
        Only ``"feature"`` columns reach a learner.
    protected : bool
        Kept for fairness reports; says nothing about whether learners read it.
    ordered : bool
        Whether the order of the vocabulary means something.
    vocabulary : tuple of str
        Values of a category in code order; code ``i`` is ``vocabulary[i]``.
    offset : float
        Subtracted in float64 before a number is rounded to float32.
    parts : int
        1, or 2 where one float32 would merge values that differ: the second part holds
        what the first one rounds away. 3 hold a float64 to its last bit.
    calendar : tuple of str
        Calendar parts of a datetime that vary, each a slot of its own.
    unused : str
        Why learners do not read this feature ("constant", "all missing", ...), or "".
    encoder : TextEncoder or EmbeddingEncoder, optional
        How a text or an embedding that is read becomes numbers; learned like a vocabulary.
    """

    name: str
    kind: Kind
    role: Role = "feature"
    protected: bool = False
    ordered: bool = False
    vocabulary: tuple[str, ...] = ()
    offset: float = 0.0
    parts: int = 1
    calendar: tuple[str, ...] = ()
    unused: str = ""
    encoder: TextEncoder | EmbeddingEncoder | None = field(default=None, compare=False)
    encoder_digest: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Let columns be compared by what their encoders hold."""
        if self.encoder is not None:
            object.__setattr__(self, "encoder_digest", self.encoder.digest)

    @property
    def is_read(self) -> bool:
        """Whether learners see this column."""
        return self.role == "feature" and not self.unused

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Code of each value of the vocabulary."""
        return {label: position for position, label in enumerate(self.vocabulary)}

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the float32 slots this column fills in the numeric block."""
        if not self.is_read or self.kind == "category":
            return ()
        if self.encoder is not None:
            return tuple(f"{self.name} [{at}]" for at in range(self.encoder.width))
        fine = tuple(f"{self.name} ({part})" for part in FINE_PARTS[: self.parts - 1])
        return (self.name, *fine, *(f"{self.name} ({part})" for part in self.calendar))


@dataclass(frozen=True)
class Overrides:
    """What a person knows better than inference.

    Attributes
    ----------
    kinds : mapping of str to kind
        Column name to "number", "category", "datetime", "text" or "embedding".
    roles : mapping of str to role
        Column name to "feature", "group", "time", "weight", "id", "target" or "drop".
    ordered : mapping of str to sequence
        Column name to its values from lowest to highest.
    categories : sequence of str
        Columns whose integers are codes: a shorthand for ``kinds={name: "category"}``.
    protected : sequence of str
        Columns fairness reports look at.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    ordered: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    categories: Sequence[str] = ()
    protected: Sequence[str] = ()

    @staticmethod
    def of(value: Overrides | Mapping[str, Any] | None) -> Overrides:
        """Return overrides from a mapping of the same keys.

        Raises
        ------
        ParameterError
            If a key is not an override; the message names the nearest one.
        """
        if value is None:
            return Overrides()
        if isinstance(value, Overrides):
            return value
        known = ("kinds", "roles", "ordered", "categories", "protected")
        for key in value:
            if key not in known:
                raise ParameterError(
                    f"schema: unknown key '{key}'{near_miss(key, known)}; known: {', '.join(known)}"
                )
        return Overrides(**value)

    def check(self, columns: Sequence[str]) -> None:
        """Raise `SchemaError` where an override names no column or no known kind or role."""
        for part in ("kinds", "roles", "ordered", "categories", "protected"):
            for name in getattr(self, part):
                if name not in columns:
                    raise SchemaError(
                        f"schema.{part}: the table has no column '{name}'{near_miss(name, columns)}"
                    )
        for name, kind in self.kinds.items():
            if kind not in KINDS:
                raise SchemaError(
                    f"schema.kinds: '{name}' is given the unknown kind '{kind}'{near_miss(kind, KINDS)}; "
                    f"known: {', '.join(KINDS)}"
                )
        for name, role in self.roles.items():
            if role not in ROLES:
                raise SchemaError(
                    f"schema.roles: '{name}' is given the unknown role '{role}'{near_miss(role, ROLES)}; "
                    f"known: {', '.join(ROLES)}"
                )


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in their order."""

    columns: tuple[Column, ...]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def read(self) -> tuple[Column, ...]:
        """Columns learners see."""
        return tuple(column for column in self.columns if column.is_read)

    @cached_property
    def number_slots(self) -> tuple[str, ...]:
        """Names of the columns of the numeric block."""
        return tuple(slot for column in self.read for slot in column.slots)

    @cached_property
    def categories(self) -> tuple[Column, ...]:
        """Columns of the code block."""
        return tuple(column for column in self.read if column.kind == "category")

    @cached_property
    def texts(self) -> tuple[Column, ...]:
        """Text columns."""
        return tuple(column for column in self.read if column.kind == "text")

    @cached_property
    def n_terms(self) -> tuple[int, ...]:
        """Number of terms of each text column."""
        return tuple(c.encoder.n_terms for c in self.texts if isinstance(c.encoder, TextEncoder))

    @cached_property
    def wide(self) -> tuple[tuple[int, int], ...]:
        """First slot, and the one after the last, of each text and embedding column."""
        found, at = [], 0
        for column in self.read:
            if column.kind in WIDE:
                found.append((at, at + len(column.slots)))
            at += len(column.slots)
        return tuple(found)

    @cached_property
    def text_starts(self) -> frozenset[int]:
        """First slot of each text column."""
        kinds = [column.kind for column in self.read if column.kind in WIDE]
        return frozenset(first for (first, _), kind in zip(self.wide, kinds, strict=True) if kind == "text")

    @cached_property
    def tree_slots(self) -> npt.NDArray[np.int64]:
        """Slots that trees read: all but the later coordinates of texts and embeddings."""
        read = np.ones(len(self.number_slots), dtype=bool)
        coders = [column.encoder for column in self.read if column.encoder is not None]
        for (first, end), encoder in zip(self.wide, coders, strict=True):
            read[first + encoder.trees_read : end] = False
        return np.flatnonzero(read)

    @cached_property
    def plain_slots(self) -> npt.NDArray[np.int64]:
        """Slots of numbers and dates."""
        plain = np.ones(len(self.number_slots), dtype=bool)
        for first, end in self.wide:
            plain[first:end] = False
        return np.flatnonzero(plain)

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return digest(self.to_state())

    def with_column(self, column: Column) -> Schema:
        """Return a schema with one column replaced."""
        return Schema(tuple(column if c.name == column.name else c for c in self.columns))

    def without(self, role: Role, names: Sequence[str]) -> Schema:
        """Return a schema in which `names` have `role` (and so are not read)."""
        return Schema(tuple(replace(c, role=role) if c.name in names else c for c in self.columns))

    def notes(self) -> list[str]:
        """Return one line for each column that learners do not read though it is a feature."""
        return [f"column '{c.name}' is not used: {c.unused}" for c in self.columns if c.unused]

    def to_state(self) -> dict[str, Any]:
        """Return the schema as JSON values, and arrays where there are texts or embeddings."""
        return {"columns": [_column_state(column) for column in self.columns]}

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> Schema:
        """Rebuild a schema from `to_state`."""
        columns: list[dict[str, Any]] = state["columns"]
        found = Schema(tuple(_restored(column) for column in columns))
        if len(found.by_name) != len(found.columns):
            raise SchemaError("two columns have one name")
        if not found.read:
            raise SchemaError("there is no column a learner could read")
        return found


def _column_state(column: Column) -> dict[str, Any]:
    values = {f.name: getattr(column, f.name) for f in fields(column) if f.init and f.name != "encoder"}
    state = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    return state if column.encoder is None else {**state, "encoder": column.encoder.to_state()}


def _restored(column: dict[str, Any]) -> Column:
    """Return a stored column, or raise `SchemaError` where a value has no meaning."""
    values: dict[str, Any] = dict(column)
    if not isinstance(values["name"], str):
        raise SchemaError(f"a column has the name {values['name']!r:.40}, which is no text")
    values["vocabulary"] = tuple(values["vocabulary"])
    values["calendar"] = tuple(values["calendar"])
    if values["kind"] not in KINDS or values["role"] not in ROLES:
        raise SchemaError(
            f"column '{values['name']}' has the unknown kind '{values['kind']}' or role '{values['role']}'"
        )
    if "encoder" in values:
        values["encoder"] = _restored_encoder(values["kind"], values["encoder"])
    restored = Column(**values)
    for wrong, what in _oddities(restored):
        if wrong:
            raise SchemaError(f"column '{restored.name}': {what}")
    return restored


def _restored_encoder(kind: str, state: Any) -> TextEncoder | EmbeddingEncoder:
    if not isinstance(state, dict) or state.get("kind") != kind or kind not in WIDE:
        raise SchemaError(f"a {kind} column has an encoder that is not one of its kind")
    return TextEncoder.from_state(state) if kind == "text" else EmbeddingEncoder.from_state(state)


def _oddities(column: Column) -> list[tuple[bool, str]]:
    words, calendar = column.vocabulary, column.calendar
    texts = all(isinstance(word, str) for word in words)
    flags = (column.protected, column.ordered)
    return [
        (not texts, "its vocabulary holds something else than text"),
        (texts and len(set(words)) != len(words), "its vocabulary holds a word twice"),
        (bool(words) and column.kind != "category", f"a {column.kind} has no vocabulary"),
        (
            type(column.parts) is not int or not 1 <= column.parts <= 1 + len(FINE_PARTS),
            f"parts={column.parts!r}, not 1, 2 or 3",
        ),
        (any(part not in CALENDAR_PARTS for part in calendar), "it has an unknown calendar part"),
        (bool(calendar) and column.kind != "datetime", f"a {column.kind} has no calendar parts"),
        (type(column.offset) not in (int, float) or not isfinite(column.offset), "its offset is no number"),
        (not all(isinstance(flag, bool) for flag in flags), "protected and ordered must be true or false"),
        (
            column.is_read and column.kind in WIDE and column.encoder is None,
            f"a {column.kind} that is read has no encoder",
        ),
        (not isinstance(column.unused, str), "the reason why it is not used is no text"),
    ]
