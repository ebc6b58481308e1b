"""What a user asked for, checked and resolved before anything is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stackml.combiners.base import Combiner
from stackml.foundation.errors import ParameterError, near_miss
from stackml.learners.base import Learner
from stackml.splitting.base import Fold, Folds

RESERVED = "stack"
MOST_ROWS = "most_rows"
AUTO = "auto"
AUTO_FOLDS = AUTO
CALIBRATIONS = ("auto", "none", "temperature", "beta", "isotonic")


@dataclass(frozen=True)
class LayerTrial:
    """Whether a further layer was found to help.

    Attributes
    ----------
    layer : int
        Counted from 1.
    learners : tuple of str
        Those that took part.
    asked : int
        How often, each time with other rows put aside; 0 where the question could not be put.
    loss_below, loss : float, optional
        Log loss or squared error of the layer below and of this one, on rows neither learned from.
    gain, standard_error : float
        What this one loses less, and the standard error of that.
    helps : bool
    seconds : float
        That the answer took.
    reason : str
    """

    layer: int
    learners: tuple[str, ...] = ()
    asked: int = 0
    loss_below: float | None = None
    loss: float | None = None
    gain: float = 0.0
    standard_error: float = 0.0
    helps: bool = False
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Recipe:
    """A resolved request.

    Attributes
    ----------
    learners : tuple of (name, Learner)
    combiner : Combiner or None
        None chooses by nested cross-validation.
    metric : str
    layers : int or "auto"
        "auto" fits a further layer where it is found to help.
    folds : int, Folds, tuple of Fold, or "auto"
    fitted_folds : int, optional
        How many of them are fitted, before others are where a limit pays for them; all by default.
    passthrough : bool
    calibration : str
    strict : bool
    embargo : float
        Days, where time is dates; else in the unit of time.
    seed : int
    rounds : mapping of (layer, learner, fold) to int
        Rounds of a recorded run to repeat; empty for a run of its own.
    only : mapping of layer to names
        Learners a recorded run fitted; empty for a run of its own.
    paced : mapping of (layer, learner) to parameters
        Parameters a recorded run changed to keep its limit, and "most_rows" where it drew rows.
    repeats : mapping of learner to tuple of int
        Rounds of cross-validation a recorded run had; empty for a run of its own.
    tried : tuple of str
        Kinds of combiners a recorded run had the time to try; empty for a run of its own.
    refits : int
        Models of all rows, at most, that predict instead of the fold models, of each learner the
        combiner needs; 0 leaves the fold models to predict.
    lean : bool
        Whether a combiner is chosen among those that ask few learners.
    refit_only : frozenset of str, optional
        Learners that are fitted again on all rows, where not all are.
    refit_rounds : mapping of learner to tuple of int or None
        Rounds of each model of all rows in a recorded run; empty for a run of its own.
    grown : tuple of LayerTrial
        What was found of further layers; known once they are fitted, or from a recorded run.
    """

    learners: tuple[tuple[str, Learner], ...]
    combiner: Combiner | None
    metric: str
    layers: int | str = 1
    folds: int | Folds | tuple[Fold, ...] | str = 5
    fitted_folds: int | None = None
    passthrough: bool = False
    calibration: str = "auto"
    strict: bool = False
    embargo: float = 0.0
    seed: int = 0
    rounds: Mapping[tuple[int, str, int], int] = field(default_factory=dict)
    only: Mapping[int, set[str]] = field(default_factory=dict)
    paced: Mapping[tuple[int, str], Mapping[str, Any]] = field(default_factory=dict)
    repeats: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tried: tuple[str, ...] = ()
    refits: int = 0
    lean: bool = False
    refit_only: frozenset[str] | None = None
    refit_rounds: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    grown: tuple[LayerTrial, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        if self.layers != AUTO:
            _at_least("layers", self.layers, 1, ", or 'auto'")
        if self.strict and self.layers != 1:
            raise ParameterError(
                "strict=True holds for one layer alone: learners of a second layer read predictions of "
                f"models that saw their rows' targets; found layers={self.layers!r}; "
                "use layers=1 or strict=False"
            )
        if RESERVED in [name for name, _ in self.learners]:
            raise ParameterError(
                f"a learner cannot be named '{RESERVED}': that is the combined prediction's name in oof_ and "
                "leaderboard_; give it another"
            )
        if self.calibration not in CALIBRATIONS:
            raise ParameterError(
                f"calibration={self.calibration!r} is unknown{near_miss(self.calibration, CALIBRATIONS)}; "
                f"known: {', '.join(CALIBRATIONS)}"
            )

    @property
    def passes_features(self) -> bool:
        """Whether the combiner is given the features: where asked for, or where it cannot do without."""
        return self.passthrough or (self.combiner is not None and self.combiner.needs_features)

    def of_its_own(self) -> Recipe:
        """Return the recipe without what it repeats of a recorded run."""
        return replace(
            self, rounds={}, only={}, paced={}, repeats={}, tried=(), refit_only=None, refit_rounds={}
        )

    def learners_of(self, layer: int) -> tuple[tuple[str, Learner], ...]:
        """Return the learners to fit in a layer (counted from 1)."""
        asked = self.learners
        if layer in self.only:
            asked = tuple((name, learner) for name, learner in asked if name in self.only[layer])
        return tuple((name, self._as_paced(layer, name, learner)) for name, learner in asked)

    def _as_paced(self, layer: int, name: str, learner: Learner) -> Learner:
        changed = {k: v for k, v in self.paced.get((layer, name), {}).items() if k != MOST_ROWS}
        return replace(learner, **changed) if changed else learner


def checked_folds(folds: Any) -> int | Folds | tuple[Fold, ...] | str:
    """Return a number of folds, "auto", or the folds themselves where a user brings them.

    Parameters
    ----------
    folds : int, "auto", Folds, or iterable of (train, held_out) index arrays
    """
    if isinstance(folds, Folds) or (isinstance(folds, str) and folds == AUTO_FOLDS):
        return folds
    if isinstance(folds, int | np.integer) and not isinstance(folds, bool):
        _at_least("folds", int(folds), 2)
        return int(folds)
    try:
        return tuple(Fold(np.asarray(train), np.asarray(held_out)) for train, held_out in folds)
    except (TypeError, ValueError):
        raise ParameterError(
            f"folds={folds!r}: give a whole number of at least 2, 'auto', Folds, or pairs of row numbers "
            "(train, held_out)"
        ) from None


def _at_least(name: str, value: Any, least: int, otherwise: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ParameterError(f"{name}={value!r}: give a whole number of at least {least}{otherwise}")
