"""Plain words on who beat whom; they claim no more than the interval shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stackml.metrics import Difference, get_metric
from stackml.workflow.held_out import MEAN, Makeup

HELD_OUT = "on held-out rows"
SAME_ROWS = "on the same held-out rows"
_NOTHING = 1e-12


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


def verdicts(versus: Sequence[Versus], makeup: Makeup) -> list[str]:
    """Return sentences: what the stack is where it is nothing of its own, then whom it beats.

    Parameters
    ----------
    versus : sequence of Versus
        In one metric.
    makeup : Makeup
    """
    said = []
    if makeup.same_as is not None:
        own = next((v for v in versus if v.other == makeup.same_as), None)
        said.append(_identity(makeup, own))
    others = [v for v in versus if v.other != makeup.same_as]
    return said + [
        spoken("the stack", _named(v.other, makeup), HELD_OUT, v.metric, v.difference) for v in others
    ]


def spoken(who: str, whom: str, where: str, metric: str, found: Difference) -> str:
    """Return a sentence on a paired difference.

    Parameters
    ----------
    who, whom : str
        Names of what was compared.
    where : str
        Rows, as "on held-out rows".
    metric : str
    found : Difference
        Above 0 where `who` is better.
    """
    words = metric.replace("_", " ")
    if math.isnan(found.value):
        return f"{who} cannot be held against {whom} {where}: {words} has no value there"
    if _is_nothing(found):
        return f"{who} and {whom} have the same {words} {where}"
    hedge = "" if found.a_is_better or found.b_is_better else ", but within chance"
    return f"{who} {_verb(found)} {whom} {where}{hedge}: {told(metric, found)}"


def told(metric: str, found: Difference) -> str:
    """Return a metric and a difference with its interval, above 0 for better."""
    value, low, high = (_number(x, found) for x in (found.value, found.low, found.high))
    lower = "" if get_metric(metric).greater_is_better else " (less is better; + is better)"
    return f"{metric.replace('_', ' ')} {value} [{low}, {high}]{lower}"


def _verb(found: Difference) -> str:
    if found.a_is_better:
        return "beats"
    if found.value == 0:
        return "is level with"
    return "is ahead of" if found.value > 0 else "is behind"


def _named(other: str, makeup: Makeup) -> str:
    if other == MEAN:
        return "the plain mean of its learners"
    return f"its {'only' if makeup.n_learners == 1 else 'best single'} learner ({other})"


def _identity(makeup: Makeup, own: Versus | None) -> str:
    """Return what the stack is, why, and what calibration did to it."""
    calibrated = ", calibrated" if makeup.calibrated else ""
    said = f"the stack is {_what(makeup, own)}{calibrated}{_why(makeup)}"
    if own is None or not makeup.calibrated or _is_nothing(own.difference):
        return said
    return f"{said}; {spoken('calibration', 'no calibration', HELD_OUT, own.metric, own.difference)}"


def _what(makeup: Makeup, own: Versus | None) -> str:
    if makeup.n_learners == 1:
        return f"its only learner ({makeup.same_as})"
    if makeup.same_as == MEAN:
        return f"the plain mean of its {makeup.n_learners} learners"
    return f"{'its best single learner' if own is not None else 'one of its learners'} ({makeup.same_as})"


def _why(makeup: Makeup) -> str:
    if makeup.n_learners == 1:
        return ""
    if makeup.combiner not in ("mean", "single"):
        return f": the combiner '{makeup.combiner}' gives no other learner weight"
    if not makeup.chosen:
        return ", as its pipeline asks"
    other = "combiner" if makeup.same_as == MEAN else "combination"
    return f": no {other} was clearly better in nested cross-validation"


def _is_nothing(found: Difference) -> bool:
    return not any(abs(x) >= _NOTHING for x in (found.value, found.low, found.high))


def _number(x: float, found: Difference) -> str:
    """Return a number with its sign, in as many decimals as the three of a difference need."""
    largest = max(abs(n) for n in (found.value, found.low, found.high) if not math.isnan(n))
    if largest < 1e-5:
        return f"{x:+.1e}"
    if largest >= 100:
        return f"{x:+,.1f}"
    digits = 3 if largest >= 0.002 else 5
    sure = min(abs(found.low), abs(found.high)) if found.a_is_better or found.b_is_better else math.inf
    # An end that is not 0 must not be shown as 0 where the claim rests on it.
    return f"{x:+.{max(digits, 5) if sure < 0.5 * 10**-digits else digits}f}"
