"""Every splitter, one row each, and the choice between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stackml.foundation.errors import ParameterError, near_miss
from stackml.splitting.base import Splitter
from stackml.splitting.grouped import GroupedSplitter
from stackml.splitting.holdout import check_embargo_needs_time
from stackml.splitting.inputs import Embargo
from stackml.splitting.stratified import StratifiedSplitter
from stackml.splitting.temporal import GroupedTemporalSplitter, TemporalSplitter


@dataclass(frozen=True)
class SplitterEntry:
    """One row of the catalog.

    Attributes
    ----------
    name : str
    build : callable
        ``build(n_folds, embargo) -> Splitter``.
    needs_groups, needs_time : bool
    """

    name: str
    build: Callable[[int, Embargo], Splitter]
    needs_groups: bool = False
    needs_time: bool = False


SPLITTERS: tuple[SplitterEntry, ...] = (
    SplitterEntry("stratified", lambda n_folds, _: StratifiedSplitter(n_folds)),
    SplitterEntry("grouped", lambda n_folds, _: GroupedSplitter(n_folds), needs_groups=True),
    SplitterEntry("temporal", TemporalSplitter, needs_time=True),
    SplitterEntry("grouped_temporal", GroupedTemporalSplitter, needs_groups=True, needs_time=True),
)


def get_splitter(name: str) -> SplitterEntry:
    """Return the catalog row of a name.

    Raises
    ------
    ParameterError
        If there is none; the message lists the names.
    """
    for entry in SPLITTERS:
        if entry.name == name:
            return entry
    names = [entry.name for entry in SPLITTERS]
    raise ParameterError(f"unknown splitter '{name}'{near_miss(name, names)}; known: {', '.join(names)}")


def choose_splitter(
    n_folds: int, *, groups_given: bool, time_given: bool, embargo: Embargo = 0.0
) -> Splitter:
    """Return the splitter that honours what was given.

    Parameters
    ----------
    n_folds : int
    groups_given, time_given : bool
    embargo : float or timedelta
        Span before held-out rows that is not trained on; needs time.

    Raises
    ------
    ParameterError
        If a parameter has no meaning, or an embargo is given without time.
    """
    check_embargo_needs_time(embargo, time_given)
    for entry in SPLITTERS:
        if (entry.needs_groups, entry.needs_time) == (groups_given, time_given):
            return entry.build(n_folds, embargo)
    raise ParameterError(f"no splitter for groups_given={groups_given}, time_given={time_given}")
