"""One learner on its way into the stack: what is to be fitted, what was, and what became of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from stackml.learners.base import Learner
from stackml.oof.admission import TRIAL_FOLDS
from stackml.oof.fitting import FitOutcome
from stackml.oof.plan import OUT_OF_BAG, FitTask


@dataclass(eq=False)
class Candidate:
    """One learner on its way into the stack.

    Attributes
    ----------
    name : str
    learner : Learner
        As it is fitted: paced, where it has to be.
    tasks : tuple of FitTask
    status : {"waiting", "probing", "trying", "finishing", "fitted", "skipped", "failed"}
    ready : deque of FitTask
        May be started.
    started : set of int
        Folds whose fits were started; of one that was taken up again, those done and those started since.
    running : int
    outcomes : dict of fold to FitOutcome
    allotted : float
        Core-seconds it may take where its fits turn out longer than expected.
    expected : float
        Core-seconds its fits were to take when it was let in. What they are found to take does not
        lengthen those that follow: each that the clock ends would give the next one more.
    message : str
        Why it was skipped or failed.
    trial : int
        Folds it is tried on.
    dropped : bool
        Whether it was tried and of no use.
    is_too_dear : bool
        Whether it was left out for its price, or because time was up, before any of its fits.
    is_late : bool
        Whether it was begun and given up because time was up; its outcomes are kept.
    asked_again : bool
        Whether it was asked once more or taken up again; it will not be a third time.
    """

    name: str
    learner: Learner
    tasks: tuple[FitTask, ...]
    allotted: float = 0.0
    expected: float = 0.0
    status: str = "waiting"
    ready: deque[FitTask] = field(default_factory=deque)
    started: set[int] = field(default_factory=set)
    running: int = 0
    outcomes: dict[int, FitOutcome] = field(default_factory=dict)
    message: str = ""
    trial: int = TRIAL_FOLDS
    dropped: bool = False
    is_too_dear: bool = False
    is_late: bool = False
    asked_again: bool = False

    def __post_init__(self) -> None:
        """Keep what was asked for: pacing starts from there each time."""
        self._asked_for = self.learner, self.tasks

    def wait_again(self) -> None:
        """Go back to where it was before it was left out."""
        self.learner, self.tasks = self._asked_for
        self.status, self.message, self.allotted = "waiting", "", 0.0
        self.is_too_dear, self.asked_again = False, True

    def resume(self) -> tuple[FitTask, ...]:
        """Go on where it was given up; return the tasks that are still to be done."""
        self.status, self.message = "finishing", ""
        self.is_late, self.asked_again = False, True
        self.started = set(self.outcomes)
        self.ready.extend(self.remaining)
        return self.remaining

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be fitted."""
        return self.status in ("fitted", "skipped", "failed")

    @property
    def cost(self) -> float:
        """Nominal core-seconds of all tasks."""
        return sum(task.cost for task in self.tasks)

    @property
    def has_tried(self) -> bool:
        """Whether the folds that learners are tried on have outcomes."""
        known = self.outcomes.keys()
        return OUT_OF_BAG in known or known >= {task.fold for task in self.tasks[:TRIAL_FOLDS]}

    @property
    def remaining(self) -> tuple[FitTask, ...]:
        """Tasks without an outcome."""
        return tuple(task for task in self.tasks if task.fold not in self.outcomes)
