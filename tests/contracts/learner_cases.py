"""Every learner of the catalog with every kind of problem it is made for."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from stackml.learners.base import Learner
from stackml.learners.catalog import LEARNERS
from stackml.tables.target import Problem

PROBLEMS = {
    "binary": Problem("binary", 2),
    "multiclass": Problem("multiclass", 3),
    "regression": Problem("regression"),
}


NETS = ("mlp", "realmlp", "realmlp_large", "tabm")


@dataclass(frozen=True)
class Case:
    """One learner and one kind of problem."""

    name: str
    problem: str
    n_trees: int = 30
    max_rounds: int = 60
    epochs: int = 15

    @property
    def rounding(self) -> dict[str, float]:
        """How far a row's predictions may be apart in other company.

        Some processors round the rows of a matrix product differently from place to place.
        """
        return {"rtol": 1e-5, "atol": 1e-6} if self.name in NETS else {"rtol": 0.0, "atol": 0.0}

    @property
    def learner(self) -> Learner:
        """The learner, with less work where that changes nothing but the time."""
        learner = LEARNERS[self.name].learner
        known = {f.name for f in fields(learner)}
        less = {name: getattr(self, name) for name in ("n_trees", "max_rounds", "epochs")}
        return replace(learner, **{k: v for k, v in less.items() if k in known})


def every_case(**less: int) -> list[Case]:
    """Return the cases whose packages are installed."""
    return [
        Case(name, problem, **less)
        for name, entry in LEARNERS.items()
        for problem, described in PROBLEMS.items()
        if entry.suits(described)
    ]


def title(case: Case) -> str:
    """Return what a case is called in reports."""
    return f"{case.name}-{case.problem}"
