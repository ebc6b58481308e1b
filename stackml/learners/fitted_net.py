"""A trained net: what it predicts, its weights for merging, and how it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from stackml.features.dense import DenseView
from stackml.features.likeness import code_tables, dense_parts, with_code_tables
from stackml.features.pieces import Pieces, pieces_between
from stackml.features.scaling import NormalScaler
from stackml.features.shared import SharedViews
from stackml.foundation.randomness import stream
from stackml.learners.base import FittedLearner, Prediction
from stackml.learners.boosting import Outputs, check_width
from stackml.learners.net_training import ABSENT, Net, averaged_outputs, clipped, ready, start_net
from stackml.learners.starting import start_from_state
from stackml.learners.weights import Weights
from stackml.storage.fields import finite_array, finite_number, refuse
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table

LINKS = {"binary": "logistic", "multiclass": "softmax", "regression": "identity"}


@final
@dataclass(frozen=True, eq=False)
class FittedNet(FittedLearner):
    """Weights of a net.

    Attributes
    ----------
    view : DenseView
    net : Net
        Ready for scoring.
    outputs : Outputs
    low, high : float
        Bounds of the training target, which no predicted value leaves.
    epochs : int
        Passes over the rows the weights come from.
    start : int, optional
        Seed of the first weights, where it was stated.
    pieces : int
    hats : bool
        What the inputs were divided into; see `NetLearner`.
    """

    view: DenseView
    net: Net
    outputs: Outputs
    low: float
    high: float
    epochs: int
    start: int | None = None
    pieces: int = 0
    hats: bool = False
    kind: ClassVar[str] = "net"

    @property
    def rounds(self) -> int:
        """Number of epochs."""
        return self.epochs

    def predict(self, table: Table) -> Prediction:
        """Return the outputs.

        Raises
        ------
        StorageError
            If the view gives another number of columns than the net reads.
        """
        return self.predict_shared(SharedViews(table))

    def predict_shared(self, views: SharedViews) -> Prediction:
        """Return `predict` of the rows being scored."""
        link = LINKS[self.outputs.problem.kind]
        matrix = self.view.shared(views)
        check_width(self.net.scale.shape[2] - self.net.pieces.width, matrix.shape[1], self.kind)
        found = averaged_outputs(self.net.scores(clipped(matrix)), link)
        if link == "identity":
            found = np.clip(found, self.low, self.high)
        return self.outputs.finish(found, views.table.n_rows)

    def weights(self, schema: Schema) -> Weights:
        """Return the arrays; see the base class.

        The one scale of a net without further members is multiplied into the layer that follows, which
        changes nothing but rounding: else the mean of scales and the mean of weights would not be
        the mean of their products.
        """
        net, n_members = self.net, len(self.net.head)
        absent = (net.shift == ABSENT).all(axis=(0, 1)) & (net.head == 0).all(axis=(0, 1))
        start = None
        if self.start is not None:
            rng, hidden = stream(self.start, "net", "start"), tuple(len(b) for _, b in net.hidden)
            n_inputs, n_outputs = net.scale.shape[2], net.head.shape[2]
            start = ready(start_net(n_inputs, hidden, n_outputs, n_members, np.flatnonzero(absent), rng))
        return Weights(
            _named(net),
            {
                **dense_parts(self.view, schema),
                "the number of members": n_members,
                "the pieces of a number": [self.pieces, self.hats],
                "the hidden layers": [len(b) for _, b in net.hidden],
                "the problem": [self.outputs.problem.kind, self.outputs.problem.n_classes],
                "the classes without training rows": np.flatnonzero(absent).tolist(),
            },
            {**code_tables(self.view, schema), "rounds": np.array(float(self.epochs))},
            _axes(net),
            frozenset({"inputs"}) if n_members > 1 and net.hidden else frozenset(),
            outlet=("head", "shift"),
            centre=self.outputs.offset,
            unit=self.outputs.scale,
            bounds=(self.low, self.high),
            start=None if start is None else _named(start),
        )

    def with_weights(self, weights: Weights) -> FittedNet:
        """Return a net with other weights."""
        *tables, rounds = weights.statistics.values()
        low, high = weights.bounds or (self.low, self.high)
        return FittedNet(
            with_code_tables(self.view, tables),
            self.net.like(list(weights.arrays.values())),
            replace(self.outputs, offset=weights.centre, scale=weights.unit),
            low,
            high,
            max(1, round(float(rounds))),
            pieces=self.pieces,
            hats=self.hats,
        )

    def to_state(self) -> State:
        """Return view and weights."""
        state: State = {
            "view": self.view.to_state(),
            "arrays": list(self.net.arrays),
            "outputs": self.outputs.to_state(),
            "low": self.low,
            "high": self.high,
            "epochs": self.epochs,
            "pieces": self.pieces,
            "hats": self.hats,
        }
        return state if self.start is None else {**state, "start": self.start}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model.

        Raises
        ------
        StorageError
            If the arrays are not those of a net for such a target.
        """
        outputs = Outputs.from_state(state["outputs"])
        finite_number(outputs.offset, "net: offset")
        finite_number(outputs.scale, "net: scale of the target")
        view = DenseView.from_state(state["view"])
        pieces, hats = state.get("pieces", 0), state.get("hats", False)
        if type(pieces) is not int or pieces < 0:
            refuse("net: pieces", f"is {pieces!r:.40}, not a number of pieces")
        if type(hats) is not bool:
            refuse("net: hats", f"is {hats!r:.40}, neither True nor False")
        return cls(
            view,
            replace(
                _net_of(state["arrays"], outputs.problem.n_outputs), pieces=pieces_of(view, pieces, hats)
            ),
            outputs,
            finite_number(state["low"], "net: low"),
            finite_number(state["high"], "net: high"),
            int(state["epochs"]),
            start_from_state(state, "net"),
            pieces,
            hats,
        )


