"""A gate: weights of experts that depend on the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from stackml.combiners.base import MetaFeatures
from stackml.combiners.inputs import CLIP, FloatArray
from stackml.combiners.passthrough import FittedColumns, features_of
from stackml.storage.fields import finite_array, refuse
from stackml.storage.state import State
from stackml.tables.table import Table

_WHAT = "combiner 'gated': gate"


@final
@dataclass(frozen=True, eq=False)
class Inputs:
    """What a gate reads of a row: its features, the experts' predictions, or both, on like scales.

    Attributes
    ----------
    columns : FittedColumns, optional
        Of the features.
    mean, scale : float64 ndarray of shape (n_predictions,)
        Of the experts' predictions (log odds for two classes); of length 0 where they are not read.
    """

    columns: FittedColumns | None
    mean: FloatArray
    scale: FloatArray

    @staticmethod
    def learn(meta: MetaFeatures, experts: tuple[str, ...], weight: FloatArray, predictions: bool) -> Inputs:
        """Return the inputs of a gate, learned without the target."""
        columns = None if meta.features is None else FittedColumns.learn(meta.features, weight)
        signals = _signals(meta, experts) if predictions else []
        share = weight / weight.sum()
        mean = np.array([share @ s for s in signals])
        spread = [np.sqrt(share @ (s - m) ** 2) for s, m in zip(signals, mean, strict=True)]
        return Inputs(
            columns,
            mean,
            np.array([s if s > 1e-12 * (1 + abs(m)) else 1.0 for s, m in zip(spread, mean, strict=True)]),
        )

    @property
    def n_columns(self) -> int:
        """Number of columns read."""
        of_features = 0 if self.columns is None else len(self.columns.slots) + len(self.columns.indicators)
        return of_features + len(self.mean)

    @property
    def reads_predictions(self) -> bool:
        """Whether experts must be called before the gate can weigh them."""
        return bool(len(self.mean))

    def read(
        self, features: Table | None, meta: MetaFeatures | None, experts: tuple[str, ...]
    ) -> list[FloatArray]:
        """Return the columns, each float64 of shape (n_rows,)."""
        found: list[FloatArray] = []
        if self.columns is not None and features is not None:
            found += self.columns.read(features)
        if self.reads_predictions and meta is not None:
            signals = _signals(meta, experts)
            if len(signals) != len(self.mean):
                refuse(_WHAT, f"reads {len(self.mean)} predictions where there are {len(signals)}")
            found += [
                np.clip((s - m) / k, -10.0, 10.0)
                for s, m, k in zip(signals, self.mean, self.scale, strict=True)
            ]
        return found


def _signals(meta: MetaFeatures, experts: tuple[str, ...]) -> list[FloatArray]:
    block = np.column_stack([meta.of(name).astype(np.float64) for name in experts])
    if meta.problem.kind == "binary":
        block = np.asarray(logit(np.clip(block, CLIP, 1 - CLIP)))
    return [np.ascontiguousarray(column) for column in block.T]


@final
@dataclass(frozen=True, eq=False)
class Gate:
    """A softmax over experts, of a linear function of a row or of one hidden layer.

    Attributes
    ----------
    inputs : Inputs
    hidden : float64 ndarray of shape (n_columns + 1, n_hidden)
        Weights of the hidden units, the last row for a constant; no unit is a linear gate.
    out : float64 ndarray of shape ((n_hidden or n_columns) + 1, n_experts)
        Weights of what the softmax reads, the last row for a constant.
    start : float64 ndarray of shape (n_experts,)
        Log weights of a row about which nothing is known.
    top_k : int
        Experts that have weight in a row; 0 for all.
    """

    inputs: Inputs
    hidden: FloatArray
    out: FloatArray
    start: FloatArray
    top_k: int

    def weigh(self, meta: MetaFeatures, experts: tuple[str, ...]) -> FloatArray:
        """Return the weight of each expert in each row, float64 (n_rows, n_experts); rows sum to 1."""
        features = features_of(meta) if self.inputs.columns is not None else None
        return self._weigh(self.inputs.read(features, meta, experts), meta.n_rows)

    def route(self, features: Table) -> FloatArray:
        """Return `weigh` of a gate that reads features alone, before an expert was called."""
        return self._weigh(self.inputs.read(features, None, ()), features.n_rows)

    def _weigh(self, columns: list[FloatArray], n_rows: int) -> FloatArray:
        # Column by column: a matrix product would round a row by its place in the batch.
        if self.hidden.shape[1]:
            unit = np.tile(self.hidden[-1], (n_rows, 1))
            for column, weights in zip(columns, self.hidden[:-1], strict=True):
                unit += column[:, None] * weights
            columns = list(np.tanh(unit).T)
        logits = np.tile(self.start + self.out[-1], (n_rows, 1))
        for column, weights in zip(columns, self.out[:-1], strict=True):
            logits += column[:, None] * weights
        return shares_of(logits, kept(logits, self.top_k))

    def of(self, at: NDArray[np.int64]) -> Gate:
        """Return the gate of some of the experts, where it does not read predictions."""
        return Gate(self.inputs, self.hidden, self.out[:, at], self.start[at], min(self.top_k, len(at)))

    def to_state(self) -> State:
        """Return all that is needed to rebuild the gate."""
        inputs = self.inputs
        return {
            "columns": None if inputs.columns is None else inputs.columns.to_state(),
            "mean": inputs.mean,
            "scale": inputs.scale,
            "hidden": self.hidden,
            "out": self.out,
            "start": self.start,
            "top_k": self.top_k,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], n_experts: int) -> Self:
        """Rebuild the gate.

        Raises
        ------
        StorageError
            If its arrays do not fit each other or so many experts.
        """
        columns = None if state["columns"] is None else FittedColumns.from_state(state["columns"])
        mean = finite_array(state["mean"], f"{_WHAT}: mean", (None,))
        scale = finite_array(state["scale"], f"{_WHAT}: scale", mean.shape)
        if not (scale > 0).all():
            refuse(_WHAT, "has a scale without a meaning")
        inputs = Inputs(columns, mean, scale)
        hidden = finite_array(state["hidden"], f"{_WHAT}: hidden", (inputs.n_columns + 1, None))
        width = hidden.shape[1] or inputs.n_columns
        out = finite_array(state["out"], f"{_WHAT}: out", (width + 1, n_experts))
        start = finite_array(state["start"], f"{_WHAT}: start", (n_experts,))
        top_k = state["top_k"]
        if type(top_k) is not int or not 0 <= top_k <= n_experts or (top_k and inputs.reads_predictions):
            refuse(_WHAT, f"calls {top_k!r:.40} experts a row")
        return cls(inputs, hidden, out, start, top_k)


def kept(logits: FloatArray, top_k: int) -> NDArray[np.bool_] | None:
    """Return which experts of each row are among the `top_k` of most weight; None for all."""
    n_experts = logits.shape[1]
    if not 0 < top_k < n_experts:
        return None
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top_k]
    found = np.zeros(logits.shape, dtype=np.bool_)
    np.put_along_axis(found, order, True, axis=1)
    return found


def shares_of(logits: FloatArray, among: NDArray[np.bool_] | None = None) -> FloatArray:
    """Return the softmax of each row over the experts kept, exactly 0 for the others."""
    if among is not None:
        logits = np.where(among, logits, -np.inf)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
