"""The engine with learners that only keep count: what runs, how often, and what a failure costs."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import FitError
from stackml.learners.base import FittedLearner, Learner
from stackml.oof import Engine
from stackml.oof.budget import Clock
from stackml.oof.plan import Job, fit_seed, plan_fits
from stackml.splitting import choose_splitter
from stackml.tables import Problem, Table, Target

CALLS: Counter = Counter()
LOCK = threading.Lock()


@final
@dataclass(frozen=True)
class CountingLearner(Learner):
    """Predicts the mean of its training rows; counts what is asked of it."""

    kind: ClassVar[str] = "counting"
    tag: str = "a"
    fails: bool = False
    seconds: float = 0.0

    def prepare(self, table, rows=None):
        with LOCK:
            CALLS["prepare"] += 1
        return table if rows is None else rows

    @property
    def prepare_key(self):
        return ("counting",)

    def cost(self, n_rows, n_features, n_outputs):
        return self.seconds

    def fit(self, prepared, target, rows, stop_rows, budget, seed):
        with LOCK:
            CALLS["fit", self.tag] += 1
        if self.fails:
            raise ZeroDivisionError("no luck today")
        if self.seconds:
            threading.Event().wait(self.seconds)
        return FittedCounting(float(target.values[rows].mean()))


@final
class FittedCounting(FittedLearner):
    kind = "counting"

    def __init__(self, value):
        self.value = value

    def predict(self, table):
        return np.full((table.n_rows, 1), self.value, dtype=np.float32)

    def to_state(self):
        return {"value": self.value}

    @classmethod
    def from_state(cls, state):
        return cls(state["value"])


@pytest.fixture(autouse=True)
def fresh_counts():
    CALLS.clear()


def job(n_rows=60, time=False, seed=0):
    rng = np.random.default_rng(1)
    table = Table.learn(pd.DataFrame({"x": rng.normal(size=n_rows), "z": rng.normal(size=n_rows)}))
    y = (np.arange(n_rows) % 3 == 0).astype(np.int64)
    stamps = np.arange(n_rows, dtype=float) if time else None
    target = Target(Problem("binary", 2), y, time=stamps)
    folds = choose_splitter(5, groups_given=False, time_given=time).split(
        n_rows=n_rows, y_codes=y, groups=None, time=stamps, seed=seed
    )
    return Job(table, target, folds, seed)


def test_every_row_is_predicted_by_the_fold_that_held_it_out():
    work = job()
    (run,) = Engine().run([("a", CountingLearner())], work).runs
    for fold in work.folds.folds:
        want = np.float32(work.target.values[fold.train].mean())
        assert (run.oof[fold.held_out] == want).all()
    assert run.n_fitted == 5


def test_what_folds_share_is_made_once_for_all_learners():
    Engine(n_jobs=2).run([("a", CountingLearner()), ("b", CountingLearner("b"))], job())
    assert CALLS["prepare"] == 1
    assert CALLS["fit", "a"] == CALLS["fit", "b"] == 5


def test_under_time_folds_each_fold_prepares_from_its_past_and_a_refit_predicts():
    result = Engine().run([("a", CountingLearner())], job(time=True))
    (run,) = result.runs
    assert CALLS["prepare"] == result.folds.n_folds + 1
    assert len(run.models) == 1
    assert np.isnan(run.oof[result.folds.fold_of_row < 0]).all()
    assert run.models[0].value == pytest.approx(1 / 3)


def test_a_learner_that_fails_is_reported_and_the_others_go_on():
    told = []
    engine = Engine(n_jobs=2, listener=told.append)
    result = engine.run([("bad", CountingLearner("bad", fails=True)), ("good", CountingLearner())], job())
    bad, good = result.runs
    assert (bad.status, bad.message) == ("failed", "ZeroDivisionError: no luck today")
    assert good.fitted
    assert CALLS["fit", "bad"] <= 3  # its other folds are not tried
    assert [e.message for e in told if e.kind == "learner_failed"] == [
        "bad: ZeroDivisionError: no luck today"
    ]


def test_no_learner_left_is_an_error_that_holds_each_reason():
    with pytest.raises(FitError, match="no learner could be fitted: bad: ZeroDivisionError: no luck today"):
        Engine().run([("bad", CountingLearner(fails=True))], job())


def test_a_learner_that_cannot_be_finished_in_time_is_not_begun():
    quick, slow = CountingLearner("quick", seconds=0.001), CountingLearner("slow", seconds=30.0)
    result = Engine(clock=Clock(2.0)).run([("quick", quick), ("slow", slow)], job())
    assert [run.status for run in result.runs] == ["fitted", "skipped"]
    assert "would take about" in result.runs[1].message
    assert CALLS["fit", "slow"] == 0


def test_the_first_learner_is_always_fitted():
    (run,) = Engine(clock=Clock(1e-6)).run([("a", CountingLearner(seconds=0.01))], job()).runs
    assert run.fitted


def test_adding_a_learner_shifts_no_other_seed():
    work = job()
    alone = plan_fits([("b", CountingLearner("b"))], work)
    beside = plan_fits([("a", CountingLearner()), ("b", CountingLearner("b"))], work)
    assert [t.seed for t in alone] == [t.seed for t in beside if t.name == "b"]
    assert fit_seed(0, "a", 0) != fit_seed(0, "a", 1) != fit_seed(1, "a", 1)


def test_tasks_are_digested_by_what_they_do():
    work = job()
    first, second = (plan_fits([("a", CountingLearner(tag))], work)[0] for tag in ("x", "y"))
    assert first.digest(work.digest()) != second.digest(work.digest())
    assert first.digest(work.digest()) == plan_fits([("a", CountingLearner("x"))], job())[0].digest(
        job().digest()
    )
    assert first.digest(work.digest()) != first.digest(job(seed=1).digest())