def _named(net: Net) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays by name, in the order of `Net.arrays`; a lone scale goes into what follows."""
    scale, *rest = net.arrays
    names = [f"{what} {i}" for i in range(len(net.hidden)) for what in ("weights", "biases")]
    if len(scale) == 1:
        # The first layer has the shape (n_in, n_out), the head one axis more before it.
        rest[0] = rest[0] * scale[0, 0][:, None]
        scale = np.ones_like(scale)
    return dict(zip(("scale", *names, "head", "shift"), (scale, *rest), strict=True))


def _axes(net: Net) -> dict[str, tuple[str | None, ...]]:
    """Return the units each axis runs over; members are units too, and their inputs may change signs."""
    several = len(net.head) > 1
    member = "members" if several else None
    before = "inputs" if several and net.hidden else None
    axes: dict[str, tuple[str | None, ...]] = {"scale": (member, None, before)}
    for number in range(len(net.hidden)):
        after = f"hidden {number + 1}"
        axes[f"weights {number}"], axes[f"biases {number}"] = (before, after), (after,)
        before = after
    axes["head"], axes["shift"] = (member, before if net.hidden else None, None), (member, None, None)
    return axes


def _net_of(arrays: Any, n_outputs: int) -> Net:
    if not isinstance(arrays, list) or len(arrays) < 3 or len(arrays) % 2 == 0:
        refuse("net", "has no layers")
    scale = finite_array(arrays[0], "net: scale", (None, 1, None))
    n_members, _, n = scale.shape
    if n_members == 0:
        refuse("net", "has no members")
    for weights, bias in zip(arrays[1:-2:2], arrays[2:-2:2], strict=True):
        finite_array(weights, "net: weights", (n, None))
        n = len(finite_array(bias, "net: biases", (weights.shape[1],)))
    finite_array(arrays[-2], "net: head", (n_members, n, n_outputs))
    finite_array(arrays[-1], "net: shift", (n_members, 1, n_outputs))
    return Net(scale, list(zip(arrays[1:-2:2], arrays[2:-2:2], strict=True)), arrays[-2], arrays[-1])


def pieces_of(view: DenseView, most: int, hats: bool) -> Pieces:
    """Return the pieces of the inputs, which are clipped."""
    scaler = view.plain.scaler
    places = scaler.places if isinstance(scaler, NormalScaler) else []
    return pieces_between([clipped(values) for values in places], most, hats)
