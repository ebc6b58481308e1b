"""Linear fits on a dense matrix beside the sparse terms of texts.

Where there are no terms these are the fits of `stackml.learners.solvers`, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.optimize import minimize

from stackml.features.dense_rows import DenseMatrix, DenseRows
from stackml.features.shared import SharedViews
from stackml.learners.solvers import (
    ABSENT,
    RidgePath,
    fit_logistic,
    linear_scores,
    losses_of,
    moments_of,
)
from stackml.tables.table import Table
from stackml.tables.text import Sparse

Floats: TypeAlias = npt.NDArray[np.float64]
Rows: TypeAlias = npt.NDArray[np.int64]

SCALE: Final = 2.0  # terms' rows have length 1, columns of the dense matrix deviations near 1


@dataclass(frozen=True, eq=False)
class Design:
    """What a linear model reads of some rows.

    Attributes
    ----------
    matrix : float32 ndarray of shape (n_rows, n_dense), or DenseRows
    terms : float32 csr_matrix of shape (n_rows, n_terms), optional
        Of all text columns, side by side; None where the table has no text.
    """

    matrix: DenseMatrix
    terms: Sparse | None = None

    def take(self, rows: Rows) -> Design:
        """Return some rows."""
        matrix = self.matrix.some(rows) if isinstance(self.matrix, DenseRows) else self.matrix[rows]
        return Design(matrix, None if self.terms is None else self.terms[rows])


@dataclass(frozen=True, eq=False)
class Coefficients:
    """What a linear fit found.

    Attributes
    ----------
    dense : float64 ndarray of shape (n_dense, n_outputs)
    intercept : float64 ndarray of shape (n_outputs,)
    terms : float64 ndarray of shape (n_terms, n_outputs)
        Of float32 precision, as there are many.
    """

    dense: Floats
    intercept: Floats
    terms: Floats

    def of(self, outputs: Rows) -> Coefficients:
        """Return those of some outputs."""
        return Coefficients(self.dense[:, outputs], self.intercept[outputs], self.terms[:, outputs])

    def scores(self, design: Design) -> Floats:
        """Return float64 of shape (n_rows, n_outputs); each row's is the same in any company."""
        scores = linear_scores(design.matrix, self.dense, self.intercept)
        if design.terms is not None and len(self.terms):
            scores += design.terms @ self.terms
        return scores


def joined_terms(table: Table) -> Sparse | None:
    """Return the terms of all text columns side by side, or None where there is no text."""
    if len(table.terms) < 2:
        return table.terms[0] if table.terms else None
    return sp.hstack(table.terms, format="csr")


def shared_terms(views: SharedViews) -> Sparse | None:
    """Return `joined_terms` of the rows being scored, made once; never write into it."""
    return views.once("joined terms", joined_terms)


def fit_classes(
    design: Design,
    y: npt.NDArray[np.int64],
    weight: Floats,
    n_classes: int,
    C: float,
    start: Coefficients | None = None,
) -> Coefficients:
    """Minimise the weighted sum of log-losses plus ``|coefficients|^2 / (2 C)``.

    Parameters
    ----------
    design : Design
    y : int64 ndarray of shape (n_rows,)
        At least two classes of ``0 .. n_classes - 1``.
    weight : float64 ndarray of shape (n_rows,)
    n_classes : int
    C : float
    start : Coefficients, optional
        What an earlier call returned, to go on from.
    """
    if design.terms is None:
        begin = None if start is None else (start.dense, start.intercept)
        return _dense(*fit_logistic(design.matrix, y, weight, n_classes, C, begin))
    present = np.array([1]) if n_classes == 2 else np.unique(y)
    outcome = (y[:, None] == present).astype(np.float64)
    kept = None if start is None else start.of(present if n_classes > 2 else np.array([0]))
    found = _descend(design, weight, 1.0 / C, kept, len(present), lambda z: losses_of(z, outcome))
    if n_classes == 2:
        return found
    dense, terms = (np.zeros((len(part), n_classes)) for part in (found.dense, found.terms))
    intercept = np.full(n_classes, ABSENT)
    dense[:, present], terms[:, present] = found.dense, found.terms
    intercept[present] = found.intercept - found.intercept.max()
    return Coefficients(dense, intercept, terms)


