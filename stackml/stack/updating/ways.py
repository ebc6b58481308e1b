"""The ways in which a fitted stack takes up new rows, from the least change to the greatest.

A way is a function of the news and of some of its rows; it returns a stack that predicts. What it
costs and needs stands beside it in `WAYS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from stackml.combiners.base import Context, MetaFeatures
from stackml.combiners.forgetful import ForgetfulCombiner
from stackml.decision.base import FittedCalibrator
from stackml.decision.calibration import choose_calibrator
from stackml.decision.line import LineCalibrator
from stackml.learners.continuing import can_continue, continued
from stackml.oof.engine import Engine
from stackml.stack.building import Built, build
from stackml.stack.fitted import FittedStack, Layer, Member
from stackml.stack.recipe import Recipe
from stackml.stack.updating.receiving import Received
from stackml.tables.table import Table
from stackml.tables.target import Target

Rows = npt.NDArray[np.int64]

REFIT, REFIT_NEW = "refit", "refit_new"


@dataclass(frozen=True, eq=False)
class News:
    """A fitted stack and rows it has not seen, in the order of time.

    Attributes
    ----------
    stack : FittedStack
    rows : Received
    past : Received, optional
        Rows it was fitted on or updated with; None for a stack that was loaded.
    recipe : Recipe, optional
        How to fit the stack again; None where that is not known.
    engine : callable
        Makes the engine that fits.
    seed : int
    n_jobs : int
    """

    stack: FittedStack
    rows: Received
    past: Received | None
    recipe: Recipe | None
    engine: Callable[[], Engine]
    seed: int = 0
    n_jobs: int = 1
    built: dict[str, Built] = field(default_factory=dict)  # what a refit on all rows left behind

    @property
    def table(self) -> Table:
        """The new rows as the stack reads them."""
        return self.rows.table

    @property
    def target(self) -> Target:
        """The target of the new rows."""
        return self.rows.target

    @cached_property
    def meta(self) -> MetaFeatures:
        """What the learners, as they are, say of the new rows."""
        return self.stack.meta_features(self.table, n_jobs=self.n_jobs)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Learners of the last layer whose output is a prediction."""
        return self.meta.predictors


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes
    ----------
    name : str
    about : str
        One line for people.
    least_rows : int
        New rows below which it is not tried.
    fit : callable
        ``fit(news, rows)`` returns the stack as these rows make it.
    refusal : callable
        ``refusal(news)`` says why it cannot be tried, or "".
    """

    name: str
    about: str
    least_rows: int
    fit: Callable[[News, Rows], FittedStack]
    refusal: Callable[[News], str]


def recalibrated(news: News, rows: Rows) -> FittedStack:
    """Return the stack with a calibrator fitted to the new rows."""
    combined = news.stack.combiner.predict(news.meta.take(rows))
    return replace(news.stack, calibrator=_calibrator(news, combined, rows))


def reweighted(news: News, rows: Rows) -> FittedStack:
    """Return the stack with other weights of its learners, of least discounted loss, and recalibrated.

    The weights are pulled to those of the present combiner (to equal ones where it subtracts learners);
    one that is no mere mean is replaced.
    """
    present = news.stack.combiner
    now = {} if present.subtracts else present.weights()
    start = tuple(sorted((name, share) for name, share in now.items() if name in news.predictors))
    target = news.target.take(rows)
    if target.time is None:
        target = replace(target, time=rows.astype(np.float64))
    meta = replace(news.meta.take(rows), features=None)
    combiner = ForgetfulCombiner(start=start).fit(meta, target, Context(news.seed))
    changed = replace(news.stack, combiner=combiner, passthrough=False)
    return replace(changed, calibrator=_calibrator(news, combiner.predict(meta), rows))


def with_further_trees(news: News, rows: Rows) -> FittedStack:
    """Return the stack whose boosters have gone on with the new rows; weights and calibrator stay."""
    needed = news.stack.combiner.learners
    members = tuple(
        _gone_on(member, news, rows) if member.name in needed and _may_go_on(member) else member
        for member in news.stack.layers[-1].members
    )
    return replace(news.stack, layers=(Layer(members),))


def refitted(news: News, rows: Rows) -> FittedStack:
    """Return a stack fitted to the old rows and the new ones together."""
    assert news.past is not None
    return _fitted(REFIT, news, rows, news.past)


def refitted_on_new(news: News, rows: Rows) -> FittedStack:
    """Return a stack fitted to the new rows alone."""
    return _fitted(REFIT_NEW, news, rows, None)


def _fitted(name: str, news: News, rows: Rows, past: Received | None) -> FittedStack:
    assert news.recipe is not None
    new = news.rows.take(rows)
    whole = new if past is None else past.followed_by(new)
    built = build(whole.grown, whole.target, news.stack.classes, news.recipe, news.engine())
    news.built[name] = built
    return replace(built.stack, label_dtype=news.stack.label_dtype)


def _calibrator(news: News, combined: npt.NDArray[np.float64], rows: Rows) -> FittedCalibrator:
    target = news.target.take(rows)
    problem = target.problem
    if problem.is_regression:
        return LineCalibrator().fit(combined, target.values, problem, target.weight)
    found, _ = choose_calibrator(combined, target.values, problem, weight=target.weight, seed=news.seed)
    return found


def _may_go_on(member: Member) -> bool:
    return member.mean == "margin" and can_continue(member.models)


def _gone_on(member: Member, news: News, rows: Rows) -> Member:
    models = continued(member.models, news.table, news.target, rows, news.seed)
    return replace(member, models=models)


def _never(news: News) -> str:
    return ""


def _no_weights(news: News) -> str:
    return (
        ""
        if len(news.predictors) > 1
        else "the stack has one learner that predicts; there is nothing to weigh"
    )


def _no_boosters(news: News) -> str:
    if len(news.stack.layers) > 1:
        return "the stack has two layers, and trees that go on would shift what the upper one reads"
    needed = [m for m in news.stack.layers[-1].members if m.name in news.stack.combiner.learners]
    return (
        ""
        if any(_may_go_on(m) for m in needed)
        else "no learner the combiner needs is a booster that goes on"
    )


def _no_recipe(news: News) -> str:
    if news.recipe is None:
        return "how its learners were described is not in the file"
    stated = not isinstance(news.recipe.folds, int | str)
    return "its folds were stated row by row, for other rows" if stated else ""


def _no_past(news: News) -> str:
    if news.past is None:
        return "the old rows are not in this process"
    old, new = news.past.target, news.target
    for name, one, other in (("groups", old.groups, new.groups), ("time", old.time, new.time)):
        if (one is None) != (other is None):
            which = "old" if other is None else "new"
            return f"only the {which} rows have {name}; give {name}= for both, or for neither"
    if old.dated != new.dated:
        return "time is dates in one part of the rows and numbers in the other"
    return _no_recipe(news)


WAYS: tuple[Way, ...] = (
    Way("recalibrate", "fit the calibrator again", 50, recalibrated, _never),
    Way("reweight", "weigh the learners again, older rows counting less", 50, reweighted, _no_weights),
    Way("continue", "grow further trees from where boosters ended", 300, with_further_trees, _no_boosters),
    Way(REFIT, "fit the whole stack to old and new rows", 300, refitted, _no_past),
    Way(REFIT_NEW, "fit the whole stack to the new rows alone", 600, refitted_on_new, _no_recipe),
)


def named(ways: Sequence[str]) -> tuple[Way, ...]:
    """Return ways by name, in the order of the catalog."""
    return tuple(way for way in WAYS if way.name in ways)
