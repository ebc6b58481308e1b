"""A fitted stack: learners -> meta-features -> combiner -> calibrator, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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

    def routed(
        self, table: Table, problem: Problem, called: Mapping[str, npt.NDArray[np.bool_]], n_jobs: int = 1
    ) -> MetaFeatures:
        """Return the predictions of some members, each called for its own rows and NaN in the others.

        Parameters
        ----------
        table : Table
        problem : Problem
        called : mapping of member to bool ndarray of shape (n_rows,)
        n_jobs : int
        """
        members = tuple(m for m in self.members if m.name in called)
        blocks = []
        for member in members:
            rows = np.flatnonzero(called[member.name])
            block = np.full((table.n_rows, member.width), np.nan, dtype=np.float32)
            if rows.size:
                block[rows] = self._together((member,)).predict(table.take(rows), n_jobs)[0]
            blocks.append(block)
        return MetaFeatures(
            np.concatenate(blocks, axis=1),
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

    def meta_features(
        self,
        table: Table,
        *,
        needed_only: bool = False,
        n_jobs: int = 1,
        counted: Counter[str] | None = None,
    ) -> MetaFeatures:
        """Return the last layer's predictions.

        Parameters
        ----------
        table : Table
        needed_only : bool
            Leave out what the combiner ignores: learners, and where it routes rows to few of them,
            the predictions of other rows, which are NaN then.
        n_jobs : int
        counted : Counter, optional
            The number of rows for which each learner of the last layer is called is added to it.
        """
        seen = table
        for number, layer in enumerate(self.layers[:-1]):
            seen = with_proposals(seen, layer.meta_features(seen, self.problem, n_jobs=n_jobs), number + 1)
        last, needed = self.layers[-1], self.combiner.learners if needed_only else None
        weights = self.combiner.route(table) if needed_only else None
        if weights is None:
            meta = last.meta_features(seen, self.problem, needed, n_jobs)
            rows = dict.fromkeys(meta.learners, table.n_rows)
        else:
            called = dict(zip(self.combiner.learners, weights.T > 0, strict=True))
            meta = last.routed(seen, self.problem, called, n_jobs)
            rows = {name: int(of_learner.sum()) for name, of_learner in called.items()}
        if counted is not None:
            counted.update(rows)
        return replace(meta, features=table) if self.passthrough else meta

    def predict(
        self, table: Table, *, n_jobs: int = 1, counted: Counter[str] | None = None
    ) -> npt.NDArray[np.float64]:
        """Return predictions; `counted` as in `meta_features`.

        Returns
        -------
        float64 ndarray of shape (n_rows, n_outputs)
            Binary: probability of the second class. Multiclass: one column a class, rows sum
            to 1. Regression: the value.
        """
        meta = self.meta_features(table, needed_only=True, n_jobs=n_jobs, counted=counted)
        return self.calibrator.apply(self.combiner.predict(meta))

    def member_weights(self, table: Table, *, n_jobs: int = 1) -> npt.NDArray[np.float64]:
        """Return how much each learner of the last layer counts in each row.

        A gate's weights differ from row to row. Those of other combiners are alike for all rows:
        the weights of a weighted mean or rule, or, for combiners without such weights ("logistic",
        "boosted"), each learner's normalised importance, as in the leaderboard's `weight`.

        Returns
        -------
        float64 ndarray of shape (n_rows, n_members)
            In the order of ``layers[-1].members``; rows sum to 1.
        """
        combiner = self.combiner
        found = combiner.route(table)
        if found is None and combiner.weighs_rows:
            found = combiner.row_weights(self.meta_features(table, needed_only=True, n_jobs=n_jobs))
        if found is None:
            shares = combiner.weights()
            found = np.tile([shares[name] for name in combiner.learners], (table.n_rows, 1))
        at = {name: k for k, name in enumerate(combiner.learners)}
        members = [m.name for m in self.layers[-1].members]
        none = np.zeros(table.n_rows)
        return np.column_stack([found[:, at[name]] if name in at else none for name in members])


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
