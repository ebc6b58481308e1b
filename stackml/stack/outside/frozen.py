"""A fitted stack as a learner: it predicts as it always did, and learns nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from stackml.foundation.digest import digest
from stackml.foundation.errors import ParameterError
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.stack.fitted import FittedStack
from stackml.storage.fields import one_of, refuse
from stackml.storage.state import State
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target
from stackml.tables.translation import check_names, translated

Dump = Callable[[FittedStack], State]
ABSENT = ("refuse", "missing")


@final
@dataclass(frozen=True, eq=False)
class FrozenLearner(Learner):
    """A fitted stack of another table; `fit` returns it unchanged.

    Its predictions stand for out-of-fold ones, which is honest as long as it has seen none of the rows.

    Attributes
    ----------
    stack : FittedStack
    dump : callable
        Turns a stack into plain data.
    mapping : tuple of (theirs, ours)
        Columns that the new table calls otherwise.
    absent : {"refuse", "missing"}
        What becomes of columns the new table lacks.
    """

    stack: FittedStack
    dump: Dump = field(repr=False)
    mapping: tuple[tuple[str, str], ...] = ()
    absent: str = "refuse"
    kind: ClassVar[str] = "frozen"
    learns: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse a mapping of columns that are not read."""
        check_source(self.stack, self.mapping, self.absent)

    @cached_property
    def digest(self) -> str:
        """Content digest of all that predicts."""
        return source_digest(self.kind, self.stack, self.dump, self.mapping, self.absent)

    @property
    def parameters(self) -> dict[str, Any]:
        """What tells one from another."""
        return {"stack": self.digest, "mapping": self.mapping, "absent": self.absent}

    def __eq__(self, other: object) -> bool:
        """Whether another one predicts the same."""
        return isinstance(other, FrozenLearner) and self.digest == other.digest

    def __hash__(self) -> int:
        """Of the digest."""
        return hash(self.digest)

    def prepare(self, table: Table, rows: Rows | None = None) -> FittedFrozen:
        """Return the fitted learner, having proved that it can read the table.

        Raises
        ------
        SchemaError
            If a column it reads is lacking or of another kind.
        """
        model = FittedFrozen(self.stack, self.dump, self.mapping, self.absent)
        model.translated(table.take(np.arange(min(1, table.n_rows))))
        return model

    def fit(
        self,
        prepared: FittedFrozen,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedFrozen:
        """Return what was prepared: there is nothing to learn."""
        return prepared

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return about the seconds its predictions take."""
        n_models = sum(len(member.models) for layer in self.stack.layers for member in layer.members)
        return 2e-6 * n_rows * n_models


@final
@dataclass(frozen=True, eq=False)
class FittedFrozen(FittedLearner):
    """A stack that reads another table than the one it was fitted on; fields as in `FrozenLearner`."""

    stack: FittedStack
    dump: Dump = field(repr=False)
    mapping: tuple[tuple[str, str], ...] = ()
    absent: str = "refuse"
    kind: ClassVar[str] = "frozen"

    def translated(self, table: Table) -> Table:
        """Return rows as the stack reads them."""
        return translated(table, self.stack.schema, dict(self.mapping), may_lack=self.absent == "missing")

    def predict(self, table: Table) -> Prediction:
        """Return the stack's own, calibrated prediction."""
        return self.stack.predict(self.translated(table)).astype(np.float32)

    def to_state(self) -> State:
        """Return the whole stack as plain data."""
        return {
            "stack": self.dump(self.stack),
            "mapping": [list(pair) for pair in self.mapping],
            "absent": self.absent,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Refuse: only `stack/file.py` knows how a stack within a stack is built."""
        refuse("a frozen stack", "stands where none can be")

    @classmethod
    def restored(cls, state: Mapping[str, Any], stack: FittedStack, dump: Dump) -> Self:
        """Rebuild around a stack that was restored and proven.

        Raises
        ------
        StorageError
            If the mapping is no pairs of names.
        """
        pairs = state["mapping"]
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(name, str) for name in pair)
            for pair in pairs
        ):
            refuse("a frozen stack: mapping", "is no list of pairs of names")
        mapping = tuple((theirs, ours) for theirs, ours in pairs)
        absent = one_of(state["absent"], ABSENT, "a frozen stack: absent")
        check_names(stack.schema, dict(mapping))
        return cls(stack, dump, mapping, absent)


def check_source(stack: FittedStack, mapping: Sequence[tuple[str, str]], absent: str) -> None:
    """Refuse a mapping of columns the stack does not read, and an unknown word for `absent`."""
    check_names(stack.schema, dict(mapping))
    if absent not in ABSENT:
        raise ParameterError(f"absent={absent!r}: give 'refuse' or 'missing'")


def source_digest(kind: str, stack: FittedStack, dump: Dump, mapping: Any, absent: str, *more: Any) -> str:
    """Return the content digest of a stack and how it reads a table."""
    state = {name: value for name, value in dump(stack).items() if name not in ("card", "typical")}
    return digest(kind, state, [list(pair) for pair in mapping], absent, *more)


def check_same_target(name: str, stack: FittedStack, problem: Problem, classes: npt.NDArray[Any]) -> None:
    """Refuse a stack that predicts something else.

    Raises
    ------
    ParameterError
        If it is of another kind of problem, or its classes are others or in another order.
    """
    if stack.problem.kind != problem.kind:
        raise ParameterError(
            f"learner '{name}' predicts a {stack.problem.kind} target, but the target here is "
            f"{problem.kind}; give a model of the same kind of problem"
        )
    theirs, ours = list(stack.classes), classes.tolist()
    if theirs != ours:
        raise ParameterError(
            f"learner '{name}' knows the classes {theirs[:10]}, but those of y are {ours[:10]}; "
            "give y the labels the model was trained with"
        )
