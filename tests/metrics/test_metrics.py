"""Metrics: names, signs, edges and messages."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from stackml.foundation.errors import DataError, ParameterError
from stackml.metrics import METRICS, PROBLEMS, Metric, default_metric, get_metric, metric_names, per_row_loss

every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def perfect(metric: Metric) -> tuple[Any, Any]:
    if "regression" in metric.problems:
        y = np.arange(1.0, 201.0)
        return y, y
    y = np.r_[np.ones(2, int), np.zeros(198, int)]
    return y, y.astype(float)


def case(metric: Metric, problem: str, n: int = 60, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    if problem == "regression":
        return rng.random(n) + 1, rng.random(n) + 1
    if problem == "binary":
        return rng.integers(0, 2, n), np.round(rng.random(n), 1)
    return rng.integers(0, 3, n), rng.dirichlet(np.ones(3), n)


CASES = [pytest.param(m, p, id=f"{p}-{m.name}") for m in METRICS for p in sorted(m.problems)]


@every_metric
def test_a_perfect_prediction_has_the_optimum(metric: Metric) -> None:
    assert metric.score(*perfect(metric)) == pytest.approx(metric.optimum, abs=1e-12)
    assert metric.error(*perfect(metric)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("metric", "problem"), CASES)
def test_greater_is_better_and_the_error_positive(metric: Metric, problem: str) -> None:
    y, prediction = case(metric, problem)
    value, score = metric.value(y, prediction), metric.score(y, prediction)
    assert score == (value if metric.greater_is_better else -value)
    assert metric.error(y, prediction) > 0


@pytest.mark.parametrize(("metric", "problem"), CASES)
def test_a_weight_of_two_is_the_row_given_twice(metric: Metric, problem: str) -> None:
    y, prediction = case(metric, problem)
    times = np.random.default_rng(1).integers(0, 4, len(y))
    twice = metric.value(np.repeat(y, times), np.repeat(prediction, times, axis=0))
    assert metric.value(y, prediction, times) == pytest.approx(twice, abs=1e-12)


@pytest.mark.parametrize(("metric", "problem"), CASES)
def test_row_order_does_not_matter_and_inputs_stay(metric: Metric, problem: str) -> None:
    y, prediction = case(metric, problem)
    before = y.copy(), prediction.copy()
    order = np.random.default_rng(2).permutation(len(y))
    assert metric.value(y[order], prediction[order]) == pytest.approx(metric.value(y, prediction), abs=1e-12)
    assert np.array_equal(y, before[0])
    assert np.array_equal(prediction, before[1])


@pytest.mark.parametrize(("metric", "problem"), CASES)
def test_one_row(metric: Metric, problem: str) -> None:
    y, prediction = case(metric, problem, n=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(metric.value(y, prediction), float)


@pytest.mark.parametrize(("metric", "problem"), CASES)
def test_no_weight_at_all_has_no_value(metric: Metric, problem: str) -> None:
    y, prediction = case(metric, problem)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = metric.value(y, prediction, np.zeros(len(y)))
    assert np.isnan(value) or metric.name == "f1"


@pytest.mark.parametrize("y", [0, 1])
def test_one_class_has_no_ranking_and_no_warning(y: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(get_metric("roc_auc").value(np.full(5, y), np.linspace(0, 1, 5)))
        assert np.isnan(get_metric("roc_auc").value(np.full(5, y), np.full((5, 3), 1 / 3)))
        assert np.isnan(get_metric("average_precision").value(np.zeros(5), np.linspace(0, 1, 5)))
        assert np.isnan(get_metric("recall_at_5%").value(np.zeros(5), np.linspace(0, 1, 5)))


def test_a_constant_prediction_ranks_by_chance() -> None:
    y = np.r_[np.ones(10), np.zeros(90)]
    constant = np.full(100, 0.1)
    assert get_metric("roc_auc").value(y, constant) == 0.5
    assert get_metric("average_precision").value(y, constant) == pytest.approx(0.1)
    assert get_metric("recall_at_5%").value(y, constant) == pytest.approx(0.05)
    assert get_metric("precision_at_5%").value(y, constant) == pytest.approx(0.1)
    assert get_metric("expected_calibration_error").value(y, constant) == pytest.approx(0, abs=1e-12)


def test_classes_absent_from_the_rows_are_met() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 50), rng.dirichlet(np.ones(4), 50)
    for name in metric_names("multiclass"):
        assert np.isfinite(get_metric(name).value(y, p)), name
    two = p[:, :2] / p[:, :2].sum(axis=1, keepdims=True)
    assert 0 < get_metric("roc_auc").value(y, two) < 1


def test_log_loss_of_a_sure_mistake_is_finite() -> None:
    assert get_metric("log_loss").value([1], [0.0]) == pytest.approx(-np.log(1e-15))
    assert get_metric("log_loss").value([1], [[1.0, 0.0]]) == pytest.approx(-np.log(1e-15))


def test_calibration_error_of_two_bins() -> None:
    y, p = np.r_[np.ones(3), np.zeros(7), np.ones(10)], np.r_[np.full(10, 0.1), np.full(10, 0.8)]
    assert get_metric("expected_calibration_error").value(y, p) == pytest.approx(0.5 * 0.2 + 0.5 * 0.2)


def test_mape_leaves_out_zeros() -> None:
    assert get_metric("mape").value([0, 2, 4], [5, 1, 4]) == pytest.approx(0.25)
    assert np.isnan(get_metric("mape").value([0, 0], [1, 1]))


def test_r2_of_a_constant_target_has_no_value() -> None:
    assert np.isnan(get_metric("r2").value([2.1] * 7, [1.0] * 7))


def test_rmsle_needs_targets_of_zero_or_more() -> None:
    assert get_metric("rmsle").value([0, 1], [-5, 1]) == 0
    with pytest.raises(DataError, match=r"rmsle: target at row 1 is -2.0.*use rmse or mae"):
        get_metric("rmsle").value([0, -2], [0, 1])


def test_defaults() -> None:
    assert [default_metric(problem).name for problem in PROBLEMS] == ["roc_auc", "log_loss", "rmse"]
    with pytest.raises(ParameterError, match="unknown problem 'multi-class'; did you mean 'multiclass'"):
        default_metric("multi-class")


def test_a_near_miss_and_those_of_the_problem_are_named() -> None:
    with pytest.raises(ParameterError, match=r"unknown metric 'rocauc'; did you mean 'roc_auc'\?"):
        get_metric("rocauc")
    with pytest.raises(
        ParameterError, match=r"known for a regression problem: rmse, mae, r2, mape, rmsle, pinball$"
    ):
        get_metric("rms", "regression")
    with pytest.raises(
        ParameterError, match="metric 'f1' is not made for a regression problem; use one of: rmse"
    ):
        get_metric("f1", "regression")


def test_a_capacity_is_a_percentage_or_a_share() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(1000)
    y = (rng.random(1000) < p**3).astype(np.int64)
    highest = np.argsort(-p)[:50]
    for name in ("recall_at_5%", "recall_at_0.05", "recall_at_.05"):
        assert get_metric(name, "binary").value(y, p) == pytest.approx(y[highest].sum() / y.sum())
    assert get_metric("precision_at_0.05").value(y, p) == pytest.approx(y[highest].mean())


@pytest.mark.parametrize("name", ["recall_at_5%", "precision_at_0.5%", "pinball_at_0.9", "roc_auc"])
def test_a_metric_is_equal_to_itself_and_travels_to_other_processes(name: str) -> None:
    metric = get_metric(name)
    assert metric == get_metric(name)
    assert metric.name == name
    there = pickle.loads(pickle.dumps(metric))
    y, prediction = case(metric, min(metric.problems))
    assert there.value(y, prediction) == metric.value(y, prediction)


@pytest.mark.parametrize(
    ("name", "message"),
    [("recall_at_0%", "capacity must be above 0%"), ("precision_at_101%", "at most 100%"),
     ("recall_at_5", "write 5% of the rows as 'recall_at_5%' or 'recall_at_0.05'"),
     ("pinball_at_0.0", "quantile must lie between 0 and 1"), ("recall_at_x%", "unknown metric")],
)  # fmt: skip
def test_parameters_in_names_must_make_sense(name: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        get_metric(name)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "rmse",
            ([1, 2], [1]),
            r"target of shape \(2,\) and prediction of shape \(1,\) do not belong together",
        ),
        ("rmse", ([], []), "there are no rows to score"),
        ("rmse", ([1, 2], [1, np.nan]), "prediction at row 1 is nan"),
        ("rmse", ([1, np.nan], [1, 1]), "target at row 1 is nan"),
        ("rmse", ([1, 2], [1, 2], [1]), r"weight of shape \(1,\) for 2 rows"),
        ("rmse", ([1, 2], [1, 2], [1, -1]), "weight at row 1 is -1.0"),
        ("rmse", ([1, 2], [[1, 2], [1, 2]]), r"rmse: expected one value for each row, found shape \(2, 2\)"),
        (
            "log_loss",
            ([0, 2], [0.1, 0.2]),
            "log_loss: with one probability for each row the target must be 0 or 1",
        ),
        ("log_loss", ([0, 2], [[0.1, 0.9], [0.2, 0.8]]), "class codes run from 0 to 2.*of 2 classes"),
        ("log_loss", (["a", "b"], [0.1, 0.9]), "target must be numbers, found <U1; encode it first"),
    ],
)
def test_what_does_not_belong_together_is_refused(name: str, arguments: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        get_metric(name).value(*arguments)


def test_losses_of_rows_add_up_to_the_metric() -> None:
    for problem, name in (("binary", "log_loss"), ("multiclass", "log_loss"), ("regression", "rmse")):
        metric = get_metric(name)
        y, prediction = case(metric, problem)
        mean = per_row_loss(problem, y, prediction).mean()
        assert metric.value(y, prediction) == pytest.approx(np.sqrt(mean) if name == "rmse" else mean)
    with pytest.raises(ParameterError, match="unknown problem 'ranking'"):
        per_row_loss("ranking", [1], [1])
