"""What a fit may spend: seconds by the clock, or work that no clock decides."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter

RESERVE = 0.04  # of the limit, for calibration and assembly
LEAST_RESERVE = 0.5
LAST_RESERVE = 0.015  # of the limit, after the combiner was chosen
MOST_FOR_COMBINING = 0.2  # of the limit
MOST_FOR_ONE = 0.5  # of the limit, for the candidate that is tried whatever it takes


class Clock:
    """Seconds since the fit began, and seconds left for fitting learners.

    Parameters
    ----------
    limit : float, optional
        Seconds for the whole of the fit.
    started : float, optional
        Moment of `time.perf_counter` at which it began; now by default.
    """

    def __init__(self, limit: float | None = None, started: float | None = None) -> None:
        self.limit = limit
        self.started = perf_counter() if started is None else started
        self._portion = 1.0
        self._aside = 0.0
        self._combining = 0.0

    def expect_combining(self, seconds: Iterable[float]) -> None:
        """Keep back what the candidates for a combiner are expected to take, the quickest first.

        One is always tried, so that the first has up to half of the limit. Others are not waited for
        beyond a fifth of it.
        """
        self._combining = 0.0
        if self.limit is None:
            return
        first, *others = sorted(seconds) or [0.0]
        self._combining = min(first, MOST_FOR_ONE * self.limit)
        for needed in others:
            if self._combining + needed <= MOST_FOR_COMBINING * self.limit:
                self._combining += needed

    def set_aside(self, seconds: float) -> None:
        """Keep seconds back for what must follow the fits of folds; 0 gives them free."""
        self._aside = seconds

    def allow(self, portion: float) -> None:
        """Let the tasks that follow use the limit up to this portion of it; the rest is for later ones."""
        self._portion = portion

    @property
    def deadline(self) -> float | None:
        """The moment, as `perf_counter` counts, when a choice of combiner should be made."""
        if self.limit is None:
            return None
        return self.started + (1 - LAST_RESERVE) * self.limit - self._aside

    @property
    def elapsed(self) -> float:
        """Seconds since the fit began."""
        return perf_counter() - self.started

    @property
    def left(self) -> float | None:
        """Seconds left for learners, or None without a limit."""
        if self.limit is None:
            return None
        reserve = max(self.limit * RESERVE, min(LEAST_RESERVE, self.limit / 4))
        return self.limit * self._portion - reserve - self._combining - self._aside - self.elapsed


class Spending:
    """What learners may still spend, in core-seconds, and what is promised to those begun.

    With a limit of work nothing is measured: every learner costs what its description says, so
    the same learners are fitted in the same way on every machine.

    Parameters
    ----------
    clock : Clock
    n_jobs : int
        Fits that run at once.
    work : float, optional
        Nominal core-seconds (see `Learner.cost`) for all fits; the clock then decides nothing.
    """

    def __init__(self, clock: Clock, n_jobs: int, work: float | None = None) -> None:
        self.clock = clock
        self.n_jobs = n_jobs
        self.work = work
        self._spent = 0.0
        self._portion = 1.0
        self._promised: dict[str, float] = {}

    def allow(self, portion: float) -> None:
        """Let the tasks that follow use the limit up to this portion of it; the rest is for later ones."""
        self._portion = portion
        self.clock.allow(portion)

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit of either kind."""
        return self.work is not None or self.clock.limit is not None

    @property
    def is_timed(self) -> bool:
        """Whether the clock decides."""
        return self.work is None and self.clock.limit is not None

    @property
    def left(self) -> float:
        """Core-seconds not spent nor promised; infinite without a limit."""
        if self.work is not None:
            return self.work * self._portion - self._spent
        seconds = self.clock.left
        return float("inf") if seconds is None else seconds * self.n_jobs - sum(self._promised.values())

    def promise(self, name: str, amount: float) -> None:
        """Set aside what a learner is expected to cost."""
        self._spent += amount
        self._promised[name] = amount

    def pay(self, name: str, amount: float) -> None:
        """Take what a finished fit was expected to cost out of what is promised to its learner."""
        if name in self._promised:
            self._promised[name] = max(0.0, self._promised[name] - amount)

    def refund(self, name: str) -> None:
        """Give back what was promised to a learner that is not finished."""
        self._spent -= self._promised.pop(name, 0.0)

    def settle(self, name: str) -> None:
        """Say that nothing more is to come of a learner."""
        self._promised.pop(name, None)
