"""Many scores from one set of resamples, held against a plain loop."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from stackml.foundation.errors import DataError
from stackml.foundation.randomness import stream
from stackml.metrics import Metric, bootstrap_interval, get_metric, paired_difference, score_together

BINARY = ("roc_auc", "average_precision", "log_loss", "recall_at_5%", "precision_at_10%", "f1")


def binary(n: int = 400, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.15).astype(int)
    odds = 2 * y - 1 + rng.normal(size=n)
    tied = np.round(1 / (1 + np.exp(-odds + rng.normal(size=n))), 1)
    return y, {"a": 1 / (1 + np.exp(-odds)), "b": tied, "c": rng.random(n)}


def plain_loop(metric: Metric, y: Any, predictions: Any, groups: Any, weight: Any, n: int) -> Any:
    """Draw and score one resample after the other, in the most obvious way."""
    rng = stream(0, "metrics", "bootstrap")
    units = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = units.max() + 1
    found = []
    for _ in range(n):
        counts = np.bincount(rng.integers(n_units, size=n_units), minlength=n_units)[units]
        found.append([metric.value(y, p, counts * (1.0 if weight is None else weight)) for p in predictions])
    return np.array(found)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_results_are_those_of_a_plain_loop(grouped: bool, weighted: bool) -> None:
    y, predictions = binary()
    rng = np.random.default_rng(1)
    groups = rng.integers(60, size=len(y)) if grouped else None
    weight = rng.random(len(y)) if weighted else None
    metrics = [get_metric(name) for name in BINARY]
    found = score_together(
        y, predictions, metrics, pairs=[("a", "b"), ("b", "c")], groups=groups, weight=weight, n_resamples=40
    )
    for metric in metrics:
        scores = plain_loop(metric, y, predictions.values(), groups, weight, 40)
        for at, (name, prediction) in enumerate(predictions.items()):
            interval = found.intervals[name, metric.name]
            assert interval.value == metric.value(y, prediction, weight)
            expected = np.quantile(scores[:, at], [0.025, 0.975])
            assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=1e-12)
        for at, pair in enumerate([("a", "b"), ("b", "c")]):
            sign = 1 if metric.greater_is_better else -1
            expected = np.quantile(sign * (scores[:, at] - scores[:, at + 1]), [0.025, 0.975])
            difference = found.differences[*pair, metric.name]
            assert (difference.low, difference.high) == pytest.approx(tuple(expected), abs=1e-12)


def test_one_call_for_all_equals_a_call_for_each() -> None:
    y, predictions = binary()
    metrics = [get_metric(name) for name in BINARY]
    found = score_together(y, predictions, metrics, pairs=[("a", "c")], n_resamples=30, seed=4)
    for metric in metrics:
        alone = bootstrap_interval(metric, y, predictions["b"], n_resamples=30, seed=4)
        assert found.intervals["b", metric.name] == alone
        paired = paired_difference(metric, y, predictions["a"], predictions["c"], n_resamples=30, seed=4)
        assert found.differences["a", "c", metric.name] == paired


def test_many_classes_and_numbers() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    p = rng.dirichlet(np.ones(3), size=200)
    found = score_together(y, {"p": p}, [get_metric("roc_auc"), get_metric("log_loss")], n_resamples=20)
    assert found.intervals["p", "roc_auc"] == bootstrap_interval(get_metric("roc_auc"), y, p, n_resamples=20)
    numbers = score_together(y, {"p": p[:, 0]}, [get_metric("rmse")], n_resamples=20)
    assert numbers.intervals["p", "rmse"].low > 0


def test_rows_without_positives_have_no_rank_to_speak_of() -> None:
    metrics = [
        get_metric(name) for name in ("roc_auc", "average_precision", "recall_at_5%", "precision_at_10%")
    ]
    found = score_together(np.zeros(20), {"p": np.linspace(0, 1, 20)}, metrics, n_resamples=5)
    assert [np.isnan(found.intervals["p", m.name].value) for m in metrics] == [True, True, True, False]


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(DataError, match="do not belong together"):
        score_together([0, 1], {"a": [0.1, 0.2], "b": [0.1]}, [get_metric("roc_auc")])


def test_twelve_intervals_cost_little_more_than_one_drawing() -> None:
    y, predictions = binary(120_000)
    metrics = [get_metric(name) for name in BINARY[:4]]
    began = time.perf_counter()
    score_together(y, predictions, metrics, pairs=[("a", "b"), ("a", "c")], n_resamples=50)
    assert time.perf_counter() - began < 8
