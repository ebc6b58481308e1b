"""Models from cheap to dear: each row is asked on until one of them is sure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.alike import alike, check_stored, in_order, shown
from stackml.assembly.base import Answers, FittedAssembly
from stackml.assembly.curves import Curve, curve_of
from stackml.assembly.outcomes import Outcomes, outcomes_of
from stackml.assembly.parts import named_models, parts_of
from stackml.assembly.prices import microseconds
from stackml.assembly.reporting import CURVE, REPORT, Reporting, check_record, curve_rows, metric_for, plain
from stackml.assembly.stages import MOST_STAGES, Choices, choices_of, stages_of
from stackml.assembly.uncertainty import entropy
from stackml.foundation.errors import ParameterError, StackmlWarning
from stackml.metrics.catalog import Metric
from stackml.stack.arguments import checked_jobs, checked_seed, is_number, named_columns
from stackml.storage.fields import finite_array, refuse
from stackml.storage.state import State
from stackml.tables.reading import to_frame
from stackml.tables.schema import Overrides

FloatArray = npt.NDArray[np.float64]

DEFAULT_QUALITY = 0.95
_MOST_POINTS = 30


@dataclass(frozen=True, eq=False)
class FittedCascade(FittedAssembly):
    """Models of one target, asked one after the other until one is sure.

    Attributes
    ----------
    thresholds : float64 ndarray of shape (n_parts - 1,)
        Entropy (nats) above which a stage passes a row on; infinity is never, minus infinity always.
    """

    kind: ClassVar[str] = "cascade"

    thresholds: npt.NDArray[np.float64] = None  # type: ignore[assignment]  # fields of the base have defaults

    def answers(self, rows: pd.DataFrame, *, n_jobs: int = 1) -> Answers:
        """Return the answer of the first model that is sure of a row, or of the last."""
        values = np.empty((len(rows), self.problem.n_outputs))
        weights = np.zeros((len(rows), len(self.parts)))
        calls = np.zeros(len(self.parts), dtype=np.int64)
        left = np.arange(len(rows))
        for stage, part in enumerate(self.parts):
            if not left.size:
                break
            calls[stage] = left.size
            said = in_order(part.predict(rows.iloc[left], n_jobs=n_jobs), part.model, self.classes)
            stops = np.ones(left.size, dtype=bool)
            if stage < len(self.thresholds):
                stops = entropy(said) <= self.thresholds[stage]
            values[left[stops]] = said[stops]
            weights[left[stops], stage] = 1.0
            left = left[~stops]
        return Answers(values, weights, calls)

    def rule_to_state(self) -> State:
        """Return the thresholds."""
        return {"thresholds": self.thresholds}

    @classmethod
    def from_rule(cls, common: Mapping[str, Any], rule: Mapping[str, Any]) -> Self:
        """Rebuild from a stored rule."""
        check_stored(common)
        check_record(common["card"])
        if common["problem"].is_regression or len(common["parts"]) < 2:
            refuse("the cascade", "predicts a number or has one part")
        shape = (len(common["parts"]) - 1,)
        thresholds = finite_array(rule["thresholds"], "the thresholds", shape, infinite=True)
        return cls(**common, thresholds=thresholds.astype(np.float64))


class Cascade(Reporting):
    """Classifiers from cheap to dear; a row is asked on until one of them is sure.

    A model is sure where the entropy of its probabilities is at or below its threshold. The
    thresholds are chosen together on labelled rows, among those that no others beat in log loss and
    cost at once; nothing else is learned, and no model of its own is asked, as a `Router` does.

    Parameters
    ----------
    models : mapping of name to model, or sequence of models or (name, model) pairs
        2 to 8 fitted classifiers of the same classes, the cheapest first, well calibrated.
    quality : float, optional
        Share of the last model's gain over the first, in the metric, to recover as cheaply as possible;
        above 0 and at most 1, 0.95 unless `cost` is given.
    cost : float, optional
        Most a row may cost on average, in the unit of `costs`; the best thresholds within it are taken.
    costs : sequence of float, optional
        What asking each model about one row costs; microseconds measured in `fit` by default, which are
        others each time, and thresholds may be too: give costs where a fit must repeat itself.
    metric : str, optional
        ROC AUC for two classes, log loss for more by default.
    n_jobs : int, optional
    random_state : int, default=0
        Of the bootstrap. With `costs` given the same seed gives the same cascade.

    Attributes
    ----------
    report_ : dict
        ``metric``; ``first``, ``last`` and ``cascade``: the metric of each; ``recovered`` with its interval;
        ``cost``: of ``first``, ``last`` and ``cascade`` a row; ``stages``: of each model name, threshold,
        share of rows it was asked about and share that stopped there, and cost; ``rows``; ``honest``.
        Measured on the rows of `fit`, on which the thresholds were chosen too: a few numbers from many
        rows, so little is flattered.
    curve_ : DataFrame
        One row a choice of thresholds: cost, the metric, gap recovered with its 95 % bootstrap interval.
    fitted_ : FittedCascade
    """

    def __init__(
        self,
        models: Any,
        *,
        quality: float | None = None,
        cost: float | None = None,
        costs: Sequence[float] | None = None,
        metric: str | None = None,
        n_jobs: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.models = models
        self.quality = quality
        self.cost = cost
        self.costs = costs
        self.metric = metric
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None) -> Self:
        """Choose when each model is sure enough.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_columns)
            Rows that no model has seen; or, where a model is a stack fitted in this process, the very
            table of its fit, for which its out-of-fold predictions are taken.
        y : array-like of shape (n_rows,)
        groups : array-like of shape (n_rows,) or str, optional
            Drawn together by the bootstrap.
        sample_weight : array-like of shape (n_rows,) or str, optional

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If a parameter has no meaning, the models do not predict the same, or they predict a number.
        DataError
            If `y` does not suit the models, or there are too few rows.

        Warns
        -----
        StackmlWarning
            If a model seems to have learned from these rows, or the last is not better than the first.
        """
        _check_aim(self.quality, self.cost)
        frame = to_frame(X)
        models = named_models(self.models)
        parts = parts_of(models, rows=frame)
        first = alike(parts)
        if first.problem.is_regression:
            raise ParameterError(
                "a cascade stops where a model is sure of a class, and these predict a number, of which they "
                "do not say how sure they are; use stackml.Router, which learns where the dear model gains"
            )
        if len(parts) > MOST_STAGES:
            raise ParameterError(f"models: a cascade has at most {MOST_STAGES} stages; found {len(parts)}")
        metric, n_jobs = metric_for(self.metric, first.problem), checked_jobs(self.n_jobs)
        _, beside = named_columns(frame, Overrides(), {"group": groups, "weight": sample_weight})
        outcomes = outcomes_of([m for _, m in models], parts, frame, y, {"time": None, **beside}, n_jobs)
        if self.costs is None:
            costs = microseconds([part.predict for part in parts], outcomes.frame)
        else:
            costs = _checked_costs(self.costs, [part.name for part in parts])
        fitted = FittedCascade(parts, first.problem, first.classes, first.label_dtype)
        self.fitted_ = _measured(
            fitted, outcomes, metric, costs, self.quality, self.cost, checked_seed(self.random_state)
        )
        return self

    @classmethod
    def of(cls, fitted: FittedCascade) -> Self:
        """Return the public cascade around a fitted one."""
        made = cls({part.name: part.model for part in fitted.parts})
        made.fitted_ = fitted
        return made


def _check_aim(quality: Any, cost: Any) -> None:
    if quality is not None and cost is not None:
        raise ParameterError("quality and cost are both given; take one to meet, the other follows")
    for name, value, most in (("quality", quality, 1.0), ("cost", cost, np.inf)):
        if value is not None and not (is_number(value) and 0 < value <= most):
            raise ParameterError(
                f"{name}={value!r}: give a number above 0{' and at most 1' if most == 1 else ''}"
            )


def _checked_costs(costs: Any, names: Sequence[str]) -> list[float]:
    try:
        found = np.asarray(list(costs), dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"costs={costs!r:.80}: give one number a model") from None
    if found.shape != (len(names),) or not np.isfinite(found).all() or (found < 0).any():
        raise ParameterError(
            f"costs={found.tolist()}: give one number of 0 or more for each of {len(names)} models"
        )
    for (cheap, below), (dear, above) in pairwise(zip(names, found.tolist(), strict=True)):
        if above < below:
            raise ParameterError(
                f"costs: '{dear}' costs less than '{cheap}', which is asked before it; "
                "order models from cheap to dear"
            )
    return [float(cost) for cost in found]


def _measured(
    fitted: FittedCascade,
    outcomes: Outcomes,
    metric: Metric,
    costs: Sequence[float],
    quality: float | None,
    limit: float | None,
    seed: int,
) -> FittedCascade:
    """Return the cascade with its thresholds and a card that says what they are worth."""
    target, outputs = outcomes.target, outcomes.outputs
    sure = np.stack([entropy(said) for said in outputs[:-1]])
    choices = _thinned(choices_of(sure, outcomes.losses, costs, target.weight))
    answers = [_picked(outputs, stages_of(sure, thresholds)) for thresholds in choices.thresholds]
    curve = curve_of(metric, target, answers, choices.cost, weak=outputs[0], strong=outputs[-1], seed=seed)
    first, last = (
        metric.value(target.values, shown(said, target.problem), target.weight)
        for said in (outputs[0], outputs[-1])
    )
    at = _chosen(curve, metric.signed(last) > metric.signed(first), costs[0], quality, limit)
    if metric.signed(last) <= metric.signed(first):
        warnings.warn(
            f"the last model is not better than the first: {metric.name} {last:.4g} against {first:.4g}; the "
            "cascade stops at the first",
            StackmlWarning,
            stacklevel=3,
        )
    thresholds = choices.thresholds[at]
    stage = stages_of(sure, thresholds)
    stopped = np.array([np.average(stage == k, weights=target.weight) for k in range(len(outputs))])
    asked = 1.0 - np.concatenate([[0.0], np.cumsum(stopped)[:-1]])
    low, high = curve.range
    report = {
        "metric": metric.name,
        "first": first,
        "last": last,
        "cascade": curve.values[at],
        "recovered": curve.recovered[at],
        "recovered_low": low[at],
        "recovered_high": high[at],
        "cost": {"first": costs[0], "last": costs[-1], "cascade": choices.cost[at]},
        "stages": [
            {"name": part.name, "threshold": t, "asked": a, "stopped": s, "cost": c}
            for part, t, a, s, c in zip(
                fitted.parts, [*thresholds.tolist(), None], asked, stopped, costs, strict=True
            )
        ],
        "rows": target.n_rows,
        "honest": {part.name: how for part, how in zip(fitted.parts, outcomes.honest, strict=True)},
    }
    card = plain({REPORT: report, CURVE: curve_rows(curve, metric, cost=choices.cost)})
    return FittedCascade(
        *(fitted.parts, fitted.problem, fitted.classes, fitted.label_dtype, card), thresholds=thresholds
    )


def _picked(outputs: FloatArray, stage: npt.NDArray[np.int64]) -> FloatArray:
    return outputs[stage, np.arange(outputs.shape[1])]


def _thinned(choices: Choices) -> Choices:
    """Return about thirty of the choices, evenly in cost; the first and the last are kept."""
    if len(choices.cost) <= _MOST_POINTS:
        return choices
    wanted = np.linspace(choices.cost[0], choices.cost[-1], _MOST_POINTS)
    kept = np.unique(np.abs(choices.cost[None] - wanted[:, None]).argmin(axis=1))
    return Choices(choices.thresholds[kept], choices.loss[kept], choices.cost[kept])


def _chosen(curve: Curve, better: bool, least: float, quality: float | None, limit: float | None) -> int:
    if limit is not None:
        affordable = np.flatnonzero(curve.at <= limit)
        if not affordable.size:
            raise ParameterError(
                f"cost={limit:.4g}: the first model alone costs {least:.4g} a row; give more, "
                "or a cheaper model"
            )
        return int(affordable[-1]) if better else 0
    if not better:
        return 0
    reached = np.flatnonzero(curve.recovered >= (DEFAULT_QUALITY if quality is None else quality))
    return int(reached[0]) if reached.size else int(np.nanargmax(curve.recovered))
