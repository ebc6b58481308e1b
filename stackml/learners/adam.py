"""Training of a perceptron by Adam (Kingma & Ba 2015) with averaged weights, on float32 arrays.

All weights lie in one vector, so that a step of Adam is a few passes over it. What is handed out is the
average of the weights over the last tenth or so of all steps (polynomial decay, Shamir & Zhang 2013): it
has the lower loss that a falling learning rate would give, but at any moment, so that neither the clock
nor early stopping need be known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from stackml.features.dense_rows import DenseMatrix

Floats: TypeAlias = npt.NDArray[np.float32]
Layers: TypeAlias = "list[tuple[Floats, Floats]]"

_FIRST, _SECOND, _TINY = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
_AVERAGED = 9.0  # the average reaches back over about a tenth of the steps
_LAST = np.float32(0.1)
_WARM_UP = 50  # steps in which the learning rate rises to its full size


@dataclass(frozen=True)
class Course:
    """How to train.

    Attributes
    ----------
    link : {"identity", "logistic", "softmax"}
        The loss is the squared error, or the log loss of the link.
    batch_rows : int
    learning_rate : float
    decay : float
        Share of a weight that an update of learning rate 1 takes away (Loshchilov & Hutter 2019).
    """

    link: str
    batch_rows: int
    learning_rate: float
    decay: float


class Weights:
    """Layers as views of one vector.

    Parameters
    ----------
    widths : sequence of int
        Columns read, units of the hidden layers, outputs.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        sizes = [n * m for n, m in pairwise(widths)]
        self.flat = np.zeros(sum(sizes) + sum(widths[1:]), np.float32)
        self.n_products = sum(sizes)  # these come first, the biases after them
        products = np.split(self.flat[: self.n_products], np.cumsum(sizes)[:-1])
        biases = np.split(self.flat[self.n_products :], np.cumsum(widths[1:])[:-1])
        shapes = list(pairwise(widths))
        self.layers: Layers = [(p.reshape(s), b) for p, s, b in zip(products, shapes, biases, strict=True)]

    def draw(self, rng: np.random.Generator) -> None:
        """Fill the weights with random numbers fit for rectified units (He et al. 2015).

        The last layer's are small, so that training starts from nearly equal outputs.
        """
        for weights, _ in self.layers:
            weights[:] = rng.standard_normal(weights.shape, np.float32) * np.sqrt(2.0 / len(weights))
        self.layers[-1][0][:] *= _LAST


def train_epochs(
    matrix: DenseMatrix,
    outcome: Floats,
    weight: Floats | None,
    hidden: tuple[int, ...],
    course: Course,
    rng: np.random.Generator,
    start: np.random.Generator | None = None,
) -> Iterator[Layers]:
    """Yield the averaged layers after each pass over the rows, without end.

    Parameters
    ----------
    matrix : float32 ndarray of shape (n_rows, n_columns), or DenseRows
        Near unit scale.
    outcome : float32 ndarray of shape (n_rows, n_outputs)
        The value, 0 or 1, or class indicators.
    weight : float32 ndarray of shape (n_rows,), optional
        Of mean 1.
    hidden : tuple of int
    course : Course
    rng : numpy.random.Generator
    start : numpy.random.Generator, optional
        Draws the first weights, in place of `rng`.
    """
    widths = (matrix.shape[1], *hidden, outcome.shape[1])
    weights, slope, mean = Weights(widths), Weights(widths), Weights(widths)
    weights.draw(rng if start is None else start)
    mean.flat[:] = weights.flat
    moments = (np.zeros_like(weights.flat), np.zeros_like(weights.flat))
    step = 0
    while True:
        order = rng.permutation(len(matrix))
        for first in range(0, len(order), course.batch_rows):
            rows = order[first : first + course.batch_rows]
            step += 1
            given = None if weight is None else weight[rows]
            _slope(matrix[rows], outcome[rows], given, weights.layers, slope.layers, course.link)
            _update(weights, slope.flat, moments, step, course)
            share = np.float32((_AVERAGED + 1) / (step + _AVERAGED))
            mean.flat += share * (weights.flat - mean.flat)
        yield [(w.copy(), b.copy()) for w, b in mean.layers]


def _slope(
    rows: Floats, outcome: Floats, weight: Floats | None, layers: Layers, slopes: Layers, link: str
) -> None:
    values = [rows]
    for weights, bias in layers[:-1]:
        following = values[-1] @ weights
        following += bias
        values.append(np.maximum(following, 0, out=following))
    delta = _linked(values[-1] @ layers[-1][0] + layers[-1][1], link)
    delta -= outcome
    delta /= np.float32(len(rows))
    if weight is not None:
        delta *= weight[:, None]
    for depth in range(len(layers) - 1, -1, -1):
        np.matmul(values[depth].T, delta, out=slopes[depth][0])
        delta.sum(axis=0, out=slopes[depth][1])
        if depth:
            delta = delta @ layers[depth][0].T
            delta *= values[depth] > 0


def _linked(scores: Floats, link: str) -> Floats:
    if link == "identity":
        return scores
    if link == "logistic":
        return np.asarray(expit(scores), np.float32)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def _update(
    weights: Weights, slope: Floats, moments: tuple[Floats, Floats], step: int, course: Course
) -> None:
    first, second = moments
    first += (1 - _FIRST) * (slope - first)
    second += (1 - _SECOND) * (slope * slope - second)
    rate = course.learning_rate * min(1.0, step / _WARM_UP)
    unbiased = rate * np.sqrt(1 - float(_SECOND) ** step) / (1 - float(_FIRST) ** step)
    if course.decay:
        weights.flat[: weights.n_products] *= np.float32(1 - rate * course.decay)
    weights.flat -= np.float32(unbiased) * first / (np.sqrt(second) + _TINY)
