"""What fits cost, learned from short probes and finished fits, and how a learner is made to fit a budget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stackml.learners.base import Learner
from stackml.oof.plan import FitTask, Job

FASTEST = 0.2  # of a learner's usual work: below this it is no longer the same learner
WORTHWHILE = 0.3  # of a learner's usual work: with less it gets no weight beside others
GENTLE = 0.5  # of a learner's usual work: what haste may take it down to while it could have more
MOST_OF_LEFT = 0.4  # one learner may take, while others wait
ROUNDED = 1.05  # rounds and trees are whole numbers
MUST_FIT_IN = 0.7  # of what is left, at the quickest; what is expected can be wrong
LEAST_ROWS = 20_000


class Prices:
    """Seconds of fits of each kind of learner, for one nominal second of `Learner.cost`.

    A kind is priced by its finished fits, or else by a probe; a kind not met yet by the mean of
    those met. Boosters stop early at much the same share of their usual rounds on one table, so
    what finished boosters needed corrects the probe of the next.
    """

    def __init__(self) -> None:
        self._measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._probed: dict[str, float] = {}
        self._doubted: set[str] = set()
        self._stops: dict[str, list[float]] = defaultdict(list)

    def knows(self, kind: str) -> bool:
        """Return whether a kind was measured, or probed by a probe that is believed."""
        return kind in self._measured or (kind in self._probed and kind not in self._doubted)

    def doubt(self, kind: str) -> None:
        """Have a kind probed once more; what disturbs a probe lengthens it: the shorter is believed."""
        self._doubted.add(kind)

    def probe(self, kind: str, nominal: float, seconds: float) -> None:
        """Take note of what a whole fit would take by a probe."""
        found = seconds / max(nominal, 1e-9)
        self._probed[kind] = min(found, self._probed[kind]) if kind in self._doubted else found
        self._doubted.discard(kind)

    def learn(self, task: FitTask, seconds: float, rounds: int | None) -> None:
        """Take note of what a fit really took."""
        self._measured[task.learner.kind].append((task.cost, seconds))
        usual = task.learner.usual_rounds(1)  # of a family, which counts alike on any rows
        if task.learner.family and usual and rounds and task.rounds is None:
            self._stops[task.learner.family].append(rounds / usual)

    def of(self, learner: Learner) -> float:
        """Return the seconds a nominal second of a learner takes."""
        kind = learner.kind
        if kind in self._measured:
            return _ratio(self._measured[kind])
        if kind in self._probed:
            stops = self._stops.get(learner.family, [])
            return self._probed[kind] * (float(np.mean(stops)) if stops else 1.0)
        met = [pair for pairs in self._measured.values() for pair in pairs]
        return _ratio(met) if met else 1.0


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(seconds for _, seconds in pairs) / max(sum(nominal for nominal, _ in pairs), 1e-9)


@dataclass(frozen=True)
class Pace:
    """How a learner is fitted within a budget.

    Attributes
    ----------
    learner : Learner
        As asked for, or a description of less work.
    most_rows : int, optional
        Rows drawn from each fold's training rows.
    expected : float
        Core-seconds of its fits.
    """

    learner: Learner
    most_rows: int | None
    expected: float


def pace(
    learner: Learner,
    tasks: Sequence[FitTask],
    job: Job,
    price: float,
    left: float,
    *,
    must: bool,
    last: bool,
    ease: float = 1.0,
) -> Pace | None:
    """Return how a learner can be fitted with what is left, or None where it cannot.

    Parameters
    ----------
    learner : Learner
    tasks : sequence of FitTask
        Of the learner as it was asked for.
    job : Job
    price : float
        Seconds of a nominal second.
    left : float
        Core-seconds left for this learner and those after it.
    must : bool
        Whether it has to be fitted whatever it costs: fewer rows are then learned from.
    last : bool
        Whether no other waits, so that it may take all that is left.
    ease : float
        Share of its usual work that each could have if all were had: below 1 each takes less, so
        that more of them can be had.
    """
    needed = price * sum(task.cost for task in tasks)
    allotted = left if last else MOST_OF_LEFT * left
    if needed <= allotted:
        quicker = learner.paced(max(GENTLE, ease)) if ease < 1 else learner
        return Pace(quicker, None, price * sum(replaced_cost(task, quicker, job) for task in tasks))
    least = FASTEST if must else WORTHWHILE
    share = max(least, allotted / needed) if allotted > 0 else least
    share = min(share, max(GENTLE, ease))
    quicker = learner.paced(share)
    costs = price * sum(replaced_cost(task, quicker, job) for task in tasks)
    if costs <= max(ROUNDED * allotted, MUST_FIT_IN * left):
        return Pace(quicker, None, costs)
    if not must:
        return None
    rows = max(len(fold.train) for fold in job.folds.folds)
    most = max(LEAST_ROWS, int(rows * MUST_FIT_IN * max(left, 0.0) / costs))
    return Pace(quicker, most if most < rows else None, costs * min(1.0, most / rows))


def replaced_cost(task: FitTask, learner: Learner, job: Job) -> float:
    """Return the nominal cost of a task with another learner."""
    n_rows = job.target.n_rows if task.fold < 0 else len(job.folds.folds[task.fold].train)
    size = n_rows, job.table.n_features, job.target.problem.n_outputs
    return task.cost * learner.cost(*size) / max(task.learner.cost(*size), 1e-12)


def paced_task(task: FitTask, found: Pace, job: Job) -> FitTask:
    """Return the task in the form that was decided on."""
    cost = replaced_cost(task, found.learner, job)
    return replace(task, learner=found.learner, most_rows=found.most_rows, cost=cost)
