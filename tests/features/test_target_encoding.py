"""Target codes: smoothed, centred, learned without the row itself, its group or its future."""

from dataclasses import replace

import numpy as np
import pytest

from stackml.features.inner import inner_parts
from stackml.features.levels import level_of
from stackml.features.target_encoding import (
    LevelSums,
    TargetEncoder,
    cross_fitted_encoding,
    fit_target_encoder,
    level_sums,
    smoothed_means,
)
from stackml.tables.target import Problem, Target

BINARY, REGRESSION = Problem("binary", 2), Problem("regression")


def encode(codes: np.ndarray, n_levels: int, y: Target, rows: np.ndarray, seed: int = 0):
    return cross_fitted_encoding(codes, n_levels, y, rows, inner_parts(y, rows, 5, seed))


def signal(n: int = 600, n_levels: int = 12) -> tuple[np.ndarray, Target]:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, n_levels, n).astype(np.int32)
    rate = np.linspace(0.1, 0.9, n_levels)
    return codes, Target(BINARY, (rng.random(n) < rate[codes]).astype(np.int64))


def test_missing_is_a_level_and_unseen_is_the_last() -> None:
    np.testing.assert_array_equal(level_of(np.array([-1, 0, 3, -2]), 4), [0, 1, 4, 5])


def test_means_shrink_to_the_prior_by_the_weight_of_the_level() -> None:
    weight = np.array([1000.0, 1000.0, 1.0, 0.0])
    total = np.array([[900.0], [100.0], [1.0], [0.0]])
    means, prior = smoothed_means(LevelSums(weight, total, total.sum(axis=0)))
    assert prior[0] == pytest.approx(1001 / 2001)
    assert means[0, 0] == pytest.approx(0.9, abs=0.01)
    assert prior[0] < means[2, 0] < 0.8
    assert means[3, 0] == pytest.approx(prior[0])


def test_a_column_that_says_nothing_is_smoothed_away() -> None:
    rng = np.random.default_rng(0)
    level, values = rng.integers(0, 50, 2000), rng.integers(0, 2, 2000)
    means, prior = smoothed_means(level_sums(level, 50, values, None, BINARY))
    assert np.abs(means - prior).max() < 0.1


@pytest.mark.parametrize("problem", [BINARY, Problem("multiclass", 3), REGRESSION])
def test_a_weight_of_two_is_the_row_twice(problem: Problem) -> None:
    rng = np.random.default_rng(0)
    level, values = rng.integers(0, 5, 80), rng.integers(0, 2 if problem is BINARY else 3, 80)
    twice = np.concatenate([np.arange(80), np.arange(40)])
    weight = np.where(np.arange(80) < 40, 2.0, 1.0)
    weighted = smoothed_means(level_sums(level, 5, values, weight, problem))
    repeated = smoothed_means(level_sums(level[twice], 5, values[twice], None, problem))
    np.testing.assert_allclose(weighted[0], repeated[0])


def test_the_code_of_a_row_does_not_depend_on_its_own_target() -> None:
    codes, y = signal()
    rows = np.arange(500)
    parts = inner_parts(y, rows, 5, seed=0)
    _, before = cross_fitted_encoding(codes, 12, y, rows, parts)
    values = y.values.copy()
    values[17] = 1 - values[17]
    _, after = cross_fitted_encoding(codes, 12, Target(BINARY, values), rows, parts)
    assert after[17] == before[17]
    assert (after != before).any()


def test_other_rows_do_not_matter() -> None:
    codes, y = signal()
    rows = np.arange(500)
    table, encoded = encode(codes, 12, y, rows)
    values = y.values.copy()
    values[500:] = 1 - values[500:]
    again = encode(codes, 12, Target(BINARY, values), rows)
    np.testing.assert_array_equal(again[0], table)
    np.testing.assert_array_equal(again[1], encoded)


def test_codes_follow_the_rates_and_unknown_levels_say_nothing() -> None:
    codes, y = signal()
    table, encoded = encode(codes, 14, y, np.arange(600))
    assert table.shape == (16, 1)
    assert table.dtype == encoded.dtype == np.float32
    assert table[1, 0] < -1 < 1 < table[12, 0]
    assert table[0, 0] == table[13, 0] == table[15, 0] == 0.0


def test_ids_cannot_be_remembered() -> None:
    rng = np.random.default_rng(3)
    codes = np.arange(400, dtype=np.int32)
    y = Target(BINARY, rng.integers(0, 2, 400))
    _, encoded = encode(codes, 400, y, np.arange(400))
    np.testing.assert_array_equal(encoded, 0.0)


def test_a_pair_of_noisy_rows_a_level_does_not_correlate_with_its_own_target() -> None:
    rng = np.random.default_rng(4)
    codes = (np.arange(3000) // 2).astype(np.int32)
    y = Target(REGRESSION, rng.normal(size=3000))
    _, encoded = encode(codes, 1500, y, np.arange(3000))
    spread = encoded.std()
    assert spread < 0.05 or abs(np.corrcoef(encoded[:, 0], y.values)[0, 1]) < 0.08


def test_groups_that_are_the_categories_teach_nothing_about_themselves() -> None:
    codes, y = signal()
    grouped = replace(y, groups=codes.astype(np.int64))
    _, encoded = encode(codes, 12, grouped, np.arange(600))
    np.testing.assert_array_equal(encoded, 0.0)


def test_time_teaches_from_earlier_rows_alone() -> None:
    codes, y = signal()
    timed = replace(y, time=np.arange(600.0))
    rows = np.arange(600)
    parts = inner_parts(timed, rows, 5, seed=0)
    _, before = cross_fitted_encoding(codes, 12, timed, rows, parts)
    values = y.values.copy()
    values[300:] = 1 - values[300:]
    _, after = cross_fitted_encoding(codes, 12, replace(timed, values=values), rows, parts)
    np.testing.assert_array_equal(after[:300], before[:300])
    np.testing.assert_array_equal(before[parts[0].apply], 0.0)
    assert np.abs(before[parts[-1].apply]).max() > 1


def test_several_classes_give_a_column_each() -> None:
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(-1, 5, 300), rng.integers(0, 3, 300)], axis=1).astype(np.int32)
    y = Target(Problem("multiclass", 3), rng.integers(0, 3, 300))
    encoder, encoded = fit_target_encoder(codes, [0, 1], [5, 3], y, np.arange(300), seed=0)
    assert encoded.shape == (300, 6)
    again = TargetEncoder.from_state(encoder.to_state())
    new = np.array([[-2, -2], [-1, 0], [4, 2]], np.int32)
    np.testing.assert_array_equal(again.encode(new), encoder.encode(new))
    np.testing.assert_array_equal(encoder.encode(new)[0], 0.0)


def test_one_class_alone_gives_zeros() -> None:
    codes, _ = signal()
    table, encoded = encode(codes, 12, Target(BINARY, np.ones(600, np.int64)), np.arange(600))
    assert np.abs(table).max() < 1e-3
    assert np.abs(encoded).max() < 1e-3
