"""Every combiner, one row each, simplest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

import numpy as np

from stackml.combiners.auto import DEFAULT_CANDIDATES, LEAN_CANDIDATES, AutoCombiner
from stackml.combiners.base import Combiner, FittedCombiner
from stackml.combiners.boosted import BoostedCombiner, FittedBoosted
from stackml.combiners.fixed import (
    FittedGeometric,
    FittedMedian,
    FittedVote,
    FixedCombiner,
    GeometricCombiner,
    MedianCombiner,
    VoteCombiner,
)
from stackml.combiners.forgetful import FittedForgetful, ForgetfulCombiner
from stackml.combiners.gated import FittedGated, GatedCombiner
from stackml.combiners.greedy import FittedGreedy, GreedyCombiner
from stackml.combiners.logistic import FittedLogistic, LogisticCombiner
from stackml.combiners.mean import FittedMean, MeanCombiner
from stackml.combiners.rank_mean import FittedRankMean, RankMeanCombiner
from stackml.combiners.rules import OF_CLASSES
from stackml.combiners.simplex import FittedSimplex, SimplexCombiner
from stackml.combiners.single import FittedSingle, SingleCombiner
from stackml.foundation.errors import ParameterError, StorageError, near_miss
from stackml.storage.fields import finite_array, finite_number
from stackml.tables.target import ProblemKind


@dataclass(frozen=True)
class CombinerEntry:
    """One row of the catalog.

    Attributes
    ----------
    name : str
    build : type of Combiner
    fitted : type of FittedCombiner, optional
        None for "auto", which becomes what it chooses.
    about : str
        One line for people.
    """

    name: str
    build: type[Combiner]
    fitted: type[FittedCombiner] | None
    about: str

    @property
    def problems(self) -> tuple[ProblemKind, ...]:
        """Kinds of problems it is made for."""
        return tuple(
            kind for kind in get_args(ProblemKind) if kind != "regression" or self.name not in OF_CLASSES
        )

    @property
    def is_fixed(self) -> bool:
        """Whether it looks at no target."""
        return issubclass(self.build, FixedCombiner)


COMBINERS: tuple[CombinerEntry, ...] = (
    CombinerEntry("mean", MeanCombiner, FittedMean, "the plain mean of predictions, or with given weights"),
    CombinerEntry("median", MedianCombiner, FittedMedian, "the median of predictions"),
    CombinerEntry("geometric", GeometricCombiner, FittedGeometric, "the geometric mean of probabilities"),
    CombinerEntry("vote", VoteCombiner, FittedVote, "the share of learners that vote for a class"),
    CombinerEntry("rank_mean", RankMeanCombiner, FittedRankMean, "the mean of ranks among predictions"),
    CombinerEntry("simplex", SimplexCombiner, FittedSimplex, "convex weights of least loss"),
    CombinerEntry("greedy", GreedyCombiner, FittedGreedy, "greedy selection with replacement, bagged"),
    CombinerEntry("forgetful", ForgetfulCombiner, FittedForgetful, "convex weights; older rows count less"),
    CombinerEntry("logistic", LogisticCombiner, FittedLogistic, "penalised regression on logits or values"),
    CombinerEntry("boosted", BoostedCombiner, FittedBoosted, "a small boosted model that mends a linear one"),
    CombinerEntry("gated", GatedCombiner, FittedGated, "weights that depend on the row, all or few a row"),
    CombinerEntry("single", SingleCombiner, FittedSingle, "the one best learner"),
    CombinerEntry("auto", AutoCombiner, None, "the simplest within half a standard error of the best"),
)

FITTED: dict[str, type[FittedCombiner]] = {
    entry.name: entry.fitted for entry in COMBINERS if entry.fitted is not None
}


def default_candidates(*, lean: bool = False) -> tuple[Combiner, ...]:
    """Return what "auto" chooses from.

    Parameters
    ----------
    lean : bool
        Only such as ask few learners: those without which the loss would rise by a thousandth.
    """
    return LEAN_CANDIDATES if lean else DEFAULT_CANDIDATES


def known_candidates(*, lean: bool) -> dict[str, Combiner]:
    """Return by kind what "auto" chooses from, and what else it would where more learners may be asked."""
    lists = (DEFAULT_CANDIDATES, default_candidates(lean=lean))
    return {candidate.kind: candidate for candidates in lists for candidate in candidates}


def make_combiner(combiner: str | Combiner, **parameters: Any) -> Combiner:
    """Return a combiner by name, with parameters; an object is returned as it is.

    Parameters
    ----------
    combiner : str or Combiner
    **parameters
        Fields of the description; ``candidates`` of "auto" may hold names.

    Raises
    ------
    ParameterError
        If the name or a parameter is unknown (the message names the nearest one), or an object
        is given parameters.
    """
    if isinstance(combiner, Combiner):
        if parameters:
            raise ParameterError(
                f"combiner '{combiner.kind}' is an object already; set {', '.join(parameters)} when making it"
            )
        return combiner
    entry = _entry(combiner)
    known = [f.name for f in fields(entry.build)]
    for name in parameters:
        if name not in known:
            raise ParameterError(
                f"combiner '{entry.name}' has no parameter '{name}'{near_miss(name, known)}; "
                f"it has: {', '.join(known) or 'none'}"
            )
    if entry.name == "auto" and "candidates" in parameters:
        parameters["candidates"] = tuple(make_combiner(c) for c in parameters["candidates"])
    return entry.build(**parameters)


def _entry(name: str) -> CombinerEntry:
    names = [entry.name for entry in COMBINERS]
    if name not in names:
        raise ParameterError(f"unknown combiner '{name}'{near_miss(name, names)}; known: {', '.join(names)}")
    return COMBINERS[names.index(name)]


def restore_combiner(kind: str, state: Mapping[str, Any]) -> FittedCombiner:
    """Rebuild a fitted combiner from its kind and `FittedCombiner.to_state`.

    Raises
    ------
    StorageError
        If the kind is not in the catalog, or a number in the state is not finite.
    """
    if kind not in FITTED:
        raise StorageError(f"stored combiner is of the unknown kind '{kind}'; known: {', '.join(FITTED)}")
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            finite_array(value, f"combiner '{kind}': {name}", (None,))
        elif isinstance(value, float):
            finite_number(value, f"combiner '{kind}': {name}")
    return FITTED[kind].from_state(state)
