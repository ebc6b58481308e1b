"""Every metric, one row each, and the way to find them by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

from numpy.typing import ArrayLike, NDArray

from stackml.foundation.errors import DataError, ParameterError, near_miss
from stackml.metrics.arrays import FloatArray, Weighted, check_rows
from stackml.metrics.probability import (
    log_loss_rows,
    prepare_accuracy,
    prepare_balanced_accuracy,
    prepare_brier,
    prepare_expected_calibration_error,
    prepare_f1,
    prepare_log_loss,
)
from stackml.metrics.ranking import (
    Ranked,
    average_precision_of,
    precision_at_capacity_of,
    prepare_average_precision,
    prepare_precision_at_capacity,
    prepare_recall_at_capacity,
    prepare_roc_auc,
    recall_at_capacity_of,
    roc_auc_of,
)
from stackml.metrics.regression import (
    prepare_mae,
    prepare_mape,
    prepare_pinball,
    prepare_r2,
    prepare_rmse,
    prepare_rmsle,
    squared_error_rows,
)

Needs = Literal["probability", "label", "value", "ranking"]
Prepare = Callable[[NDArray[Any], FloatArray], Weighted]

PROBLEMS = ("binary", "multiclass", "regression")
_BINARY = frozenset({"binary"})
_CLASSES = frozenset({"binary", "multiclass"})
_NUMBERS = frozenset({"regression"})


@dataclass(frozen=True)
class Metric:
    """One way to judge predictions.

    Binary: `y` in {0, 1}, `prediction` of shape (n_rows,), the probability of class 1.
    Multiclass: `y` holds class codes, `prediction` has shape (n_rows, n_classes).
    Regression: both have shape (n_rows,).

    Attributes
    ----------
    name : str
    prepare : callable
        ``prepare(y, prediction)`` does once what all weights share and returns a function
        of the weights; nothing is checked.
    greater_is_better : bool
    needs : {"probability", "label", "value", "ranking"}
        What of the prediction is read: "ranking" its order alone.
    problems : frozenset of {"binary", "multiclass", "regression"}
    optimum : float
        The best possible score.
    ranked : callable, optional
        Binary: the same value from counts down a ranking, which metrics of one prediction share.
    """

    name: str
    prepare: Prepare
    greater_is_better: bool
    needs: Needs
    problems: frozenset[str]
    optimum: float
    ranked: Ranked | None = None

    def kernel(self, y: NDArray[Any], prediction: FloatArray, weight: FloatArray | None = None) -> float:
        """Return the value on the metric's own scale; nothing is checked."""
        return self.prepare(y, prediction)(weight)

    def value(self, y: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None) -> float:
        """Return the value on the metric's own scale (log loss and errors are positive).

        nan where it has no meaning, as roc_auc with one class in `y`.

        Raises
        ------
        DataError
            If lengths differ, or a value is missing.
        """
        target, predicted, weights = self.checked(y, prediction, weight)
        return self.kernel(target, predicted, weights)

    def score(self, y: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None) -> float:
        """Return the value with the sign that makes greater better."""
        return self.signed(self.value(y, prediction, weight))

    def error(self, y: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None = None) -> float:
        """Return how far the score is from the best possible, 0 or more."""
        return self.optimum - self.score(y, prediction, weight)

    def signed(self, value: float) -> float:
        """Return a value with the sign that makes greater better."""
        return value if self.greater_is_better else -value

    def checked(
        self, y: ArrayLike, prediction: ArrayLike, weight: ArrayLike | None
    ) -> tuple[NDArray[Any], FloatArray, FloatArray | None]:
        """Return the arrays the kernel works on.

        Raises
        ------
        DataError
            If they do not belong together, or the prediction's shape is not this metric's.
        """
        target, predicted, weights = check_rows(y, prediction, weight)
        if predicted.ndim > 1:
            if "multiclass" not in self.problems:
                what = "value" if "regression" in self.problems else "probability of the positive class"
                raise DataError(
                    f"{self.name}: expected one {what} for each row, found shape {predicted.shape}"
                )
            highest, lowest = int(target.max()), int(target.min())
            if lowest < 0 or highest >= predicted.shape[1]:
                raise DataError(
                    f"{self.name}: class codes run from {lowest} to {highest}, but there are probabilities "
                    f"of {predicted.shape[1]} classes"
                )
        elif "regression" not in self.problems and not ((target == 0) | (target == 1)).all():
            raise DataError(f"{self.name}: with one probability for each row the target must be 0 or 1")
        return target, predicted, weights


