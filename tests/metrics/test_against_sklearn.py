"""The values agree with scikit-learn's, with weights and ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from stackml.metrics import get_metric

SEEDS = range(6)


def binary(seed: int, n: int = 300) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < (0.03, 0.3, 0.5)[seed % 3]).astype(int)
    y[:2] = 0, 1
    p = np.clip(0.3 * y + 0.6 * rng.random(n), 0, 1)
    if seed % 2:
        p = np.round(p, 1)
    weight = rng.integers(0, 4, n).astype(float) if seed % 3 == 0 else rng.random(n) + 0.01
    weight[:2] = 1
    return y, p, weight


def several(seed: int, n: int = 300, k: int = 4) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y = rng.choice(k, n, p=[0.5, 0.3, 0.15, 0.05])
    p = rng.dirichlet(np.ones(k), n) + 0.5 * np.eye(k)[y]
    p = np.round(p / p.sum(axis=1, keepdims=True), 2 if seed % 2 else 12)
    return y, p / p.sum(axis=1, keepdims=True), rng.random(n) + 0.01


def numbers(seed: int, n: int = 200) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y = rng.lognormal(size=n)
    return y, np.abs(y + rng.normal(0, 0.5, n)), rng.random(n)


BINARY = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier": sk.brier_score_loss,
    "accuracy": lambda y, p, **w: sk.accuracy_score(y, p >= 0.5, **w),
    "balanced_accuracy": lambda y, p, **w: sk.balanced_accuracy_score(y, p >= 0.5, **w),
    "f1": lambda y, p, **w: sk.f1_score(y, p >= 0.5, zero_division=0, **w),
}
MULTICLASS = {
    "roc_auc": lambda y, p, **w: sk.roc_auc_score(y, p, multi_class="ovr", average="weighted", **w),
    "log_loss": sk.log_loss,
    "brier": lambda y, p, **w: sk.brier_score_loss(y, p, scale_by_half=False, **w),
    "accuracy": lambda y, p, **w: sk.accuracy_score(y, p.argmax(axis=1), **w),
    "balanced_accuracy": lambda y, p, **w: sk.balanced_accuracy_score(y, p.argmax(axis=1), **w),
    "f1": lambda y, p, **w: sk.f1_score(y, p.argmax(axis=1), average="macro", **w),
}
REGRESSION = {
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
    "mape": sk.mean_absolute_percentage_error,
    "rmsle": sk.root_mean_squared_log_error,
    "pinball": sk.mean_pinball_loss,
    "pinball_at_0.9": lambda y, p, **w: sk.mean_pinball_loss(y, p, alpha=0.9, **w),
}
CASES = [
    pytest.param(name, reference, data, id=f"{data.__name__}-{name}")
    for references, data in ((BINARY, binary), (MULTICLASS, several), (REGRESSION, numbers))
    for name, reference in references.items()
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "reference", "data"), CASES)
def test_value(name: str, reference: Any, data: Any, seed: int) -> None:
    y, prediction, weight = data(seed)
    metric = get_metric(name)
    assert metric.value(y, prediction) == pytest.approx(reference(y, prediction), abs=1e-12, rel=1e-12)
    assert metric.value(y, prediction, weight) == pytest.approx(
        reference(y, prediction, sample_weight=weight), abs=1e-12, rel=1e-12
    )


@pytest.mark.parametrize("name", ["recall", "precision"])
@pytest.mark.parametrize("seed", [0, 2, 4])
def test_capacity_against_counting(name: str, seed: int) -> None:
    y, p, _ = binary(seed)
    top = np.argsort(-p)[:15]
    expected = y[top].sum() / (y.sum() if name == "recall" else 15)
    assert get_metric(f"{name}_at_5%").value(y, p) == pytest.approx(expected, abs=1e-12)
