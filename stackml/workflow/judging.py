"""Scores with intervals on held-out rows, and the stack held against its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stackml.foundation.errors import ParameterError, SpecError
from stackml.metrics import Metric, get_metric, score_together
from stackml.workflow.held_out import MEAN, STACK, HeldOut
from stackml.workflow.verdicts import Versus

RESAMPLES = 200


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
class Judgement:
    """What held-out rows say of a stack and its parts.

    Attributes
    ----------
    scores : list of Scored
        Every prediction in every metric; stack, best learner and plain mean with intervals.
    versus : list of Versus
        The stack against its best learner and the plain mean, paired, in every metric.
    """

    scores: list[Scored]
    versus: list[Versus]


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


def judge(held_out: HeldOut, metrics: Sequence[Metric], seed: int) -> Judgement:
    """Score every prediction of the held-out rows and compare the stack with its parts."""
    others = [name for name in (held_out.best, MEAN) if name is not None and name in held_out.predictions]
    found = score_together(
        held_out.y,
        {name: held_out.predictions[name] for name in dict.fromkeys((STACK, *others))},
        metrics,
        pairs=[(STACK, other) for other in others],
        groups=held_out.unit,
        n_resamples=RESAMPLES,
        seed=seed,
    )
    scores = []
    for name, prediction in held_out.predictions.items():
        for metric in metrics:
            sure = found.intervals.get((name, metric.name))
            if sure is None:
                value = metric.value(held_out.y, prediction)
                scores.append(Scored(name, metric.name, value, float("nan"), float("nan")))
            else:
                scores.append(Scored(name, metric.name, sure.value, sure.low, sure.high))
    versus = [
        Versus(other, metric.name, found.differences[STACK, other, metric.name])
        for other in others
        for metric in metrics
    ]
    return Judgement(scores, versus)
