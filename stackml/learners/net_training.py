"""Kernel of the perceptrons: passes forward and back through the layers, Adam, averaged weights.

The recipe is that of RealMLP (Holzmüller, Grinsztajn, Steinwart, "Better by default", 2024): inputs
clipped smoothly, a trainable scale for each, layers of unit-variance weights divided by the root
of their inputs, smooth units. The members are those of TabM (Gorishniy, Kotelnikov, Babenko, 2025,
"TabM-mini"): they share all hidden layers, and differ by a scale of the inputs and by their heads.
In place of a schedule of falling steps the weights are averaged over the last steps (Polyak and
Juditsky, 1992), so that training may end after any epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from stackml.features.dense_rows import DenseMatrix, DenseRows
from stackml.features.pieces import NO_PIECES, Pieces
from stackml.learners.trees.additive import FEW_ROWS

Floats32: TypeAlias = npt.NDArray[np.float32]

BLOCK = 256
ABSENT = -30.0  # score of a class that no training row has
_WIDEST = 3.0  # inputs stay within this, smoothly
_SCALE_STEP, _BIAS_STEP = 6.0, 0.1  # steps of scales and biases, in those of the weights
_DECAYS = (0.9, 0.95)  # of Adam's means of the gradient and of its square
_WARM_STEPS = 20


@dataclass(frozen=True, eq=False)
class Net:
    """Weights of a perceptron of one or more members.

    Attributes
    ----------
    scale : float32 ndarray of shape (n_members, 1, n_inputs)
        What each member multiplies the inputs by.
    hidden : list of (float32 ndarray of shape (n_in, n_out), float32 ndarray of shape (n_out,))
        Layers all members share.
    head : float32 ndarray of shape (n_members, n_in, n_outputs)
    shift : float32 ndarray of shape (n_members, 1, n_outputs)
    pieces : Pieces
        What is put beside the inputs before all else; `n_inputs` counts it.
    """

    scale: Floats32
    hidden: list[tuple[Floats32, Floats32]]
    head: Floats32
    shift: Floats32
    pieces: Pieces = NO_PIECES

    @property
    def arrays(self) -> list[Floats32]:
        """All arrays, in order."""
        return [self.scale, *(array for layer in self.hidden for array in layer), self.head, self.shift]

    def like(self, arrays: list[Floats32]) -> Net:
        """Return a net of this form with other arrays."""
        layers = arrays[1:-2]
        return Net(
            arrays[0], list(zip(layers[::2], layers[1::2], strict=True)), arrays[-2], arrays[-1], self.pieces
        )

    def scores(self, inputs: Floats32) -> Floats32:
        """Return the scores of all members, float32 of shape (n_members, n_rows, n_outputs).

        `inputs` are without pieces.

        Rows go through in blocks of one size, padded with zeros: a matrix product rounds a row
        differently in products of different size (and on some processors by its place in the block,
        which is left). A few rows go through in a small block.
        """
        n_rows = len(inputs)
        result = np.empty((len(self.head), n_rows, self.head.shape[2]), np.float32)
        block = block_of(n_rows)
        padded = np.zeros((block, inputs.shape[1]), np.float32)
        for first in range(0, n_rows, block):
            size = min(block, n_rows - first)
            padded[:size] = inputs[first : first + size]
            padded[size:] = 0.0
            result[:, first : first + size] = _forward(self, self.pieces.beside(padded))[:, :size]
        return result


def block_of(n_rows: int) -> int:
    """Return the rows that go through the layers at once."""
    return BLOCK if n_rows > FEW_ROWS else FEW_ROWS


@dataclass(eq=False)
class Trainer:
    """A net that learns, one epoch after another.

    Attributes
    ----------
    net : Net
        Weights in the parametrization that is trained, changed in place.
    inputs : float32 ndarray of shape (n_rows, n_columns), or DenseRows
        Without pieces. An array is clipped already; rows of DenseRows are when they are read.
    gradient : function of (scores, rows)
        Gradient of the mean loss of those rows by the scores of all members, of their shape.
    batch : int
    step : float
        Learning rate.
    averaged : float
        Share of the average that one step leaves as it is.
    decay : float
        Share of the hidden weights that a whole step takes away.
    rng : numpy.random.Generator
    """

    net: Net
    inputs: DenseMatrix
    gradient: Callable[[Floats32, npt.NDArray[np.int64]], Floats32]
    batch: int
    step: float
    averaged: float
    decay: float
    rng: np.random.Generator
    _done: int = 0
    _flat: dict[str, Floats32] = field(default_factory=dict)

    def __post_init__(self) -> None:
        net = self.net
        self._flat["weights"] = np.concatenate([a.ravel() for a in net.arrays])
        self.net = net.like(_views(self._flat["weights"], net))
        for name in ("slope", "mean", "square", "work"):
            self._flat[name] = np.zeros_like(self._flat["weights"])
        self._flat["average"] = self._flat["weights"].copy()
        n_layers = len(net.hidden)
        factors = [_SCALE_STEP, *([1.0, _BIAS_STEP] * n_layers), 1.0, _BIAS_STEP]
        decays = [0.0, *([1.0, 0.0] * n_layers), 1.0, 0.0]
        for name, values in (("factor", factors), ("decay", decays)):
            pairs = zip(net.arrays, values, strict=True)
            self._flat[name] = np.concatenate([np.full(a.size, v, np.float32) for a, v in pairs])

    def epoch(self) -> Net:
        """Pass over the rows once; return the averaged weights, ready for scoring."""
        order = self.rng.permutation(len(self.inputs))
        for rows in _batches(order, self.batch):
            read = self.inputs[rows]
            inputs = self.net.pieces.beside(clipped(read) if isinstance(self.inputs, DenseRows) else read)
            slopes = _slopes(self.net, inputs, self.gradient, rows)
            np.concatenate([s.ravel() for s in slopes], out=self._flat["slope"])
            self._update()
        return ready(self.net.like(_views(self._flat["average"].copy(), self.net)))

    def _update(self) -> None:
        self._done += 1
        flat, work = self._flat, self._flat["work"]
        slope, weights = flat["slope"], flat["weights"]
        (keep_mean, keep_square), done = _DECAYS, self._done
        flat["mean"] *= np.float32(keep_mean)
        flat["mean"] += np.multiply(slope, np.float32(1 - keep_mean), out=work)
        flat["square"] *= np.float32(keep_square)
        np.multiply(slope, slope, out=work)
        work *= np.float32(1 - keep_square)
        flat["square"] += work
        step = self.step * min(1.0, done / _WARM_STEPS)
        if self.decay:
            weights -= np.multiply(weights, flat["decay"], out=work) * np.float32(self.decay * step)
        np.sqrt(flat["square"], out=work)
        work *= np.float32(1 / np.sqrt(1 - keep_square**done))
        work += np.float32(1e-8)
        np.divide(flat["mean"], work, out=work)
        work *= flat["factor"]
        work *= np.float32(step / (1 - keep_mean**done))
        weights -= work
        # The first weights, which are chance, leave the average soon.
        kept = min(self.averaged, (1 + done) / (10 + done))
        np.subtract(weights, flat["average"], out=work)
        work *= np.float32(1 - kept)
        flat["average"] += work


def start_net(
    n_inputs: int,
    hidden: tuple[int, ...],
    n_outputs: int,
    n_members: int,
    absent: npt.NDArray[np.int64],
    rng: np.random.Generator,
    pieces: Pieces = NO_PIECES,
) -> Net:
    """Return a net as it is before training, in the parametrization that is trained.

    Parameters
    ----------
    n_inputs : int
        With those of `pieces`.
    hidden : tuple of int
        Units of each hidden layer.
    n_outputs, n_members : int
    absent : int64 ndarray
        Outputs of classes without rows: their scores start, and stay, far below the others.
    rng : numpy.random.Generator
    pieces : Pieces
    """
    signs = rng.choice(np.array([-1.0, 1.0], np.float32), (n_members, 1, n_inputs))
    scale = np.ones_like(signs) if n_members == 1 else signs
    layers = [
        (rng.standard_normal((a, b), np.float32), rng.standard_normal(b, np.float32))
        for a, b in pairwise((n_inputs, *hidden))
    ]
    last = hidden[-1] if hidden else n_inputs
    head = np.zeros((n_members, last, n_outputs), np.float32)
    shift = np.zeros((n_members, 1, n_outputs), np.float32)
    shift[:, :, absent] = ABSENT
    return Net(scale, layers, head, shift, pieces)


def ready(net: Net) -> Net:
    """Return a net ready for scoring: every trained weight divided by the root of its layer's inputs."""
    layers = [(w * _share(w.shape[0]), b) for w, b in net.hidden]
    return Net(net.scale, layers, net.head * _share(net.head.shape[1]), net.shift, net.pieces)


