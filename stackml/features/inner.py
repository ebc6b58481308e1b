"""Divisions of a fold's own training rows, for what is learned from the target inside the fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.foundation.randomness import stream
from stackml.tables.target import Target

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One division.

    Attributes
    ----------
    learn, apply : int64 ndarray
        Positions within the training rows: what is learned on `learn` is applied to `apply`.
        `learn` can be empty (the earliest block of time has no past).
    """

    learn: Positions
    apply: Positions


def inner_parts(target: Target, rows: npt.NDArray[Any], n_parts: int, seed: int) -> list[Part]:
    """Divide training rows so that each is applied to exactly once and never learned from there.

    Groups stay on one side. With time, a row learns from earlier blocks only; with both, from
    earlier blocks and other groups.

    Parameters
    ----------
    target : Target
        Of all rows.
    rows : int64 ndarray
        Training rows.
    n_parts : int
        Folds, or blocks of time.
    seed : int

    Returns
    -------
    list of Part
        In order of time where there is time.
    """
    n_parts = max(2, n_parts)
    if target.time is None:
        fold = _folds(target, rows, n_parts, seed)
        return [Part(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]
    block = _blocks(target.time[rows], n_parts)
    if target.groups is None:
        return [Part(np.flatnonzero(block < k), np.flatnonzero(block == k)) for k in np.unique(block)]
    fold = _folds(target, rows, n_parts, seed)
    pairs = [(b, f) for b in np.unique(block) for f in np.unique(fold)]
    parts = [
        Part(np.flatnonzero((block < b) & (fold != f)), np.flatnonzero((block == b) & (fold == f)))
        for b, f in pairs
    ]
    return [part for part in parts if part.apply.size]


def inner_holdout(target: Target, rows: npt.NDArray[Any], seed: int, n_parts: int = 5) -> Part:
    """Return one division into positions to learn from and to hold out, the latest where there is time.

    Both sides are empty arrays where no division is possible.
    """
    usable = [p for p in inner_parts(target, rows, n_parts, seed) if p.learn.size and p.apply.size]
    if not usable:
        nothing = np.zeros(0, np.int64)
        return Part(nothing, nothing)
    return usable[-1]


def _folds(target: Target, rows: npt.NDArray[Any], n_parts: int, seed: int) -> Positions:
    rng = stream(seed, "inner", "folds")
    if target.groups is not None:
        groups, group = np.unique(target.groups[rows], return_inverse=True)
        return np.asarray((rng.permutation(len(groups)) % n_parts)[group], dtype=np.int64)
    order = rng.permutation(len(rows))
    if not target.problem.is_regression:
        order = order[np.argsort(target.values[rows][order], kind="stable")]
    fold = np.empty(len(rows), np.int64)
    fold[order] = np.arange(len(rows)) % n_parts
    return fold


def _blocks(time: npt.NDArray[np.float64], n_parts: int) -> Positions:
    # The first block has no past to learn from, so it is the smallest.
    shares = np.cumsum(np.arange(1, n_parts + 1))[:-1] / (n_parts * (n_parts + 1) / 2)
    edges = np.unique(np.quantile(time, shares))
    return np.searchsorted(edges, time, side="right").astype(np.int64)
