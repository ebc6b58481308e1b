"""A strong and a weak model, and a router that sends the strong one only rows it is worth asking about."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.alike import alike, check_stored, in_order, shown
from stackml.assembly.base import Answers, FittedAssembly
from stackml.assembly.curves import SHARES, Curve, curve_of, share_above, threshold_for
from stackml.assembly.gain import FittedGain, GainRecipe, learned_gain
from stackml.assembly.outcomes import Outcomes, outcomes_of
from stackml.assembly.parts import parts_of
from stackml.assembly.prices import microseconds
from stackml.assembly.reporting import (
    CURVE,
    REPORT,
    Reporting,
    check_record,
    curve_rows,
    metric_for,
    plain,
)
from stackml.foundation.errors import ParameterError, StackmlWarning
from stackml.metrics.catalog import Metric
from stackml.stack.arguments import checked_jobs, checked_seed, is_number, named_columns
from stackml.stack.file import from_state, to_state
from stackml.stack.proving import prove
from stackml.storage.fields import finite_array, refuse
from stackml.storage.state import State
from stackml.tables.reading import to_frame
from stackml.tables.schema import Overrides
from stackml.tables.target import Target

FloatArray = npt.NDArray[np.float64]

DEFAULT_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class FittedRouter(FittedAssembly):
    """A weak model that answers, and a strong one that answers where the gain expected is high.

    Attributes
    ----------
    gain : FittedGain, optional
        None asks the strong model about all rows or none.
    threshold : float
        Gain above which the strong model is asked; infinity is never, minus infinity always.
    """

    kind: ClassVar[str] = "router"

    gain: FittedGain | None = None
    threshold: float = float("inf")

    def answers(self, rows: pd.DataFrame, *, n_jobs: int = 1) -> Answers:
        """Return the strong model's answer for rows above the threshold, the weak one's for the others."""
        weak, strong = self.parts
        values = in_order(weak.predict(rows, n_jobs=n_jobs), weak.model, self.classes)
        sent = np.flatnonzero(self.gains(rows, values, n_jobs) > self.threshold)
        if sent.size:
            said = strong.predict(rows.iloc[sent], n_jobs=n_jobs)
            values = values.copy()
            values[sent] = in_order(said, strong.model, self.classes)
        weights = np.zeros((len(rows), 2))
        weights[:, 0] = 1.0
        weights[sent] = (0.0, 1.0)
        return Answers(values, weights, np.array([len(rows), sent.size], dtype=np.int64))

    def gains(self, rows: pd.DataFrame, weak: FloatArray, n_jobs: int = 1) -> FloatArray:
        """Return the gain expected of each row, given the weak model's answers; 0 where none was learned."""
        if self.gain is None:
            return np.zeros(len(rows))
        return self.gain.predict(rows, weak, self.problem, n_jobs)

    def rule_to_state(self) -> State:
        """Return the threshold and the model of the gain."""
        gain = None if self.gain is None else to_state(self.gain.stack)
        return {"threshold": np.array([self.threshold]), "gain": gain}

    @classmethod
    def from_rule(cls, common: Mapping[str, Any], rule: Mapping[str, Any]) -> Self:
        """Rebuild from a stored rule."""
        check_stored(common)
        check_record(common["card"])
        if len(common["parts"]) != 2:
            refuse("the router", f"has {len(common['parts'])} parts, not a weak and a strong one")
        (threshold,) = finite_array(rule["threshold"], "the threshold", (1,), infinite=True).tolist()
        if rule["gain"] is None:
            return cls(**common, gain=None, threshold=threshold)
        stack = from_state(rule["gain"])
        if not stack.problem.is_regression:
            refuse("the model of the gain", "predicts classes")
        prove(stack)
        return cls(**common, gain=FittedGain(stack), threshold=threshold)


