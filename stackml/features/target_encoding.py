"""Smoothed target means of categories, learned inside the fold and never from the row itself.

Every value is a difference from the prior, so that 0 means "nothing is known": the training
rows of different inner folds then cannot be told apart by their priors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.features.inner import Part, inner_parts
from stackml.features.levels import Codes, level_of, pack, table_length, unpack
from stackml.storage.fields import positions, refuse
from stackml.storage.state import State
from stackml.tables.target import Problem, Target

Floats = npt.NDArray[np.float64]

LEAST_STRENGTH, MOST_STRENGTH = 1.0, 1e6
_EDGE = 1e-6


@dataclass(frozen=True, eq=False)
class LevelSums:
    """What smoothing needs to know about the target in each level.

    Attributes
    ----------
    weight : float64 ndarray of shape (n_levels,)
        Weight of the rows.
    total : float64 ndarray of shape (n_levels, n_outputs)
        Weighted sum of the outcome (class indicators, or the value).
    square : float64 ndarray of shape (n_outputs,)
        Weighted sum of the squared outcome over all levels.
    """

    weight: Floats
    total: Floats
    square: Floats


def level_sums(
    level: npt.NDArray[np.int64],
    length: int,
    values: npt.NDArray[Any],
    weight: Floats | None,
    problem: Problem,
) -> LevelSums:
    """Return the sums of each level.

    Parameters
    ----------
    level : int64 ndarray of shape (n_rows,)
        Level of each row, within ``0 .. length - 1``.
    length : int
    values : ndarray of shape (n_rows,)
        Class codes or numbers.
    weight : float64 ndarray of shape (n_rows,), optional
    problem : Problem
    """
    if problem.is_regression:
        w = np.ones(len(values)) if weight is None else weight
        sums = np.asarray(np.bincount(level, w * values, minlength=length), np.float64)
        square = np.array([np.sum(w * values * values)])
        weights = np.asarray(np.bincount(level, w, minlength=length), np.float64)
        return LevelSums(weights, sums[:, None], square)
    k = max(2, problem.n_classes)
    cell = level * k + values.astype(np.int64)
    flat = np.bincount(cell, weight, minlength=length * k)
    counts: Floats = np.asarray(flat, np.float64).reshape(length, k)
    total = counts[:, 1:2] if problem.kind == "binary" else counts
    return LevelSums(counts.sum(axis=1), total, total.sum(axis=0))


def smoothed_means(sums: LevelSums) -> tuple[Floats, Floats]:
    """Return empirical-Bayes means of each level, and the prior.

    A level of weight n has the mean ``(total + m * prior) / (n + m)``; m is the variance within
    levels over the variance between them (one-way analysis of variance), so a column that says
    nothing is smoothed to the prior.

    Returns
    -------
    means : float64 ndarray of shape (n_levels, n_outputs)
    prior : float64 ndarray of shape (n_outputs,)
    """
    n = sums.weight.sum()
    if n <= 0:
        return np.zeros_like(sums.total), np.zeros(sums.total.shape[1])
    prior = sums.total.sum(axis=0) / n
    strength = _strength(sums, prior, n)
    weight = sums.weight[:, None]
    means = (sums.total + strength * prior) / (weight + strength)
    return np.where(weight > 0, means, prior), prior  # exactly the prior, not a rounding beside it


def _strength(sums: LevelSums, prior: Floats, n: float) -> Floats:
    present = sums.weight > 0
    weight, total = sums.weight[present], sums.total[present]
    k = len(weight)
    if k < 2 or n - k <= 0:
        return np.full(len(prior), MOST_STRENGTH)
    explained = (total * total / weight[:, None]).sum(axis=0)
    within = np.maximum(sums.square - explained, 0.0) / (n - k)
    spread = np.maximum(explained - n * prior * prior, 0.0) / (k - 1)
    typical = (n - (weight * weight).sum() / n) / (k - 1)
    between = (spread - within) / max(typical, 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        strength = np.where(between > 0, within / between, MOST_STRENGTH)
    return np.asarray(np.clip(np.nan_to_num(strength, nan=MOST_STRENGTH), LEAST_STRENGTH, MOST_STRENGTH))


def code_table(sums: LevelSums, problem: Problem) -> npt.NDArray[np.float32]:
    """Return each level's smoothed mean less the prior: as log-odds for classes, plainly for numbers.

    Returns
    -------
    float32 ndarray of shape (n_levels, n_outputs)
        0 for levels without rows.
    """
    means, prior = smoothed_means(sums)
    if problem.is_regression:
        return (means - prior).astype(np.float32)
    return (_log_odds(means) - _log_odds(prior)).astype(np.float32)


def _log_odds(p: Floats) -> Floats:
    inside = np.clip(p, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def cross_fitted_encoding(
    codes: Codes, n_levels: int, target: Target, rows: npt.NDArray[Any], parts: Sequence[Part]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Encode one column: training rows from inner folds without them, all other rows from the table.

    Parameters
    ----------
    codes : int32 ndarray of shape (n_rows,)
        -1 is missing (a level of its own), -2 unseen.
    n_levels : int
    target : Target
        Of all rows; only that of `rows` is read.
    rows : int64 ndarray of shape (n_train,)
    parts : sequence of Part
        From `inner_parts` for the same rows.

    Returns
    -------
    table : float32 ndarray of shape (n_levels + 2, n_outputs)
        Learned from all training rows; indexed by `level_of`.
    encoded : float32 ndarray of shape (n_train, n_outputs)
        Codes of the training rows.
    """
    length = table_length(n_levels)
    level = level_of(codes[rows], n_levels)
    values = target.values[rows]
    weight = None if target.weight is None else target.weight[rows]

    def table_of(at: npt.NDArray[np.int64] | slice) -> npt.NDArray[np.float32]:
        sums = level_sums(
            level[at], length, values[at], None if weight is None else weight[at], target.problem
        )
        table = code_table(sums, target.problem)
        table[-1] = 0.0  # what was not seen says nothing
        return table

    encoded = np.zeros((len(rows), target.problem.n_outputs), np.float32)
    for part in parts:
        if part.learn.size:
            encoded[part.apply] = table_of(part.learn)[level[part.apply]]
    return table_of(slice(None)), encoded


