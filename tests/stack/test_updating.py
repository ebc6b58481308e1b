"""New rows: the way that predicts them best is gone, and none where nothing changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stackml.assembly.loading import load
from stackml.datasets.simulators import simulate_credit
from stackml.foundation.errors import DataError, ParameterError, SchemaError, StorageError
from stackml.metrics.catalog import get_metric
from stackml.stack import StackClassifier, StackRegressor
from stackml.stack.updating.prequential import Judged, choice, compare, predicted, steps
from stackml.storage.archive import read_archive, write_archive
from stackml.tables.target import Problem, Target

LEARNERS = ["lightgbm", "logistic"]
CHEAP = ("recalibrate", "reweight", "continue")


def made(n, seed, turned=False, groups=False):
    """Rows whose first column turns its meaning."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "k": rng.choice(list("uvw"), n)})
    frame["c"] = frame["a"] * frame["b"] + rng.normal(size=n)
    z = (-1.5 if turned else 1.5) * frame["a"] + frame["b"] + 1.5 * (frame["a"] * frame["b"] > 0)
    if groups:
        frame["who"] = rng.integers(0, n // 3, n)
    return frame, (z + rng.normal(size=n) > 0.7).astype(int).to_numpy()


@pytest.fixture(scope="module")
def before():
    return made(1500, 0)


@pytest.fixture(scope="module")
def later():
    return made(3000, 7, turned=True)


def fitted(before, **given):
    return StackClassifier(
        **{"learners": LEARNERS, "combiner": "mean", "folds": 3, "n_jobs": 1, "calibration": "none", **given}
    ).fit(*before)


def auc(stack, rows):
    return get_metric("roc_auc").value(rows[1], stack.predict_proba(rows[0])[:, 1])


def last(stack):
    return stack.fitted_.card["updates"][-1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_nothing_changed_cheap_ways_leave_the_stack_as_it_is_or_do_no_harm(before, seed):
    stack, same = fitted(before), made(3000, 11)
    frozen = auc(stack, same)
    assert stack.update(*made(1000, seed), ways=CHEAP) is stack
    assert auc(stack, same) >= frozen - 0.003
    record = last(stack)
    assert record["rows"] == 1000
    assert [c["name"] for c in record["candidates"]] == ["frozen", *CHEAP]


def test_after_a_change_the_updated_stack_wins_and_the_record_says_how(before, later, tmp_path):
    stack = fitted(before)
    frozen = auc(stack, later)
    stack.update(*made(1000, 5, turned=True))
    assert auc(stack, later) > frozen + 0.1
    record = last(stack)
    assert record["chosen"] == "refit_new"
    chosen = next(c for c in record["candidates"] if c["name"] == record["chosen"])
    assert chosen["low"] > 0
    assert chosen["gain"] > 2 * chosen["standard_error"]
    stack.save(tmp_path / "updated.stack")
    again = load(tmp_path / "updated.stack")
    assert np.array_equal(again.predict_proba(later[0]), stack.predict_proba(later[0]))
    assert again.fitted_.card["updates"] == stack.fitted_.card["updates"]


@pytest.mark.parametrize("way", CHEAP)
def test_a_loaded_stack_goes_each_way_that_needs_no_old_rows(before, later, tmp_path, way):
    stack = fitted(before)
    frozen = auc(stack, later)
    stack.save(tmp_path / "old.stack")
    loaded = load(tmp_path / "old.stack").set_params(n_jobs=1)
    news = made(1000, 5, turned=True)
    loaded.update(*news, ways=way)
    assert last(loaded)["chosen"] == way
    stack.update(*news, ways=way)
    assert np.array_equal(stack.predict_proba(later[0]), loaded.predict_proba(later[0]))
    if way == "continue":
        assert auc(loaded, later) > frozen + 0.1
    loaded.save(tmp_path / "new.stack")
    again = load(tmp_path / "new.stack")
    assert np.array_equal(again.predict_proba(later[0]), loaded.predict_proba(later[0]))
    with pytest.raises(ParameterError, match="the old rows are not in this process"):
        again.update(*news, ways="refit")
    with pytest.raises(ParameterError, match="loaded, compacted, distilled, merged or updated"):
        stack.add_learner("hbos")


def test_a_refit_knows_old_and_new_rows_and_new_categories(before):
    stack, (X, y) = fitted(before), made(700, 5)
    X.loc[:300, "k"] = "new"
    X.index = X.index + 10_000
    stack.update(X, y, ways="refit")
    assert stack.oof_.index.tolist() == [*before[0].index, *X.index]
    assert stack.fitted_.schema.by_name["k"].vocabulary == ("u", "v", "w", "new")
    whole = fitted((pd.concat([before[0], X]), np.concatenate([before[1], y])))
    assert auc(stack, (X, y)) == pytest.approx(auc(whole, (X, y)), abs=0.01)
    stack.add_learner("hbos").update(X, y, ways="refit")
    assert len(stack.oof_) == len(before[0]) + 2 * len(X)
    assert [u["chosen"] for u in stack.fitted_.card["updates"]] == ["refit", "refit"]


def test_groups_and_time_are_kept_apart_in_every_comparison():
    X, y = made(1500, 0, groups=True)
    stack = StackClassifier(["logistic"], folds=3, n_jobs=1, combiner="mean").fit(X, y, groups="who")
    new, z = made(600, 3, groups=True)
    stack.update(new, z, ways="refit")  # the column that was the group is known
    groups = np.concatenate([X["who"], new["who"]])
    assert stack._built.target.groups is not None
    for fold in stack._built.sources.folds.folds:
        assert not set(groups[fold.train]) & set(groups[fold.held_out])
    target = Target(Problem("binary", 2), z, groups=new["who"].to_numpy(), time=np.arange(600) // 7)
    for step in steps(target, 5):
        assert target.time[step.learned].max() < target.time[step.judged].min()
        assert not set(target.groups[step.learned]) & set(target.groups[step.judged])
    with pytest.raises(ParameterError, match="only the new rows have time; give time= for both"):
        stack.update(new, z, time=np.arange(600), ways="refit")


def test_rows_are_taken_in_the_order_of_time_whatever_their_own(before, later):
    X, y = made(800, 5, turned=True)
    time = np.arange(len(X))
    shuffled = np.random.default_rng(0).permutation(len(X))
    one = fitted(before).update(X, y, time=time, ways=CHEAP)
    other = fitted(before).update(X.iloc[shuffled], y[shuffled], time=time[shuffled], ways=CHEAP)
    assert last(one)["digest"] == last(other)["digest"]
    assert np.array_equal(one.predict_proba(later[0]), other.predict_proba(later[0]))


def test_few_rows_change_nothing_and_the_record_says_why(before, later):
    stack = fitted(before)
    want = stack.predict_proba(later[0])
    stack.update(*made(20, 3, turned=True))
    record = last(stack)
    assert record["chosen"] == "frozen"
    assert all("20 new rows are too few" in c["reason"] for c in record["candidates"][1:])
    assert np.array_equal(stack.predict_proba(later[0]), want)
    stack.update(*made(120, 3))
    reasons = {c["name"]: c["reason"] for c in last(stack)["candidates"]}
    assert "120 new rows are too few" in reasons["refit"]
    assert not reasons["recalibrate"]
    assert len(stack.fitted_.card["updates"]) == 2
    stack.add_learner("hbos")  # nothing changed, so learners can still come


def test_new_rows_of_one_class_cannot_be_compared_and_change_nothing(before, tmp_path):
    stack = fitted(before)
    X, y = made(400, 3)
    stack.update(X, np.zeros_like(y), ways=CHEAP)
    assert last(stack)["chosen"] == "frozen"
    load(stack.save(tmp_path / "a.stack"))


def test_a_level_that_moves_is_met_by_a_line():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(900, 3)), columns=list("abc"))
    y = X["a"].to_numpy() * 3 + rng.normal(size=900)
    stack = StackRegressor(["ridge", "lightgbm"], folds=3, n_jobs=1).fit(X[:500], y[:500])
    stack.update(X[500:800], 2 * y[500:800] + 10, ways=["recalibrate", "reweight"])
    assert last(stack)["chosen"] == "recalibrate"
    gap = stack.predict(X[800:]) - (2 * y[800:] + 10)
    assert np.sqrt((gap**2).mean()) < 3
    assert stack.fitted_.calibrator.kind == "line"


def test_three_classes_and_weights():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(1200, 3)), columns=list("abc"))
    y = np.array(["x", "y", "z"])[np.digitize(X["a"] + 0.5 * rng.normal(size=1200), [-0.5, 0.5])]
    turned = np.array(["x", "y", "z"])[np.digitize(-X["a"] + 0.5 * rng.normal(size=1200), [-0.5, 0.5])]
    stack = StackClassifier(["lightgbm", "logistic"], folds=3, n_jobs=1, combiner="mean").fit(
        X[:500], y[:500]
    )
    before = (stack.predict(X[1000:]) == turned[1000:]).mean()
    weight = rng.integers(0, 3, 500).astype(float)
    stack.update(X[500:1000], turned[500:1000], sample_weight=weight, ways=CHEAP)
    assert last(stack)["chosen"] == "continue"
    assert (stack.predict(X[1000:]) == turned[1000:]).mean() > before + 0.1


