"""The choice of a combiner by nested cross-validation and the one-standard-error rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import ClassVar, final

import numpy as np

from stackml.combiners.base import Combiner, Context, FittedCombiner, MetaFeatures
from stackml.combiners.comparing import LEAST_FOLDS, NEAR, ROUNDING, lags, row_losses, score_gaps
from stackml.combiners.greedy import GreedyCombiner
from stackml.combiners.inputs import FloatArray, checked, weight_of
from stackml.combiners.logistic import LogisticCombiner
from stackml.combiners.mean import MeanCombiner
from stackml.combiners.nested import Split, nested_splits
from stackml.combiners.scoring import scorer
from stackml.combiners.simplex import SimplexCombiner
from stackml.combiners.single import SingleCombiner
from stackml.foundation.errors import FitError, ParameterError
from stackml.metrics.arrays import weighted_mean
from stackml.storage.state import State
from stackml.tables.target import Target

_NAN = float("nan")
_NO_TIME = "not tried: no time was left"

DEFAULT_CANDIDATES: tuple[Combiner, ...] = (
    SingleCombiner(),
    MeanCombiner(),
    GreedyCombiner(),
    SimplexCombiner(),
    LogisticCombiner(),
)
LEAN_CANDIDATES: tuple[Combiner, ...] = (SingleCombiner(), LogisticCombiner(prune=1e-3))


@dataclass(frozen=True)
class ChoiceRow:
    """How one candidate did on rows its combiner never saw.

    Attributes
    ----------
    candidate : str
    score : float
        Mean over folds of the metric, greater is better; minus the loss where no metric is named.
        The winner's is flattered by the choice; that of `Choice.nested` is not.
    loss : float
        Mean log loss (nats a row) or squared error.
    difference : float
        Mean paired difference to the best candidate, 0 or more.
    standard_error : float
        Of the difference.
    chosen : bool
    seconds : float
        Spent on its nested fits.
    reason : str
        Why it was chosen or not.
    """

    candidate: str
    score: float
    loss: float
    difference: float
    standard_error: float
    chosen: bool
    seconds: float
    reason: str


@dataclass(frozen=True, eq=False)
class Choice:
    """What was tried and chosen.

    Attributes
    ----------
    chosen : str
    metric : str
        What the scores are; "" for minus the loss.
    rows : tuple of ChoiceRow
        In the order of the candidates.
    nested : float64 ndarray of shape (n_rows, n_outputs)
        What the choice itself predicts of rows it did not see: those of each fold come from the
        candidate that the other folds prefer, fitted without these rows, so that the luck by
        which a candidate wins does not count as skill. Where fewer than three other folds can
        be scored they are the chosen combiner's. NaN where there are none.
    """

    chosen: str
    metric: str
    rows: tuple[ChoiceRow, ...]
    nested: FloatArray

    @property
    def tried(self) -> list[str]:
        """Kinds of the candidates there was time for."""
        return [row.candidate for row in self.rows if row.reason != _NO_TIME]

    def to_state(self) -> State:
        """Return the record without the predictions, as JSON values, None for what was not measured."""
        table: list[State] = [
            {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in asdict(row).items()}
            for row in self.rows
        ]
        return {"chosen": self.chosen, "metric": self.metric, "rows": list(table)}


WITH_LAST_FIT = 1.3  # of what judging takes: whoever is chosen is fitted once more on all rows


@final
@dataclass(frozen=True)
class AutoCombiner(Combiner):
    """Fits the simplest candidate within half a standard error of the best; see `choose_combiner`.

    Attributes
    ----------
    candidates : tuple of Combiner
    """

    kind: ClassVar[str] = "auto"
    complexity: ClassVar[int] = 6
    candidates: tuple[Combiner, ...] = field(default=DEFAULT_CANDIDATES)

    def cost(self, n_rows: int, n_learners: int, n_outputs: int) -> float:
        """Return about the seconds of one core that judging all candidates takes."""
        return sum(candidate.cost(n_rows, n_learners, n_outputs) for candidate in self.candidates)

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedCombiner:
        """Return the chosen candidate, fitted on all rows; its type is the candidate's own."""
        return choose_combiner(self.candidates, meta, target, context)[0]


