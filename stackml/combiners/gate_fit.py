"""How a gate is trained: what each expert lost on rows it had not seen, by gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from stackml.combiners.gate import kept, shares_of
from stackml.combiners.inputs import FloatArray
from stackml.foundation.randomness import stream

Loss = Callable[[FloatArray], tuple[float, FloatArray]]
"""``loss(g)``: weights (n_rows, n_experts) give the mean loss and its slopes by each weight."""

_ROUNDS = 120
_REFINED = 2  # times the experts kept are chosen anew and the gate is fitted to them


@dataclass(frozen=True, eq=False)
class Lesson:
    """Rows that a gate learns from.

    Attributes
    ----------
    X : float64 ndarray of shape (n_rows, n_columns)
        What the gate reads, on like scales.
    weight : float64 ndarray of shape (n_rows,)
    loss : callable
        Of a mixture of experts by weights.
    each : float64 ndarray of shape (n_rows, n_experts)
        Loss of each expert alone, in the unit of `loss`.
    start : float64 ndarray of shape (n_experts,)
        Log weights to begin with.
    """

    X: FloatArray
    weight: FloatArray
    loss: Loss
    each: FloatArray
    start: FloatArray


def train(
    lesson: Lesson, *, top_k: int, n_hidden: int, l2: float, load_balance: float, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return hidden and output weights of a gate, as `Gate` holds them.

    The loss is that of the mixture; with one expert a row it is the mean of the experts' own losses
    by their weights (Jacobs et al. 1991, https://doi.org/10.1162/neco.1991.3.1.79), because nothing
    is mixed then. With more than one kept the gate is first trained on all and then, twice, on those
    it keeps.

    Parameters
    ----------
    lesson : Lesson
    top_k : int
        0 for all experts.
    n_hidden : int
        0 for a linear gate.
    l2 : float
        Penalty of squared weights, in rows.
    load_balance : float
        Penalty of the squared coefficient of variation of the experts' mean weights (Shazeer et al.
        2017, https://arxiv.org/abs/1701.06538, equations 6 and 7).
    seed : int
        Of the hidden units' first weights.
    """
    d, m = lesson.X.shape[1], len(lesson.start)
    first = stream(seed, "gate").normal(size=(d + 1, n_hidden)) / np.sqrt(d + 1)
    parameters = np.concatenate([first.ravel(), np.zeros(((n_hidden or d) + 1) * m)])
    task = _Task(lesson, n_hidden, l2, load_balance, alone=top_k == 1)
    parameters = _minimised(task, parameters)
    if 1 < top_k < m:
        for _ in range(_REFINED):
            task.among = kept(task.forward(parameters)[1], top_k)
            parameters = _minimised(task, parameters)
    return task.parts(parameters)


def _minimised(task: _Task, parameters: FloatArray) -> FloatArray:
    found = minimize(
        task, parameters, jac=True, method="L-BFGS-B", options={"maxiter": _ROUNDS, "ftol": 1e-9}
    )
    return np.asarray(found.x, dtype=np.float64)


@dataclass(eq=False)
class _Task:
    """The penalised loss of a gate's weights, with its gradient."""

    lesson: Lesson
    n_hidden: int
    l2: float
    load_balance: float
    alone: bool
    among: NDArray[np.bool_] | None = None

    def parts(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        d, m, h = self.lesson.X.shape[1], len(self.lesson.start), self.n_hidden
        return parameters[: (d + 1) * h].reshape(d + 1, h), parameters[(d + 1) * h :].reshape(-1, m)

    def forward(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what the output weights read, and the logits."""
        hidden, out = self.parts(parameters)
        read = np.tanh(self.lesson.X @ hidden[:-1] + hidden[-1]) if self.n_hidden else self.lesson.X
        return read, self.lesson.start + out[-1] + read @ out[:-1]

    def __call__(self, parameters: FloatArray) -> tuple[float, FloatArray]:
        lesson, w = self.lesson, self.lesson.weight
        out = self.parts(parameters)[1]
        read, logits = self.forward(parameters)
        g = shares_of(logits, self.among)
        part = w / w.sum()
        if self.alone:
            value, slopes = float(part @ (g * lesson.each).sum(axis=1)), part[:, None] * lesson.each
        else:
            value, slopes = lesson.loss(g)
        load = part @ g
        value += self.load_balance * float(len(load) * load @ load - 1)
        slopes = slopes + part[:, None] * (2 * self.load_balance * len(load) * load)
        strength = self.l2 / float(w.sum())
        value += 0.5 * strength * float(parameters @ parameters)
        of_logits = g * (slopes - (slopes * g).sum(axis=1, keepdims=True))
        gradients = [np.vstack([read.T @ of_logits, of_logits.sum(axis=0)])]
        if self.n_hidden:
            of_units = (of_logits @ out[:-1].T) * (1 - read**2)
            gradients.insert(0, np.vstack([lesson.X.T @ of_units, of_units.sum(axis=0)]))
        return value, np.concatenate([x.ravel() for x in gradients]) + strength * parameters


def mixed_log_loss(happened: FloatArray, weight: FloatArray) -> Loss:
    """Return the log loss of mixtures, from the clipped probability each expert gave to what happened."""
    part = weight / weight.sum()

    def loss(g: FloatArray) -> tuple[float, FloatArray]:
        mixed = (g * happened).sum(axis=1)
        return -float(part @ np.log(mixed)), -happened * (part / mixed)[:, None]

    return loss


def mixed_squared_error(residual: FloatArray, weight: FloatArray, unit: float) -> Loss:
    """Return the squared error of mixtures in a unit, from each expert's prediction minus the truth."""
    part = weight / weight.sum()

    def loss(g: FloatArray) -> tuple[float, FloatArray]:
        error = (g * residual).sum(axis=1)
        return float(part @ error**2) / unit, residual * (2 * part * error / unit)[:, None]

    return loss
