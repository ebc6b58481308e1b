"""Numbers on a common scale: column by column, monotone, bounded, safe for constants and gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from stackml.storage.fields import finite_array, one_of, refuse
from stackml.storage.state import State

Spread = Literal["normal", "robust"]
Floats32: TypeAlias = npt.NDArray[np.float32]

N_KNOTS = 201
CLIP = 8.0
_LARGEST = float(np.finfo(np.float32).max)
_HEAVY = 12.0  # quartile ranges from the median; a normal column of a million rows stays below 4
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class NormalScaler:
    """Each column through its quantiles onto a normal distribution.

    Attributes
    ----------
    knots, places : list of float32 ndarray
        Quantiles of each column, strictly ascending, and where they go. Values beyond the
        outermost quantiles go where those go; a missing value goes to 0, the mean.
    """

    knots: list[Floats32]
    places: list[Floats32]

    def transform(self, block: Floats32) -> Floats32:
        """Return the scaled block, same shape, without NaN."""
        result = np.empty(block.shape, np.float32)
        for j, (knots, places) in enumerate(zip(self.knots, self.places, strict=True)):
            result[:, j] = np.interp(block[:, j], knots, places)
        result[np.isnan(block)] = 0.0
        return result

    def ordered(self, block: Floats32) -> Floats32:
        """Return the scaled block, same shape; missing is NaN."""
        return np.where(np.isnan(block), np.float32(np.nan), self.transform(block))

    def to_state(self) -> State:
        """Return knots and places, columns end to end."""
        return {
            "spread": "normal",
            "knots": np.concatenate([*self.knots, np.zeros(0, np.float32)]),
            "places": np.concatenate([*self.places, np.zeros(0, np.float32)]),
            "lengths": np.array([len(k) for k in self.knots], np.int64),
        }


@dataclass(frozen=True, eq=False)
class RobustScaler:
    """Each column less its median, over its quartile range; heavy tails by a signed logarithm.

    Attributes
    ----------
    centre, unit : float32 ndarray of shape (n_columns,)
        Median and quartile range (standard deviation where that is zero, 1 for constants).
    heavy : bool ndarray of shape (n_columns,)
        Columns that pass through ``sign(z) * log(1 + |z|)``.
    mean, deviation : float32 ndarray of shape (n_columns,)
        Of the column after that.
    """

    centre: Floats32
    unit: Floats32
    heavy: npt.NDArray[np.bool_]
    mean: Floats32
    deviation: Floats32

    def transform(self, block: Floats32) -> Floats32:
        """Return the scaled block, same shape, within ±8, without NaN (missing is 0)."""
        z = np.clip(self._scaled(block), -CLIP, CLIP)
        return np.where(np.isnan(z), np.float32(0), z).astype(np.float32)

    def ordered(self, block: Floats32) -> Floats32:
        """Return the scaled block, same shape: unlike numbers stay so, none is infinite, missing is NaN."""
        return np.clip(self._scaled(block), -_LARGEST, _LARGEST).astype(np.float32)

    def _scaled(self, block: Floats32) -> npt.NDArray[np.float64]:
        z = _spread_out(block, self.centre, self.unit, self.heavy)
        return np.asarray((z - self.mean) / self.deviation)

    def to_state(self) -> State:
        """Return the columns' numbers."""
        return {
            "spread": "robust",
            "centre": self.centre,
            "unit": self.unit,
            "heavy": self.heavy,
            "mean": self.mean,
            "deviation": self.deviation,
        }


Scaler: TypeAlias = NormalScaler | RobustScaler


def learn_scaler(block: Floats32, spread: Spread) -> Scaler:
    """Learn the scale of each column.

    Parameters
    ----------
    block : float32 ndarray of shape (n_rows, n_columns)
        NaN is missing; all-missing and constant columns are scaled to 0.
    spread : {"normal", "robust"}
    """
    if spread == "normal":
        pairs = [_normal_knots(block[:, j]) for j in range(block.shape[1])]
        return NormalScaler([k for k, _ in pairs], [p for _, p in pairs])
    return _learn_robust(block)


