"""A multilayer perceptron on the dense view, stopped early by epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from stackml.features.dense import DenseChoice, DenseView
from stackml.features.dense_rows import PreparedDense, prepare_dense
from stackml.features.likeness import code_tables, dense_parts, with_code_tables
from stackml.features.shared import SharedViews
from stackml.foundation.randomness import stream
from stackml.learners.adam import Course, Floats, Layers, train_epochs
from stackml.learners.adam import Weights as LayerWeights
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.learners.boosting import check_parameters, rows_with_weight, training_rows
from stackml.learners.constant import fit_constant, has_one_class
from stackml.learners.net_training import block_of
from stackml.learners.solvers import probabilities
from stackml.learners.starting import checked_start, start_from_state
from stackml.learners.weights import Weights
from stackml.storage.fields import finite_array, finite_number, one_of, refuse
from stackml.storage.state import State
from stackml.tables.schema import Schema
from stackml.tables.table import Table
from stackml.tables.target import Target

_STOP_ROWS = 20_000
_UPDATES = 12_000  # steps of one fit, a few seconds of one core
_ABSENT = -30.0
_LINKS = {"binary": "logistic", "multiclass": "softmax", "regression": "identity"}


@final
@dataclass(frozen=True)
class MLPLearner(Learner):
    """A perceptron with rectified units, trained by Adam; its weights are means over the last steps.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    epochs : int, optional
        Most passes over the rows; by default as many as about 12,000 steps allow, within 5 to
        100.
    batch_rows : int, optional
        Rows of one step; by default a hundredth of the rows, within 32 to 256.
    learning_rate : float
    decay : float
        Pull of the weights towards zero, in units of the learning rate.
    patience : int
        Epochs without a better loss on the stop rows after which training ends.
    start : int, optional
        Seed of the first weights. Fits of one `start` and one shape begin alike, whatever their rows
        and their own seed: then their weights may be merged as they are. They begin with noise and
        with nothing learned, so no fold knows of another's rows.
    """

    hidden: tuple[int, ...] = (128, 64)
    epochs: int | None = None
    batch_rows: int | None = None
    learning_rate: float = 4e-3
    decay: float = 0.1
    patience: int = 8
    start: int | None = None
    kind: ClassVar[str] = "mlp"
    stops_early: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        given = tuple(
            n
            for n in (
                "epochs",
                "batch_rows",
                "learning_rate",
                "patience",
            )
            if getattr(self, n) is not None
        )
        check_parameters(self, positive=given, fractions=(), not_negative=("decay",))
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
        """Train epoch by epoch and keep the weights that were best on `stop_rows`."""
        rows = training_rows(target, rows, self.kind)
        if has_one_class(target, rows):
            return fit_constant(target, rows)
        view, matrix = prepared.fit(target, rows, seed)
        centre, unit = _scale(target, rows)
        outcome = _outcome(target, rows, centre, unit)
        weight = None if target.weight is None else _mean_one(target.weight[rows])
        link = _LINKS[target.problem.kind]
        batch = self.batch_rows or _batch_rows(len(rows))
        course = Course(link, min(batch, len(rows)), self.learning_rate, self.decay)
        begin = None if self.start is None else stream(self.start, "mlp", "start")
        trained = train_epochs(matrix, outcome, weight, self.hidden, course, stream(seed, "mlp"), begin)
        epochs = budget.rounds or self.epochs or int(np.clip(_UPDATES * batch / len(rows), 5, 100))
        end = None if budget.seconds is None or budget.rounds else monotonic() + budget.seconds
        check = None
        stop_rows = None if budget.rounds else rows_with_weight(target, stop_rows)
        if stop_rows is not None:
            check = _stop_check(view, prepared, target, stop_rows, centre, unit)
        absent = np.zeros(0, np.int64)
        if target.problem.kind == "multiclass":
            absent = np.flatnonzero(outcome.max(axis=0) == 0)

        def train() -> Layers:
            *hidden, last = next(trained)
            return [*hidden, without_classes(last, absent)]

        layers, rounds = _train(train, check, epochs, self.patience, end)
        start = None if self.start is None else int(self.start)
        return FittedMLP(view, layers, link, centre, unit, rounds, start)

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return seconds of one fit, roughly."""
        # A step multiplies its rows through all layers thrice.
        widths = (n_features, *self.hidden, n_outputs)
        products = sum(a * b for a, b in pairwise(widths))
        batch = self.batch_rows or _batch_rows(n_rows)
        steps = min(5000.0, 100.0 * n_rows / batch)
        return 0.1 + steps * (1.5e-4 + 1.0e-10 * batch * products)


