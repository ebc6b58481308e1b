"""Forests with fewer digits send the same rows the same way."""

import zlib

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from stackml.learners.shortening import short_thresholds, short_values
from stackml.storage.trees import forest_from_trees, rebuild_trees


@pytest.mark.parametrize("make", [RandomForestRegressor, ExtraTreesRegressor])
def test_rows_learned_from_end_in_the_same_leaves(make) -> None:
    rng = np.random.default_rng(0)
    X = np.c_[
        rng.normal(size=1500), rng.lognormal(sigma=4, size=1500), rng.integers(0, 5, 1500), np.ones(1500)
    ]
    X = X.astype(np.float32)
    X[::7, 0] = np.nan
    grown = make(20, random_state=0, min_samples_leaf=2).fit(X, X[:, 1] + X[:, 2])
    forest = forest_from_trees(grown.estimators_)
    short = short_thresholds(forest, X)
    for of_short, tree in zip(rebuild_trees(short), rebuild_trees(forest), strict=True):
        np.testing.assert_array_equal(of_short.apply(X), tree.apply(X))
    sizes = [len(zlib.compress(f.threshold.tobytes())) for f in (forest, short)]
    assert sizes[1] < (0.8 if make is ExtraTreesRegressor else 1.0) * sizes[0]


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6])
def test_values_keep_three_digits_of_themselves_and_of_their_spread(scale: float) -> None:
    rng = np.random.default_rng(0)
    tailed = scale * rng.lognormal(sigma=4, size=5000) * rng.choice([-1, 1], 5000)
    assert (np.abs(short_values(tailed) - tailed) <= np.abs(tailed) / 2048 + 1e-37).all()
    far = scale * (1e4 + rng.normal(size=5000))
    assert np.abs(short_values(far) - far).max() <= scale / 500
    assert (short_values(np.array([0.0, 7.1, 0.0])) != 0).tolist() == [False, True, False]
    np.testing.assert_array_equal(short_values(np.full(3, 7.1)), np.full(3, 7.1, np.float32))