def scaler_from_state(state: Mapping[str, Any]) -> Scaler:
    """Rebuild either scaler.

    Raises
    ------
    StorageError
        If its numbers have no meaning or other lengths.
    """
    if one_of(state["spread"], ("normal", "robust"), "a scaler's spread") == "robust":
        return _robust_from_state(state)
    lengths = state["lengths"]
    if not isinstance(lengths, np.ndarray) or lengths.ndim != 1 or lengths.dtype.kind != "i":
        refuse("a scaler", "has no lengths")
    for name in ("knots", "places"):
        n = len(finite_array(state[name], f"a scaler's {name}", (None,), infinite=name == "knots"))
        if (lengths < 1).any() or (lengths > n).any() or lengths.sum() != n:
            refuse(f"a scaler's {name}", "are not as long as they should be")
    if not len(lengths):
        return NormalScaler([], [])
    ends = np.cumsum(lengths)[:-1]
    return NormalScaler(np.split(state["knots"], ends), np.split(state["places"], ends))


def _robust_from_state(state: Mapping[str, Any]) -> RobustScaler:
    n = len(state["centre"])
    centre, unit, mean, deviation = (
        finite_array(state[name], f"a scaler's {name}", (n,), infinite=True)
        for name in ("centre", "unit", "mean", "deviation")
    )
    heavy = state["heavy"]
    if not isinstance(heavy, np.ndarray) or heavy.dtype != bool or heavy.shape != (n,):
        refuse("a scaler's heavy", f"is not an array of {n} booleans")
    return RobustScaler(centre, unit, heavy, mean, deviation)


def _normal_knots(column: Floats32) -> tuple[Floats32, Floats32]:
    present = np.sort(column[~np.isnan(column)])
    if not present.size:
        return np.zeros(1, np.float32), np.zeros(1, np.float32)
    share = (np.arange(N_KNOTS) + 0.5) / N_KNOTS
    at = np.minimum((share * len(present)).astype(np.int64), len(present) - 1)
    knots, first, count = np.unique(present[at], return_index=True, return_counts=True)
    # A value that fills several quantiles goes to their middle.
    places = ndtri(share[first] + (count - 1) / (2 * N_KNOTS))
    spread_out = np.interp(present, knots, places)
    deviation = spread_out.std()
    if deviation < _LEAST_SPREAD:
        return knots[:1], np.zeros(1, np.float32)
    return knots, ((places - spread_out.mean()) / deviation).astype(np.float32)


def _learn_robust(block: Floats32) -> RobustScaler:
    n_columns = block.shape[1]
    numbers = np.zeros((4, n_columns))
    heavy = np.zeros(n_columns, bool)
    for j in range(n_columns):
        numbers[:, j], heavy[j] = _robust_numbers(block[:, j])
    centre, unit, mean, deviation = numbers.astype(np.float32)
    return RobustScaler(centre, unit, heavy, mean, deviation)


def _robust_numbers(column: Floats32) -> tuple[tuple[float, float, float, float], bool]:
    present = column[~np.isnan(column)].astype(np.float64)
    if not present.size:
        return (0.0, 1.0, 0.0, 1.0), False
    low, centre, high = np.quantile(present, [0.25, 0.5, 0.75])
    unit = high - low
    if unit <= _LEAST_SPREAD * abs(centre):
        unit = present.std()
    if unit <= _LEAST_SPREAD * max(abs(centre), 1e-30):
        return (float(centre), 1.0, 0.0, 1.0), False
    furthest = np.abs(present - centre).max() / unit
    heavy = bool(furthest > _HEAVY)
    z = (present - centre) / unit
    if heavy:
        z = np.sign(z) * np.log1p(np.abs(z))
    deviation = z.std()
    return (float(centre), float(unit), float(z.mean()), float(deviation or 1.0)), heavy


def _spread_out(
    block: Floats32, centre: Floats32, unit: Floats32, heavy: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    # In float64: a value far from the median would lose its last digits twice.
    z = (block.astype(np.float64) - centre) / unit
    return np.where(heavy, np.sign(z) * np.log1p(np.abs(z)), z)
