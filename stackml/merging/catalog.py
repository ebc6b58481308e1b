"""Every way of merging weights, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from stackml.foundation.errors import ParameterError, near_miss
from stackml.merging.base import Merge
from stackml.merging.methods import (
    DareLinearMerge,
    DareTiesMerge,
    GreedySoupMerge,
    LinearMerge,
    SlerpMerge,
    SoupMerge,
    TiesMerge,
)


@dataclass(frozen=True)
class MergeEntry:
    """One row of the catalog.

    Attributes
    ----------
    name : str
    build : type of Merge
    about : str
        One line for people.
    """

    name: str
    build: type[Merge]
    about: str


_ENTRIES = (
    MergeEntry("linear", LinearMerge, "the weighted mean of the weights"),
    MergeEntry("slerp", SlerpMerge, "along the arc between models, so that weights do not shrink"),
    MergeEntry("ties", TiesMerge, "trimmed differences from a base, one sign elected"),
    MergeEntry("dare_linear", DareLinearMerge, "differences dropped by chance and rescaled, then the mean"),
    MergeEntry("dare_ties", DareTiesMerge, "differences dropped by chance and rescaled, one sign elected"),
    MergeEntry("soup", SoupMerge, "the plain mean of all models"),
    MergeEntry(
        "greedy_soup", GreedySoupMerge, "the plain mean of models that make it no worse on rows given"
    ),
)

MERGES: Mapping[str, MergeEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def make_merge(method: str | Merge, **parameters: Any) -> Merge:
    """Return a way of merging by name, with parameters; an object is returned as it is.

    Raises
    ------
    ParameterError
        If the name or a parameter is unknown (the message names the nearest one), or an object
        is given parameters.
    """
    if isinstance(method, Merge):
        if parameters:
            raise ParameterError(
                f"method '{method.kind}' is an object already; set {', '.join(parameters)} when making it"
            )
        return method
    if not isinstance(method, str) or method not in MERGES:
        raise ParameterError(
            f"unknown method {method!r:.60}{near_miss(str(method), MERGES)}; known: {', '.join(MERGES)}"
        )
    build = MERGES[method].build
    known = [f.name for f in fields(build)]
    for name in parameters:
        if name not in known:
            raise ParameterError(
                f"method '{method}' has no parameter '{name}'{near_miss(name, known)}; "
                f"it has: {', '.join(known) or 'none'}"
            )
    return build(**parameters)
