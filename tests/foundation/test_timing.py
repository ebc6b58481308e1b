"""What calls cost beside each other."""

import math

from stackml.foundation.timing import LEAST_SECONDS, microseconds_per_row


def test_a_call_of_more_work_costs_more() -> None:
    little, much = (lambda n=n: sum(range(n)) for n in (2_000, 40_000))
    few, many = microseconds_per_row([little, much], n_rows=100)
    assert 5 * few < many


def test_quick_calls_are_repeated_until_a_clock_can_tell() -> None:
    calls: list[int] = []
    (found,) = microseconds_per_row([lambda: calls.append(1)], n_rows=1, turns=1)
    assert len(calls) > 100
    assert 0 < found < 1e6 * LEAST_SECONDS


def test_no_turn_measures_nothing() -> None:
    calls: list[int] = []
    (found,) = microseconds_per_row([lambda: calls.append(1)], n_rows=1, turns=0)
    assert math.isnan(found)
    assert not calls