@final
@dataclass(frozen=True, eq=False)
class FittedMLP(FittedLearner):
    """Weights of the layers.

    Attributes
    ----------
    view : DenseView
    layers : list of (float32 ndarray of shape (n_in, n_out), float32 ndarray of shape (n_out,))
    link : {"identity", "logistic", "softmax"}
    centre, unit : float
        Outputs of a regression are multiplied by `unit`, then `centre` is added.
    epochs : int
        Passes over the rows the weights come from.
    start : int, optional
        Seed of the first weights, where it was stated.
    """

    view: DenseView
    layers: Layers
    link: str
    centre: float
    unit: float
    epochs: int
    start: int | None = None
    kind: ClassVar[str] = "mlp"

    @property
    def rounds(self) -> int:
        """Number of epochs."""
        return self.epochs

    def predict(self, table: Table) -> Prediction:
        """Return the outputs."""
        return self.predict_shared(SharedViews(table))

    def predict_shared(self, views: SharedViews) -> Prediction:
        """Return `predict` of the rows being scored."""
        return _outputs(self.view.shared(views), self.layers, self.link, self.centre, self.unit)

    def weights(self, schema: Schema) -> Weights:
        """Return the layers; see the base class."""
        depth = len(self.layers)
        units = [None, *(f"hidden {number}" for number in range(1, depth)), None]
        axes: dict[str, tuple[str | None, ...]] = {}
        for number, (before, after) in enumerate(pairwise(units)):
            axes[f"weights {number}"], axes[f"biases {number}"] = (before, after), (after,)
        first, last = self.layers[0], self.layers[-1]
        absent = np.flatnonzero((last[1] == _ABSENT) & (last[0] == 0).all(axis=0)).tolist()
        start = None
        if self.start is not None:
            drawn = LayerWeights((len(first[0]), *(len(b) for _, b in self.layers)))
            drawn.draw(stream(self.start, "mlp", "start"))
            start = _named([*drawn.layers[:-1], without_classes(drawn.layers[-1], np.array(absent, int))])
        return Weights(
            _named(self.layers),
            {
                **dense_parts(self.view, schema),
                "the hidden layers": [len(b) for _, b in self.layers[:-1]],
                "the link": self.link,
                "the classes without training rows": absent,
            },
            {**code_tables(self.view, schema), "rounds": np.array(float(self.epochs))},
            axes,
            outlet=(f"weights {depth - 1}", f"biases {depth - 1}"),
            centre=self.centre,
            unit=self.unit,
            start=start,
        )

    def with_weights(self, weights: Weights) -> FittedMLP:
        """Return a perceptron with other weights."""
        *tables, rounds = weights.statistics.values()
        arrays = weights.arrays
        layers = [(arrays[f"weights {i}"], arrays[f"biases {i}"]) for i in range(len(self.layers))]
        view = with_code_tables(self.view, tables)
        epochs = max(1, round(float(rounds)))
        return FittedMLP(view, layers, self.link, weights.centre, weights.unit, epochs, None)

    def to_state(self) -> State:
        """Return view and weights."""
        state: State = {
            "view": self.view.to_state(),
            "weights": [w for w, _ in self.layers],
            "biases": [b for _, b in self.layers],
            "link": self.link,
            "centre": self.centre,
            "unit": self.unit,
            "epochs": self.epochs,
        }
        return state if self.start is None else {**state, "start": self.start}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model."""
        layers = list(zip(state["weights"], state["biases"], strict=True))
        if not layers:
            refuse("mlp", "has no layers")
        n: int | None = None
        for weights, bias in layers:
            finite_array(weights, "mlp: weights", (n, None))
            n = len(finite_array(bias, "mlp: biases", (weights.shape[1],)))
        return cls(
            DenseView.from_state(state["view"]),
            layers,
            one_of(state["link"], tuple(_LINKS.values()), "mlp: link"),
            finite_number(state["centre"], "mlp: centre"),
            finite_number(state["unit"], "mlp: unit"),
            int(state["epochs"]),
            start_from_state(state, "mlp"),
        )


def _named(layers: Layers) -> dict[str, npt.NDArray[Any]]:
    found = {}
    for number, (weights, bias) in enumerate(layers):
        found[f"weights {number}"], found[f"biases {number}"] = weights, bias
    return found


def without_classes(layer: tuple[Floats, Floats], absent: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    """Return the last layer with classes that no training row has scored far below the others."""
    weights, bias = layer[0].copy(), layer[1].copy()
    weights[:, absent], bias[absent] = 0.0, _ABSENT
    return weights, bias


def forward(matrix: Floats, layers: Layers) -> Floats:
    """Return the last layer's output, float32 of shape (n_rows, n_outputs).

    Rows go through in blocks of one size, padded with zeros: a matrix product rounds a row
    differently in products of different size (and on some processors by its place in the block,
    which is left). A few rows go through in a small block.
    """
    n_rows = len(matrix)
    result = np.empty((n_rows, layers[-1][1].shape[0]), np.float32)
    block = block_of(n_rows)
    padded = np.zeros((block, matrix.shape[1]), np.float32)
    for first in range(0, n_rows, block):
        size = min(block, n_rows - first)
        padded[:size] = matrix[first : first + size]
        padded[size:] = 0.0
        values = padded
        for weights, bias in layers[:-1]:
            values = np.maximum(values @ weights + bias, 0)
        result[first : first + size] = (values @ layers[-1][0] + layers[-1][1])[:size]
    return result


def _outputs(matrix: Floats, layers: Layers, link: str, centre: float, unit: float) -> Prediction:
    scores = forward(matrix, layers).astype(np.float64)
    if link == "identity":
        return (scores * unit + centre).astype(np.float32)
    return probabilities(scores, link).astype(np.float32)


def _train(
    train: Callable[[], Layers],
    check: Callable[[Layers], float] | None,
    epochs: int,
    patience: int,
    end: float | None,
) -> tuple[Layers, int]:
    best: Layers = []
    best_loss, best_epoch = np.inf, 0
    for epoch in range(1, epochs + 1):
        layers = train()
        loss = -float(epoch) if check is None else check(layers)
        if loss < best_loss or not best:
            best, best_loss, best_epoch = layers, loss, epoch
        if epoch - best_epoch >= patience or (end is not None and monotonic() >= end):
            break
    return best, best_epoch


def _stop_check(
    view: DenseView, prepared: PreparedDense, target: Target, stop_rows: Rows, centre: float, unit: float
) -> Callable[[Layers], float]:
    stop_rows = stop_rows[:: -(-len(stop_rows) // _STOP_ROWS)]
    matrix = prepared.matrix_of(view, stop_rows)
    values = target.values[stop_rows]
    weight = np.ones(len(stop_rows)) if target.weight is None else target.weight[stop_rows]
    kind = target.problem.kind

    def loss(layers: Layers) -> float:
        out = _outputs(matrix, layers, _LINKS[kind], 0.0, 1.0).astype(np.float64)
        if kind == "regression":
            return float(weight @ (out[:, 0] - (values - centre) / unit) ** 2)
        if kind == "binary":
            chosen = np.where(values == 1, out[:, 0], 1 - out[:, 0])
        else:
            chosen = out[np.arange(len(values)), values]
        return float(-weight @ np.log(np.maximum(chosen, 1e-7)))

    return loss


def _batch_rows(n_rows: int) -> int:
    return int(np.clip(n_rows // 100, 32, 256))


def _scale(target: Target, rows: Rows) -> tuple[float, float]:
    if not target.problem.is_regression:
        return 0.0, 1.0
    values = target.values[rows].astype(np.float64)
    weight = None if target.weight is None else target.weight[rows]
    centre = float(np.average(values, weights=weight))
    spread = float(np.average((values - centre) ** 2, weights=weight)) ** 0.5
    return centre, spread or 1.0


def _outcome(target: Target, rows: Rows, centre: float, unit: float) -> Floats:
    values = target.values[rows]
    if target.problem.is_regression:
        return ((values - centre) / unit).astype(np.float32)[:, None]
    if target.problem.kind == "binary":
        return values.astype(np.float32)[:, None]
    indicators = np.zeros((len(rows), target.problem.n_classes), np.float32)
    indicators[np.arange(len(rows)), values] = 1.0
    return indicators


def _mean_one(weight: npt.NDArray[np.float64]) -> Floats:
    return (weight / weight.mean()).astype(np.float32)
