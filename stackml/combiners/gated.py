"""Mixture of experts: a gate sees the row and weighs the learners, or falls back to fixed weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from stackml.combiners.base import Combiner, Context, FittedCombiner, MetaFeatures
from stackml.combiners.comparing import lags
from stackml.combiners.gate import Gate, Inputs
from stackml.combiners.gate_fit import Lesson, mixed_log_loss, mixed_squared_error, train
from stackml.combiners.inputs import FloatArray, checked, predictors_of, sampled, true_class, weight_of
from stackml.combiners.nested import nested_splits
from stackml.combiners.scoring import scorer
from stackml.combiners.simplex import FittedSimplex, SimplexCombiner
from stackml.foundation.errors import ParameterError
from stackml.foundation.randomness import derive_seed
from stackml.storage.fields import finite_array, finite_number, names, one_of, refuse
from stackml.storage.state import State
from stackml.tables.table import Table
from stackml.tables.target import Target

_FIRST_EVEN = 0.1  # of the weights a gate begins with, so that no expert begins with none
_LEAST = 0.005  # mean weight of an expert that is kept
_LEAST_ROWS = 100
GATE, FIXED = "gate", "fixed weights"


@final
@dataclass(frozen=True)
class GatedCombiner(Combiner):
    """Weights of learners that depend on the row (Jacobs et al. 1991), or fixed ones where they do as well.

    The gate is a softmax of what it reads: the features, which the stack passes to it unasked, and, where
    all experts are called anyway, their predictions. It is trained on out-of-fold predictions, begins
    with convex weights, and must beat these in nested cross-validation by more than half a standard
    error (docs/decisions/0008); otherwise the combiner holds the convex weights and says so.
    Scores are not read.

    Attributes
    ----------
    top_k : int, optional
        Experts called for a row, by a gate that reads the features alone; all by default. Fixed
        weights are of at most so many learners too.
    hidden : int
        Units of a hidden layer of the gate; 0 for a linear one.
    l2 : float
        Penalty of the gate's squared weights, in rows.
    load_balance : float
        Pull towards experts of equal load.
    falls_back : bool
        False keeps the gate whatever nested cross-validation says.
    most_rows : int
        Beyond this many rows a stratified sample stands for all.
    """

    kind: ClassVar[str] = "gated"
    complexity: ClassVar[int] = 4
    needs_features: ClassVar[bool] = True
    top_k: int | None = None
    hidden: int = 0
    l2: float = 30.0
    load_balance: float = 0.001
    falls_back: bool = True
    most_rows: int = 10_000

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name, least in (("top_k", 1), ("hidden", 0), ("most_rows", 1)):
            value = getattr(self, name)
            if value is None and name == "top_k":
                continue
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
                raise ParameterError(
                    f"combiner 'gated': {name}={value!r} must be a whole number of {least} or more"
                )
            object.__setattr__(self, name, int(value))
        for name in ("l2", "load_balance"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not is_number or not 0 <= value < np.inf:
                raise ParameterError(f"combiner 'gated': {name}={value!r} must be a number of 0 or more")
        if not isinstance(self.falls_back, bool):
            raise ParameterError(f"combiner 'gated': falls_back={self.falls_back!r} must be True or False")

    def cost(self, n_rows: int, n_learners: int, n_outputs: int) -> float:
        """Return about the seconds of one core that judging it takes: 36 gates on five folds, 81 on eight."""
        a_gate = n_learners**0.5 * n_outputs**0.3 * max(1, self.hidden / 4)
        refined = 1.6 if self.top_k is not None and self.top_k > 1 else 1.0
        return 1.5e-5 * min(n_rows, self.most_rows) * a_gate * refined

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedGated:
        """Return the gate, or fixed weights where nested cross-validation does not speak for it.

        Raises
        ------
        ParameterError
            If `top_k` is given and there are no features to choose experts by.
        """
        meta, target = checked(meta, target)
        experts = predictors_of(meta, self.kind)
        if self.top_k is not None and meta.features is None:
            raise ParameterError(
                "combiner 'gated': top_k chooses experts by the features, before any is called, and there "
                "are none; give MetaFeatures(features=table), or leave top_k out"
            )
        meta = meta.select(experts)
        fixed = self._fixed(meta, target, context)
        verdict = self._judged(meta, target, context) if len(experts) > 1 else Verdict.without("one expert")
        if not self.falls_back and len(experts) > 1:
            verdict = replace(verdict, chosen=GATE)
        if verdict.chosen == FIXED:
            return FittedGated(fixed.names, fixed, None, fixed.shares, (1.0,) * len(fixed.names), verdict)
        return self._gated(meta, target, context, fixed, verdict)

    def _fixed(self, meta: MetaFeatures, target: Target, context: Context) -> FittedSimplex:
        """Return convex weights, of at most `top_k` learners."""
        found = SimplexCombiner().fit(meta, target, context)
        if self.top_k is None or len(found.names) <= self.top_k:
            return found
        order = sorted(zip(found.shares, found.names, strict=True), key=lambda p: (-p[0], p[1]))
        few = sorted(name for _, name in order[: self.top_k])
        return SimplexCombiner().fit(meta.select(few), target, context)

    def _gated(
        self, meta: MetaFeatures, target: Target, context: Context, fixed: FittedSimplex, verdict: Verdict
    ) -> FittedGated:
        experts = meta.learners
        gate = self._gate(meta, target, context, fixed)
        weights = gate.weigh(meta, experts)
        part = weight_of(target) / weight_of(target).sum()
        load = part @ weights
        at = np.flatnonzero(load > (0.0 if self.top_k else min(_LEAST, 0.999 * load.max())))
        if not gate.inputs.reads_predictions and len(at) < len(experts):
            gate, experts = gate.of(at), tuple(experts[i] for i in at)
            weights = gate.weigh(meta.select(experts), experts)
            load = part @ weights
        shares = tuple(float(s) for s in load / load.sum())
        return FittedGated(
            experts, fixed, gate, shares, _tuple(np.minimum(part @ (weights > 0), 1.0)), verdict
        )

    def _gate(self, meta: MetaFeatures, target: Target, context: Context, fixed: FittedSimplex) -> Gate:
        experts = meta.learners
        rows, weight = sampled(target, max(_LEAST_ROWS, self.most_rows), context.seed, self.kind)
        meta, target = meta.take(rows), target.take(rows)
        inputs = Inputs.learn(meta, experts, weight, predictions=self.top_k is None)
        X = np.column_stack(inputs.read(meta.features, meta, experts) or [np.empty((len(rows), 0))])
        own = fixed.weights()
        base = np.array([own.get(name, 0.0) for name in experts])
        start = np.log((1 - _FIRST_EVEN) * base + _FIRST_EVEN / len(experts))
        top_k = min(self.top_k or 0, len(experts))
        hidden, out = train(
            _lesson(meta, target, weight, X, start),
            top_k=top_k,
            n_hidden=self.hidden,
            l2=self.l2,
            load_balance=self.load_balance,
            seed=derive_seed(context.seed, "gate"),
        )
        return Gate(inputs, hidden, out, start, top_k)

    def _judged(self, meta: MetaFeatures, target: Target, context: Context) -> Verdict:
        """Return whether the gate beats fixed weights on rows that neither has seen."""
        score = scorer(context.metric, target.problem)
        nested = [np.full((meta.n_rows, meta.problem.n_outputs), np.nan) for _ in range(2)]
        scores: list[list[float]] = [[], []]
        for split in nested_splits(target, context):
            known, truth = target.take(split.train), target.take(split.held_out)
            fixed = self._fixed(meta.take(split.train), known, split.context)
            gated = self._gated(meta.take(split.train), known, split.context, fixed, Verdict.without(""))
            for at, fitted in enumerate((fixed, gated)):
                predicted = fitted.predict(meta.take(split.held_out))
                nested[at][split.held_out] = predicted
                scores[at].append(score(truth.values, predicted, truth.weight))
        if not scores[0]:
            return Verdict.without("no rows to compare on")
        found = lags(np.array(scores), nested, target, best=1)
        helps = bool(found.difference[0] > 0 and not found.near[0])
        return Verdict(GATE if helps else FIXED, float(found.difference[0]), float(found.standard_error[0]))


@final
@dataclass(frozen=True)
class Verdict:
    """Whether a gate was taken, and why.

    Attributes
    ----------
    chosen : {"gate", "fixed weights"}
    gain : float
        What the gate scored better than fixed weights in nested cross-validation, in the metric's
        unit, greater is better (in the loss's where folds are few).
    standard_error : float
        Of the gain.
    reason : str
        Why there was no comparison; "" where there was.
    """

    chosen: str
    gain: float = 0.0
    standard_error: float = 0.0
    reason: str = ""

    @staticmethod
    def without(reason: str) -> Verdict:
        """Return fixed weights, taken without a comparison."""
        return Verdict(FIXED, reason=reason)


@final
@dataclass(frozen=True, eq=False)
class FittedGated(FittedCombiner):
    """Experts, and a gate that weighs them or fixed weights.

    Attributes
    ----------
    experts : tuple of str
        Learners, ascending.
    fixed : FittedSimplex
        Weights that do not depend on the row; used where there is no gate.
    gate : Gate, optional
    shares : tuple of float
        Mean weight of each expert over the rows of the fit.
    called : tuple of float
        Share of the rows of the fit for which each expert is called.
    verdict : Verdict
    """

    kind: ClassVar[str] = "gated"
    experts: tuple[str, ...]
    fixed: FittedSimplex
    gate: Gate | None
    shares: tuple[float, ...]
    called: tuple[float, ...]
    verdict: Verdict

    @property
    def learners(self) -> tuple[str, ...]:
        """The experts."""
        return self.experts

    @property
    def weighs_rows(self) -> bool:
        """Whether there is a gate."""
        return self.gate is not None

    def route(self, features: Table) -> FloatArray | None:
        """Return the weights of the experts of each row, where a gate tells them before any is called."""
        return self.gate.route(features) if self.gate is not None and self.gate.top_k else None

    def row_weights(self, meta: MetaFeatures) -> FloatArray:
        """Return the weights of the experts of each row, float64 of shape (n_rows, n_experts)."""
        if self.gate is None:
            return super().row_weights(meta)
        return self.gate.weigh(meta, self.experts)

    def predict(self, meta: MetaFeatures) -> FloatArray:
        """Return the experts' predictions by their weights; one without weight in a row may be missing."""
        if self.gate is None:
            return self.fixed.predict(meta)
        weights = self.gate.weigh(meta, self.experts)
        result = np.zeros((meta.n_rows, meta.problem.n_outputs))
        for name, weight in zip(self.experts, weights.T, strict=True):
            result += np.where(weight[:, None] > 0, weight[:, None] * meta.of(name), 0.0)
        if meta.problem.kind == "multiclass":
            result /= result.sum(axis=1, keepdims=True)
        elif meta.problem.kind == "binary":
            np.clip(result, 0.0, 1.0, out=result)
        return result

    def weights(self) -> dict[str, float]:
        """Return each expert's mean weight over the rows of the fit."""
        return dict(zip(self.experts, self.shares, strict=True))

    def report(self) -> State:
        """Return whether there is a gate and why, and how often each expert is called."""
        calls: State = dict(zip(self.experts, self.called, strict=True))
        return {**asdict(self.verdict), "calls": calls, "calls_per_row": float(sum(self.called))}

    def to_state(self) -> State:
        """Return all that is needed to rebuild the combiner."""
        return {
            "experts": list(self.experts),
            "fixed": self.fixed.to_state(),
            "gate": None if self.gate is None else self.gate.to_state(),
            "shares": np.array(self.shares),
            "called": np.array(self.called),
            "verdict": asdict(self.verdict),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the combiner.

        Raises
        ------
        StorageError
            If its parts do not fit each other.
        """
        what = "combiner 'gated'"
        experts = names(state["experts"], f"{what}: experts")
        fixed = FittedSimplex.from_state(state["fixed"])
        gate = None if state["gate"] is None else Gate.from_state(state["gate"], len(experts))
        if gate is None and fixed.names != experts:
            refuse(f"{what}: experts", "are not those of its fixed weights")
        shares = finite_array(state["shares"], f"{what}: shares", (len(experts),))
        called = finite_array(state["called"], f"{what}: calls", (len(experts),))
        if (
            (shares < 0).any()
            or abs(float(shares.sum()) - 1) > 1e-6
            or (called < 0).any()
            or (called > 1 + 1e-9).any()
        ):
            refuse(f"{what}: shares", "are not 0 or more with a sum of 1, or calls not shares of rows")
        return cls(
            experts,
            fixed,
            gate,
            _tuple(shares),
            _tuple(called),
            _verdict_from(state["verdict"], gate is not None),
        )


def _verdict_from(state: Any, has_gate: bool) -> Verdict:
    what = "combiner 'gated': verdict"
    if not isinstance(state, dict) or not isinstance(state.get("reason"), str):
        refuse(what, "is none")
    chosen = one_of(state["chosen"], (GATE, FIXED), what)
    if (chosen == GATE) != has_gate:
        refuse(what, "is not what the file holds")
    gain, error = (finite_number(state[name], f"{what}: {name}") for name in ("gain", "standard_error"))
    return Verdict(chosen, gain, error, state["reason"])


def _lesson(
    meta: MetaFeatures, target: Target, weight: FloatArray, X: FloatArray, start: FloatArray
) -> Lesson:
    predictions = meta.predictions(meta.learners)
    if not target.problem.is_regression:
        happened = true_class(predictions, target)
        return Lesson(X, weight, mixed_log_loss(happened, weight), -np.log(happened), start)
    residual = np.ascontiguousarray(predictions[:, :, 0].T - target.values[:, None])
    squares = residual**2
    each = weight @ squares / weight.sum()
    unit = max(float(each.min()), 1e-12 * float(each.max()), 1e-300)
    return Lesson(X, weight, mixed_squared_error(residual, weight, unit), squares / unit, start)


def _tuple(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