class Router(Reporting):
    """A strong and a weak model; rows go to the strong one where its gain is worth it.

    The weak model is asked about every row. A small model then says how much the strong one would
    gain, from the row's columns and the weak model's answer, and rows above a threshold are asked
    again. The threshold stands when `fit` ends: no row has an influence on another.

    Parameters
    ----------
    weak, strong : fitted models
        Stacks, assemblies or scikit-learn estimators that predict the same classes, or a number.
    strong_share : float, optional
        Share of the rows to ask the strong model about, within [0, 1]; 0.4 unless `quality` is given.
        Rows of equal expected gain stay together, so it may be less.
    quality : float, optional
        Share of the strong model's gain over the weak one, in the metric, to recover by as few strong calls
        as possible; within (0, 1].
    learner : str, list or Learner, optional
        What learns the gain, as `StackRegressor` takes `learners`; a small LightGBM by default.
    target : {"expected", "observed"}
        What is learned: the gain that the strong model itself expects (see
        `stackml.assembly.gain.expected_gain`), or the loss difference on the row's target, which is right
        even for a strong model that is badly calibrated, and so noisy that it takes far more rows.
    metric : str, optional
        What gain is measured in; ROC AUC, log loss (three or more classes) or RMSE by default.
    n_jobs : int, optional
    random_state : int, default=0

    Attributes
    ----------
    report_ : dict
        ``metric``; ``weak``, ``strong`` and ``routed``: the metric of each; ``apgr``, ``cpt50`` and
        ``cpt80`` (None: not reached; Ong et al. 2024, https://arxiv.org/abs/2406.18665);
        ``strong_share``, ``recovered`` with its interval; ``us_per_row`` of "weak", "router", "strong"
        and "routed"; ``came_true``: observed over expected gain; ``rows``, and ``honest``: where the answers
        of each model come from. Everything is out of fold and measured on rows given to `fit`.
    curve_ : DataFrame
        One row a share of strong calls: share, us_per_row, the metric, gap recovered with its 95 %
        bootstrap interval.
    fitted_ : FittedRouter

    Notes
    -----
    Metrics of ranks compare rows that the weak model answered with rows that the strong one did: both must
    be calibrated, as stacks are by default.
    """

    def __init__(
        self,
        weak: Any,
        strong: Any,
        *,
        strong_share: float | None = None,
        quality: float | None = None,
        learner: Any = None,
        target: str = "expected",
        metric: str | None = None,
        n_jobs: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.weak = weak
        self.strong = strong
        self.strong_share = strong_share
        self.quality = quality
        self.learner = learner
        self.target = target
        self.metric = metric
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None, time: Any = None, sample_weight: Any = None) -> Self:
        """Learn where the strong model is worth its cost.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_columns)
            Rows that neither model has seen; or, where a model is a stack fitted in this process, the
            very table of its fit, for which its out-of-fold predictions are taken.
        y : array-like of shape (n_rows,)
        groups, time, sample_weight : array-like of shape (n_rows,) or str, optional
            As in `StackClassifier.fit`; folds of the gain model honour them. Where out-of-fold
            predictions are taken, groups and time of that fit are the default, each for itself.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a parameter has no meaning, or the models do not predict the same.
        DataError
            If `y` does not suit the models, or there are too few rows.

        Warns
        -----
        StackmlWarning
            If a model seems to have learned from these rows, or the strong one is not better.
        """
        share, quality = _aim(self.strong_share, self.quality)
        frame = to_frame(X)
        parts = parts_of({"weak": self.weak, "strong": self.strong}, rows=frame)
        first = alike(parts)
        metric = metric_for(self.metric, first.problem)
        n_jobs, seed = checked_jobs(self.n_jobs), checked_seed(self.random_state)
        recipe = GainRecipe(self.learner, self.target, seed, n_jobs)
        overrides, beside = named_columns(
            frame, Overrides(), {"group": groups, "time": time, "weight": sample_weight}
        )
        outcomes = outcomes_of((self.weak, self.strong), parts, frame, y, beside, n_jobs)
        common = (parts, first.problem, first.classes, first.label_dtype)
        better = _is_better(outcomes, metric)
        learned = learned_gain(outcomes, parts, recipe, tuple(overrides.roles)) if better else None
        if learned is not None and not np.isfinite(learned[1]).all():  # the first rows in time
            known = np.flatnonzero(np.isfinite(learned[1]))
            outcomes, learned = outcomes.take(known), (learned[0], learned[1][known])
            better = _is_better(outcomes, metric)
            learned = learned if better else None
        if learned is None:
            never = float("-inf") if better and share == 1 else float("inf")
            fitted = FittedRouter(*common, gain=None, threshold=never)
            worth = np.zeros(len(outcomes.rows))
        else:
            gain, worth = learned
            fitted = FittedRouter(*common, gain=gain)
        self.fitted_ = _measured(fitted, outcomes, worth, metric, share, quality, seed)
        return self

    @classmethod
    def of(cls, fitted: FittedRouter) -> Self:
        """Return the public router around a fitted one."""
        weak, strong = fitted.parts
        made = cls(weak.model, strong.model)
        made.fitted_ = fitted
        return made