@dataclass(frozen=True, eq=False)
class TargetEncoder:
    """Fitted target codes of several columns.

    Attributes
    ----------
    columns : tuple of int
        Columns of the code block; one may stand there several times, with tables of its own.
    tables : list of float32 ndarray of shape (n_levels + 2, n_outputs)
        One a column.
    n_outputs : int
    """

    columns: tuple[int, ...]
    tables: list[npt.NDArray[np.float32]]
    n_outputs: int

    def encode(self, codes: Codes) -> npt.NDArray[np.float32]:
        """Return float32 of shape (n_rows, n_columns * n_outputs); 0 where nothing is known."""
        parts = [
            table[level_of(codes[:, column], len(table) - 2)]
            for column, table in zip(self.columns, self.tables, strict=True)
        ]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(codes), 0), np.float32)

    @property
    def width(self) -> int:
        """Columns of codes."""
        return len(self.columns) * self.n_outputs

    @property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """Each column with its number of levels."""
        return tuple((c, len(t) - 2) for c, t in zip(self.columns, self.tables, strict=True))

    def to_state(self) -> State:
        """Return columns and tables."""
        return {
            "columns": list(self.columns),
            "n_outputs": self.n_outputs,
            "tables": pack(self.tables, self.n_outputs),
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> TargetEncoder:
        """Rebuild the encoder."""
        # A forest made of several reads a column once for each of their codes.
        columns = positions(state["columns"], "target codes: columns", repeated=True)
        tables = unpack(state["tables"])
        n_outputs = int(state["n_outputs"])
        if len(columns) != len(tables) or any(table.shape[1] != n_outputs for table in tables):
            refuse("target codes", "do not have one table a column")
        return TargetEncoder(columns, tables, n_outputs)


NO_CODES = TargetEncoder((), [], 1)


def fit_target_encoder(
    codes: Codes,
    columns: Sequence[int],
    n_levels: Sequence[int],
    target: Target,
    rows: npt.NDArray[Any],
    seed: int,
    n_inner: int = 5,
) -> tuple[TargetEncoder, npt.NDArray[np.float32]]:
    """Fit target codes of several columns inside a fold.

    Parameters
    ----------
    codes : int32 ndarray of shape (n_rows, n_categories)
    columns : sequence of int
        Columns to encode.
    n_levels : sequence of int
        Length of the vocabulary of every column of `codes`.
    target : Target
        Of all rows; only that of `rows` is read. Its groups and time divide the inner folds.
    rows : int64 ndarray of shape (n_train,)
    seed : int
    n_inner : int

    Returns
    -------
    encoder : TargetEncoder
        For rows to be scored.
    encoded : float32 ndarray of shape (n_train, n_columns * n_outputs)
        Codes of the training rows, each learned without the row's inner fold.
    """
    n_outputs = target.problem.n_outputs
    if not columns:
        return TargetEncoder((), [], n_outputs), np.zeros((len(rows), 0), np.float32)
    parts = inner_parts(target, rows, n_inner, seed)
    pairs = [cross_fitted_encoding(codes[:, c], n_levels[c], target, rows, parts) for c in columns]
    encoder = TargetEncoder(tuple(columns), [table for table, _ in pairs], n_outputs)
    return encoder, np.concatenate([encoded for _, encoded in pairs], axis=1)
