"""Perceptrons with the recipes of RealMLP and TabM, on the dense view, trained without a framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from stackml.features.dense import DenseChoice, DenseView
from stackml.features.dense_rows import DenseMatrix, DenseRows, PreparedDense, prepare_dense
from stackml.features.likeness import code_tables, dense_parts, with_code_tables
from stackml.features.pieces import Pieces, pieces_between
from stackml.features.scaling import NormalScaler
from stackml.features.shared import SharedViews
from stackml.foundation.errors import ParameterError
from stackml.foundation.randomness import stream
from stackml.foundation.threads import one_thread_each
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.learners.boosting import (
    Outputs,
    Patience,
    check_parameters,
    check_width,
    rows_with_weight,
    training_rows,
)
from stackml.learners.constant import fit_constant, has_one_class
from stackml.learners.net_training import (
    ABSENT,
    Net,
    Trainer,
    averaged_outputs,
    clipped,
    loss_gradient,
    ready,
    start_net,
)
from stackml.learners.starting import checked_start, start_from_state
from stackml.learners.weights import Weights
from stackml.storage.fields import finite_array, finite_number, refuse
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Target

_STOP_ROWS = 20_000
_STEPS = 6000  # of one fit at most
_LEAST_UNITS = 64  # of a layer that is made narrower
_LINKS = {"binary": "logistic", "multiclass": "softmax", "regression": "identity"}
_LEAST_PROBABILITY = 1e-7


@final
@dataclass(frozen=True)
class NetLearner(Learner):
    """A perceptron of smooth units, or several that share their hidden layers.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    members : int
        Nets that share the hidden layers and differ in the scale of their inputs and in their
        heads; their values or probabilities are averaged.
    epochs : int, optional
        Most passes over the rows; by default as many as about 6,000 steps allow, within 5 to 100.
    batch_rows : int, optional
        Rows of one step; by default a fiftieth of the rows, within 32 to 256.
    learning_rate : float
        Of weights; scales take six times the step, biases a tenth.
    weight_decay : float
        Share of the weights that a step of length 1 takes away.
    averaging : float
        Share of the averaged weights that one step leaves as it is, below 1.
    patience : int
        Epochs without a better loss on the stop rows after which training ends.
    pieces : int
        Parts, between its quantiles, that each number's range is divided into; each gives an input
        beside the number. 0 divides none.
    hats : bool
        Whether each quantile gives an input instead, highest there and 0 from the next ones on:
        single values may then matter, and neighbours tell less about each other.
    start : int, optional
        Seed of the first weights. Fits of one `start` and one shape begin alike, whatever their rows
        and their own seed: then their weights may be merged as they are. They begin with noise and
        with nothing learned, so no fold knows of another's rows.
    """

    hidden: tuple[int, ...] = (128, 128)
    members: int = 1
    epochs: int | None = None
    batch_rows: int | None = None
    learning_rate: float = 0.04
    weight_decay: float = 0.05
    averaging: float = 0.995
    patience: int = 10
    pieces: int = 8
    hats: bool = False
    start: int | None = None
    kind: ClassVar[str] = "net"
    stops_early: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        optional = tuple(n for n in ("epochs", "batch_rows") if getattr(self, n) is not None)
        positive = ("members", "learning_rate", "patience", *optional)
        check_parameters(self, positive, ("averaging",), ("weight_decay", "pieces"))
        if type(self.hats) is not bool:
            raise ParameterError(f"net: hats must be True or False, not {self.hats!r}")
        if not isinstance(self.pieces, int | np.integer) or isinstance(self.pieces, bool):
            raise ParameterError(f"net: pieces must be a whole number, not {self.pieces!r}")
        if self.averaging == 1:
            raise ParameterError("net: averaging must be below 1, or the weights never leave their start")
        if not all(isinstance(n, int | np.integer) and n > 0 for n in self.hidden):
            raise ParameterError(f"net: hidden must be numbers of units above 0, not {self.hidden!r}")
        object.__setattr__(self, "hidden", tuple(int(n) for n in self.hidden))
        checked_start(self.start, self.kind)

    def prepare(self, table: Table, rows: Rows | None = None) -> PreparedDense:
        """Learn scales and put every row through them."""
        return prepare_dense(table, rows, DenseChoice())

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """Learners that read the same view share it."""
        return ("dense", DenseChoice())

    def fit(
        self,
        prepared: PreparedDense,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Train epoch by epoch and keep the averaged weights that were best on `stop_rows`.

        Raises
        ------
        FitError
            If no row has a weight above zero.
        """
        rows = training_rows(target, rows, self.kind)
        if has_one_class(target, rows):
            return fit_constant(target, rows)
        view, matrix = prepared.fit(target, rows, seed)
        outputs = Outputs.of(target, rows)
        labels = _labels(outputs, target, rows)
        pieces = _pieces(view, self.pieces, self.hats)
        inputs = matrix if isinstance(matrix, DenseRows) else clipped(matrix)
        trainer = self._trainer(inputs, pieces, labels, target, rows, seed)
        patience = Patience(budget, self.epochs or self._most_epochs(len(rows)), self.patience)
        stop_rows = None if patience.is_exact else rows_with_weight(target, stop_rows)
        score = None if stop_rows is None else _stop_score(view, prepared, outputs, target, stop_rows)
        with one_thread_each():  # the products are too small to share
            net = _train(trainer, score, patience)
        low, high = (float(labels.min()), float(labels.max())) if target.problem.is_regression else (0.0, 1.0)
        start = None if self.start is None else int(self.start)
        return FittedNet(view, net, outputs, low, high, patience.kept, start, int(self.pieces), self.hats)

    def _trainer(
        self,
        inputs: DenseMatrix,
        pieces: Pieces,
        labels: npt.NDArray[Any],
        target: Target,
        rows: Rows,
        seed: int,
    ) -> Trainer:
        problem = target.problem
        absent = np.zeros(0, np.int64)
        if problem.kind == "multiclass":
            absent = np.setdiff1d(np.arange(problem.n_classes), labels)
        rng = stream(seed, "net")
        begin = rng if self.start is None else stream(self.start, "net", "start")
        n_inputs = inputs.shape[1] + pieces.width
        net = start_net(n_inputs, self.hidden, problem.n_outputs, self.members, absent, begin, pieces)
        weight = None if target.weight is None else target.weight[rows]
        if weight is not None:
            weight = (weight / weight.mean()).astype(np.float32)
        gradient = loss_gradient(labels, weight, _LINKS[problem.kind])
        batch = self.batch_rows or _batch_rows(len(rows))
        return Trainer(
            net, inputs, gradient, batch, self.learning_rate, self.averaging, self.weight_decay, rng
        )

    def _most_epochs(self, n_rows: int) -> int:
        batch = self.batch_rows or _batch_rows(n_rows)
        return int(np.clip(_STEPS * batch / n_rows, 5, 100))

    def paced(self, share: float) -> NetLearner:
        """Return the net with narrower layers, of at least 64 units unless they were narrower.

        One with a `start` keeps its shape, so that it can be merged with others of that start.
        """
        if self.start is not None:
            return self
        narrower = (min(n, max(_LEAST_UNITS, 8 * round(n * share**0.5 / 8))) for n in self.hidden)
        return replace(self, hidden=tuple(narrower))

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return seconds of one fit, roughly."""
        # Measured on 2,000 to 12,000 rows; few fits take all their epochs. A category gives about as many
        # columns as a number has pieces.
        batch = self.batch_rows or _batch_rows(n_rows)
        epochs = 0.5 * (self.epochs or self._most_epochs(n_rows))
        widths = ((1 + self.pieces) * n_features, *self.hidden, n_outputs)
        products, units = sum(a * b for a, b in pairwise(widths)), sum(widths[1:])
        a_row = 1e-10 * products + 6e-9 * units
        return 0.1 + epochs * n_rows / batch * (2e-4 + 5e-9 * products + self.members * batch * a_row)


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
        link = _LINKS[self.outputs.problem.kind]
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
            replace(_net_of(state["arrays"], outputs.problem.n_outputs), pieces=_pieces(view, pieces, hats)),
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


def _train(trainer: Trainer, score: Callable[[Net], float] | None, patience: Patience) -> Net:
    best, epoch, goes_on = trainer.net, 0, True
    while goes_on:
        net, epoch = trainer.epoch(), epoch + 1
        goes_on = patience.goes_on(None if score is None else score(net))
        if patience.kept == epoch:
            best = net
    return best


def _pieces(view: DenseView, most: int, hats: bool) -> Pieces:
    """Return the pieces of the inputs, which are clipped."""
    scaler = view.plain.scaler
    places = scaler.places if isinstance(scaler, NormalScaler) else []
    return pieces_between([clipped(values) for values in places], most, hats)


def _labels(outputs: Outputs, target: Target, rows: Rows) -> npt.NDArray[Any]:
    return target.values[rows] if target.problem.kind == "multiclass" else outputs.labels(target, rows)


def _stop_score(
    view: DenseView, prepared: PreparedDense, outputs: Outputs, target: Target, stop_rows: Rows
) -> Callable[[Net], float]:
    """Return the weighted loss of a net on some rows: mean square or log-loss."""
    stop_rows = stop_rows[:: -(-len(stop_rows) // _STOP_ROWS)]
    inputs = clipped(prepared.matrix_of(view, stop_rows))
    labels = _labels(outputs, target, stop_rows)
    weight = np.ones(len(stop_rows)) if target.weight is None else target.weight[stop_rows]
    link = _LINKS[target.problem.kind]

    def score(net: Net) -> float:
        found = averaged_outputs(net.scores(inputs), link)
        if link == "identity":
            return float(weight @ (found[:, 0] - labels) ** 2)
        if link == "logistic":
            chosen = np.where(labels == 1, found[:, 0], 1 - found[:, 0])
        else:
            chosen = found[np.arange(len(labels)), labels]
        return float(-weight @ np.log(np.maximum(chosen, _LEAST_PROBABILITY)))

    return score


def _batch_rows(n_rows: int) -> int:
    return int(np.clip(n_rows // 50, 32, 256))
