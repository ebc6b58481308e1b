"""Intervals cover, paired verdicts hold, groups are drawn whole."""

from __future__ import annotations

import time as clock
from typing import Any

import numpy as np
import pytest

from stackml.foundation.errors import DataError, ParameterError
from stackml.metrics import METRICS, Metric, bootstrap_interval, get_metric, paired_difference


def two_models(n: int = 1500, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    good = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=n))))
    poor = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=n) * 2)))
    return y, good, poor


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth, covered = 1.0, 0
    for seed in range(100):
        gap = np.random.default_rng(seed).normal(size=200)
        interval = bootstrap_interval(get_metric("rmse"), np.zeros(200), gap, level=0.9, seed=seed)
        covered += interval.low <= truth <= interval.high
    assert 78 <= covered <= 98


def test_groups_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat([f"g{k}" for k in range(40)], 25).astype(object)
    gap = np.repeat(rng.normal(size=40), 25)
    alone = bootstrap_interval(get_metric("mae"), np.zeros(1000), gap)
    together = bootstrap_interval(get_metric("mae"), np.zeros(1000), gap, groups=groups)
    assert together.value == alone.value
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_same_seed_same_interval() -> None:
    y, good, _ = two_models()
    metric = get_metric("roc_auc")
    first = bootstrap_interval(metric, y, good, seed=5)
    assert first == bootstrap_interval(metric, y, good, seed=5) != bootstrap_interval(metric, y, good, seed=6)
    assert first.low < first.value < first.high
    assert (first.n_rows, first.level) == (1500, 0.95)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_has_an_interval(metric: Metric) -> None:
    y, good, _ = two_models(200)
    y = y + 1.0 if "regression" in metric.problems else y
    interval = bootstrap_interval(metric, y, good, n_resamples=50)
    assert interval.low <= interval.value * (1 + 1e-9) or metric.name == "expected_calibration_error"
    assert interval.low <= interval.high
    assert interval.value == metric.value(y, good)


@pytest.mark.parametrize("name", ["roc_auc", "log_loss", "brier", "average_precision"])
def test_the_better_model_wins(name: str) -> None:
    y, good, poor = two_models()
    won = paired_difference(get_metric(name), y, good, poor)
    lost = paired_difference(get_metric(name), y, poor, good)
    assert won.a_is_better
    assert not won.b_is_better
    assert won.p_value < 0.05
    assert lost.b_is_better
    assert lost.value == -won.value


def test_equal_models_are_not_told_apart() -> None:
    y, good, _ = two_models()
    same = paired_difference(get_metric("roc_auc"), y, good, good)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    assert not same.a_is_better
    assert not same.b_is_better


def test_noise_is_rarely_taken_for_a_difference() -> None:
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(2, 150))
        wrong += paired_difference(get_metric("rmse"), np.zeros(150), a, b, seed=seed).p_value < 0.05
    assert wrong <= 9


def test_a_small_paired_gain_is_seen_where_single_intervals_overlap() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=1000)
    a = y + rng.standard_t(3, size=1000)
    b = y + 1.03 * (a - y)
    metric = get_metric("rmse")
    assert bootstrap_interval(metric, y, a).high > bootstrap_interval(metric, y, b).low
    assert paired_difference(metric, y, a, b).a_is_better


def test_resamples_without_a_class_are_left_out() -> None:
    y, p = np.array([1, 0, 0, 0]), np.array([0.9, 0.1, 0.2, 0.3])
    interval = bootstrap_interval(get_metric("roc_auc"), y, p)
    assert (interval.low, interval.high) == (1, 1)
    nothing = bootstrap_interval(get_metric("roc_auc"), np.zeros(4), p)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    assert np.isnan(paired_difference(get_metric("roc_auc"), np.zeros(4), p, p).p_value)


def test_one_row() -> None:
    interval = bootstrap_interval(get_metric("mae"), [1.0], [3.0])
    assert (interval.value, interval.low, interval.high) == (2, 2, 2)


def test_weights_count() -> None:
    interval = bootstrap_interval(get_metric("mae"), [0.0, 0.0], [1.0, 5.0], weight=[1, 0])
    assert (interval.value, interval.low, interval.high) == (1, 1, 1)


def test_many_rows_are_quick() -> None:
    y, good, _ = two_models(120_000)
    start = clock.perf_counter()
    bootstrap_interval(get_metric("roc_auc"), y, good)
    assert clock.perf_counter() - start < 8


def test_messages() -> None:
    metric = get_metric("mae")
    with pytest.raises(ParameterError, match="n_resamples=0: give 1 or more"):
        bootstrap_interval(metric, [1.0], [1.0], n_resamples=0)
    with pytest.raises(ParameterError, match="level=95: give a share between 0 and 1"):
        paired_difference(metric, [1.0], [1.0], [1.0], level=95)
    with pytest.raises(DataError, match="groups: expected one value for each of 2 rows"):
        bootstrap_interval(metric, [1.0, 2.0], [1.0, 2.0], groups=[1])
    with pytest.raises(DataError, match="do not belong together"):
        paired_difference(metric, [1.0, 2.0], [1.0, 2.0], [1.0])