def clipped(matrix: Floats32) -> Floats32:
    """Return inputs within ±3, by ``x / sqrt(1 + (x / 3)**2)``."""
    return matrix / np.sqrt(1 + (matrix * np.float32(1 / _WIDEST)) ** 2)


def averaged_outputs(scores: Floats32, link: str) -> npt.NDArray[np.float64]:
    """Return the mean of the members' values or probabilities.

    Parameters
    ----------
    scores : float32 ndarray of shape (n_members, n_rows, n_outputs)
    link : {"identity", "logistic", "softmax"}
    """
    return np.asarray(_outputs(scores.astype(np.float64), link).mean(axis=0))


def loss_gradient(
    labels: npt.NDArray[Any], weight: Floats32 | None, link: str
) -> Callable[[Floats32, npt.NDArray[np.int64]], Floats32]:
    """Return the gradient of a batch's mean loss (half a square, or log-loss) by the scores.

    Parameters
    ----------
    labels : float32 ndarray of shape (n_rows,), or int64 classes under "softmax"
    weight : float32 ndarray of shape (n_rows,), optional
        Of mean 1.
    link : {"identity", "logistic", "softmax"}
    """
    n_rows = len(labels)

    def gradient(scores: Floats32, rows: npt.NDArray[np.int64]) -> Floats32:
        residual = _outputs(scores, link)
        if link == "softmax":
            residual = residual.copy()
            residual[:, np.arange(len(rows)), labels[rows]] -= 1
        else:
            residual = residual - labels[rows][None, :, None]
        share = np.float32(1 / (len(rows) * len(scores)))
        residual *= share if weight is None else share * weight[rows][None, :, None]
        return residual

    assert weight is None or len(weight) == n_rows
    return gradient


