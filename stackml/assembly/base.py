"""What every assembly has in common: its parts, what it answers, and who answered.

An assembly puts fitted models together. Its parts may read different columns and even be assemblies
themselves, so it reads rows as a frame, and each part finds the columns of its own schema.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.columns import united
from stackml.foundation.errors import StackmlWarning
from stackml.stack.fitted import FittedStack
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Problem

__all__ = ["DEEPEST", "Answers", "FittedAssembly", "FittedModel", "Part", "depth", "leaves"]

DEEPEST = 4  # assemblies within assemblies that a file may hold


@dataclass(frozen=True, eq=False)
class Part:
    """One fitted model of an assembly, under its name."""

    name: str
    model: FittedModel

    def predict(self, rows: pd.DataFrame, *, n_jobs: int = 1) -> npt.NDArray[np.float64]:
        """Return the model's predictions, float64 of shape (n_rows, n_outputs), as `FittedStack` gives them.

        Raises
        ------
        SchemaError, DataError
            If a column it reads is missing, or a value cannot be read.
        """
        if isinstance(self.model, FittedAssembly):
            return self.model.answers(rows, n_jobs=n_jobs).values
        return self.model.predict(self.read(rows), n_jobs=n_jobs)

    def read(self, rows: pd.DataFrame) -> Table:
        """Return the table that a model reads of rows; columns it does not know are left aside.

        Raises
        ------
        SchemaError, DataError
            As `predict`.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StackmlWarning)  # what one part ignores, another reads
            return Table.of(rows, self.model.schema)


@dataclass(frozen=True, eq=False)
class Answers:
    """What an assembly says about rows, and who said it.

    Attributes
    ----------
    values : float64 ndarray of shape (n_rows, n_outputs)
        As `FittedStack.predict` returns them.
    weights : float64 ndarray of shape (n_rows, n_parts)
        Each part's share in the answer; rows sum to 1. A part of weight 0 may not have been asked.
    calls : int64 ndarray of shape (n_parts,)
        Rows each part was asked about.
    """

    values: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    calls: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FittedAssembly(ABC):
    """Fitted models that answer together by a rule.

    Attributes
    ----------
    parts : tuple of Part
    problem : Problem
        Of the answer.
    classes : tuple
        Labels of the answer in code order; empty for regression.
    label_dtype : str
        Name of the dtype of the labels; "" leaves it to NumPy.
    card : dict
        What was done, as JSON values.
    """

    kind: ClassVar[str]

    parts: tuple[Part, ...]
    problem: Problem
    classes: tuple[Any, ...] = ()
    label_dtype: str = ""
    card: dict[str, Any] = field(default_factory=dict)

    @abstractmethod
    def answers(self, rows: pd.DataFrame, *, n_jobs: int = 1) -> Answers:
        """Return what the parts answer together.

        Raises
        ------
        SchemaError, DataError
            If a column that a part asked reads is missing, or a value cannot be read.
        """

    @abstractmethod
    def rule_to_state(self) -> State:
        """Return what the rule knows beside the parts, as plain data."""

    @classmethod
    @abstractmethod
    def from_rule(cls, common: Mapping[str, Any], rule: Mapping[str, Any]) -> Self:
        """Rebuild from the fields of `FittedAssembly` (`common`, proven) and what `rule_to_state` returned.

        Raises
        ------
        StorageError
            If the rule is not one.
        """

    @cached_property
    def schema(self) -> Schema:
        """Columns of all parts together."""
        return united({part.name: part.model.schema for part in self.parts})

    def with_card(self, card: dict[str, Any]) -> Self:
        """Return the same assembly with another card."""
        return replace(self, card=card)


FittedModel: TypeAlias = FittedStack | FittedAssembly


def depth(model: FittedModel) -> int:
    """Return how many assemblies stand in each other; 0 for a stack."""
    if isinstance(model, FittedStack):
        return 0
    return 1 + max(depth(part.model) for part in model.parts)


def leaves(model: FittedModel) -> tuple[FittedStack, ...]:
    """Return the stacks a model consists of."""
    if isinstance(model, FittedStack):
        return (model,)
    return tuple(stack for part in model.parts for stack in leaves(part.model))
