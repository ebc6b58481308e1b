"""The choice of a calibrator on out-of-fold output, never worse than none there."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackml.decision.base import Calibrator, FittedCalibrator, FloatArray, loss_rows, mean_loss
from stackml.decision.catalog import CALIBRATORS, make_calibrator
from stackml.decision.identity import FittedIdentity
from stackml.foundation.errors import DataError, ParameterError
from stackml.foundation.randomness import stream
from stackml.metrics.arrays import ones_like, weighted_mean
from stackml.storage.state import State
from stackml.tables.target import Problem

_FOLDS = 5
_LEAST_ROWS = 20


@dataclass(frozen=True)
class CalibrationRow:
    """How one calibrator did.

    Attributes
    ----------
    name : str
    loss : float
        Cross-fitted log loss, nats a row; nan where it was not tried.
    gain : float
        Log loss of no calibration minus `loss`.
    standard_error : float
        Of the gain: the larger of its spread over rows and over folds.
    refitted_loss : float
        Log loss, on the rows it was fitted on, of the map fitted on all of them.
    chosen : bool
    reason : str
        Why it was chosen or not.
    """

    name: str
    loss: float
    gain: float
    standard_error: float
    refitted_loss: float
    chosen: bool
    reason: str


@dataclass(frozen=True)
class CalibrationRecord:
    """What was tried and chosen.

    Attributes
    ----------
    chosen : str
    rows : tuple of CalibrationRow
        Simplest calibrator first.
    n_rows : int
        Rows the choice was made on.
    """

    chosen: str
    rows: tuple[CalibrationRow, ...]
    n_rows: int

    def to_state(self) -> State:
        """Return the record as JSON values, None for what was not measured."""
        rows = [
            {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in asdict(row).items()}
            for row in self.rows
        ]
        return {"chosen": self.chosen, "n_rows": self.n_rows, "rows": list(rows)}


@dataclass(frozen=True, eq=False)
class _Rows:
    probability: FloatArray
    y: NDArray[Any]
    problem: Problem
    weight: FloatArray | None
    folds: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    raw: FloatArray

    def weight_of(self, rows: NDArray[np.int64]) -> FloatArray | None:
        return None if self.weight is None else self.weight[rows]


def choose_calibrator(
    probability: FloatArray,
    y: NDArray[Any],
    problem: Problem,
    weight: FloatArray | None = None,
    fold_of_row: NDArray[Any] | None = None,
    seed: int = 0,
    *,
    forward: bool = False,
    method: str | Calibrator = "auto",
) -> tuple[FittedCalibrator, CalibrationRecord]:
    """Return the calibrator to use after a stack, fitted on all rows given.

    A candidate wins over none only if its cross-fitted log loss is lower by more than one
    standard error (paired), and the map refitted on all rows is not worse than none on them.
    Among the winners the simplest within one standard error of the best is taken.

    Parameters
    ----------
    probability : float64 ndarray of shape (n_rows, n_outputs)
        Out-of-fold output; rows of NaN were never predicted and are left out.
    y : ndarray of shape (n_rows,)
        Class codes.
    problem : Problem
        Regression is left as it is.
    weight : float64 ndarray of shape (n_rows,), optional
    fold_of_row : int ndarray of shape (n_rows,), optional
        Fold that held each row out (-1: none); five random folds by default.
    seed : int
    forward : bool
        Folds follow time: a fold's map is learned from earlier folds alone.
    method : str or Calibrator
        "auto" tries all. One that is named is taken unless it cannot be fitted on these rows or
        is, refitted, worse than none on them; the record says so.

    Returns
    -------
    tuple of FittedCalibrator and CalibrationRecord

    Raises
    ------
    DataError
        If the arrays do not belong together.
    ParameterError
        If the method is unknown or not made for the problem.
    """
    tried = _tried(method, problem)
    _check(probability, y, problem, weight, fold_of_row)
    if problem.is_regression:
        return _none(len(y), "a predicted number needs no calibration")
    rows = _usable(probability, y, problem, weight, fold_of_row, seed, forward)
    if len(rows.y) < _LEAST_ROWS or not rows.folds:
        return _none(len(rows.y), f"too few rows or folds with out-of-fold output ({len(rows.y)} rows)")
    results = [_try(calibrator, rows) for calibrator in tried]
    return _decide(rows, results, strict=method == "auto")


def _tried(method: str | Calibrator, problem: Problem) -> list[Calibrator]:
    if method == "auto":
        made = (entry.build() for entry in CALIBRATORS if entry.name != "none")
        return [calibrator for calibrator in made if problem.kind in calibrator.problems]
    calibrator = make_calibrator(method)
    if problem.kind not in calibrator.problems and not problem.is_regression:
        raise ParameterError(
            f"calibration '{calibrator.kind}' is not made for a {problem.kind} problem; use 'auto', "
            "'temperature' or 'none'"
        )
    return [] if calibrator.kind == "none" else [calibrator]


def _check(
    probability: FloatArray,
    y: NDArray[Any],
    problem: Problem,
    weight: FloatArray | None,
    fold_of_row: NDArray[Any] | None,
) -> None:
    if probability.ndim != 2 or probability.shape != (len(y), problem.n_outputs):
        raise DataError(
            f"calibration: expected predictions of shape ({len(y)}, {problem.n_outputs}) for {len(y)} rows "
            f"of a {problem.kind} target, found {probability.shape}"
        )
    for name, values in (("weight", weight), ("fold_of_row", fold_of_row)):
        if values is not None and len(values) != len(y):
            raise DataError(
                f"calibration: {name} has {len(values)} rows, the target {len(y)}; give one for each"
            )


def _usable(
    probability: FloatArray,
    y: NDArray[Any],
    problem: Problem,
    weight: FloatArray | None,
    fold_of_row: NDArray[Any] | None,
    seed: int,
    forward: bool,
) -> _Rows:
    known = np.isfinite(probability).all(axis=1)
    if weight is not None:
        known &= weight > 0
    if fold_of_row is not None:
        known &= fold_of_row >= 0
    kept = np.flatnonzero(known)
    codes = _dealt(y[kept], seed) if fold_of_row is None else np.asarray(fold_of_row)[kept]
    p = np.asarray(probability[kept], dtype=np.float64)
    raw = loss_rows(p, y[kept], problem) if kept.size else np.empty(0)
    w = None if weight is None else weight[kept]
    return _Rows(p, y[kept], problem, w, _splits(codes, forward), raw)


def _dealt(y: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Return random folds with each class dealt out evenly."""
    chance = stream(seed, "calibration folds").random(len(y))
    codes = np.empty(len(y), dtype=np.int64)
    codes[np.lexsort((chance, y))] = np.arange(len(y)) % _FOLDS
    return codes


