"""Quick ranking metrics equal the ones of the catalog."""

import numpy as np
import pytest

from stackml.metrics import get_metric
from stackml.metrics.quick import quick_metric

NAMES = ["roc_auc", "average_precision", "recall_at_5%", "precision_at_0.2", "recall_at_capacity", "brier"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("digits", [1, 2, 7])
def test_a_quick_metric_is_the_metric(name: str, weighted: bool, digits: int) -> None:
    rng = np.random.default_rng(digits)
    metric = get_metric(name)
    for n_rows in (2, 30, 2000):
        p = np.round(rng.random(n_rows), digits).astype(np.float32)
        y = (rng.random(n_rows) < p).astype(np.int64)
        y[:2] = 0, 1
        weight = rng.random(n_rows) if weighted else None
        expected = metric.score(y, p.astype(np.float64), weight)
        assert quick_metric(metric, y, weight)(p) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", NAMES[:4])
def test_rows_of_one_class_give_what_the_catalog_gives(name: str) -> None:
    for y in (np.zeros(9, np.int64), np.ones(9, np.int64)):
        p = np.linspace(0, 1, 9)
        found = quick_metric(get_metric(name), y, None)(p.astype(np.float32))
        np.testing.assert_allclose(found, get_metric(name).score(y, p))