def _aim(share: Any, quality: Any) -> tuple[float | None, float | None]:
    if share is not None and quality is not None:
        raise ParameterError(
            "strong_share and quality are both given; take a share of strong calls, or a share of the strong "
            "model's gain"
        )
    if quality is not None:
        if not is_number(quality) or not 0 < quality <= 1:
            raise ParameterError(
                f"quality={quality!r}: give the share of the strong model's gain to recover, above 0 and at "
                "most 1, as 0.9"
            )
        return None, float(quality)
    share = DEFAULT_SHARE if share is None else share
    if not is_number(share) or not 0 <= share <= 1:
        raise ParameterError(f"strong_share={share!r}: give a share of the rows, within 0 and 1")
    return float(share), None


def _is_better(outcomes: Outcomes, metric: Metric) -> bool:
    weak, strong = (_score(metric, outcomes.target, o) for o in outcomes.outputs)
    if strong > weak:
        return True
    warnings.warn(
        f"the strong model is not better than the weak one: {metric.name} {metric.signed(strong):.4g} "
        f"against {metric.signed(weak):.4g}; the router never asks it",
        StackmlWarning,
        stacklevel=3,
    )
    return False


def _score(metric: Metric, target: Target, outputs: FloatArray) -> float:
    return metric.score(target.values, shown(outputs, target.problem), target.weight)


def _measured(
    fitted: FittedRouter,
    outcomes: Outcomes,
    worth: FloatArray,
    metric: Metric,
    share: float | None,
    quality: float | None,
    seed: int,
) -> FittedRouter:
    """Return the router with its threshold and a card that says what it is worth."""
    target = outcomes.target
    weak, strong = outcomes.outputs

    def routed(threshold: float) -> FloatArray:
        return np.where((worth > threshold)[:, None], strong, weak)

    def drawn(thresholds: list[float]) -> Curve:
        at = [share_above(worth, threshold, target.weight) for threshold in thresholds]
        answers = [routed(threshold) for threshold in thresholds]
        return curve_of(metric, target, answers, at, weak=weak, strong=strong, seed=seed)

    learned = fitted.gain is not None
    shares = SHARES if learned else (0.0, 1.0)
    curve = drawn([threshold_for(worth, s, target.weight) for s in shares])
    threshold = fitted.threshold
    if learned:
        wanted = curve.least_for(quality) if quality is not None else share
        wanted = 1.0 if wanted is None or np.isnan(wanted) else wanted
        # Models of folds differ in level: the share is counted among what the model that predicts says.
        says = fitted.gains(outcomes.frame, weak)
        threshold = threshold_for(says, wanted, target.weight, or_more=quality is not None)
        wanted = share_above(says, threshold, target.weight)
        chosen = drawn([threshold_for(worth, wanted, target.weight)])
    else:
        chosen = drawn([threshold])
    low, high = chosen.range
    us = _prices(fitted, outcomes.frame)
    us_at = us["weak"] + us["router"] + curve.at * us["strong"]
    gains = outcomes.losses[0] - outcomes.losses[1]
    expected = float(np.average(worth, weights=target.weight))
    report = {
        "metric": metric.name,
        "weak": metric.signed(_score(metric, target, weak)),
        "strong": metric.signed(_score(metric, target, strong)),
        "routed": chosen.values[0],
        "strong_share": chosen.at[0],
        "recovered": chosen.recovered[0],
        "recovered_low": low[0],
        "recovered_high": high[0],
        "apgr": curve.apgr if learned else None,
        "apgr_low": curve.apgr_range[0] if learned else None,
        "apgr_high": curve.apgr_range[1] if learned else None,
        "cpt50": curve.least_for(0.5) if learned else None,
        "cpt80": curve.least_for(0.8) if learned else None,
        "us_per_row": {**us, "routed": us["weak"] + us["router"] + chosen.at[0] * us["strong"]},
        "came_true": float(np.average(gains, weights=target.weight)) / expected if expected else None,
        "rows": target.n_rows,
        "honest": {part.name: how for part, how in zip(fitted.parts, outcomes.honest, strict=True)},
    }
    rows = curve_rows(curve, metric, strong_share=curve.at, us_per_row=us_at)
    card = plain({REPORT: report, CURVE: rows})
    return FittedRouter(
        *(fitted.parts, fitted.problem, fitted.classes, fitted.label_dtype, card),
        gain=fitted.gain,
        threshold=threshold,
    )


def _prices(fitted: FittedRouter, frame: pd.DataFrame) -> dict[str, float]:
    weak, strong = fitted.parts
    rows = frame.head(2000)
    said = in_order(weak.predict(rows), weak.model, fitted.classes)
    found = microseconds(
        [weak.predict, strong.predict, lambda some: fitted.gains(some, said[: len(some)])], rows
    )
    return {"weak": found[0], "strong": found[1], "router": found[2]}
