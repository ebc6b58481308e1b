"""The smallest stack within one standard error of the whole, fitted once on all rows.

Learners are left out by cost, the dearest first, as long as a combiner fitted on the rest along
the folds predicts rows it never saw within one standard error of the whole stack; one learner or
two that are cheaper still and pass as well are taken instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from stackml.combiners.base import Combiner, Context, MetaFeatures
from stackml.combiners.catalog import known_candidates, make_combiner
from stackml.combiners.comparing import Lags, lags
from stackml.combiners.inputs import FloatArray, Rows
from stackml.combiners.mean import MeanCombiner
from stackml.combiners.nested import Split, nested_splits
from stackml.combiners.scoring import scorer
from stackml.combiners.simplex import SimplexCombiner
from stackml.combiners.single import SingleCombiner
from stackml.foundation.errors import StackmlWarning
from stackml.foundation.randomness import stream
from stackml.foundation.threads import one_thread_each
from stackml.oof.engine import Engine
from stackml.oof.result import LearnerRun, OofResult
from stackml.stack.building import Built, assemble
from stackml.stack.dividing import folds_among
from stackml.stack.fitted import Layer, Member
from stackml.stack.layers import layer_job
from stackml.stack.leaderboard import nested_score
from stackml.stack.pricing import Price, prices_of, whole_price
from stackml.tables.target import Target

_MOST_ROWS = 20_000  # that a trial's combiner is fitted on; it is scored on all it did not see

Names = tuple[str, ...]


def compact(
    built: Built, classes: Sequence[Any], engine: Engine, *, smallest: bool = True, refit: bool = True
) -> tuple[Built, dict[str, Any]]:
    """Return the stack with fewer learners and models, and a record of what was done.

    Parameters
    ----------
    built : Built
    classes : sequence
        Labels in code order.
    engine : Engine
    smallest : bool
        Look for the smallest stack within one standard error; else only learners that the
        combiner ignores are left out.
    refit : bool
        Keep one model of all rows a learner, in place of a model a fold or several of all rows. Where
        there is none it is fitted.

    Returns
    -------
    tuple of Built and dict
        The record as JSON values: learners kept and dropped, difference of scores and its standard
        error, and score, models, microseconds and megabytes before and after.
    """
    found = _smallest(built) if smallest else None
    rest = built if found is None else _with_learners(built, classes, found, engine)
    rest = _needed_only(rest)
    if refit:
        rest = _fitted_once(rest, engine)
    return rest, _record(built, rest, found, refitted=refit)


@dataclass(frozen=True, eq=False)
class _Found:
    """Learners that do, by the combiner they were judged with."""

    learners: Names
    combiner: Combiner
    lags: Lags


class _Trials:
    """Sets of learners, each judged on rows that its combiner never saw.

    Parameters
    ----------
    built : Built
        Of the whole stack, whose nested predictions every set is compared with.
    """

    def __init__(self, built: Built) -> None:
        result = built.layers[-1]
        rows = result.rows
        meta = result.meta_features()
        if built.recipe.passes_features:
            meta = replace(meta, features=built.sources.table)
        self.meta: MetaFeatures = meta.take(rows)
        self._target: Target = built.target.take(rows)
        context = Context(built.recipe.seed, built.recipe.metric, folds_among(result.folds, rows))
        self._splits = [_fewer(split) for split in nested_splits(self._target, context)]
        self._score = scorer(context.metric, self._target.problem)
        self._whole = built.combined.choice.nested
        self._whole_scores = self._scores(self._whole)

    @property
    def possible(self) -> bool:
        """Whether anything was predicted by a combiner that had not seen it."""
        return bool(np.isfinite(self._whole).all(axis=1).any())

    def judge(self, learners: Names, combiner: Combiner) -> Lags:
        """Return what the whole stack gains over a set of learners; a failure never passes."""
        meta = self.meta.select(sorted(learners))
        nested = np.full(self._whole.shape, np.nan)
        try:
            for fit, held_out, context in self._splits:
                fitted = combiner.fit(meta.take(fit), self._target.take(fit), context)
                nested[held_out] = fitted.predict(meta.take(held_out))
        except Exception:
            # A set that cannot be combined is none that can stand for the stack.
            return Lags(np.array([0.0, np.inf]), np.zeros(2), np.ones(2, dtype=bool))
        # Where the stack has no nested prediction there is nothing to compare.
        nested[~np.isfinite(self._whole).all(axis=1)] = np.nan
        scores = np.array([self._whole_scores, self._scores(nested)])
        return lags(scores, [self._whole, nested], self._target, best=0)

    def _scores(self, nested: FloatArray) -> list[float]:
        found = []
        for _, held_out, _ in self._splits:
            truth, predicted = self._target.take(held_out), nested[held_out]
            seen = np.isfinite(predicted).all(axis=1)
            found.append(self._score(truth.values, predicted, truth.weight) if seen.all() else np.nan)
        return found


def _fewer(split: Split) -> tuple[Rows, Rows, Context]:
    """Return a split whose combiner learns from at most so many rows, and what it may know."""
    if len(split.train) <= _MOST_ROWS:
        return split.train, split.held_out, split.context
    at = stream(split.context.seed, "compact").choice(len(split.train), _MOST_ROWS, replace=False)
    return split.train[np.sort(at)], split.held_out, replace(split.context, folds=None)


def _smallest(built: Built) -> _Found | None:
    """Return the cheapest set of learners found, or None where the stack stays as it is."""
    with one_thread_each():
        trials = _Trials(built)
        if not trials.possible:
            return None
        names = trials.meta.learners
        prices = prices_of(built)
        shares = _shares({name: prices[len(built.layers), name] for name in names})
        used = built.combined.combiner.learners
        for combiner in _judges(built):
            judge = partial(trials.judge, combiner=combiner)
            readable = trials.meta.predictors if _is_quick(combiner) else names
            found = _left_out(tuple(name for name in used if name in readable), shares, judge)
            if found is None:
                continue
            below = _cost(found[0], shares)
            for learners in _few(readable, shares, below) if _is_quick(combiner) else ():
                judged = judge(learners)
                if judged.within[1]:
                    found = learners, judged
                    break
            return None if set(found[0]) == set(used) else _Found(found[0], combiner, found[1])
    return None


def _judges(built: Built) -> tuple[Combiner, ...]:
    """Return the combiners a set may be judged by; the first that passes with all learners counts."""
    if built.recipe.combiner is not None and built.recipe.combiner.kind != "auto":
        return (built.recipe.combiner,)
    kind = built.combined.combiner.kind
    own = known_candidates(lean=built.recipe.lean).get(kind) or make_combiner(kind)
    return (SimplexCombiner(),) if own.kind in ("simplex", "single") else (SimplexCombiner(), own)


def _is_quick(combiner: Combiner) -> bool:
    return isinstance(combiner, SimplexCombiner | MeanCombiner | SingleCombiner)


def _left_out(
    start: Names, shares: dict[str, float], judge: Callable[[Names], Lags]
) -> tuple[Names, Lags] | None:
    """Return what is left when learners go, the dearest first; None where the start itself fails."""
    if not start or not (lag := judge(start)).within[1]:
        return None
    kept = start
    for name in sorted(start, key=lambda n: (-shares[n], n)):
        fewer = tuple(n for n in kept if n != name)
        if not fewer:
            break
        found = judge(fewer)
        if found.within[1]:
            kept, lag = fewer, found
    return kept, lag


def _few(names: Names, shares: dict[str, float], below: float) -> list[Names]:
    """Return single learners and pairs that cost less, the cheapest first."""
    found = [s for size in (1, 2) for s in combinations(names, size) if _cost(s, shares) < below]
    return sorted(found, key=lambda s: (_cost(s, shares), s))


def _shares(prices: dict[str, Price]) -> dict[str, float]:
    """Return each learner's cost: the mean of its shares of the learners' time and size."""
    whole = {"us_per_row": 0.0, "megabytes": 0.0}
    for key in whole:
        known = [value for p in prices.values() if np.isfinite(value := getattr(p, key))]
        whole[key] = max(sum(known), 1e-12)

    def share(price: Price, key: str) -> float:
        value = getattr(price, key)
        return float(value) / whole[key] if np.isfinite(value) else 1.0

    return {name: (share(p, "us_per_row") + share(p, "megabytes")) / 2 for name, p in prices.items()}


def _cost(names: Names, shares: dict[str, float]) -> float:
    return sum(shares[name] for name in names)


def _with_learners(built: Built, classes: Sequence[Any], found: _Found, engine: Engine) -> Built:
    alone = len(found.learners) == 1 and not built.recipe.passes_features
    recipe = replace(
        built.recipe,
        combiner=SingleCombiner() if alone and _is_quick(found.combiner) else found.combiner,
        learners=tuple(pair for pair in built.recipe.learners if _stays(pair[0], built, found.learners)),
        refit_only=frozenset(),  # whether and how often is for who asked for the smaller stack
    )
    last = _only(built.layers[-1], found.learners)
    return assemble(built.sources, classes, (*built.layers[:-1], last), recipe, engine)


def _stays(name: str, built: Built, kept: Sequence[str]) -> bool:
    below = {run.name for result in built.layers[:-1] for run in result.fitted}
    return name in kept or name in below


def _only(result: OofResult, names: Sequence[str]) -> OofResult:
    return replace(result, runs=tuple(run for run in result.runs if run.name in names))


def _needed_only(built: Built) -> Built:
    last = _only(built.layers[-1], built.combined.combiner.learners)
    return replace(built, stack=built.stack.compacted(), layers=(*built.layers[:-1], last))


def _fitted_once(built: Built, engine: Engine) -> Built:
    results: list[OofResult] = []
    for number, result in enumerate(built.layers):
        job = layer_job(built.sources, built.layers[:number], built.recipe)
        again = engine.refit(result, job)
        _tell_unfitted(again)
        results.append(replace(again, runs=tuple(run.with_one_refit() for run in again.runs)))
    layers = tuple(Layer(tuple(_member(run) for run in result.fitted)) for result in results)
    return replace(built, stack=replace(built.stack, layers=layers), layers=tuple(results))


def _tell_unfitted(result: OofResult) -> None:
    for run in result.fitted:
        if not run.knows_all_rows:
            warnings.warn(
                f"learner '{run.name}' could not be fitted again: {run.message}", StackmlWarning, stacklevel=5
            )


def _member(run: LearnerRun) -> Member:
    return Member(run.name, run.output_kind, run.oof.shape[1], run.models)


def _record(before: Built, after: Built, found: _Found | None, *, refitted: bool) -> dict[str, Any]:
    kept = [run.name for run in after.layers[-1].fitted]
    lag = None if found is None else found.lags
    return {
        "metric": before.recipe.metric,
        "kept": kept,
        "dropped": [run.name for run in before.layers[-1].fitted if run.name not in kept],
        "combiner": after.combined.combiner.kind,
        "refit": refitted and before.sources.folds.exchangeable,
        "difference": None if lag is None else float(lag.difference[1]),
        "standard_error": None if lag is None else float(lag.standard_error[1]),
        "before": _state_of(before),
        "after": _state_of(after),
    }


def _state_of(built: Built) -> dict[str, Any]:
    price = whole_price(built, prices_of(built))
    models = sum(len(member.models) for layer in built.stack.compacted().layers for member in layer.members)
    numbers = {"score": nested_score(built), **asdict(price)}
    known = {key: float(value) if np.isfinite(value) else None for key, value in numbers.items()}
    return {**known, "models": models}