@dataclass(eq=False)
class _Trial:
    """A candidate while it is tried."""

    combiner: Combiner
    nested: FloatArray
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    failure: str = ""
    difference: float = _NAN
    standard_error: float = _NAN
    loses: bool = False


def choose_combiner(
    candidates: Sequence[Combiner],
    meta: MetaFeatures,
    target: Target,
    context: Context,
    deadline: float | None = None,
) -> tuple[FittedCombiner, Choice]:
    """Return the combiner to use, fitted on all rows, and how it was chosen.

    Every candidate is fitted and scored along the context's folds, on rows it did not see (where
    folds follow time: fitted on earlier folds alone). The best mean score is found; the simplest
    candidate whose paired difference to it is within half of its standard error is taken: a
    whole one was measured to let too much pass (docs/decisions/0008). Where fewer than five folds
    can be scored, their spread says little, and the loss over rows must not be higher by more than
    one standard error either. Picking a single learner is not simple in this sense: the pick
    varies most from sample to sample. It is taken where no combination scored better at all.
    Differences are those of the folds' scores, or of the rows' losses where fewer than three folds
    can be scored.

    Parameters
    ----------
    candidates : sequence of Combiner
        With one alone there is no choice, but its nested predictions are made all the same.
    meta : MetaFeatures
        Out-of-fold predictions of all rows, or of those that some fold held out.
    target : Target
        Of the same rows.
    context : Context
    deadline : float, optional
        Moment of `time.perf_counter`, in seconds, by which the choice should be made: a candidate
        that is expected to need longer is not begun. One is always tried, convex weights first.

    Returns
    -------
    tuple of FittedCombiner and Choice

    Raises
    ------
    ParameterError
        If there are no candidates, or the metric is not made for the problem.
    DataError
        If rows do not belong together, or a prediction is missing.
    FitError
        If no candidate can be fitted; the message holds each one's error.
    """
    if not candidates:
        raise ParameterError("combiner 'auto': there are no candidates; give at least one")
    checked(meta, target)
    scorer(context.metric, target.problem)
    trials = [_Trial(c, np.full((meta.n_rows, meta.problem.n_outputs), np.nan)) for c in candidates]
    splits = list(nested_splits(target, context))
    began = False
    for trial in sorted(
        trials, key=lambda t: (not isinstance(t.combiner, SimplexCombiner), t.combiner.complexity)
    ):
        n_read = len(meta.learners) + (0 if meta.features is None else meta.features.n_features)
        needed = trial.combiner.cost(meta.n_rows, n_read, meta.problem.n_outputs)
        if began and deadline is not None and perf_counter() + WITH_LAST_FIT * needed >= deadline:
            trial.failure = _NO_TIME
            continue
        _try(trial, splits, meta, target, context)
        began = began or not trial.failure
    _compare(trials, target)
    order = sorted((t for t in trials if not t.failure), key=_preference)
    for trial in order:
        try:
            fitted = trial.combiner.fit(meta, target, context)
        except Exception as error:
            trial.failure = f"failed: {error}"
            continue
        return fitted, _record(trials, trial, splits, target, context)
    raise FitError("no combiner could be fitted: " + "; ".join(f"{_name(t)} {t.failure}" for t in trials))


def _try(trial: _Trial, splits: list[Split], meta: MetaFeatures, target: Target, context: Context) -> None:
    score = scorer(context.metric, target.problem)
    for split in splits:
        parts = meta.take(split.train), target.take(split.train), split.context
        asked, truth = meta.take(split.held_out), target.take(split.held_out)
        began = perf_counter()
        try:
            predicted = trial.combiner.fit(*parts).predict(asked)
        except Exception as error:
            # One candidate that cannot be fitted must not cost the stack.
            trial.failure = f"failed: {error}"
            trial.nested[:] = np.nan
            return
        trial.seconds += perf_counter() - began
        trial.nested[split.held_out] = predicted
        trial.scores.append(score(truth.values, predicted, truth.weight))