METRICS: tuple[Metric, ...] = (
    Metric("roc_auc", prepare_roc_auc, True, "ranking", _CLASSES, 1.0, roc_auc_of),
    Metric(
        "average_precision", prepare_average_precision, True, "ranking", _BINARY, 1.0, average_precision_of
    ),
    Metric("log_loss", prepare_log_loss, False, "probability", _CLASSES, 0.0),
    Metric("brier", prepare_brier, False, "probability", _CLASSES, 0.0),
    Metric("accuracy", prepare_accuracy, True, "label", _CLASSES, 1.0),
    Metric("balanced_accuracy", prepare_balanced_accuracy, True, "label", _CLASSES, 1.0),
    Metric("f1", prepare_f1, True, "label", _CLASSES, 1.0),
    Metric(
        "recall_at_capacity", prepare_recall_at_capacity, True, "ranking", _BINARY, 1.0, recall_at_capacity_of
    ),
    Metric(
        "precision_at_capacity",
        prepare_precision_at_capacity,
        True,
        "ranking",
        _BINARY,
        1.0,
        precision_at_capacity_of,
    ),
    Metric(
        "expected_calibration_error",
        prepare_expected_calibration_error,
        False,
        "probability",
        _CLASSES,
        0.0,
    ),
    Metric("rmse", prepare_rmse, False, "value", _NUMBERS, 0.0),
    Metric("mae", prepare_mae, False, "value", _NUMBERS, 0.0),
    Metric("r2", prepare_r2, True, "value", _NUMBERS, 1.0),
    Metric("mape", prepare_mape, False, "value", _NUMBERS, 0.0),
    Metric("rmsle", prepare_rmsle, False, "value", _NUMBERS, 0.0),
    Metric("pinball", prepare_pinball, False, "value", _NUMBERS, 0.0),
)
_BY_NAME = {metric.name: metric for metric in METRICS}
_DEFAULTS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
_OF_CAPACITY = {
    "recall": (prepare_recall_at_capacity, recall_at_capacity_of),
    "precision": (prepare_precision_at_capacity, precision_at_capacity_of),
}
_AT_CAPACITY = re.compile(r"(recall|precision)_at_(\d*\.?\d+)(%?)")
_PINBALL = re.compile(r"pinball_at_(0?\.\d+)")


def get_metric(name: str, problem: str | None = None) -> Metric:
    """Return a metric by name.

    Parameters
    ----------
    name : str
        A catalog name, or one with a parameter: ``"recall_at_5%"`` or ``"recall_at_0.05"`` (the
        share of the positives among the 5 % of rows scored highest), ``"precision_at_0.5%"``,
        ``"pinball_at_0.9"``.
    problem : {"binary", "multiclass", "regression"}, optional
        The problem it must be made for.

    Raises
    ------
    ParameterError
        If there is no such metric, or it is not made for the problem; the message lists those
        that are.
    """
    metric = _BY_NAME.get(name) or _with_parameter(str(name))
    if metric is None:
        known = metric_names(problem)
        kind = f" for a {problem} problem" if problem else ""
        raise ParameterError(
            f"unknown metric '{name}'{near_miss(name, known)}; known{kind}: {', '.join(known)}"
        )
    if problem is not None and problem not in metric.problems:
        raise ParameterError(
            f"metric '{name}' is not made for a {problem} problem; use one of: "
            f"{', '.join(metric_names(problem))}"
        )
    return metric


def metric_names(problem: str | None = None) -> list[str]:
    """Return the names of the catalog, or of those metrics made for a problem.

    Raises
    ------
    ParameterError
        If there is no such problem.
    """
    if problem is not None:
        _check_problem(problem)
    return [metric.name for metric in METRICS if problem is None or problem in metric.problems]


def default_metric(problem: str) -> Metric:
    """Return the metric used where none is named: roc_auc, log_loss (multiclass) or rmse (regression).

    Raises
    ------
    ParameterError
        If there is no such problem.
    """
    _check_problem(problem)
    return _BY_NAME[_DEFAULTS[problem]]


def per_row_loss(problem: str, y: ArrayLike, prediction: ArrayLike) -> FloatArray:
    """Return the loss of each row, for comparing two models row by row.

    Parameters
    ----------
    problem : {"binary", "multiclass", "regression"}
    y, prediction : array-like
        Shapes as in `Metric`.

    Returns
    -------
    ndarray of float64, shape (n_rows,)
        Log loss (nats) for classes, squared error for numbers.

    Raises
    ------
    ParameterError
        If there is no such problem.
    DataError
        If the arrays do not belong together.
    """
    _check_problem(problem)
    if problem == "regression":
        target, predicted, _ = _BY_NAME["rmse"].checked(y, prediction, None)
        return squared_error_rows(target, predicted)
    target, predicted, _ = _BY_NAME["log_loss"].checked(y, prediction, None)
    return log_loss_rows(target, predicted)


@cache
def _with_parameter(name: str) -> Metric | None:
    at_capacity = _AT_CAPACITY.fullmatch(name)
    if at_capacity:
        capacity = float(at_capacity[2]) / (100 if at_capacity[3] else 1)
        if not 0 < capacity <= 1:
            raise ParameterError(
                f"metric '{name}': the capacity must be above 0% and at most 100%; write 5% of the rows as "
                f"'{at_capacity[1]}_at_5%' or '{at_capacity[1]}_at_0.05'"
            )
        prepare, ranked = _OF_CAPACITY[at_capacity[1]]
        return Metric(
            name,
            partial(prepare, capacity=capacity),
            True,
            "ranking",
            _BINARY,
            1.0,
            partial(ranked, capacity=capacity),
        )
    pinball = _PINBALL.fullmatch(name)
    if pinball:
        quantile = float(pinball[1])
        if quantile == 0:
            raise ParameterError(f"metric '{name}': the quantile must lie between 0 and 1")
        return Metric(name, partial(prepare_pinball, quantile=quantile), False, "value", _NUMBERS, 0.0)
    return None


def _check_problem(problem: str) -> None:
    if problem not in PROBLEMS:
        raise ParameterError(
            f"unknown problem '{problem}'{near_miss(problem, PROBLEMS)}; known: {', '.join(PROBLEMS)}"
        )
