"""Progress as events: the engine reports, whoever listens draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One thing that happened during a fit.

    Attributes
    ----------
    kind : str
        ``"started"``, ``"task_done"``, ``"task_cached"``, ``"learner_done"``,
        ``"learner_failed"``, ``"learner_skipped"``, ``"stage"`` or ``"finished"``.
    message : str
        What a person reads.
    done, total : int
        Tasks finished so far and planned; zero where they have no meaning.
    seconds : float
        Seconds since the fit began.
    """

    kind: str
    message: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0


Listener = Callable[[Event], None]


def silent(_: Event) -> None:
    """Listen and say nothing."""
