"""Scores with intervals on held-out rows, and plain words on who beat whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from stackml.foundation.errors import ParameterError, SpecError
from stackml.foundation.threads import available_cores
from stackml.metrics import Difference, Metric, bootstrap_interval, get_metric, paired_difference
from stackml.workflow.held_out import MEAN, STACK, HeldOut

RESAMPLES = 200

T = TypeVar("T")


@dataclass(frozen=True)
class Scored:
    """One metric of one prediction on held-out rows.

    Attributes
    ----------
    name : str
        ``"stack"``, the name of a learner, or ``"plain mean"``.
    metric : str
    value : float
        On the metric's own scale.
    low, high : float
        95 % bootstrap interval; nan for learners other than the best.
    """

    name: str
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Versus:
    """How much better the stack is than another prediction of the same rows.

    Attributes
    ----------
    other : str
    metric : str
    difference : Difference
        Above 0 where the stack is better.
    """

    other: str
    metric: str
    difference: Difference


def metrics_of(names: Sequence[str], problem: str, pipeline: str) -> list[Metric]:
    """Return metrics by name.

    Raises
    ------
    SpecError
        If one is not made for the problem.
    """
    try:
        return [get_metric(name, problem) for name in dict.fromkeys(names)]
    except ParameterError as error:
        raise SpecError(f"pipeline '{pipeline}', 'metrics': {error}") from None


def score(held_out: HeldOut, metrics: Sequence[Metric], seed: int) -> list[Scored]:
    """Return every prediction's metrics; stack, best learner and plain mean with intervals."""
    surely = (STACK, held_out.best, MEAN)

    def one(name: str, metric: Metric) -> Scored:
        prediction = held_out.predictions[name]
        if name not in surely:
            return Scored(name, metric.name, metric.value(held_out.y, prediction), np.nan, np.nan)
        found = bootstrap_interval(
            metric, held_out.y, prediction, groups=held_out.unit, n_resamples=RESAMPLES, seed=seed
        )
        return Scored(name, metric.name, found.value, found.low, found.high)

    return _side_by_side(one, [(name, metric) for name in held_out.predictions for metric in metrics])


def compare_within(held_out: HeldOut, metrics: Sequence[Metric], seed: int) -> list[Versus]:
    """Return the paired differences of the stack to its best learner and to the plain mean."""
    others = [name for name in (held_out.best, MEAN) if name is not None and name in held_out.predictions]

    def one(other: str, metric: Metric) -> Versus:
        return Versus(other, metric.name, difference(held_out, metric, other, seed))

    return _side_by_side(one, [(other, metric) for other in others for metric in metrics])


def _side_by_side(one: Callable[[str, Metric], T], pairs: Sequence[tuple[str, Metric]]) -> list[T]:
    # Resampling sorts and sums arrays outside Python's lock; each call has a seed stream of its own.
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(lambda pair: one(*pair), pairs))


def difference(held_out: HeldOut, metric: Metric, other: str, seed: int) -> Difference:
    """Return how much better the stack is than another prediction of the same rows."""
    return paired_difference(
        metric,
        held_out.y,
        held_out.predictions[STACK],
        held_out.predictions[other],
        groups=held_out.unit,
        n_resamples=RESAMPLES,
        seed=seed,
    )


def verdict(versus: Versus) -> str:
    """Return a sentence that claims no more than the interval shows."""
    other = (
        "the plain mean of its learners"
        if versus.other == MEAN
        else f"its best single learner ({versus.other})"
    )
    found = versus.difference
    if found.value == found.low == found.high == 0:
        same = versus.metric.replace("_", " ")
        return f"the stack does not beat {other} on held-out rows: both have the same {same}"
    return f"the stack {verb(found)} {other} on held-out rows: {told(versus.metric, found)}"


def verb(difference: Difference) -> str:
    """Return "beats", "does worse than" or "does not beat", as the interval allows."""
    if difference.a_is_better:
        return "beats"
    return "does worse than" if difference.b_is_better else "does not beat"


def told(metric: str, difference: Difference) -> str:
    """Return a metric and a difference with its interval, above 0 for better."""
    digits = 3 if max(abs(difference.low), abs(difference.high), abs(difference.value)) >= 0.002 else 5
    value, low, high = (
        f"{number:+.{digits}f}" for number in (difference.value, difference.low, difference.high)
    )
    lower = "" if get_metric(metric).greater_is_better else " (less is better; + is better)"
    return f"{metric.replace('_', ' ')} {value} [{low}, {high}]{lower}"
