"""Early stopping by the user's metric, with the loss as its guard."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import ParameterError
from stackml.learners.base import Budget
from stackml.learners.boosting import Patience
from stackml.learners.lightgbm import LightGBMLearner
from stackml.learners.stopping import GuardedPatience, patience_for
from stackml.learners.xgboost import XGBoostLearner
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target


def run(losses, values, patience=3, stride=1):
    """Return the rounds done and the rounds kept, for given losses and metric values."""
    asked = iter([])
    follow = GuardedPatience(Budget(), 100, patience, 1.0, lambda p: float(p), stride)
    done = 0
    for loss, value in zip(losses, values, strict=True):
        asked = value
        done += 1
        if not follow.goes_on(loss, lambda value=asked: value):
            break
    return done, follow.kept


def test_the_best_metric_within_the_guard_is_kept() -> None:
    losses = [0.9, 0.5, 0.503, 0.504, 0.6, 0.6]
    assert run(losses, [0.1, 0.5, 0.7, 0.6, 0.9, 0.9])[1] == 3
    assert run(losses, [0.99, 0.5, 0.4, 0.4, 0.9, 0.9])[1] == 2


def test_training_goes_on_while_either_gets_better() -> None:
    flat = [0.5, 0.501, 0.501, 0.501, 0.501, 0.501, 0.501, 0.501, 0.501]
    assert run(flat, [0.5] * 9) == (4, 1)
    assert run(flat, [0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7]) == (8, 5)
    assert run([0.5, 0.6, 0.7, 0.8, 0.9], [0.1, 0.2, 0.3, 0.4, 0.5]) == (4, 1)


def test_of_equal_metrics_the_least_loss_is_kept_and_a_stride_leaves_rounds_out() -> None:
    losses = [0.504, 0.502, 0.5, 0.503]
    assert run(losses, [1.0, 1.0, 1.0, 1.0])[1] == 3
    assert run(losses, [0.1, 1.0, 0.2, 1.0], stride=2)[1] == 3


def two_classes(n=3000):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    odds = 1.2 * frame["a"] + np.sin(3 * frame["b"]) - 1
    y = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    return Table.learn(frame), Target(Problem("binary", 2), y)


@pytest.mark.parametrize("kind", [LightGBMLearner, XGBoostLearner])
def test_boosters_keep_a_round_of_a_better_metric_and_nearly_the_best_loss(kind) -> None:
    from stackml.metrics import get_metric

    table, y = two_classes()
    rows, stop = np.arange(1500), np.arange(1500, 3000)
    plain, follows = kind(learning_rate=0.1), kind(learning_rate=0.1, follow_metric=True)
    prepared = plain.prepare(table)
    usual = plain.fit(prepared, y, rows, stop, Budget(metric="average_precision"), 0)
    model = follows.fit(prepared, y, rows, stop, Budget(metric="average_precision"), 0)
    by_loss = follows.fit(prepared, y, rows, stop, Budget(), 0)
    held = table.take(stop)
    assert by_loss.rounds == usual.rounds
    np.testing.assert_array_equal(by_loss.predict(held), usual.predict(held))
    found, before = (m.predict(held)[:, 0].astype(np.float64) for m in (model, usual))
    precision, loss = get_metric("average_precision"), get_metric("log_loss")
    assert precision.value(y.values[stop], found) >= precision.value(y.values[stop], before)
    assert loss.value(y.values[stop], found) <= loss.value(y.values[stop], before) + 0.01 * 0.69
    replayed = follows.fit(prepared, y, rows, None, Budget(rounds=model.rounds), 0)
    np.testing.assert_array_equal(replayed.predict(held), model.predict(held))


def test_the_loss_decides_alone_where_the_metric_says_little() -> None:
    _, y = two_classes()
    rows, stop = np.arange(1500), np.arange(1500, 3000)

    def chosen(metric="roc_auc", target=y, stop=stop, **given):
        return type(patience_for(Budget(metric=metric, **given), 50, 5, target, rows, stop, 1e-3))

    rare = replace(y, values=(np.arange(3000) % 60 == 0).astype(np.int64))
    assert chosen() is GuardedPatience
    assert chosen("recall_at_0.05") is GuardedPatience
    assert {chosen(""), chosen("log_loss"), chosen(rounds=3), chosen(stop=None)} == {Patience}
    assert chosen(target=rare) is Patience
    with pytest.raises(ParameterError, match="unknown metric 'roc_auk'; did you mean"):
        chosen("roc_auk")