def test_what_does_not_fit_is_refused_with_the_usual_messages(before):
    stack = fitted(before)
    X, y = made(100, 4)
    with pytest.raises(SchemaError, match=r"lacks 1 column\(s\) the stack was trained on: 'a'"):
        stack.update(X.drop(columns="a"), y)
    with pytest.raises(DataError, match=r"y, row 3: the stack does not know the class 7, it knows \[0, 1\]"):
        stack.update(X, np.where(np.arange(100) == 3, 7, y))
    with pytest.raises(ParameterError, match="unknown way 'refitt' to update; did you mean 'refit'"):
        stack.update(X, y, ways=["refitt"])
    with pytest.raises(ParameterError, match="there is nothing to weigh"):
        fitted(before, learners=["logistic"]).update(X, y, ways="reweight")
    assert "updates" not in stack.fitted_.card


def test_a_hostile_record_of_updates_is_refused(before, tmp_path):
    path = fitted(before, learners=["logistic"]).save(tmp_path / "a.stack")
    manifest, state = read_archive(path, kind="stack")
    state["card"]["updates"] = "none"
    write_archive(path, kind="stack", state=state, manifest=dict(manifest.entries))
    with pytest.raises(StorageError, match="the card"):
        load(path)


def test_the_rule_prefers_the_frozen_stack_and_then_the_simpler_way():
    rows = [Judged("frozen", 0.7, 0, 0, 0, 0), Judged("a", 0.705, 0.005, -0.01, 0.02, 0.006)]
    assert choice(rows).name == "frozen"
    rows += [Judged("b", 0.73, 0.03, 0.01, 0.05, 0.01), Judged("c", 0.733, 0.033, 0.01, 0.05, 0.01)]
    assert choice(rows).name == "b"