def fit_values(design: Design, y: Floats, weight: Floats) -> Callable[[float], Coefficients]:
    """Return a function that solves least squares for a penalty on the sum of squares.

    Parameters
    ----------
    design : Design
    y, weight : float64 ndarray of shape (n_rows,)
    """
    if design.terms is None:
        path = RidgePath.of(design.matrix, y, weight)

        def solve(alpha: float) -> Coefficients:
            coef, intercept = path.solve(alpha)
            return _dense(coef[:, None], np.array([intercept]))

        return solve
    middle, unit = float(np.average(y, weights=weight)), float(y.std()) or 1.0
    wanted = ((y - middle) / unit)[:, None]

    def descend(alpha: float) -> Coefficients:
        found = _descend(design, weight, alpha, None, 1, lambda z: _squares(z, wanted))
        return Coefficients(unit * found.dense, middle + unit * found.intercept, unit * found.terms)

    return descend


def _dense(coef: Floats, intercept: Floats) -> Coefficients:
    return Coefficients(coef, intercept, np.zeros((0, len(intercept))))


def _squares(scores: Floats, wanted: Floats) -> tuple[Any, Any]:
    off = scores - wanted
    return 0.5 * off[:, 0] ** 2, off


def _descend(
    design: Design,
    weight: Floats,
    penalty: float,
    start: Coefficients | None,
    n_outputs: int,
    losses: Callable[[Floats], tuple[Any, Any]],
) -> Coefficients:
    """Minimise the weighted sum of losses plus ``penalty / 2 * |coefficients|^2`` by L-BFGS."""
    assert design.terms is not None
    terms = design.terms.astype(np.float64) * SCALE
    flipped = terms.T.tocsr()
    n_dense, n_terms = design.matrix.shape[1], terms.shape[1]
    total = float(weight.sum())
    share, ridge = (weight / total)[:, None], penalty / total
    X = design.matrix[:].astype(np.float64)
    gram, means = moments_of(design.matrix, weight)
    values, vectors = eigh(gram / total)
    unit = np.sqrt(np.maximum(values, 0.0) + ridge + 1e-8)
    whiten = vectors / unit
    shape = (n_dense + n_terms + 1, n_outputs)

    def loss(flat: Floats) -> tuple[float, Floats]:
        z = flat.reshape(shape)
        coef, of_terms = whiten @ z[:n_dense], z[n_dense:-1]
        scores = X @ coef + terms @ of_terms + (z[-1] - means @ coef)
        each, residual = losses(scores)
        residual = residual * share
        sums = residual.sum(axis=0)
        gradient = np.empty(shape)
        gradient[:n_dense] = whiten.T @ (X.T @ residual - np.outer(means, sums) + ridge * coef)
        gradient[n_dense:-1] = flipped @ residual + ridge * of_terms
        gradient[-1] = sums
        held = 0.5 * ridge * float((coef**2).sum() + (of_terms**2).sum())
        return float(np.sum(each * share[:, 0])) + held, gradient.ravel()

    options = {"maxiter": 200, "gtol": 1e-6, "ftol": 1e-9}
    z0 = np.zeros(shape)
    if start is not None:
        z0[:n_dense], z0[n_dense:-1] = (vectors * unit).T @ start.dense, start.terms / SCALE
        z0[-1] = start.intercept + means @ start.dense
    found = minimize(loss, z0.ravel(), jac=True, method="L-BFGS-B", options=options)
    z = found.x.reshape(shape)
    coef = whiten @ z[:n_dense]
    of_terms = (SCALE * z[n_dense:-1]).astype(np.float32).astype(np.float64)
    return Coefficients(coef, z[-1] - means @ coef, of_terms)
