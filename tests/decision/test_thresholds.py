import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from stackml.decision.capacity import capacity_threshold
from stackml.decision.thresholds import (
    balanced_accuracy_threshold,
    bayes_threshold,
    cost_threshold,
    f1_threshold,
)
from stackml.foundation.errors import DataError, ParameterError
from stackml.metrics.cost import CostMatrix, expected_cost


def draw(n=500, ties=False, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, size=n)
    y = (rng.random(n) < p).astype(np.int64)
    return (np.round(p, 1) if ties else p), y


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_threshold_costs_less_than_the_one_returned(ties, weighted):
    p, y = draw(ties=ties)
    rng = np.random.default_rng(1)
    w = rng.integers(0, 3, len(p)).astype(float) if weighted else None
    amount = rng.uniform(10, 1000, len(p))
    for costs in (CostMatrix(1, 10), CostMatrix(5.0, amount), CostMatrix(1, 0), CostMatrix(0, 1)):
        found = cost_threshold(p, y, costs, w)
        tried = [expected_cost(y, p, costs, t, w) for t in (*p, *np.unique(p) + 1e-9, 0.0, np.inf)]
        assert found.value == pytest.approx(min(tried))
        assert expected_cost(y, p, costs, found.threshold, w) == pytest.approx(found.value)


@pytest.mark.parametrize("ties", [False, True])
def test_best_f1_and_balanced_accuracy_agree_with_a_search(ties):
    p, y = draw(ties=ties)
    for find, score in ((f1_threshold, f1_score), (balanced_accuracy_threshold, balanced_accuracy_score)):
        found = find(p, y)
        best = max(score(y, p >= t) for t in np.unique(p))
        assert found.value == pytest.approx(best)
        assert score(y, p >= found.threshold) == pytest.approx(best)
        assert found.flagged == pytest.approx((p >= found.threshold).mean())
        column = find(p[:, None], y)
        assert column == found


def test_the_bayes_threshold_is_the_empirical_one_of_many_calibrated_rows():
    p, y = draw(200_000)
    costs = CostMatrix(1.0, 4.0)
    assert bayes_threshold(costs) == pytest.approx(0.2)
    assert cost_threshold(p, y, costs).threshold == pytest.approx(0.2, abs=0.03)
    by_row = bayes_threshold(CostMatrix(10.0, np.array([10.0, 90.0])), 2)
    np.testing.assert_allclose(by_row, [0.5, 0.1])
    assert bayes_threshold(CostMatrix(3, 9, true_positive=1, true_negative=1)) == pytest.approx(0.2)


def test_costs_that_make_errors_pay_are_refused():
    with pytest.raises(ParameterError, match="at row 0 a false alarm costs -1 and a miss 5 more"):
        bayes_threshold(CostMatrix(-1, 5))
    with pytest.raises(ParameterError, match="neither may be below 0 and one must be above"):
        bayes_threshold(CostMatrix(0, 0))
    with pytest.raises(DataError, match=r"false_negative has shape \(3,\) for 2 rows"):
        bayes_threshold(CostMatrix(1, np.ones(3)), 2)


def test_all_or_nothing_is_flagged_where_that_is_cheapest():
    p, y = draw()
    assert cost_threshold(p, y, CostMatrix(1e9, 1)).threshold == np.inf or y[p.argmax()] == 1
    everything = cost_threshold(p, y, CostMatrix(0.001, 1e6))
    assert (p >= everything.threshold)[y == 1].all()
    assert cost_threshold(p, np.ones_like(y), CostMatrix(1, 1)).threshold == 0.0
    assert cost_threshold(p, np.zeros_like(y), CostMatrix(1, 1)).threshold == np.inf


def test_neighbouring_floats_are_still_parted():
    low = 0.5
    high = np.nextafter(low, 1)
    found = f1_threshold([low, high], [0, 1])
    assert low < found.threshold <= high


def test_targets_without_meaning_are_refused():
    with pytest.raises(DataError, match="F1 has no meaning without positive rows"):
        f1_threshold([0.1, 0.2], [0, 0])
    with pytest.raises(DataError, match="balanced accuracy has no meaning without negative rows"):
        balanced_accuracy_threshold([0.1, 0.2], [1, 1])
    with pytest.raises(DataError, match="the target must be 0 or 1; thresholds are for two classes"):
        f1_threshold([0.1, 0.2], [1, 2])
    with pytest.raises(DataError, match="one number for each row"):
        f1_threshold(np.ones((2, 3)), [0, 1])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.1 + 1e-17, 0.5, np.nextafter(0.5, 1), 0.9, 1.0]), min_size=1),
    st.integers(0, 30),
)
def test_capacity_is_never_exceeded_and_never_needlessly_unused(values, number):
    p = np.array(values)
    found = capacity_threshold(p, number=number)
    flagged = int((p >= found.threshold).sum())
    assert flagged == found.flagged <= number
    rest = p[p < found.threshold]
    if rest.size:  # the next group of ties would not fit
        assert flagged + int((rest == rest.max()).sum()) > number


def test_capacity_by_share():
    p = np.linspace(0, 1, 100)
    for share in (0.0, 0.01, 0.07, 0.29, 0.5, 1.0):
        found = capacity_threshold(p, share=share)
        assert found.flagged == found.allowed == round(share * 100)
    assert capacity_threshold(p, share=0.0).threshold == np.inf
    assert capacity_threshold(np.full(100, 0.5), share=0.3).flagged == 0
    assert capacity_threshold(p[:, None], number=1000).flagged == 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either share= or number=, and only one"),
        ({"share": 0.1, "number": 3}, "give either share= or number=, and only one"),
        ({"share": 5}, "share=5 must lie within 0 and 1"),
        ({"number": -1}, "number=-1 must be 0 or more"),
    ],
)
def test_capacities_without_meaning_are_refused(arguments, message):
    with pytest.raises(ParameterError, match=message):
        capacity_threshold([0.5], **arguments)


def test_capacity_needs_probabilities():
    with pytest.raises(DataError, match="give at least one row, and a finite probability"):
        capacity_threshold([0.5, np.nan], number=1)
    with pytest.raises(DataError, match="give at least one row"):
        capacity_threshold([], number=1)
