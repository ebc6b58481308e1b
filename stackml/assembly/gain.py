"""What a row is expected to gain from a second model, learned from rows that both answered.

Gain is the loss of the weak model less that of the strong one: log loss (nats) for classes, squared
error for numbers. On a single row the target's chance hides it: of a binary row with target y and
probabilities w and s it is ``KL(s || w) + (y - s)(logit s - logit w)``, and the second term, whose mean
is 0 for a calibrated strong model, is far larger than the first. So by default the first alone is
learned, which is the gain the strong model itself expects; whether it comes true is measured on targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit, xlogy

from stackml.assembly.base import Part
from stackml.assembly.columns import united
from stackml.assembly.outcomes import Outcomes
from stackml.assembly.uncertainty import entropy
from stackml.foundation.errors import DataError, ParameterError, near_miss
from stackml.learners.catalog import resolve_learners
from stackml.learners.lightgbm import LightGBMLearner
from stackml.stack.estimators import StackRegressor
from stackml.stack.fitted import FittedStack
from stackml.tables.table import Table
from stackml.tables.target import Problem

FloatArray = npt.NDArray[np.float64]

# Every row pays for it, so it is small: large steps, few leaves.
DEFAULT_LEARNER = LightGBMLearner(
    learning_rate=0.2,
    max_rounds=60,
    num_leaves=15,
    min_child_samples=20,
    feature_fraction=0.9,
    cat_smooth=50.0,
    cat_l2=50.0,
    min_data_per_group=100,
)
TARGETS = ("expected", "observed")
_CLIP = 1e-6
_MARK = "(weak)"


@dataclass(frozen=True, eq=False)
class FittedGain:
    """A stack that predicts the gain of a row from its columns and the weak model's answer.

    Attributes
    ----------
    stack : FittedStack
        Of regression; some of its columns are those that `answer_columns` makes.
    """

    stack: FittedStack

    def predict(self, rows: pd.DataFrame, weak: FloatArray, problem: Problem, n_jobs: int = 1) -> FloatArray:
        """Return the gain expected of each row, float64 of shape (n_rows,).

        Parameters
        ----------
        rows : DataFrame
        weak : float64 ndarray of shape (n_rows, n_outputs)
            What the weak model says of them.
        problem : Problem
            Of the weak model.
        n_jobs : int
        """
        names = [c.name for c in self.stack.schema.columns if c.name in rows.columns]
        table = Table.of(_features(rows[names], weak, problem), self.stack.schema)
        return self.stack.predict(table, n_jobs=n_jobs)[:, 0]


@dataclass(frozen=True)
class GainRecipe:
    """How the gain is learned.

    Attributes
    ----------
    learner : object
        As `StackRegressor` takes `learners`; None is a small LightGBM.
    target : {"expected", "observed"}
    seed, n_jobs : int
    """

    learner: Any
    target: str
    seed: int
    n_jobs: int

    def __post_init__(self) -> None:
        """Refuse a target without a meaning."""
        if self.target not in TARGETS:
            raise ParameterError(
                f"target={self.target!r}{near_miss(self.target, TARGETS)}: give one of {', '.join(TARGETS)}"
            )


def learned_gain(
    outcomes: Outcomes, parts: Sequence[Part], recipe: GainRecipe, aside: Sequence[str] = ()
) -> tuple[FittedGain, FloatArray] | None:
    """Return a model of the gain, and its predictions of rows it did not learn from.

    Parameters
    ----------
    outcomes : Outcomes
        Of the weak model and the strong one.
    parts : sequence of Part
        These two.
    recipe : GainRecipe
    aside : sequence of str
        Columns that are not read: groups, time, weights.

    Returns
    -------
    FittedGain and float64 ndarray of shape (n_known,), or None
        NaN for rows never held out, the first in time; None where the gain is the same for all rows.

    Raises
    ------
    ParameterError
        If the learner cannot be stored without trust.
    FitError
        If it cannot be fitted.
    """
    weak, strong = outcomes.outputs
    problem, target = outcomes.target.problem, outcomes.target
    gain = expected_gain(weak, strong, problem)
    if recipe.target == "observed":
        gain = outcomes.losses[0] - outcomes.losses[1]
    if np.ptp(gain) == 0:
        return None
    columns = [c for c in united({p.name: p.model.schema for p in parts}).read if c.name not in aside]
    frame = _features(outcomes.frame[[c.name for c in columns]], weak, problem)
    learners = [DEFAULT_LEARNER] if recipe.learner is None else recipe.learner
    _refuse_foreign(learners)
    stack = StackRegressor(
        learners,
        refit=True,
        schema={"kinds": {c.name: c.kind for c in columns}},
        n_jobs=recipe.n_jobs,
        random_state=recipe.seed,
    )
    stack.fit(frame, gain, target.groups, target.time, target.weight)
    return FittedGain(stack.fitted_.compacted().with_card({})), stack.oof_.iloc[:, -1].to_numpy(np.float64)


def expected_gain(weak: FloatArray, strong: FloatArray, problem: Problem) -> FloatArray:
    """Return the gain of each row if the strong model's answer were the truth, 0 or more.

    Classes: the Kullback-Leibler divergence of the weak answer from the strong one, in nats, of
    probabilities held within [1e-6, 1]. Numbers: the squared difference.

    Parameters
    ----------
    weak, strong : float64 ndarray of shape (n_rows, n_outputs)
    problem : Problem

    Returns
    -------
    float64 ndarray of shape (n_rows,)
    """
    if problem.is_regression:
        return np.asarray((strong[:, 0] - weak[:, 0]) ** 2)
    p, q = (np.clip(_every_class(o), _CLIP, 1.0) for o in (strong, weak))
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    return np.maximum((xlogy(p, p) - xlogy(p, q)).sum(axis=1), 0.0)


def answer_columns(outputs: FloatArray, problem: Problem) -> dict[str, FloatArray]:
    """Return what the weak model's answer tells, as columns: log odds and entropy, or the value."""
    if problem.is_regression:
        return {f"{_MARK} value": outputs[:, 0]}
    odds = np.asarray(logit(np.clip(outputs, _CLIP, 1 - _CLIP)))
    found = {f"{_MARK} log odds {i}": odds[:, i] for i in range(outputs.shape[1])}
    return {**found, f"{_MARK} entropy": entropy(outputs)}


def _features(rows: pd.DataFrame, weak: FloatArray, problem: Problem) -> pd.DataFrame:
    further = answer_columns(weak, problem)
    taken = [name for name in further if name in rows.columns]
    if taken:
        raise DataError(f"X has a column '{taken[0]}', the name of what the router adds; rename it")
    return pd.concat([rows, pd.DataFrame(further, index=rows.index)], axis=1)


def _every_class(outputs: FloatArray) -> FloatArray:
    return np.hstack([1.0 - outputs, outputs]) if outputs.shape[1] == 1 else outputs


def _refuse_foreign(learners: Any) -> None:
    for name, learner in resolve_learners(learners, Problem("regression")):
        if learner.kind == "sklearn":
            raise ParameterError(
                f"learner '{name}' is an estimator of scikit-learn, which a router's file does not hold; "
                "give a learner of stackml, as 'lightgbm' or 'ridge'"
            )
