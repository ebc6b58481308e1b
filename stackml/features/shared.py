"""What views make of the rows being scored, made once for all models that read the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from stackml.tables.table import Table

T = TypeVar("T")


class SharedViews:
    """The rows of one call and what views made of them; it lives as long as the call.

    Parameters
    ----------
    table : Table
    few : bool
        Whether the whole call is about so few rows that setting up a library costs more than
        the rows do.
    """

    def __init__(self, table: Table, few: bool = False) -> None:
        self.table = table
        self.few = few
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[Table], T]) -> T:
        """Return what `make` gives for the table; equal keys stand for equal functions.

        Nobody may write into it.
        """
        if key not in self._made:
            self._made[key] = make(self.table)
        found: T = self._made[key]
        return found
