"""A calibrated out-of-fold score must come from a map that has not seen the row."""

import numpy as np
import pytest

from stackml.decision.catalog import make_calibrator
from stackml.decision.cross_fitted import cross_calibrated
from stackml.tables.target import Problem

BINARY = Problem("binary", 2)


@pytest.mark.parametrize("forward", [False, True])
def test_a_fold_is_mapped_without_its_own_outcomes(forward):
    rng = np.random.default_rng(0)
    p = rng.random((400, 1))
    y = (rng.random(400) < p[:, 0] ** 2).astype(np.int64)
    fold = np.arange(400) // 100
    calibrator = make_calibrator("beta")
    before = cross_calibrated(calibrator, p, y, BINARY, None, fold, forward=forward)
    changed = np.where(fold == 2, 1 - y, y)
    after = cross_calibrated(calibrator, p, changed, BINARY, None, fold, forward=forward)
    assert np.array_equal(before[fold == 2], after[fold == 2])
    assert not np.array_equal(before[fold == 3], after[fold == 3])
    if forward:
        assert np.array_equal(before[fold == 0], p[fold == 0])
        assert np.array_equal(before[fold <= 2], after[fold <= 2])