def test_a_comparison_predicts_each_row_after_the_first_block_once():
    y = np.arange(100) % 2
    target = Target(Problem("binary", 2), y)
    path = steps(target, 5)
    assert np.array_equal(np.concatenate([s.judged for s in path]), np.arange(20, 100))
    said = predicted(path, 100, 1, lambda learned: lambda rows: np.full((len(rows), 1), learned.max() / 100))
    assert np.isnan(said[:20]).all()
    assert said[20, 0] == 0.19
    assert said[99, 0] == 0.79
    judged = compare({"frozen": said, "same": said.copy()}, target, get_metric("log_loss"))
    assert judged[1].gain == judged[1].standard_error == 0


def test_a_change_in_the_simulated_credits_is_seen_and_met():
    frame = simulate_credit(9_000, seed=3, change_at=4_000).drop(columns="application_id")
    y = frame.pop("default").to_numpy()
    stack = StackClassifier(LEARNERS, folds=3, n_jobs=1).fit(frame[:3000], y[:3000])
    calm = StackClassifier(LEARNERS, folds=3, n_jobs=1).fit(frame[:3000], y[:3000])
    frozen = auc(stack, (frame[6000:], y[6000:]))
    calm.update(frame[3000:4000], y[3000:4000], ways=CHEAP)
    assert last(calm)["chosen"] in ("frozen", "recalibrate", "reweight")
    stack.update(frame[4000:6000], y[4000:6000], ways=CHEAP)
    assert last(stack)["chosen"] != "frozen"
    assert auc(stack, (frame[6000:], y[6000:])) > frozen + 0.03


def test_the_second_year_of_bike_sharing_is_met(real_data):
    frame = pd.read_parquet(real_data / "bike_sharing.parquet")
    y = frame["cnt"].to_numpy().astype(float)
    X = frame[["season", "hr", "workingday", "weathersit", "temp", "hum", "windspeed"]]
    stack = StackRegressor(["lightgbm", "ridge"], folds=3, n_jobs=1, combiner="mean").fit(X[:3000], y[:3000])
    frozen = stack.predict(X[10_500:13_500])
    stack.update(X[9_000:10_500], y[9_000:10_500], ways=CHEAP)
    errors = [
        np.sqrt(((said - y[10_500:13_500]) ** 2).mean()) for said in (frozen, stack.predict(X[10_500:13_500]))
    ]
    assert last(stack)["chosen"] != "frozen"
    assert errors[1] < 0.85 * errors[0]
