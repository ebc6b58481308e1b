"""Expected cost of decisions."""

from __future__ import annotations

import numpy as np
import pytest

from stackml.foundation.errors import DataError
from stackml.metrics import CostMatrix, cost_rows, expected_cost

Y = np.array([1, 0, 1, 0])
P = np.array([0.9, 0.6, 0.2, 0.1])


def test_each_outcome_has_its_cost() -> None:
    costs = CostMatrix(false_positive=5, false_negative=100, true_positive=-1, true_negative=0.5)
    assert cost_rows(Y, P, costs, 0.5).tolist() == [-1, 5, 100, 0.5]
    assert expected_cost(Y, P, costs) == pytest.approx(104.5 / 4)


def test_the_threshold_itself_is_a_yes() -> None:
    costs = CostMatrix(false_positive=5, false_negative=100)
    assert expected_cost(Y, P, costs, 0.2) == pytest.approx(5 / 4)
    assert expected_cost(Y, P, costs, np.array([0.5, 0.7, 0.1, 0.5])) == 0


def test_costs_of_single_rows_and_weights() -> None:
    costs = CostMatrix(false_positive=3, false_negative=np.array([10, 0, 250, 0]))
    assert expected_cost(Y, P, costs) == pytest.approx(253 / 4)
    assert expected_cost(Y, P, costs, weight=[1, 1, 2, 1]) == pytest.approx(503 / 5)


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (CostMatrix([1, 2], 1), r"false_positive has shape \(2,\) for 4 rows"),
        (CostMatrix(1, float("nan")), "false_negative is not finite"),
        (CostMatrix(1, [1, np.inf, 1, 1]), "false_negative is not finite at row 1"),
    ],
)
def test_costs_that_do_not_fit(costs: CostMatrix, message: str) -> None:
    with pytest.raises(DataError, match=message):
        expected_cost(Y, P, costs)


def test_one_probability_for_each_row() -> None:
    with pytest.raises(DataError, match="cost: give the probability of the positive class"):
        expected_cost(Y, np.c_[1 - P, P], CostMatrix(1, 1))
