"""Scales are monotone, bounded and safe for gaps and constants."""

import numpy as np
import pytest

from stackml.features.frequency import learn_frequencies
from stackml.features.scaling import learn_scaler, scaler_from_state

SPREADS = pytest.mark.parametrize("spread", ["normal", "robust"])


def block() -> np.ndarray:
    rng = np.random.default_rng(0)
    columns = [
        rng.normal(size=2000),
        np.exp(3 * rng.normal(size=2000)),
        np.where(rng.random(2000) < 0.9, 0.0, rng.random(2000)),
        np.full(2000, 3.5),
        np.full(2000, np.nan),
        rng.integers(0, 2, 2000),
    ]
    result = np.stack(columns, axis=1).astype(np.float32)
    result[:50, 0] = np.nan
    return result


@SPREADS
def test_columns_are_monotone_bounded_and_without_gaps(spread: str) -> None:
    values = block()
    scaled = learn_scaler(values, spread).transform(values)
    assert scaled.dtype == np.float32
    assert np.isfinite(scaled).all()
    assert np.abs(scaled).max() <= 8
    for j in (0, 1, 2, 5):
        order = np.argsort(values[50:, j], kind="stable")
        assert (np.diff(scaled[50:][order, j]) >= 0).all()
        assert scaled[:, j].std() == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(scaled[:, 3:5], 0.0)
    np.testing.assert_array_equal(scaled[:50, 0], 0.0)


@SPREADS
def test_a_rebuilt_scaler_is_equal_bit_for_bit_and_extremes_stay_bounded(spread: str) -> None:
    scaler = learn_scaler(block(), spread)
    again = scaler_from_state(scaler.to_state())
    extreme = np.array([[1e30] * 6, [-1e30] * 6, [np.nan] * 6], np.float32)
    np.testing.assert_array_equal(again.transform(extreme), scaler.transform(extreme))
    assert np.abs(scaler.transform(extreme)).max() <= 8


@SPREADS
def test_no_columns_are_met(spread: str) -> None:
    scaler = learn_scaler(np.zeros((5, 0), np.float32), spread)
    again = scaler_from_state(scaler.to_state())
    assert again.transform(np.zeros((3, 0), np.float32)).shape == (3, 0)


def test_frequencies_are_learned_from_the_given_rows_alone() -> None:
    codes = np.array([[0], [0], [1], [-1], [1], [1]], np.int32)
    found = learn_frequencies(codes, [0], [2], np.array([0, 1, 2, 3]))
    encoded = found.encode(np.array([[0], [1], [-1], [-2]], np.int32))[:, 0]
    np.testing.assert_allclose(encoded, np.log(np.array([3, 2, 2, 1]) / 5), rtol=1e-6)


@SPREADS
def test_for_trees_rare_numbers_stay_apart_and_none_is_infinite(spread):
    rare = np.where(np.arange(5000) % 100 == 0, np.arange(5000), 0).astype(np.float32)
    scaler = learn_scaler(np.stack([rare, rare * np.float32(1e-30)], axis=1), spread)
    asked = np.array([[0, 0], [100, 1e-28], [200, 2e-28], [3e38, 3e38], [np.nan, np.nan]], np.float32)
    found = scaler.ordered(asked)
    assert np.isfinite(found[:4]).all()
    assert np.isnan(found[4]).all()
    assert (np.diff(found[:4], axis=0) >= 0).all()
    if spread == "robust":
        assert (np.diff(found[:4, 0]) > 0).all()
