"""The perceptron's training on arrays."""

from itertools import islice

import numpy as np
import pytest

from stackml.learners.adam import Course, train_epochs
from stackml.learners.neural import forward


def last(epochs: int, X, outcome, weight=None, link="identity", seed=0):
    course = Course(link, 64, 4e-3, 0.01)
    return list(islice(train_epochs(X, outcome, weight, (32,), course, np.random.default_rng(seed)), epochs))[
        -1
    ]


@pytest.mark.parametrize("link", ["identity", "logistic", "softmax"])
def test_a_bent_line_is_learned(link: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 3)).astype(np.float32)
    signal = np.abs(X[:, 0]) - X[:, 1]
    outcome = {
        "identity": signal[:, None],
        "logistic": (signal > 0.5)[:, None],
        "softmax": np.eye(3)[np.digitize(signal, [0.0, 1.0])],
    }[link].astype(np.float32)
    found = forward(X, last(40, X, outcome, link=link))
    if link == "identity":
        assert np.mean((found - outcome) ** 2) < 0.02 * outcome.var()
    elif link == "logistic":
        assert ((found > 0) == outcome).mean() > 0.96
    else:
        assert (found.argmax(axis=1) == outcome.argmax(axis=1)).mean() > 0.93


def test_equal_seeds_train_alike_and_epochs_go_on_from_each_other() -> None:
    rng = np.random.default_rng(0)
    X, outcome = rng.normal(size=(200, 3)).astype(np.float32), rng.normal(size=(200, 1)).astype(np.float32)
    before = X.copy(), outcome.copy()
    for one, other in zip(last(3, X, outcome), last(3, X, outcome), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    assert (last(3, X, outcome)[0][0] != last(3, X, outcome, seed=1)[0][0]).any()
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(outcome, before[1])


def test_rows_of_little_weight_count_little() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2)).astype(np.float32)
    group = rng.random(1000) < 0.5
    outcome = np.where(group, 1.0, -1.0).astype(np.float32)[:, None]
    weight = np.where(group, 1.9, 0.1).astype(np.float32)
    assert forward(X, last(20, X, outcome, weight)).mean() == pytest.approx(0.9, abs=0.1)
