import numpy as np
import pytest

from stackml.metrics import get_metric
from stackml.workflow.recommending import Cost, Lag, cheapest, lags_behind_best

AUC = get_metric("roc_auc")


def drawn(**means):
    """Return values and draws whose differences have a standard deviation of 0.01."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.1, 500)
    draws = {name: mean + shared + rng.normal(0, 0.01 / np.sqrt(2), 500) for name, mean in means.items()}
    return means, draws


def test_lags_are_paired_and_of_all_pairs_together():
    best, lags = lags_behind_best(*drawn(a=0.70, b=0.90, c=0.89), AUC, 0.95)
    assert best == "b"
    assert lags["b"] == Lag(0.0, 0.0, 0.0)
    assert lags["a"].value == pytest.approx(0.2)
    assert lags["a"].low > 0.15, "what all draws share does not widen a difference"
    assert not lags["a"].is_allowed(None)
    assert lags["c"].low < 0 < lags["c"].high
    assert lags["c"].is_allowed(None)


def test_a_metric_where_less_is_better_picks_the_lowest():
    best, lags = lags_behind_best(*drawn(a=0.3, b=0.5), get_metric("log_loss"), 0.95)
    assert best == "a"
    assert lags["b"].value == pytest.approx(0.2)
    assert lags["b"].low > 0


def test_a_margin_asks_for_proof():
    lag = Lag(0.01, -0.01, 0.03)
    assert lag.is_allowed(None)
    assert lag.is_allowed(0.03)
    assert not lag.is_allowed(0.02)


def test_the_smallest_of_the_fastest_is_the_cheapest():
    costs = {"fast": Cost(10.0, 5.0), "as fast": Cost(10.9, 1.0), "slow": Cost(12.0, 0.1)}
    lags = dict.fromkeys(costs, Lag(0.0, 0.0, 0.0))
    assert cheapest(list(costs), costs, lags) == "as fast"
    assert cheapest(["slow", "fast"], costs, lags) == "fast"


def test_of_two_that_cost_the_same_the_better_one_is_taken():
    costs = {"a": Cost(np.nan, 1.0), "b": Cost(np.nan, 1.0), "unknown": Cost(np.nan, np.nan)}
    lags = {"a": Lag(0.02, 0, 0), "b": Lag(0.01, 0, 0), "unknown": Lag(0.0, 0, 0)}
    assert cheapest(list(costs), costs, lags) == "b"
