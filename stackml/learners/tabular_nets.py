"""Perceptrons with the recipes of RealMLP and TabM, on the dense view, trained without a framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, final

import numpy as np
import numpy.typing as npt

from stackml.features.dense import DenseChoice, DenseView
from stackml.features.dense_rows import DenseMatrix, DenseRows, PreparedDense, prepare_dense
from stackml.features.pieces import Pieces
from stackml.foundation.errors import ParameterError
from stackml.foundation.randomness import stream
from stackml.foundation.threads import one_thread_each
from stackml.learners.base import Budget, FittedLearner, Learner, Rows
from stackml.learners.boosting import (
    Outputs,
    Patience,
    check_parameters,
    rows_with_weight,
    training_rows,
)
from stackml.learners.constant import fit_constant, has_one_class
from stackml.learners.fitted_net import LINKS, FittedNet, pieces_of
from stackml.learners.net_training import (
    Net,
    Trainer,
    averaged_outputs,
    clipped,
    loss_gradient,
    start_net,
)
from stackml.learners.starting import checked_start
from stackml.tables.table import Table
from stackml.tables.target import Target

_STOP_ROWS = 20_000
_STEPS = 6000  # of one fit at most
_LEAST_UNITS = 64  # of a layer that is made narrower
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
        pieces = pieces_of(view, self.pieces, self.hats)
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
        gradient = loss_gradient(labels, weight, LINKS[problem.kind])
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


def _train(trainer: Trainer, score: Callable[[Net], float] | None, patience: Patience) -> Net:
    best, epoch, goes_on = trainer.net, 0, True
    while goes_on:
        net, epoch = trainer.epoch(), epoch + 1
        goes_on = patience.goes_on(None if score is None else score(net))
        if patience.kept == epoch:
            best = net
    return best


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
    link = LINKS[target.problem.kind]

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
