"""Where a run stands: which fits are ready, what came out, and which learners go on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from stackml.learners.base import Learner, Rows
from stackml.oof.admission import LEAST_SHARE, TRIAL_FOLDS, Tried, share_in_ensemble
from stackml.oof.budget import Spending
from stackml.oof.candidate import Candidate
from stackml.oof.fitting import FitOutcome
from stackml.oof.pacing import (
    GENTLE,
    MOST_OF_LEFT,
    WORTHWHILE,
    Pace,
    Prices,
    pace,
    paced_task,
    replaced_cost,
)
from stackml.oof.plan import OUT_OF_BAG, FitTask, Job

PROBED_ABOVE = 0.05  # of what is left: a cheaper learner is begun without a probe
NO_PROBE_BELOW = 0.05  # of the limit
MAY_BE_CUT = 0.35  # of the usual work: a learner that stops early may need no more
CHEAP, DEAR = 0.1, 0.3  # of the budget
NOT_ROUNDS = 0.9  # of a fit's time is spent on what the clock can end
OVERSTATED = 2.0  # is what learners want: most fits stop early, and many learners are dropped
SHARE_OF_PART = 0.1  # a learner that wants all that is left needs this share in the ensemble
DEAR_TRIAL = 0.1  # of what is left
DOUBTFUL = 3.0  # times what is left: a probe that says no more for the least of a learner can be wrong
SLACK = 1.3  # times what a fit is expected to take, before the clock ends it


Planned = tuple[str, Learner, tuple[FitTask, ...]]


class Board:
    """The learners of a run in their order, and the rules by which their fits are let go.

    Without a limit every fit is ready at once. Within one a learner is admitted when those
    before it have nothing left to start: it is paced to what is left, tried on two folds (one
    where that is dear), and goes on to the others unless time is scarce and the ensemble has no
    use for it. Verdicts fall in the order of the learners, so that a limit of work decides alike
    on every machine.

    Parameters
    ----------
    candidates : sequence of (name, Learner, tasks)
    job : Job
    spending : Spending
    prices : Prices
    may_skip : bool
        Whether a learner may be left out for what it costs.
    may_leave : bool
        Whether a fit that could not be finished in time may be left undone all the same.
    """

    def __init__(
        self,
        candidates: Sequence[Planned],
        job: Job,
        spending: Spending,
        prices: Prices,
        *,
        may_skip: bool = True,
        may_leave: bool = False,
    ) -> None:
        self.candidates = [Candidate(*given) for given in candidates]
        self.by_name = {c.name: c for c in self.candidates}
        self.job = job
        self.spending = spending
        self.prices = prices
        self.may_skip = may_skip
        self.may_leave = may_skip or may_leave
        self.released: deque[FitTask] = deque()  # tasks that will not be run
        self.reclaimed: deque[FitTask] = deque()  # tasks that may be run after all, or in another form
        self.news: deque[str] = deque()  # what a person should hear of
        self._first: Candidate | None = None  # it is finished whatever the clock says

    @property
    def n_tasks(self) -> int:
        """Tasks planned."""
        return sum(len(c.tasks) for c in self.candidates)

    @property
    def n_done(self) -> int:
        """Tasks finished."""
        return sum(len(c.outcomes) for c in self.candidates)

    def next_task(self) -> tuple[FitTask, bool] | None:
        """Return a task to start and whether it is a probe, or None where nothing is ready."""
        found = self._next_ready()
        if found is None:
            self._verdicts()  # a learner given up meanwhile may have been what others waited for
            found = self._next_ready()
        while found is None and self._take_up_again():
            found = self._next_ready()
        return found

    def _next_ready(self) -> tuple[FitTask, bool] | None:
        self._put_in_order()
        is_probing = False
        for candidate in self.candidates:
            if candidate.is_settled:
                continue
            is_probing = is_probing or candidate.status == "probing"
            if candidate.status == "waiting" and self._wants_probe(candidate):
                candidate.status = "probing"
                candidate.running += 1
                return candidate.tasks[0], True
            if candidate.status == "waiting" and not is_probing:
                self._admit(candidate)
            if candidate.ready and not self._is_too_late(candidate):
                task = candidate.ready.popleft()
                candidate.running += 1
                candidate.started.add(task.fold)
                return task, False
            if candidate.status == "trying" and self.spending.work is not None:
                return None  # what follows must not depend on how many fits run at once
        return None

    def _put_in_order(self) -> None:
        """Let those that wait come cheap ones first and the dearest last, by what is known of prices by now.

        Whatever becomes of the dear ones, there is then an ensemble. Where a round of boosting is
        dear, as with many classes, that comes first which is not. Among dear ones of much the same
        price the order they were given in holds. Anomaly scores come last: they predict nothing alone.
        """
        if not (self.may_skip and self.spending.is_limited):
            return
        # Those let in stand before all that wait, so that verdicts keep the order in which they were let in.
        places = [at for at, c in enumerate(self.candidates) if c.status == "waiting"]
        is_scarce = self._is_scarce()
        given = (c for c in self.by_name.values() if c.status == "waiting")
        waiting = sorted(given, key=lambda c: self._urgency(c, is_scarce))
        for at, candidate in zip(places, waiting, strict=True):
            self.candidates[at] = candidate

    def _urgency(self, candidate: Candidate, is_scarce: bool) -> tuple[bool, int, int]:
        learner = candidate.learner.paced(GENTLE) if is_scarce else candidate.learner
        costs = (replaced_cost(task, learner, self.job) for task in candidate.tasks)
        cost = self._price(candidate) * sum(costs)
        dearness = sum(cost > share * self.spending.left for share in (CHEAP, DEAR))
        doublings = math.frexp(cost)[1] if dearness > 1 else 0
        return self._is_score(candidate), dearness, doublings

    def _is_score(self, candidate: Candidate) -> bool:
        return candidate.learner.output_kind(self.job.target.problem) == "score"

    def _take_up_again(self) -> bool:
        """Ask those left out for want of time once more when all others are done; return whether any are.

        One that was begun goes on where it was, and must be fitted where nobody could be. Where there is none
        such, whoever was left out waits again, and the first of them must be fitted.
        """
        if not self.may_skip or any(c.running or not c.is_settled for c in self.candidates):
            return False
        nobody = all(c.status != "fitted" for c in self.candidates)
        late = next((c for c in self.candidates if c.is_late), None)
        if late is not None:
            self._first = late if nobody else self._first
            self.reclaimed.extend(late.resume())
            self.spending.promise(late.name, self._price(late) * sum(task.cost for task in late.remaining))
            self._set_aside()
            return True
        again = [
            c
            for c in self.candidates
            if c.status == "skipped" and not c.started and (nobody or (c.is_too_dear and not c.asked_again))
        ]
        for candidate in again:
            candidate.wait_again()
            self.reclaimed.extend(candidate.tasks)
            if WORTHWHILE * self._price(candidate) * candidate.cost <= DOUBTFUL * self.spending.left:
                self.prices.doubt(candidate.learner.kind)
        return bool(again)

    def _is_too_late(self, candidate: Candidate) -> bool:
        """Give a learner up whose next fit could not be finished; return whether it was."""
        left = self.spending.clock.left
        if left is None or not self.spending.is_timed or not self.may_leave or candidate is self._first:
            return False
        expected = self._price(candidate) * candidate.ready[0].cost
        turns = -(-len(candidate.ready) // self.spending.n_jobs)
        can_be_cut = candidate.ready[0].rounds is None and candidate.learner.watches_clock
        if (MAY_BE_CUT if can_be_cut else 1.0) * expected * turns <= left:
            return False
        self._skip(candidate, "no time was left for its next fit", for_time=True)
        return True

    def probed(self, task: FitTask, seconds: float) -> None:
        """Take note of what a probe says."""
        candidate = self.by_name[task.name]
        candidate.running -= 1
        candidate.status = "waiting"
        self.prices.probe(task.learner.kind, task.cost, seconds)

    def finished(self, task: FitTask, outcome: FitOutcome) -> None:
        """Take note of a finished fit, and let go what follows from it."""
        candidate = self.by_name[task.name]
        candidate.running -= 1
        if candidate.is_settled and not candidate.is_late:
            return
        candidate.outcomes[task.fold] = outcome
        if not outcome.cached and self.spending.work is None:
            self.prices.learn(task, outcome.seconds, outcome.model.rounds)
        if candidate.is_late:
            return
        self.spending.pay(task.name, self._price(candidate) * task.cost)
        self._set_aside()
        if candidate.status in ("trying", "finishing") and not candidate.remaining:
            candidate.status = "fitted"
            self.spending.settle(candidate.name)
        self._verdicts()

    def failed(self, name: str, message: str) -> bool:
        """Give a learner up for its error; return whether this is news."""
        candidate = self.by_name[name]
        candidate.running -= 1
        if candidate.is_settled and not candidate.is_late:
            return False
        self._give_up(candidate, "failed", message)
        self._verdicts()
        return True

    def seconds_for(self, task: FitTask) -> float | None:
        """Return the seconds a fit may take before the clock ends it, or None without a clock."""
        left = self.spending.clock.left
        if left is None or not self.spending.is_timed:
            return None
        candidate = self.by_name[task.name]
        unfinished = len(candidate.remaining)
        turns = max(1, -(-unfinished // self.spending.n_jobs))
        expected = max(SLACK * candidate.expected, candidate.allotted) / len(candidate.tasks)
        seconds = min(left / turns, expected)
        return NOT_ROUNDS * max(0.0, seconds)

    def _price(self, candidate: Candidate) -> float:
        return 1.0 if self.spending.work is not None else self.prices.of(candidate.learner)

    def _wants_probe(self, candidate: Candidate) -> bool:
        learner = candidate.learner
        if not (self.spending.is_timed and self.may_skip and learner.usual_rounds(self.job.target.n_rows)):
            return False
        if self.prices.knows(learner.kind) or candidate.cost <= PROBED_ABOVE * self.spending.left:
            return False
        # A probe of a large table takes seconds: at the end there is nothing left to take them from.
        limit = (self.spending.clock.limit or 0.0) * self.spending.n_jobs
        return self.spending.left > NO_PROBE_BELOW * limit or not any(c.started for c in self.candidates)

    def _admit(self, candidate: Candidate) -> None:
        if not self.spending.is_limited or not self.may_skip:
            candidate.ready.extend(candidate.tasks)
            candidate.status = "finishing"
            candidate.allotted = float("inf")
            return
        must = all(c.status in ("failed", "skipped", "waiting", "probing") for c in self.candidates)
        is_dear = not must and self._is_dear(candidate)
        candidate.trial = 1 if is_dear else TRIAL_FOLDS
        if is_dear and (sibling := self._dropped_sibling(candidate)) is not None:
            self._skip(candidate, f"not tried: '{sibling.name}', of the same kind, was dropped")
            return
        found = self._paced(candidate, must)
        if found is None:
            return
        self._first = candidate if must else self._first
        candidate.allotted = MOST_OF_LEFT * max(0.0, self.spending.left) / self._with_refit(candidate)
        candidate.expected = found.expected
        self.released.extend(candidate.tasks)  # another learner may share another preparation
        candidate.learner = found.learner
        candidate.tasks = tuple(paced_task(task, found, self.job) for task in candidate.tasks)
        self.reclaimed.extend(candidate.tasks)
        self.spending.promise(candidate.name, found.expected)
        candidate.status = "trying" if len(candidate.tasks) > candidate.trial and not must else "finishing"
        self._set_aside()
        n_ready = candidate.trial if candidate.status == "trying" else len(candidate.tasks)
        candidate.ready.extend(candidate.tasks[:n_ready])

    def _is_dear(self, candidate: Candidate) -> bool:
        """Return whether a trial takes much of what is left, which does not do for all that wait."""
        needed = self._price(candidate) * sum(task.cost for task in candidate.tasks[:TRIAL_FOLDS])
        return needed > DEAR_TRIAL * self.spending.left and self._is_scarce()

    def _dropped_sibling(self, candidate: Candidate) -> Candidate | None:
        method = candidate.learner.method
        return next((c for c in self.candidates if c.dropped and c.learner.method == method), None)

    def _paced(self, candidate: Candidate, must: bool) -> Pace | None:
        price, left = self._price(candidate), self.spending.left
        waiting = (c for c in self.candidates if c.status == "waiting" and c is not candidate)
        # Scores take next to nothing. Who is asked again is asked because nobody else could use the time.
        last = candidate.asked_again or all(self._is_score(c) for c in waiting)
        wanted = price * candidate.cost + sum(cost for cost in self._wants(candidate) if cost <= DEAR * left)
        with_refit = self._with_refit(candidate)
        found = pace(
            candidate.learner, candidate.tasks, self.job, with_refit * price, left,
            must=must, last=last, ease=OVERSTATED * left / wanted if wanted > 0 else 1.0,
        )  # fmt: skip
        if found is None:
            unit, share = ("s", self.spending.n_jobs) if self.spending.is_timed else ("units of work", 1)
            needed = price * candidate.cost / share
            remains = max(left, 0.0) / share
            reason = f"would take about {needed:.0f} {unit}, {remains:.0f} {unit} were left"
            self._skip(candidate, reason, for_time=True)
            return None
        return replace(found, expected=found.expected / with_refit)  # that time is set aside, not promised

    def _set_aside(self) -> None:
        """Keep back the time that refits of the admitted learners will take."""
        if not (self.job.refits and self.spending.is_timed):
            return
        admitted = [c for c in self.candidates if c.status not in ("waiting", "probing", "skipped", "failed")]
        costs = [self._price(c) * self._refit(c) for c in admitted]
        self.spending.clock.set_aside(max([sum(costs) / self.spending.n_jobs, *costs]))

    def _with_refit(self, candidate: Candidate) -> float:
        """Return what its fits and a model of all rows take, for one that the fits of folds take."""
        return 1.0 + self._refit(candidate) / candidate.cost

    def _refit(self, candidate: Candidate) -> float:
        """Return the nominal core-seconds of a model of all rows, where the clock keeps time back for one."""
        if not (self.job.refits and self.spending.is_timed) or candidate.tasks[0].fold < 0:
            return 0.0
        size = self.job.target.n_rows, self.job.table.n_features, self.job.target.problem.n_outputs
        return candidate.learner.cost(*size)

    def _verdicts(self) -> None:
        """Decide, learner by learner in their order, whether those that were tried go on."""
        for candidate in self.candidates:
            if candidate.is_settled or (candidate.status == "finishing" and candidate.has_tried):
                continue
            if candidate.status != "trying" or candidate.ready or candidate.running:
                return
            if len(candidate.outcomes) < candidate.trial:
                return
            self._judge(candidate)

    def _judge(self, candidate: Candidate) -> None:
        if self._is_scarce() or self._due_share(candidate) > LEAST_SHARE:
            share = share_in_ensemble(
                self._tried(candidate, candidate.trial),
                list(self._peers(candidate.trial)),
                self.job.target,
                self._rows(candidate.trial),
            )
            if share < max(LEAST_SHARE, self._due_share(candidate)):
                self.spending.refund(candidate.name)
                candidate.dropped = True
                after = "one fold" if candidate.trial == 1 else f"{candidate.trial} folds"
                self._skip(candidate, f"dropped after {after}: its weight in the ensemble is {share:.1%}")
                return
        candidate.status = "finishing"
        candidate.ready.extend(candidate.tasks[candidate.trial :])

    def _due_share(self, candidate: Candidate) -> float:
        """Return the share in the ensemble that the folds still to come must be worth."""
        rest = self._price(candidate) * sum(task.cost for task in candidate.remaining)
        left = self.spending.left + rest  # it was promised to this one
        return SHARE_OF_PART * (min(1.0, rest / left) if left > 0 else 1.0)

    def _is_scarce(self) -> bool:
        """Return whether those that wait want more than is left."""
        return sum(self._wants()) > self.spending.left

    def _wants(self, but: Candidate | None = None) -> list[float]:
        """Return what each of those that wait wants, in core-seconds."""
        waiting = [c for c in self.candidates if c.status in ("waiting", "probing") and c is not but]
        return [self._price(c) * c.cost for c in waiting]

    def _rows(self, n_folds: int) -> Rows:
        folds = self.job.folds.folds[:n_folds]
        return np.concatenate([fold.held_out for fold in folds])

    def _tried(self, candidate: Candidate, n_folds: int) -> Tried:
        outcomes = candidate.outcomes
        if OUT_OF_BAG in outcomes:
            predictions = outcomes[OUT_OF_BAG].held_out[self._rows(n_folds)]
        else:
            predictions = np.concatenate([outcomes[fold].held_out for fold in range(n_folds)])
        kind = candidate.learner.output_kind(self.job.target.problem)
        return Tried(candidate.name, kind, predictions)

    def _peers(self, n_folds: int) -> Iterator[Tried]:
        for candidate in self.candidates:
            if candidate.status in ("finishing", "fitted") and candidate.has_tried:
                yield self._tried(candidate, n_folds)

    def _skip(self, candidate: Candidate, reason: str, *, for_time: bool = False) -> None:
        may_return = for_time and self.may_skip and not candidate.asked_again
        candidate.is_late = may_return and bool(candidate.started)
        candidate.is_too_dear = for_time and not candidate.started
        self._give_up(candidate, "skipped", reason)
        if not may_return:
            self.news.append(f"{candidate.name}: {reason}")

    def _give_up(self, candidate: Candidate, status: str, message: str) -> None:
        if not candidate.is_settled:
            self.spending.settle(candidate.name)
            self.released.extend(task for task in candidate.tasks if task.fold not in candidate.started)
        candidate.status, candidate.message = status, message
        candidate.is_late = candidate.is_late and status == "skipped"
        candidate.ready.clear()
        if not candidate.is_late:
            candidate.outcomes.clear()
        self._set_aside()
