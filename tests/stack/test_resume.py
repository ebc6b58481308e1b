"""A fit that was killed goes on where it stopped and gives the stack it would have given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import StackmlWarning
from stackml.learners.catalog import make_learner
from stackml.stack import StackClassifier

PROGRAM = """
import sys
import pandas as pd
from stackml.stack import StackClassifier

frame = pd.read_parquet(sys.argv[1])
stack = StackClassifier(**{made!r}, cache_dir=sys.argv[2])
stack.fit(frame.drop(columns="y"), frame["y"])
"""

MADE = {
    "learners": ["logistic", "lightgbm", "extra_trees", "lightgbm_large", "random_forest", "xgboost"],
    "folds": 3,
    "combiner": "logistic",
    "n_jobs": 1,
}
PATIENCE = 60.0  # seconds to wait for the first fits on a busy machine
FIRST_FITS = 4


class Counter:
    """Counts fits that were run and fits that were found."""

    def __init__(self):
        self.kinds = []
        self.fitted = []

    def __call__(self, event):
        self.kinds.append(event.kind)
        if event.kind == "task_done":
            self.fitted.append(event.message.split(",")[0])

    def __deepcopy__(self, memo):
        return self


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(rng.normal(size=(2000, 8)), columns=list("abcdefgh"))
    frame["k"] = rng.choice(list("uvw"), 2000)
    chance = 1 / (1 + np.exp(-(frame.a + frame.b * frame.c + (frame.k == "u"))))
    return frame.assign(y=(rng.random(2000) < chance).astype(int))


def fitted(frame, cache, **given):
    counter = Counter()
    stack = StackClassifier(**{**MADE, **given}, cache_dir=cache, verbose=counter)
    return stack.fit(frame.drop(columns="y"), frame["y"]), counter


def killed_fit(frame: pd.DataFrame, folder: Path) -> int:
    """Start a fit in a process of its own, kill it after its first fits, return how many it finished."""
    frame.to_parquet(folder / "rows.parquet")
    (folder / "fit.py").write_text(PROGRAM.format(made=MADE), encoding="utf-8")
    cache = folder / "cache"
    command = [sys.executable, str(folder / "fit.py"), str(folder / "rows.parquet"), str(cache)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        deadline = time.monotonic() + PATIENCE
        while len(list(cache.glob("*.fit"))) < FIRST_FITS:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the fit ended, or made nothing, before it could be killed")
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait(timeout=30)
    return len(list(cache.glob("*.fit")))


def test_a_killed_fit_goes_on_where_it_stopped(frame, tmp_path):
    n_finished = killed_fit(frame, tmp_path)
    n_tasks = 4 * MADE["folds"] + 2  # forests are fitted once, out of bag
    assert FIRST_FITS <= n_finished < n_tasks
    resumed, counter = fitted(frame, tmp_path / "cache")
    assert counter.kinds.count("task_cached") >= n_finished
    assert counter.kinds.count("task_done") == n_tasks - counter.kinds.count("task_cached")
    whole, _ = fitted(frame, None)
    X = frame.drop(columns="y")
    assert np.array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    pd.testing.assert_frame_equal(resumed.oof_, whole.oof_, check_exact=True)
    assert without_seconds(resumed.plan_) == without_seconds(whole.plan_)


def without_seconds(plan):
    return {**plan, "fits": [{k: v for k, v in fit.items() if k != "seconds"} for fit in plan["fits"]]}


@pytest.fixture
def few(frame):
    return frame.head(300)


CHEAP = ["logistic", "lightgbm", "extra_trees"]
CHEAP_FITS = 7  # three folds of two learners, and a forest's one


def test_what_is_kept_is_not_fitted_again(few, tmp_path):
    first, counter = fitted(few, tmp_path, learners=CHEAP)
    assert counter.kinds.count("task_done") == CHEAP_FITS
    again, counter = fitted(few, tmp_path, learners=CHEAP, combiner="mean", n_jobs=2)
    assert (counter.kinds.count("task_done"), counter.kinds.count("task_cached")) == (0, CHEAP_FITS)
    pd.testing.assert_frame_equal(first.oof_[CHEAP], again.oof_[CHEAP], check_exact=True)


def test_a_changed_learner_is_fitted_alone(few, tmp_path):
    fitted(few, tmp_path, learners=CHEAP)
    changed = ["logistic", ("lightgbm", make_learner("lightgbm", num_leaves=7)), "extra_trees", "hbos"]
    stack, counter = fitted(few, tmp_path, learners=changed)
    assert counter.fitted == ["lightgbm"] * 3 + ["hbos"] * 3
    assert np.array_equal(stack.oof_, fitted(few, None, learners=changed)[0].oof_)


CHANGES = {
    "a value": lambda f: f.assign(a=f.a.where(f.index != 7, 0.5)),
    "a target": lambda f: f.assign(y=f.y.where(f.index != 7, 1 - f.y)),
    "a column": lambda f: f.drop(columns="h"),
    "a name": lambda f: f.rename(columns={"h": "hh"}),
    "the order": lambda f: f.iloc[::-1],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_rows_are_other_fits(few, tmp_path, change):
    fitted(few, tmp_path, learners=["logistic"])
    _, counter = fitted(change(few), tmp_path, learners=["logistic"])
    assert counter.fitted == ["logistic"] * 3


@pytest.mark.parametrize("given", [{"random_state": 1}, {"folds": 2}, {"strict": True}], ids=str)
def test_other_parameters_are_other_fits(few, tmp_path, given):
    fitted(few, tmp_path, learners=["lightgbm"])
    _, counter = fitted(few, tmp_path, learners=["lightgbm"], **given)
    assert "task_cached" not in counter.kinds


def emptied(data: bytes) -> bytes:
    return b""


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [emptied, truncated, flipped])
def test_a_damaged_fit_is_fitted_again(few, tmp_path, damage):
    whole, _ = fitted(few, tmp_path, learners=CHEAP)
    paths = sorted(tmp_path.glob("*.fit"))
    for path in paths[:2]:
        path.write_bytes(damage(path.read_bytes()))
    stack, counter = fitted(few, tmp_path, learners=CHEAP)
    assert (counter.kinds.count("task_done"), counter.kinds.count("task_cached")) == (2, CHEAP_FITS - 2)
    assert np.array_equal(stack.oof_, whole.oof_)
    mended = fitted(few, tmp_path, learners=CHEAP)[1]
    assert mended.kinds.count("task_cached") == CHEAP_FITS


def test_time_folds_and_their_refit_are_resumed(few, tmp_path):
    made = {"learners": ["logistic", "lightgbm"]}
    X, y, when = few.drop(columns="y"), few["y"], np.arange(300)
    counters = [Counter(), Counter()]
    stacks = [
        StackClassifier(**{**MADE, **made}, cache_dir=tmp_path, verbose=counter).fit(X, y, time=when)
        for counter in counters
    ]
    assert counters[0].kinds.count("task_done") == counters[1].kinds.count("task_cached") == 8
    assert "task_done" not in counters[1].kinds
    assert np.array_equal(stacks[0].predict_proba(X), stacks[1].predict_proba(X))


def test_adding_a_learner_uses_the_cache(few, tmp_path):
    fitted(few, tmp_path, learners=CHEAP)
    stack, counter = fitted(few, tmp_path, learners=CHEAP[:2])
    stack.add_learner(CHEAP[2])
    assert counter.fitted == []


def test_a_fit_cut_by_the_clock_is_not_taken_up_without_one(tmp_path):
    X, y = rows_of(600)
    limited = StackClassifier(["lightgbm"], folds=2, cache_dir=tmp_path, time_limit=0.05).fit(X, y)
    free = StackClassifier(["lightgbm"], folds=2, cache_dir=tmp_path).fit(X, y)
    fresh = StackClassifier(["lightgbm"], folds=2).fit(X, y)
    assert np.array_equal(free.oof_["lightgbm"], fresh.oof_["lightgbm"])
    assert limited.plan_["fits"][0]["rounds"] <= fresh.plan_["fits"][0]["rounds"]


def test_a_learner_of_ones_own_resumes_where_its_types_are_trusted(tmp_path):
    from sklearn.ensemble import RandomForestClassifier

    X, y = rows_of(300)
    wanted = {
        "learners": [("rf", RandomForestClassifier(5, random_state=0))],
        "folds": 2,
        "cache_dir": tmp_path,
    }
    StackClassifier(**wanted).fit(X, y)
    with pytest.warns(
        StackmlWarning, match=r"cannot be taken up again.*trusted=\['sklearn.tree._tree.Tree'\]"
    ):
        again = StackClassifier(**wanted).fit(X, y)
    assert again._built.layers[0].runs[0].n_fitted == 2
    trusting = StackClassifier(**wanted, trusted=["sklearn.tree._tree.Tree"]).fit(X, y)
    assert trusting._built.layers[0].runs[0].n_fitted == 0


def rows_of(n_rows):
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.normal(size=(n_rows, 4)), columns=list("abcd"))
    return X, (X["a"] * X["b"] + rng.normal(size=n_rows) > 0).astype(int).to_numpy()
