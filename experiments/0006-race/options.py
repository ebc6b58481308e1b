"""What a person chooses on the command line."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Choices that all parts read.

    Attributes
    ----------
    names : tuple of str
        Tables.
    systems : tuple of str
        Of the race.
    limit : float
        Seconds each system gets in the race, and a stack in `scoring`.
    limits : tuple of float
        Of the part `limit`.
    seeds : tuple of int
        Each is another split.
    sizes : tuple of int
        Rows of the part `scale`.
    max_rows : int or None
        Most rows of a table.
    repeats : int
        How often things that are compared are run alternately.
    rounds : int
        Boosting rounds, and trees of a forest, where work is fixed.
    jobs : int
    quick, resume : bool
    out, scratch : Path
        Results to keep; predictions, which are not kept.
    """

    names: tuple[str, ...]
    systems: tuple[str, ...]
    limit: float
    limits: tuple[float, ...]
    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
    max_rows: int | None
    repeats: int
    rounds: int
    jobs: int
    quick: bool
    resume: bool
    out: Path
    scratch: Path

    def skips(self, ledger, **key):
        """Return whether a row is there already and is to be kept."""
        return self.resume and ledger.has(**key)


def say(text):
    """Print at once, so that a long run can be followed."""
    print(text, flush=True)
