import numpy as np
import pytest

from stackml.foundation.errors import DataError
from stackml.metrics import get_metric, score_together
from stackml.metrics.simultaneous import simultaneous_intervals


def test_one_value_has_the_usual_interval():
    draws = np.random.default_rng(0).normal(0.5, 0.1, size=(4000, 1))
    low, high = simultaneous_intervals(np.array([0.5]), draws)
    assert low[0] == pytest.approx(0.5 - 1.96 * 0.1, abs=0.01)
    assert high[0] == pytest.approx(0.5 + 1.96 * 0.1, abs=0.01)


def test_several_are_wider_than_one_and_narrower_where_they_move_together():
    rng = np.random.default_rng(1)
    apart = rng.normal(size=(4000, 10))
    together = np.repeat(apart[:, :1], 10, axis=1)
    values = np.zeros(10)
    wide = simultaneous_intervals(values, apart)[1]
    narrow = simultaneous_intervals(values, together)[1]
    assert (wide > 2.6).all(), "10 independent values reach about 2.8 standard deviations"
    np.testing.assert_allclose(narrow, 1.96, atol=0.1)


def test_all_true_values_are_covered_together():
    """Means of correlated columns: each interval of its own would miss one of six in a fifth of all cases."""
    rng, covered = np.random.default_rng(2), 0
    for _ in range(150):
        rows = rng.normal(size=(80, 6)) + rng.normal(size=(80, 1))
        draws = np.stack([rows[rng.integers(80, size=80)].mean(axis=0) for _ in range(300)])
        low, high = simultaneous_intervals(rows.mean(axis=0), draws)
        covered += bool(((low <= 0) & (high >= 0)).all())
    assert covered / 150 > 0.88


def test_what_no_resample_moves_is_its_own_interval():
    draws = np.column_stack([np.zeros(50), np.random.default_rng(0).normal(size=50)])
    low, high = simultaneous_intervals(np.zeros(2), draws)
    assert (low[0], high[0]) == (0.0, 0.0)
    assert low[1] < 0 < high[1]
    low, high = simultaneous_intervals(np.zeros(1), np.zeros((50, 1)))
    assert (low[0], high[0]) == (0.0, 0.0)


def test_resamples_without_a_value_are_left_out():
    draws = np.random.default_rng(0).normal(size=(200, 2))
    damaged = np.vstack([draws, [[np.nan, 9.0]] * 20])
    whole, rest = (simultaneous_intervals(np.zeros(2), these) for these in (draws, damaged))
    np.testing.assert_array_equal(whole, rest)
    low, high = simultaneous_intervals(np.zeros(2), np.full((5, 2), np.nan))
    assert np.isnan([*low, *high]).all()


def test_shapes_must_belong_together():
    with pytest.raises(DataError, match=r"draws of shape \(5, 3\) do not belong to values of shape \(2,\)"):
        simultaneous_intervals(np.zeros(2), np.zeros((5, 3)))


def test_draws_are_those_the_intervals_come_from():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    auc = get_metric("roc_auc")
    found = score_together(y, {"a": rng.random(60), "b": rng.random(60)}, [auc], n_resamples=40)
    draws = found.draws["b", "roc_auc"]
    assert draws.shape == (40,)
    assert found.intervals["b", "roc_auc"].low == np.quantile(draws, 0.025)