def _compare(trials: list[_Trial], target: Target) -> None:
    """Fill in each trial's difference to the best and its standard error."""
    able = [t for t in trials if not t.failure and t.scores]
    if not able:
        return
    found = lags(np.array([t.scores for t in able]), [t.nested for t in able], target)
    for trial, mean, error, loses in zip(
        able, found.difference, found.standard_error, found.loses, strict=True
    ):
        trial.difference, trial.standard_error, trial.loses = float(mean), float(error), bool(loses)


def _nested_choice(trials: list[_Trial], chosen: _Trial, splits: list[Split]) -> FloatArray:
    """Return the nested predictions of the choice: each fold's by the candidate the others prefer."""
    nested = chosen.nested.copy()
    able = [t for t in trials if not t.failure and t.scores]
    if len(able) < 2:
        return nested
    scores = np.array([t.scores for t in able])
    known = ~np.isnan(scores).any(axis=0)
    for k, split in enumerate(splits):
        others = known & (np.arange(len(known)) != k)
        if others.sum() < LEAST_FOLDS:
            continue
        means, errors = score_gaps(scores[:, others])
        judged = [
            replace(t, difference=float(mean), standard_error=float(error))
            for t, mean, error in zip(able, means, errors, strict=True)
        ]
        nested[split.held_out] = min(judged, key=_preference).nested[split.held_out]
    return nested


def _preference(trial: _Trial) -> tuple[bool, bool, int, float]:
    unbeaten = isinstance(trial.combiner, SingleCombiner) and trial.difference <= ROUNDING
    return (not unbeaten, not _within(trial), trial.combiner.complexity, _nan_last(trial.difference))


def _within(trial: _Trial) -> bool:
    # Rounding alone may not part candidates that are the same.
    near = bool(trial.difference <= NEAR * trial.standard_error + ROUNDING) or np.isnan(trial.difference)
    return near and not trial.loses


def _nan_last(value: float) -> float:
    return np.inf if np.isnan(value) else value


def _name(trial: _Trial) -> str:
    return trial.combiner.kind


def _record(
    trials: list[_Trial], chosen: _Trial, splits: list[Split], target: Target, context: Context
) -> Choice:
    rows = []
    for trial in trials:
        losses = row_losses(trial.nested, target)
        seen = ~np.isnan(losses)
        loss = weighted_mean(losses[seen], weight_of(target)[seen]) if seen.any() else _NAN
        known = [s for s in trial.scores if not np.isnan(s)]
        row = ChoiceRow(
            candidate=_name(trial),
            score=float(np.mean(known)) if known and not trial.failure else _NAN,
            loss=loss,
            difference=trial.difference,
            standard_error=trial.standard_error,
            chosen=trial is chosen,
            seconds=trial.seconds,
            reason="",
        )
        rows.append(replace(row, reason=_reason(trial, row, len(trials))))
    return Choice(_name(chosen), context.metric, tuple(rows), _nested_choice(trials, chosen, splits))


def _reason(trial: _Trial, row: ChoiceRow, n_candidates: int) -> str:
    if trial.failure:
        return trial.failure
    if n_candidates == 1:
        return "the only candidate"
    if np.isnan(row.difference):
        return "could not be compared: too few rows or folds"
    if row.chosen:
        return "best" if row.difference <= 0 else "simplest within half a standard error of the best"
    if _within(trial):
        return "within half a standard error of the best, but not simpler than the one chosen"
    if trial.loses and row.difference <= NEAR * row.standard_error:
        return "a higher loss than the best by more than one standard error over rows"
    return "worse than the best by more than half a standard error"
