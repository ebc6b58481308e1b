"""Whether a further layer helps, asked of rows that nothing it was made of has learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import numpy.typing as npt

from stackml.combiners.base import Context, MetaFeatures
from stackml.combiners.comparing import NEAR, row_losses
from stackml.combiners.simplex import SimplexCombiner
from stackml.foundation.errors import FitError
from stackml.foundation.progress import Event
from stackml.foundation.randomness import derive_seed
from stackml.foundation.threads import one_thread_each
from stackml.oof.budget import Clock
from stackml.oof.engine import Engine
from stackml.oof.plan import Job
from stackml.oof.result import LearnerRun, OofResult
from stackml.splitting.base import Fold, Folds
from stackml.stack.fitted import with_proposals
from stackml.stack.layers import Sources, layer_job
from stackml.stack.recipe import AUTO, LayerTrial, Recipe
from stackml.tables.table import Table
from stackml.tables.target import Target

MOST_LAYERS = 3
MOST_ASKED = 2  # learners that take part in a check, those of most weight
ENOUGH_WEIGHT = 0.9  # of the whole: learners beyond it do not take part
OUTSIDE = 2  # folds that are asked, the second only where the first speaks for the layer
MOST_FOR_ASKING = 0.5  # of what is left of a limit
SURE = 2.0  # standard errors that a layer must gain: it doubles what a row costs
PORTIONS = (0.45, 0.8, 1.0)  # of a limit, used up by the end of each layer

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def grow_layers(
    sources: Sources, recipe: Recipe, engine: Engine
) -> tuple[tuple[OofResult, ...], tuple[LayerTrial, ...]]:
    """Fit every layer; each further one reads the features and the out-of-fold predictions below.

    With ``layers="auto"`` a layer beyond the first is fitted only where `Growth.ask` says that it
    helps, up to three.

    Returns
    -------
    tuple of OofResult, one a layer, and of LayerTrial, one a layer that was asked about
    """
    is_open = recipe.layers == AUTO
    growth, trials = Growth(sources, recipe, engine), list(recipe.grown)
    results: list[OofResult] = []
    for number in range(1, (MOST_LAYERS if is_open else int(recipe.layers)) + 1):
        portion = PORTIONS[number - 1] if is_open else number / int(recipe.layers)
        if is_open and number > 1:
            engine.spending.allow(portion)
            trials.append(growth.ask(results))
            if not trials[-1].helps:
                break
        job = layer_job(sources, results, recipe)
        results.append(engine.run(recipe.learners_of(number), job, portion=portion))
    engine.spending.allow(1.0)
    return tuple(results), tuple(trials)


@dataclass(frozen=True, eq=False)
class _Outside:
    """What is known below a further layer, with the held-out rows of one fold put aside.

    Attributes
    ----------
    layer : int
        The layer below.
    fold : Fold
        No model of what is known here has learned from its held-out rows.
    table : Table
        What the further layer reads: features and all proposals below.
    meta : MetaFeatures
        Proposals of the layer below: of the fold's training rows out of fold among themselves, of
        its held-out rows by models of the training rows.
    """

    layer: int
    fold: Fold
    table: Table
    meta: MetaFeatures


class Growth:
    """The question whether one layer more helps.

    A second layer's out-of-fold predictions are too good to be compared with the first's: it learned
    from proposals of models that had seen the targets of the rows it is scored on. So the
    comparison is made outside. The rows of one fold are put aside; proposals for the others are made
    by two models, each of one half of them; one more layer learns from these and predicts the rows
    put aside, whose own proposals come from models that never saw them. It has to lose less than the
    layer below, both weighed alike, by more than half a standard error, and then, with a second
    fold, by more than two. Only the two learners that the first layer leans on take part, and all
    of the check is thrown away. Under time folds no halves are needed: predictions of the past
    know nothing of later rows. See docs/decisions/0012.

    Parameters
    ----------
    sources : Sources
    recipe : Recipe
    engine : Engine
        Whose limit the check keeps and whose cache it uses.
    """

    def __init__(self, sources: Sources, recipe: Recipe, engine: Engine) -> None:
        self._sources = sources
        self._recipe = recipe
        self._engine = engine
        self._aside = Engine(engine.n_jobs, cache=engine.cache)
        self._asked: tuple[LearnerRun, ...] = ()
        self._known: dict[int, _Outside] = {}
        self._above: dict[int, MetaFeatures] = {}

    def ask(self, results: Sequence[OofResult]) -> LayerTrial:
        """Return whether a layer on top of the given ones helps."""
        began, number = perf_counter(), len(results) + 1
        self._engine.listener(Event("stage", f"asking whether layer {number} helps"))
        self._asked = self._asked or leaned_on(results[0], self._sources.target, self._recipe.seed)
        trial = LayerTrial(number, tuple(run.name for run in self._asked))
        folds = self._folds(results)
        refusal = self._refusal(number, folds)
        if refusal:
            return replace(trial, reason=refusal)
        self._aside = self._within_limit()
        losses: list[tuple[Rows, Floats, Floats]] = []
        for at in folds[:OUTSIDE]:
            try:
                losses.append(self._losses(at, results))
            except FitError as error:
                seconds = perf_counter() - began
                return replace(trial, reason=f"could not be asked: {error}"[:300], seconds=seconds)
            trial = compared(trial, losses, self._sources.target)
            if not trial.gain > NEAR * trial.standard_error:
                break
        helps = len(losses) == min(OUTSIDE, len(folds)) and trial.gain > SURE * trial.standard_error
        return replace(trial, helps=helps, reason=_reason(helps, trial), seconds=perf_counter() - began)

    def _refusal(self, number: int, folds: list[int]) -> str:
        if not self._asked:
            return "no learner predicts the target"
        if not folds:
            return "too few folds: none can stay outside while the others are divided"
        spending = self._engine.spending
        if not spending.is_limited:
            return ""
        needed = self._expected()
        if needed > MOST_FOR_ASKING * spending.left:
            return "not asked: no time was left"
        if not spending.is_timed:
            spending.promise(f"asking about layer {number}", needed)
        return ""

    def _within_limit(self) -> Engine:
        """Return the engine of a check, with an end of its own: fits the clock cut below say too little."""
        left = self._engine.spending.clock.left if self._engine.spending.is_timed else None
        clock = Clock() if left is None else Clock(MOST_FOR_ASKING * max(0.0, left))
        aside = Engine(self._engine.n_jobs, clock, self._engine.cache)
        aside.prices = self._engine.prices
        return aside

    def _expected(self) -> float:
        """Return about the core-seconds of an answer, by what the learners took or are said to cost."""
        target = self._sources.target
        size = target.n_rows, self._sources.table.n_features, target.problem.n_outputs
        is_timed = self._engine.spending.is_timed
        each = [float(np.mean(r.seconds)) if is_timed else r.learner.cost(*size) for r in self._asked]
        return sum(each) * OUTSIDE * (2 if self._sources.folds.exchangeable else 1)

    def _folds(self, results: Sequence[OofResult]) -> list[int]:
        """Return the numbers of folds that can stay outside, the one to ask first before others."""
        folds = self._sources.folds
        if folds.exchangeable:
            return list(range(folds.n_folds)) if folds.n_folds > 2 else []
        return list(range(layer_job(self._sources, results, self._recipe).folds.n_folds))[::-1]

    def _losses(self, at: int, results: Sequence[OofResult]) -> tuple[Rows, Floats, Floats]:
        """Return the rows put aside, and their losses by the layer below and by a layer more."""
        outside = self._outside(at, results)
        fold, target = outside.fold, self._sources.target
        alone = Folds((fold,), target.n_rows, "plain" if target.groups is None else "grouped")
        # Both layers' rounds are found on the rows put aside, so neither is flattered beside the other.
        above = self._above[at] = self._fit(outside.table, alone, outside.layer + 1)
        both = [name for name in outside.meta.predictors if name in above.predictors]
        if not both:
            raise FitError("no learner could be fitted in both layers")
        below = outside.meta.select(both)
        with one_thread_each():
            context = Context(self._recipe.seed)
            weights = SimplexCombiner().fit(below.take(fold.train), target.take(fold.train), context)
        known = target.take(fold.held_out)
        by_layer = [row_losses(weights.predict(m.take(fold.held_out)), known) for m in (below, above)]
        return fold.held_out, by_layer[0], by_layer[1]

    def _outside(self, at: int, results: Sequence[OofResult]) -> _Outside:
        names = [run.name for run in self._asked]
        number = len(results)
        if not self._sources.folds.exchangeable:
            job = layer_job(self._sources, results, self._recipe)
            fitted = results[-1].meta_features()
            meta = fitted.select([name for name in names if name in fitted.learners] or fitted.learners)
            return _Outside(number, job.folds.folds[at], job.table_of(at), meta)
        found = self._known.get(at) or self._first(at, results[0].meta_features().select(names))
        if found.layer < number:
            found = self._raised(at, number, found.table, self._above[at])
        self._known[at] = found
        return found

    def _first(self, at: int, proposed: MetaFeatures) -> _Outside:
        bagged = [run for run in self._asked if run.out_of_bag]
        if not bagged:
            return self._raised(at, 1, self._sources.table, proposed)
        # Trees that leave a row out of their bag have seen the others that are put aside with it.
        fold = self._sources.folds.folds[at]
        alone = Folds((fold,), self._sources.target.n_rows, "plain")
        again = self._fit(self._sources.table, alone, 1, [run.name for run in bagged])
        values = [(again if n in again.learners else proposed).of(n) for n in proposed.learners]
        return self._raised(
            at, 1, self._sources.table, replace(proposed, values=np.concatenate(values, axis=1))
        )

    def _raised(self, at: int, layer: int, table: Table, proposed: MetaFeatures) -> _Outside:
        """Return what is known with one layer more, from what it proposes for the rows put aside."""
        fold, parts = self._sources.folds.folds[at], halves(self._sources.folds, at)
        meta = self._fit(table, parts, layer, proposed.learners)
        fold = Fold(parts.held_out_rows, fold.held_out)  # of a user's folds, rows may have no proposals
        meta.values[fold.held_out] = proposed.select(meta.learners).values[fold.held_out]
        return _Outside(layer, fold, with_proposals(table, meta, layer), meta)

    def _fit(
        self, table: Table, folds: Folds, layer: int, names: Sequence[str] | None = None
    ) -> MetaFeatures:
        asked = [run for run in self._asked if names is None or run.name in names]
        job = Job(
            table,
            self._sources.target,
            folds,
            derive_seed(self._recipe.seed, "asking about layers", layer),
            metric=self._recipe.metric,
            most_rows={run.name: run.most_rows for run in asked if run.most_rows},
            deals_rows=False,
        )
        return self._aside.run([(run.name, run.learner) for run in asked], job).meta_features()


def leaned_on(result: OofResult, target: Target, seed: int) -> tuple[LearnerRun, ...]:
    """Return the few learners of most convex weight, which hold most of it together."""
    rows = result.rows
    meta = result.meta_features().take(rows)
    if not meta.predictors:
        return ()
    with one_thread_each():
        weights = SimplexCombiner().fit(meta, target.take(rows), Context(seed)).weights()
    order = sorted(weights, key=lambda name: (-weights[name], name))
    before = np.cumsum([0.0] + [weights[name] for name in order])
    kept = {n for n, b in zip(order[:MOST_ASKED], before, strict=False) if b < ENOUGH_WEIGHT}
    return tuple(run for run in result.fitted if run.name in kept)


def halves(folds: Folds, at: int) -> Folds:
    """Return the training rows of a fold in two halves, each made of whole folds."""
    dev = folds.folds[at].train
    others = [fold for number, fold in enumerate(folds.folds) if number != at]
    made = []
    for part in (others[::2], others[1::2]):
        held_out = np.intersect1d(np.concatenate([fold.held_out for fold in part]), dev)
        train = np.setdiff1d(dev, held_out)
        for fold in part:
            train = np.intersect1d(train, fold.train)  # a user's folds may leave rows out on purpose
        made.append(Fold(train, held_out))
    return Folds(tuple(made), folds.n_rows, folds.kind)


def compared(trial: LayerTrial, losses: Sequence[tuple[Rows, Floats, Floats]], target: Target) -> LayerTrial:
    """Return the trial with losses and gain over all rows put aside so far.

    The standard error is that over rows, or over groups where there are groups.
    """
    rows, below, above = (np.concatenate(parts) for parts in zip(*losses, strict=True))
    known = np.isfinite(below) & np.isfinite(above)
    rows, below, above = rows[known], below[known], above[known]
    weight = np.ones(len(rows)) if target.weight is None else target.weight[rows]
    part = weight / max(float(weight.sum()), 1e-300)
    gain = float(part @ (below - above))
    off = part * (below - above - gain)
    if target.groups is not None:
        _, unit = np.unique(target.groups[rows], return_inverse=True)
        off = np.bincount(unit, off)
    return replace(
        trial,
        asked=len(losses),
        loss_below=float(part @ below),
        loss=float(part @ above),
        gain=gain,
        standard_error=float(np.sqrt((off**2).sum())),
    )


def _reason(helps: bool, trial: LayerTrial) -> str:
    if helps:
        return "it loses less than the layer below, by more than two standard errors"
    if not trial.gain > 0:
        return "it does not lose less than the layer below"
    near = "half a standard error" if not trial.gain > NEAR * trial.standard_error else "two standard errors"
    return f"what it gains is within {near}"