def _outputs(scores: Any, link: str) -> Any:
    if link == "identity":
        return scores
    return expit(scores) if link == "logistic" else softmax(scores, axis=-1)


def _batches(order: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    # The rest of the rows, too few for a step, waits for the next epoch's order.
    size = min(size, len(order))
    for first in range(0, len(order) - size + 1, size):
        yield order[first : first + size]


def _views(flat: Floats32, net: Net) -> list[Floats32]:
    ends = np.cumsum([a.size for a in net.arrays])[:-1]
    return [part.reshape(a.shape) for part, a in zip(np.split(flat, ends), net.arrays, strict=True)]


def _share(n_inputs: int) -> np.float32:
    return np.float32(1 / np.sqrt(max(1, n_inputs)))


def _forward(net: Net, inputs: Floats32) -> Any:
    """Return the scores, of shape (n_members, n_rows, n_outputs), of a net ready for scoring."""
    values: Any = inputs * net.scale
    for weights, bias in net.hidden:
        values = values @ weights
        values += bias
        values = _unit(values)
    return values @ net.head + net.shift


def _slopes(
    net: Net,
    inputs: Floats32,
    gradient: Callable[[Floats32, npt.NDArray[np.int64]], Floats32],
    rows: npt.NDArray[np.int64],
) -> list[Floats32]:
    """Return the slopes of the loss by every array of the net, in the order of `Net.arrays`."""
    scaled = ready(net)
    values: list[Any] = [inputs * net.scale]
    bends = []
    for weights, bias in scaled.hidden:
        sums = values[-1] @ weights
        sums += bias
        unit, bend = _unit_and_bend(sums)
        values.append(unit)
        bends.append(bend)
    back = gradient(values[-1] @ scaled.head + scaled.shift, rows)
    share = _share(net.head.shape[1])
    slopes = [back.sum(axis=1, keepdims=True), values[-1].swapaxes(1, 2) @ back * share]
    back = back @ scaled.head.swapaxes(1, 2)
    for (weights, _), value, bend in zip(scaled.hidden[::-1], values[-2::-1], bends[::-1], strict=True):
        back *= bend
        flat = back.reshape(-1, back.shape[2])
        slopes.append(flat.sum(axis=0))
        slopes.append(value.reshape(-1, value.shape[2]).T @ flat * _share(len(weights)))
        back = back @ weights.T
    slopes.append(np.einsum("mrc,rc->mc", back, inputs)[:, None, :])
    return slopes[::-1]


def _unit(sums: Floats32) -> Floats32:
    """Return ``mish(x) = x * tanh(log(1 + exp(x)))`` (Misra, 2019)."""
    grown = np.exp(np.minimum(sums, np.float32(20)))
    grown *= grown + 2
    return sums * (grown / (grown + 2))


def _unit_and_bend(sums: Floats32) -> tuple[Floats32, Floats32]:
    """Return `_unit` and its slope."""
    grown = np.exp(np.minimum(sums, np.float32(20)))
    square = grown * (grown + 2)
    rest = 1 / (square + 2)
    square *= rest
    grown *= grown + 1
    grown *= rest
    grown *= rest
    grown *= sums
    grown *= 4
    grown += square
    return sums * square, grown
