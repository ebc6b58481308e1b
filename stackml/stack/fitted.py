"""A fitted stack: learners -> meta-features -> combiner -> calibrator, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.combiners.base import FittedCombiner, MetaFeatures
from stackml.decision.base import FittedCalibrator
from stackml.stack.bagging import Member, Together
from stackml.tables.schema import Column, Schema
from stackml.tables.table import Table
from stackml.tables.target import Problem

__all__ = ["FittedStack", "Layer", "Member", "schema_of", "with_proposals"]


@dataclass(frozen=True, eq=False)
class Layer:
    """Learners that read the same table."""

    members: tuple[Member, ...]

    def meta_features(
        self, table: Table, problem: Problem, needed: Sequence[str] | None = None, n_jobs: int = 1
    ) -> MetaFeatures:
        """Return the predictions of the needed members side by side."""
        members = tuple(m for m in self.members if needed is None or m.name in needed)
        return MetaFeatures(
            np.concatenate(self._together(members).predict(table, n_jobs), axis=1),
            tuple(m.name for m in members),
            tuple(m.width for m in members),
            tuple(m.output_kind for m in members),
            problem,
        )

    def _together(self, members: tuple[Member, ...]) -> Together:
        names = tuple(m.name for m in members)
        if names not in self._made:
            self._made[names] = Together(members)
        return self._made[names]

    @cached_property
    def _made(self) -> dict[tuple[str, ...], Together]:
        return {}


@dataclass(frozen=True, eq=False)
class FittedStack:
    """A stack that predicts.

    Attributes
    ----------
    schema : Schema
        Of the rows it reads.
    problem : Problem
    classes : tuple
        Class labels in code order; empty for regression.
    layers : tuple of Layer
        The first reads the table, each further one the table and the predictions below.
    combiner : FittedCombiner
    calibrator : FittedCalibrator
    passthrough : bool
        Whether the combiner reads the features too.
    typical : Table, optional
        One row of what was usual in each column; explanations start from it. Files of early
        versions lack it.
    label_dtype : str
        Name of the dtype of the class labels; "" leaves it to NumPy.
    card : dict
        What was done, as JSON values: leaderboard, plan, choice of combiner, calibration.
    """

    schema: Schema
    problem: Problem
    classes: tuple[Any, ...]
    layers: tuple[Layer, ...]
    combiner: FittedCombiner
    calibrator: FittedCalibrator
    passthrough: bool = False
    typical: Table | None = None
    label_dtype: str = ""
    card: dict[str, Any] = field(default_factory=dict)

    def with_card(self, card: dict[str, Any]) -> FittedStack:
        """Return the same stack with another card."""
        return replace(self, card=card)

    def compacted(self) -> FittedStack:
        """Return the stack without the learners its combiner ignores; predictions are the same."""
        needed = self.combiner.learners
        last = Layer(tuple(m for m in self.layers[-1].members if m.name in needed))
        return replace(self, layers=(*self.layers[:-1], last))

    def meta_features(self, table: Table, *, needed_only: bool = False, n_jobs: int = 1) -> MetaFeatures:
        """Return the last layer's predictions; `needed_only` leaves out what the combiner ignores."""
        seen = table
        for number, layer in enumerate(self.layers[:-1]):
            seen = with_proposals(seen, layer.meta_features(seen, self.problem, n_jobs=n_jobs), number + 1)
        needed = self.combiner.learners if needed_only else None
        meta = self.layers[-1].meta_features(seen, self.problem, needed, n_jobs)
        return replace(meta, features=table) if self.passthrough else meta

    def predict(self, table: Table, *, n_jobs: int = 1) -> npt.NDArray[np.float64]:
        """Return predictions.

        Returns
        -------
        float64 ndarray of shape (n_rows, n_outputs)
            Binary: probability of the second class. Multiclass: one column a class, rows sum
            to 1. Regression: the value.
        """
        meta = self.meta_features(table, needed_only=True, n_jobs=n_jobs)
        return self.calibrator.apply(self.combiner.predict(meta))


def with_proposals(table: Table, meta: MetaFeatures, layer: int) -> Table:
    """Return the table with a layer's predictions as further numeric columns."""
    schema = _proposing(table.schema, meta.column_names, layer)
    return Table(schema, np.concatenate([table.numbers, meta.values], axis=1), table.codes, table.terms)


def schema_of(stack: FittedStack, layer: int) -> Schema:
    """Return the schema of the tables that a layer reads; the first layer is 1."""
    schema = stack.schema
    for number, below in enumerate(stack.layers[: layer - 1], start=1):
        names = [m.name if m.width == 1 else f"{m.name}_{i}" for m in below.members for i in range(m.width)]
        schema = _proposing(schema, names, number)
    return schema


def _proposing(schema: Schema, names: Sequence[str], layer: int) -> Schema:
    return Schema((*schema.columns, *(Column(f"layer {layer}: {name}", "number") for name in names)))
