import os

import numpy as np
import pytest

from stackml.foundation.errors import DataError, MissingExtraError, StackmlError, near_miss
from stackml.foundation.optional import installed, optional
from stackml.foundation.randomness import derive_seed, stream
from stackml.foundation.threads import available_cores, resolve_jobs


def test_near_miss_names_the_closest_or_nothing():
    assert near_miss("lightgmb", ["lightgbm", "xgboost"]) == "; did you mean 'lightgbm'?"
    assert near_miss("zebra", ["lightgbm"]) == ""


def test_data_errors_are_value_errors_for_scikit_learn():
    assert issubclass(DataError, ValueError)
    assert issubclass(DataError, StackmlError)


def test_missing_extra_names_the_command():
    with pytest.raises(MissingExtraError, match=r"pip install 'stackml\[nope\]'"):
        optional("no_such_module_at_all", extra="nope")
    assert not installed("no_such_module_at_all")
    assert installed("numpy")


def test_streams_depend_on_their_name_alone():
    first = stream(0, "folds").random(3)
    assert np.array_equal(first, stream(0, "folds").random(3))
    assert not np.array_equal(first, stream(0, "bagging").random(3))
    assert derive_seed(1, "a") != derive_seed(2, "a")


def test_jobs_are_resolved_against_the_cores_there_are():
    cores = available_cores()
    assert resolve_jobs(None) == resolve_jobs(-1) == cores
    assert resolve_jobs(3) == 3
    assert resolve_jobs(-1000) == 1


def test_importing_stackml_makes_idle_openmp_threads_sleep():
    import stackml  # noqa: F401

    assert os.environ["OMP_WAIT_POLICY"]