def _splits(codes: NDArray[Any], forward: bool) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]:
    splits = []
    for k in np.unique(codes):
        train = np.flatnonzero(codes < k if forward else codes != k)
        if train.size:
            splits.append((train, np.flatnonzero(codes == k)))
    return tuple(splits)


@dataclass(frozen=True, eq=False)
class _Result:
    row: CalibrationRow
    fitted: FittedCalibrator | None
    gains: FloatArray  # of each cross-fitted row, nan elsewhere


def _try(calibrator: Calibrator, rows: _Rows) -> _Result:
    nan = float("nan")
    untried = CalibrationRow(calibrator.kind, nan, nan, nan, nan, False, "")
    losses = np.full(len(rows.y), nan)
    for train, held_out in rows.folds:
        refusal = calibrator.refusal(rows.y[train], rows.problem)
        if refusal:
            return _Result(replace(untried, reason=refusal), None, losses)
        fitted = calibrator.fit(rows.probability[train], rows.y[train], rows.problem, rows.weight_of(train))
        mapped = fitted.apply(rows.probability[held_out])
        losses[held_out] = loss_rows(mapped, rows.y[held_out], rows.problem)
    gains = rows.raw - losses
    done = np.flatnonzero(~np.isnan(losses))
    loss = weighted_mean(losses[done], rows.weight_of(done))
    gain, error = _gain(gains, rows)
    final = calibrator.fit(rows.probability, rows.y, rows.problem, rows.weight)
    refitted = mean_loss(final.apply(rows.probability), rows.y, rows.problem, rows.weight)
    row = CalibrationRow(calibrator.kind, loss, gain, error, refitted, False, "")
    return _Result(row, final, gains)


def _gain(gains: FloatArray, rows: _Rows) -> tuple[float, float]:
    """Return the mean gain and its standard error, the larger of rows' and folds' spread."""
    done = np.flatnonzero(~np.isnan(gains))
    w = ones_like(rows.y, rows.weight)
    mean = weighted_mean(gains[done], w[done])
    over_rows = float(np.sqrt((w[done] ** 2) @ (gains[done] - mean) ** 2) / w[done].sum())
    of_fold = [weighted_mean(gains[held], w[held]) for _, held in rows.folds]
    if len(of_fold) < 3:
        return mean, over_rows
    return mean, max(over_rows, float(np.std(of_fold, ddof=1)) / len(of_fold) ** 0.5)


def _decide(rows: _Rows, results: list[_Result], strict: bool) -> tuple[FittedCalibrator, CalibrationRecord]:
    plain = weighted_mean(rows.raw, rows.weight)
    judged = [_with_reason(result, _objection(result.row, plain, strict)) for result in results]
    passed = [result for result in judged if not result.row.reason]
    winner = _simplest_of_best(passed, rows) if passed else None
    why = f"{winner.row.name} is better" if winner else "no calibrator tried is better beyond chance"
    table = [CalibrationRow("none", plain, 0.0, 0.0, plain, winner is None, why)]
    for result in judged:
        won = result is winner
        reason = result.row.reason or (
            "lowest log loss, or simpler and as good" if won else "another is better"
        )
        table.append(replace(result.row, chosen=won, reason=reason))
    if winner is None or winner.fitted is None:
        return FittedIdentity(), CalibrationRecord("none", tuple(table), len(rows.y))
    return winner.fitted, CalibrationRecord(winner.row.name, tuple(table), len(rows.y))


def _with_reason(result: _Result, reason: str) -> _Result:
    return _Result(replace(result.row, reason=reason), result.fitted, result.gains)


def _objection(row: CalibrationRow, plain: float, strict: bool) -> str:
    if row.reason:
        return row.reason
    if strict and not row.gain > row.standard_error:
        return f"gain {row.gain:.2g} is within its standard error {row.standard_error:.2g}"
    if not row.refitted_loss <= plain:
        return "refitted on all rows it is worse than none"
    return ""


def _simplest_of_best(passed: list[_Result], rows: _Rows) -> _Result:
    best = max(passed, key=lambda result: result.row.gain)
    for result in passed:
        shortfall, error = _gain(best.gains - result.gains, rows)
        if shortfall <= error:
            return result
    return best


def _none(n_rows: int, reason: str) -> tuple[FittedCalibrator, CalibrationRecord]:
    nan = float("nan")
    row = CalibrationRow("none", nan, 0.0, 0.0, nan, True, reason)
    return FittedIdentity(), CalibrationRecord("none", (row,), n_rows)
