"""Plain words on models side by side: who is better, and why one is recommended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stackml.metrics import Difference, Metric
from stackml.workflow.recommending import Cost, Lag
from stackml.workflow.verdicts import spoken

ROWS = "on the same rows"
Word = Literal["better", "worse", "level", "baseline", "unknown"]
_ELSEWHERE = {"better": "better in", "worse": "worse in", "level": "no difference shown in"}


@dataclass(frozen=True)
class Against:
    """One difference to the baseline.

    Attributes
    ----------
    alone : Difference
        With the interval of this difference alone; above 0 for better.
    low, high : float
        Of the interval that holds for all differences together.
    """

    alone: Difference
    low: float
    high: float

    @property
    def together(self) -> Difference:
        """The difference with the interval that holds for all together."""
        return replace(self.alone, low=self.low, high=self.high)


def verdict_word(versus: Against | None) -> Word:
    """Return what a difference shows in one word; "level" where no difference is shown."""
    if versus is None:
        return "baseline"
    if math.isnan(versus.alone.value) or math.isnan(versus.low):
        return "unknown"
    found = versus.together
    return "better" if found.a_is_better else "worse" if found.b_is_better else "level"


def verdict_on(
    name: str, baseline: str, versus: Mapping[tuple[str, str], Against], metrics: Sequence[Metric]
) -> str:
    """Return a sentence on a model against the baseline: the first metric in full, others in a word."""
    first, *others = metrics
    said = spoken(name, baseline, ROWS, first.name, versus[name, first.name].together)
    words = {metric.name: verdict_word(versus[name, metric.name]) for metric in others}
    told = [
        f"{text} {_listed([m.replace('_', ' ') for m, found in words.items() if found == word])}"
        for word, text in _ELSEWHERE.items()
        if word in words.values()
    ]
    return f"{said}; {', '.join(told)}" if told else said


def recommended_because(
    taken: str,
    best: str,
    allowed: Sequence[str],
    lags: Mapping[str, Lag],
    costs: Mapping[str, Cost],
    metric: str,
    margin: float | None,
    level: float,
) -> str:
    """Return why a model is recommended, and what it may lose.

    Parameters
    ----------
    taken, best : str
    allowed : sequence of str
        Models that count as no worse than the best.
    lags : mapping of model to Lag
    costs : mapping of model to Cost
    metric : str
    margin : float, optional
    level : float
    """
    words, price = metric.replace("_", " "), _priced(costs[taken])
    pairs = len(lags) * (len(lags) - 1) // 2
    sure = f"{100 * level:g} %" + (f" for all {pairs} pairs of models together" if pairs > 1 else "")
    if len(allowed) == 1:
        others = "is shown to be worse" if margin is None else f"may lag by more than {margin:g}"
        return f"recommended: {taken}, the best in {words}{price}: every other {others} ({sure})"
    among = f"the cheapest{price} of {len(allowed)} models"
    rule = "not shown to be worse than" if margin is None else f"within {margin:g} of"
    if taken == best:
        return f"recommended: {taken}, the best in {words} and {among} {rule} it ({sure})"
    lag = lags[taken]
    loss = f"; it lags by {_short(lag.value)} here and may be worse by up to {_short(lag.high)}"
    told = "" if math.isnan(lag.high) or lag.high == 0 else loss
    return f"recommended: {taken}, {among} {rule} the best, {best}, in {words} ({sure}){told}"


def _priced(cost: Cost) -> str:
    told = []
    if not math.isnan(cost.us_per_row):
        told.append(f"{_short(cost.us_per_row)} us a row")
    if not math.isnan(cost.megabytes):
        told.append(f"{_short(cost.megabytes)} MB")
    return f" ({', '.join(told)})" if told else ""


def _short(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.2g}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
