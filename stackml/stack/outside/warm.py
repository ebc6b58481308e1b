"""A booster that begins where another model ends: trees grown on what the model leaves over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from stackml.decision.line import LineCalibrator
from stackml.features.native import NativeView, learn_native_view
from stackml.foundation.errors import FitError
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.learners.boosting import Outputs, rows_with_weight
from stackml.learners.continuing import Continuation, grown, linked, margin_of
from stackml.learners.trees.arrays import Trees
from stackml.learners.trees.booster import Part, Sum
from stackml.learners.trees.stored import trees_from_state, trees_to_state
from stackml.stack.fitted import FittedStack
from stackml.stack.outside.frozen import Dump, FittedFrozen, check_source, source_digest
from stackml.storage.fields import finite_number, refuse
from stackml.storage.state import State
from stackml.tables.table import Table
from stackml.tables.target import Target

Floats = npt.NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class WarmLearner(Learner):
    """Trees grown from the margin of a fitted stack of another table, first fitted to the new target.

    Of two classes the margin is the stack's log odds, fitted by a slope and an offset; of a number its
    prediction, fitted by a line. So a stack that has nothing to say here is left behind.

    Attributes
    ----------
    stack, dump, mapping, absent
        As in `FrozenLearner`.
    how : Continuation
        How the trees grow.
    """

    stack: FittedStack
    dump: Dump = field(repr=False)
    mapping: tuple[tuple[str, str], ...] = ()
    absent: str = "refuse"
    how: Continuation = field(default_factory=Continuation)
    kind: ClassVar[str] = "warm"
    stops_early: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a mapping of columns that are not read."""
        check_source(self.stack, self.mapping, self.absent)

    @cached_property
    def digest(self) -> str:
        """Content digest of the stack and of how the trees grow."""
        return source_digest(self.kind, self.stack, self.dump, self.mapping, self.absent, repr(self.how))

    @property
    def parameters(self) -> dict[str, Any]:
        """What tells one from another."""
        return {"stack": self.digest, "mapping": self.mapping, "absent": self.absent, "how": self.how}

    def __eq__(self, other: object) -> bool:
        """Whether another one describes the same."""
        return isinstance(other, WarmLearner) and self.digest == other.digest

    def __hash__(self) -> int:
        """Of the digest."""
        return hash(self.digest)

    def prepare(self, table: Table, rows: Rows | None = None) -> _Prepared:
        """Return the table, how the trees read it, and the stack's margins.

        Raises
        ------
        SchemaError
            If a column the stack reads is lacking or of another kind.
        """
        source = FittedFrozen(self.stack, self.dump, self.mapping, self.absent)
        margin = margin_of(source.predict(table), self.stack.problem)
        return _Prepared(source, table, learn_native_view(table, rows, 100), margin)

    def fit(
        self,
        prepared: _Prepared,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedWarm:
        """Return the stack with trees that mend it.

        Raises
        ------
        FitError
            If no row has a weight above zero.
        """
        counted = rows_with_weight(target, rows)
        if counted is None:
            raise FitError(f"{self.kind}: none of the {len(rows)} training rows has a weight above zero")
        stop_rows = None if budget.rounds is not None else rows_with_weight(target, stop_rows)
        slope, offset = aligned(prepared.margin, target, counted)
        outputs = Outputs.of(target, counted)
        margin = (slope * prepared.margin + offset - outputs.offset) / outputs.scale
        trees = grown(
            prepared.view, outputs, prepared.table, target, margin, self.how, seed,
            rows=counted, stop_rows=stop_rows, rounds=budget.rounds,
        )  # fmt: skip
        return FittedWarm(prepared.source, prepared.view, outputs, slope, offset, trees)

    def usual_rounds(self, n_rows: int) -> int:
        """Return the rounds a fit usually takes, whatever the number of rows."""
        return self.how.max_rounds // 3

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return about the seconds one core needs."""
        return self.usual_rounds(n_rows) * n_outputs * (2.5e-3 + 6e-9 * n_rows * n_features)


@dataclass(frozen=True, eq=False)
class _Prepared:
    source: FittedFrozen
    table: Table
    view: NativeView
    margin: Floats


@final
@dataclass(frozen=True, eq=False)
class FittedWarm(FittedLearner):
    """A frozen stack, a line through its margin, and trees.

    Attributes
    ----------
    source : FittedFrozen
    view : NativeView
        How the trees read the new table.
    outputs : Outputs
    slope, offset : float
        The margin is ``slope * margin of the stack + offset``, and the sum of the trees is added.
    trees : Trees or None
        None where any tree would have made it worse.
    """

    source: FittedFrozen
    view: NativeView
    outputs: Outputs
    slope: float
    offset: float
    trees: Trees | None
    kind: ClassVar[str] = "warm"
    built: ClassVar[tuple[str, ...]] = ("_sum",)

    @property
    def rounds(self) -> int:
        """Rounds kept after early stopping."""
        return 0 if self.trees is None else self.trees.n_trees // self.trees.n_groups

    @cached_property
    def _sum(self) -> Sum:
        assert self.trees is not None
        return Sum([Part(self.trees, 0, 1.0)], self.trees.n_groups)

    def predict(self, table: Table) -> Prediction:
        """Return predictions, float32 of shape (n_rows, n_outputs); see the base class."""
        margin = self.slope * margin_of(self.source.predict(table), self.outputs.problem) + self.offset
        if self.trees is not None:
            matrix = self.view.matrix(table)
            if matrix.shape[1] != self.trees.n_features:
                refuse("warm", f"reads {self.trees.n_features} columns, the table has {matrix.shape[1]}")
            margin = margin + self.outputs.scale * (self._sum.of(matrix) + self.trees.base)
        return linked(margin, self.outputs.problem).astype(np.float32)

    def to_state(self) -> State:
        """Return the stack, the line and the trees as plain data."""
        return {
            "source": self.source.to_state(),
            "view": self.view.to_state(),
            "outputs": self.outputs.to_state(),
            "slope": self.slope,
            "offset": self.offset,
            "trees": None if self.trees is None else trees_to_state(self.trees),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Refuse: only `stack/file.py` knows how a stack within a stack is built."""
        refuse("a warm booster", "stands where none can be")

    @classmethod
    def restored(cls, state: Mapping[str, Any], source: FittedFrozen) -> Self:
        """Rebuild around a frozen stack that was restored and proven.

        Raises
        ------
        StorageError
            If a number is none, or the trees are not those of such a target.
        """
        outputs = Outputs.from_state(state["outputs"])
        finite_number(outputs.offset, "warm: offset of the target")
        if finite_number(outputs.scale, "warm: scale of the target") <= 0:
            refuse("warm: scale of the target", "is not above 0")
        if outputs.problem != source.stack.problem:
            refuse("warm", "mends a stack of another target")
        trees = None if state["trees"] is None else trees_from_state(state["trees"], cls.kind)
        if trees is not None and trees.n_groups != outputs.problem.n_outputs:
            refuse("warm", f"has trees of {trees.n_groups} outputs")
        slope, offset = (finite_number(state[name], f"warm: {name}") for name in ("slope", "offset"))
        return cls(source, NativeView.from_state(state["view"]), outputs, slope, offset, trees)


def aligned(margin: Floats, target: Target, rows: Rows) -> tuple[float, float]:
    """Return the slope and the offset by which a margin fits the target best; 1 and 0 for many classes."""
    x, y = margin[rows], target.values[rows]
    weight = np.ones(len(rows)) if target.weight is None else target.weight[rows]
    if target.problem.is_regression:
        line = LineCalibrator().fit(x, y, target.problem, weight)
        return line.slope, line.offset
    if target.problem.kind == "multiclass" or len(np.unique(y)) < 2:
        return 1.0, 0.0
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=10.0).fit(x, y, sample_weight=weight)
    return float(found.coef_[0, 0]), float(found.intercept_[0])
