"""What a layer of learners reads, and what its fits have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackml.foundation.errors import SplitError
from stackml.oof.plan import Job
from stackml.oof.result import OofResult
from stackml.splitting.base import Fold, Folds
from stackml.stack.fitted import with_proposals
from stackml.stack.recipe import AUTO, MOST_ROWS, Recipe
from stackml.tables.table import Table
from stackml.tables.target import Target


@dataclass(frozen=True, eq=False)
class Sources:
    """The rows a stack is fitted on.

    Attributes
    ----------
    table : Table
    target : Target
    folds : Folds
    fold_tables : mapping of fold to Table
        Under time folds, the same rows as the fold's past alone would read them.
    """

    table: Table
    target: Target
    folds: Folds
    fold_tables: Mapping[int, Table]

    def with_proposals(self, result: OofResult, layer: int) -> Sources:
        """Return what the next layer reads: features and a layer's out-of-fold predictions."""
        meta = result.meta_features()
        tables = {number: with_proposals(table, meta, layer) for number, table in self.fold_tables.items()}
        kept = trainable(self.folds) if tables else []
        return Sources(
            with_proposals(self.table, meta, layer),
            self.target,
            among_predicted(self.folds),
            {number: tables[at] for number, at in enumerate(kept)},
        )


def layer_job(sources: Sources, below: Sequence[OofResult], recipe: Recipe) -> Job:
    """Return what the fits of a layer have in common, given the layers below it."""
    for number, result in enumerate(below, start=1):
        sources = sources.with_proposals(result, number)
    layer = len(below) + 1
    rounds = {(name, fold): r for (at, name, fold), r in recipe.rounds.items() if at == layer}
    paced = {name: changed for (at, name), changed in recipe.paced.items() if at == layer}
    return Job(
        sources.table,
        sources.target,
        sources.folds,
        recipe.seed + layer - 1,
        recipe.strict,
        rounds,
        sources.fold_tables,
        recipe.metric,
        {name: changed[MOST_ROWS] for name, changed in paced.items() if MOST_ROWS in changed},
        refits_layer(recipe, layer) or not sources.folds.exchangeable,
        isinstance(recipe.folds, int),
    )


def refits_layer(recipe: Recipe, layer: int) -> bool:
    """Return whether a layer's learners are fitted again on all rows: the last one's, where asked for."""
    return recipe.refits > 0 and recipe.layers in (layer, AUTO)


def trainable(folds: Folds) -> list[int]:
    """Return the folds that train on rows which have out-of-fold predictions themselves."""
    held = folds.fold_of_row >= 0
    return [number for number, fold in enumerate(folds.folds) if held[fold.train].any()]


def among_predicted(folds: Folds) -> Folds:
    """Return the trainable folds, with training rows that have out-of-fold predictions themselves."""
    held = folds.fold_of_row >= 0
    if held.all():
        return folds
    at = [folds.folds[number] for number in trainable(folds)]
    kept = [Fold(fold.train[held[fold.train]], fold.held_out) for fold in at]
    if not kept:
        raise SplitError(
            "a further layer has nothing to learn from: no fold trains on rows that another fold holds out; "
            "use layers=1, or more folds"
        )
    return Folds(tuple(kept), folds.n_rows, folds.kind, folds.notes)
