"""Every calibrator, one row each, simplest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackml.decision.base import Calibrator, FittedCalibrator
from stackml.decision.beta import BetaCalibrator, FittedBeta
from stackml.decision.identity import FittedIdentity, IdentityCalibrator
from stackml.decision.isotonic import FittedIsotonic, IsotonicCalibrator
from stackml.decision.line import FittedLine, LineCalibrator
from stackml.decision.temperature import FittedTemperature, TemperatureCalibrator
from stackml.foundation.errors import ParameterError, StorageError, near_miss


@dataclass(frozen=True)
class CalibratorEntry:
    """One row of the catalog: a name, its description class and its fitted class."""

    name: str
    build: type[Calibrator]
    fitted: type[FittedCalibrator]


CALIBRATORS: tuple[CalibratorEntry, ...] = (
    CalibratorEntry("none", IdentityCalibrator, FittedIdentity),
    CalibratorEntry("temperature", TemperatureCalibrator, FittedTemperature),
    CalibratorEntry("beta", BetaCalibrator, FittedBeta),
    CalibratorEntry("isotonic", IsotonicCalibrator, FittedIsotonic),
    CalibratorEntry("line", LineCalibrator, FittedLine),
)


def make_calibrator(name: str | Calibrator) -> Calibrator:
    """Return the calibrator of a name, with its default parameters; objects are returned as they are.

    Raises
    ------
    ParameterError
        If there is none; the message lists the names.
    """
    if isinstance(name, Calibrator):
        return name
    names = [entry.name for entry in CALIBRATORS]
    if name not in names:
        raise ParameterError(
            f"unknown calibrator '{name}'{near_miss(name, names)}; known: {', '.join(names)}"
        )
    return CALIBRATORS[names.index(name)].build()


def restore_calibrator(kind: str, state: Mapping[str, Any]) -> FittedCalibrator:
    """Rebuild a fitted calibrator from its kind and `FittedCalibrator.to_state`.

    Raises
    ------
    StorageError
        If the kind is not in the catalog.
    """
    for entry in CALIBRATORS:
        if entry.name == kind:
            return entry.fitted.from_state(state)
    known = [entry.name for entry in CALIBRATORS]
    raise StorageError(f"stored calibrator is of the unknown kind '{kind}'; known: {', '.join(known)}")
