"""What every booster must do; each test runs for all three."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.digest import digest
from stackml.foundation.errors import FitError, ParameterError, SchemaError, StorageError
from stackml.foundation.optional import installed
from stackml.learners.base import Budget
from stackml.learners.boosting import Outputs, Patience, share_of_columns, usual_levels
from stackml.learners.catalog import make_learner
from stackml.learners.catboost import CatBoostLearner, FittedCatBoost
from stackml.learners.lightgbm import FittedLightGBM, LightGBMLearner
from stackml.learners.xgboost import FittedXGBoost, XGBoostLearner
from stackml.storage.archive import read_archive, write_archive
from stackml.tables.schema import Overrides
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

needs_catboost = pytest.mark.skipif(
    not installed("catboost"), reason="catboost is not installed; it comes with the extra 'best'"
)

FITTED = {"lightgbm": FittedLightGBM, "xgboost": FittedXGBoost, "catboost": FittedCatBoost}
PROBLEMS = {
    "binary": Problem("binary", 2),
    "multiclass": Problem("multiclass", 3),
    "regression": Problem("regression"),
}


@pytest.fixture(
    params=[
        LightGBMLearner(max_rounds=200, learning_rate=0.1),
        XGBoostLearner(max_rounds=200, learning_rate=0.1),
        pytest.param(CatBoostLearner(max_rounds=200, learning_rate=0.1), marks=needs_catboost),
    ],
    ids=lambda learner: learner.kind,
)
def learner(request):
    return request.param


@pytest.fixture(params=list(PROBLEMS))
def problem(request):
    return PROBLEMS[request.param]


def people(n=1200, seed=0):
    """Return income, age, a town and an ordered grade, with gaps, and a score behind the target."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": rng.lognormal(10, 0.5, n),
            "age": rng.integers(18, 90, n).astype(float),
            "town": rng.choice(["ash", "birch", "cedar", "dale", "elm", "fir", "gorse"], n),
            "grade": rng.choice(["low", "mid", "high"], n),
        }
    )
    score = (
        (np.log(frame["income"]) - 10) * 2
        + np.sin(frame["age"] / 10)
        + frame["town"].isin(["ash", "dale", "fir"]) * 1.5
        + frame["grade"].map({"low": -1.0, "mid": 0.0, "high": 1.0})
        + rng.normal(0, 0.5, n)
    ).to_numpy()
    frame.loc[rng.random(n) < 0.1, "income"] = np.nan
    frame.loc[rng.random(n) < 0.1, "town"] = None
    return frame, score


def made(problem, n=1200):
    frame, score = people(n)
    table = Table.learn(frame, Overrides(ordered={"grade": ["low", "mid", "high"]}))
    if problem.is_regression:
        return table, Target(problem, score)
    cuts = np.quantile(score, [0.5] if problem.kind == "binary" else [0.3, 0.6])
    return table, Target(problem, np.searchsorted(cuts, score).astype(np.int64))


def halves(n=1200):
    rows = np.random.default_rng(1).permutation(n)
    return rows[: n * 2 // 3], rows[n * 2 // 3 :]


def loss(problem, values, predicted):
    if problem.is_regression:
        return float(np.mean((values - predicted[:, 0]) ** 2))
    shares = np.column_stack([1 - predicted, predicted]) if problem.kind == "binary" else predicted
    return float(-np.mean(np.log(np.clip(shares[np.arange(len(values)), values], 1e-9, 1))))


def constant(problem, values):
    if problem.is_regression:
        return np.full((len(values), 1), values.mean())
    shares = np.bincount(values, minlength=problem.n_classes) / len(values)
    return np.tile(shares[1:] if problem.kind == "binary" else shares, (len(values), 1))


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_beats_a_constant_and_has_the_right_form(learner, problem):
    table, target = made(problem)
    rows, held = halves()
    numbers, codes = table.numbers.copy(), table.codes.copy()
    fitted = learner.fit(learner.prepare(table), target, rows, held, Budget(), 3)
    predicted = fitted.predict(table.take(held))
    assert predicted.dtype == np.float32
    assert predicted.shape == (len(held), problem.n_outputs)
    values = target.values[held]
    assert loss(problem, values, predicted) < 0.6 * loss(problem, values, constant(problem, values))
    if problem.kind == "multiclass":
        np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(table.numbers, numbers)
    np.testing.assert_array_equal(table.codes, codes)


def test_unordered_categories_are_used_and_their_codes_have_no_order(learner):
    rng = np.random.default_rng(0)
    towns = np.array(list("abcdefghijklmnop"))
    drawn = rng.integers(0, 16, 2000)
    table = Table.learn(pd.DataFrame({"town": towns[drawn]}))
    target = Target(PROBLEMS["binary"], (drawn % 2).astype(np.int64))
    rows, held = halves(2000)
    predicted = learner.fit(learner.prepare(table), target, rows, held, Budget(), 0).predict(table.take(held))
    assert loss(target.problem, target.values[held], predicted) < 0.25


def test_unseen_and_missing_values_and_a_single_row_are_predicted(learner, problem):
    table, target = made(problem)
    rows, held = halves()
    fitted = learner.fit(learner.prepare(table), target, rows, held, Budget(), 3)
    strange = pd.DataFrame(
        {"income": [np.nan, 1e9], "age": [np.nan, -5.0], "town": ["atlantis", None], "grade": [None, "elite"]}
    )
    predicted = fitted.predict(Table.of(strange, table.schema))
    assert np.isfinite(predicted).all()
    alone = fitted.predict(Table.of(strange.iloc[:1], table.schema))
    assert same_bits(alone, predicted[:1])
    assert fitted.predict(table.take(np.arange(0))).shape == (0, problem.n_outputs)


def test_early_stopping_stops_and_keeps_the_best_rounds(learner, problem):
    table, target = made(problem)
    rows, held = halves()
    prepared = learner.prepare(table)
    patient = replace(learner, max_rounds=1000, patience=10)
    stopped = patient.fit(prepared, target, rows, held, Budget(), 3)
    assert 5 < stopped.rounds < 900
    exact = patient.fit(prepared, target, rows, held, Budget(rounds=stopped.rounds), 3)
    assert exact.rounds == stopped.rounds
    # A recorded number of rounds replays the model.
    assert same_bits(exact.predict(table), stopped.predict(table))
    values = target.values[held]
    best = loss(problem, values, stopped.predict(table.take(held)))
    for other in (stopped.rounds // 2, stopped.rounds + 5):
        fitted = patient.fit(prepared, target, rows, None, Budget(rounds=other), 3)
        assert loss(problem, values, fitted.predict(table.take(held))) >= best - 1e-4


def test_rounds_of_the_budget_are_obeyed_exactly(learner):
    table, target = made(PROBLEMS["binary"])
    rows, held = halves()
    prepared = learner.prepare(table)
    for n_rounds in (1, 7, 230):
        budget = Budget(rounds=n_rounds, seconds=0.0)
        assert learner.fit(prepared, target, rows, held, budget, 3).rounds == n_rounds


def test_without_time_one_round_is_left(learner, problem):
    table, target = made(problem)
    rows, held = halves()
    fitted = learner.fit(learner.prepare(table), target, rows, held, Budget(seconds=0.0), 3)
    assert fitted.rounds == 1
    predicted, values = fitted.predict(table.take(held)), target.values[held]
    assert loss(problem, values, predicted) < loss(problem, values, constant(problem, values))


def test_parallel_fits_equal_serial_fits(learner):
    table, target = made(PROBLEMS["multiclass"])
    prepared = learner.prepare(table)
    order = np.random.default_rng(2).permutation(1200)
    folds = [(np.setdiff1d(order, part), part) for part in np.array_split(order, 4)]

    def fit(fold):
        return learner.fit(prepared, target, *fold, Budget(rounds=15), 5)

    serial = [fit(fold).predict(table) for fold in folds]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            fitted = list(threads.map(fit, folds))
            assert all(same_bits(model.predict(table), s) for model, s in zip(fitted, serial, strict=True))
        one_model = list(threads.map(fit(folds[0]).predict, [table] * 4))
    assert all(same_bits(result, serial[0]) for result in one_model)


def test_the_order_of_rows_changes_nothing(learner, problem):
    table, target = made(problem)
    rows, held = halves()
    prepared = learner.prepare(table)
    fitted = learner.fit(prepared, target, rows, held, Budget(), 3)
    again = learner.fit(prepared, target, rows[::-1], held[::-1], Budget(), 3)
    shuffled = np.random.default_rng(0).permutation(1200)
    expected = fitted.predict(table)
    assert same_bits(fitted.predict(table.take(shuffled)), expected[shuffled])
    assert same_bits(again.predict(table), expected)


def all_rows_and_columns(learner):
    fractions = ("feature_fraction", "bagging_fraction", "subsample", "colsample_bytree")
    known = {name: 1.0 for name in fractions if name in learner.parameters}
    quiet = {"random_strength": 0.0} if "random_strength" in learner.parameters else {}
    small = {"num_leaves": 6, "max_depth": 6}
    return replace(learner, **known, **quiet, **{k: v for k, v in small.items() if k in learner.parameters})


def test_a_weight_of_two_is_the_row_given_twice(learner):
    # Not exact: bins are cut at quantiles of rows, and LightGBM counts rows in a leaf, not weight.
    learner = all_rows_and_columns(learner)
    table, target = made(PROBLEMS["regression"])
    rows, _ = halves()
    heavy = rows[:400]
    # Heavy rows say otherwise than the rest, so that a weight that is not heard shows.
    values = target.values.copy()
    values[heavy] += 3 * values.std()
    target = replace(target, values=values)
    weight = np.ones(1200)
    weight[heavy] = 2
    weighted = replace(target, weight=weight)
    doubled_rows = np.concatenate([np.arange(1200), heavy])
    doubled, its_target = table.take(doubled_rows), target.take(doubled_rows)
    twice = np.concatenate([rows, 1200 + np.arange(400)])
    budget = Budget(rounds=60)
    a = learner.fit(learner.prepare(table), weighted, rows, None, budget, 3).predict(table)
    b = learner.fit(learner.prepare(doubled), its_target, twice, None, budget, 3).predict(table)
    plain = learner.fit(learner.prepare(table), target, rows, None, budget, 3).predict(table)
    assert np.sqrt(np.mean((a - b) ** 2)) < 0.2 * target.values.std()
    assert np.mean((a - b) ** 2) < 0.5 * np.mean((a - plain) ** 2)


def test_a_weight_of_zero_is_no_row(learner, problem):
    table, target = made(problem)
    rows, held = halves()
    weight = np.ones(1200)
    weight[rows[:200]] = 0
    prepared = learner.prepare(table)
    a = learner.fit(prepared, replace(target, weight=weight), rows, held, Budget(), 3)
    b = learner.fit(prepared, replace(target, weight=np.ones(1200)), rows[200:], held, Budget(), 3)
    assert same_bits(a.predict(table), b.predict(table))
    with pytest.raises(FitError, match="none of the 800 training rows has a weight above zero"):
        learner.fit(prepared, replace(target, weight=np.zeros(1200)), rows, held, Budget(), 3)


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_an_absent_class_keeps_its_column(learner, absent):
    table, target = made(PROBLEMS["multiclass"])
    rows, held = halves()
    rows = rows[target.values[rows] != absent]
    fitted = learner.fit(learner.prepare(table), target, rows, held, Budget(rounds=20), 3)
    predicted = fitted.predict(table)
    assert predicted.shape == (1200, 3)
    assert predicted[:, absent].max() < 0.1
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_training_rows_of_one_class_give_a_constant(learner, kind):
    table, target = made(PROBLEMS[kind])
    rows, held = halves()
    rows = rows[target.values[rows] == 1]
    fitted = learner.fit(learner.prepare(table), target, rows, held, Budget(), 3)
    predicted = fitted.predict(table)
    assert (predicted == predicted[0]).all()
    assert predicted[0, 0 if kind == "binary" else 1] > 0.6
    assert same_bits(FITTED[learner.kind].from_state(fitted.to_state()).predict(table), predicted)


def test_columns_that_say_nothing_give_the_rate_of_the_training_rows(learner):
    table = Table.learn(pd.DataFrame({"a": np.arange(60.0)}))
    table = Table(table.schema, np.zeros_like(table.numbers), table.codes)
    target = Target(PROBLEMS["binary"], (np.arange(60) % 4 == 0).astype(np.int64))
    fitted = learner.fit(learner.prepare(table), target, np.arange(40), np.arange(40, 60), Budget(), 0)
    np.testing.assert_allclose(fitted.predict(table), 0.25, atol=0.02)


def test_large_and_constant_targets(learner):
    table, target = made(PROBLEMS["regression"])
    rows, held = halves()
    prepared = learner.prepare(table)
    small = learner.fit(prepared, target, rows, None, Budget(rounds=40), 3).predict(table)
    # Steps of one among values of a hundred million are lost in float32, were they not centred.
    shifted = replace(target, values=target.values * 1000 + 1e8)
    large = learner.fit(prepared, shifted, rows, None, Budget(rounds=40), 3).predict(table)
    np.testing.assert_allclose((large.astype(float) - 1e8) / 1000, small, atol=0.02)
    level = replace(target, values=np.full(1200, 7.25))
    np.testing.assert_allclose(learner.fit(prepared, level, rows, held, Budget(), 3).predict(table), 7.25)


def test_state_round_trips_through_a_file(learner, problem, tmp_path):
    table, target = made(problem)
    rows, held = halves()
    fitted = learner.fit(learner.prepare(table), target, rows, held, Budget(), 3)
    path = tmp_path / "model"
    write_archive(path, kind="learner", state=fitted.to_state(), manifest={})
    _, state = read_archive(path)
    restored = FITTED[learner.kind].from_state(state)
    assert restored.rounds == fitted.rounds
    assert same_bits(restored.predict(table), fitted.predict(table))
    assert digest(restored.to_state()) == digest(fitted.to_state())


def in_its_own_form(learner, table, target, monkeypatch):
    """Return the state of a fit as the library writes its model: so files of format 1 hold it."""
    if learner.kind != "catboost":
        module = sys.modules[type(learner).__module__]
        name = "trees_from_text" if learner.kind == "lightgbm" else "trees_from_ubjson"
        read, models = getattr(module, name), []
        monkeypatch.setattr(module, name, lambda model: models.append(model) or read(model))
    fitted = learner.fit(learner.prepare(table), target, halves()[0], None, Budget(rounds=5), 3)
    state = fitted.to_state()
    if learner.kind == "catboost":
        return state
    monkeypatch.undo()
    model = models[0].encode() if isinstance(models[0], str) else models[0]
    del state["trees"]
    return state | {"model": model, "n_features": table.n_features}


def test_damaged_states_are_refused(learner, monkeypatch):
    table, target = made(PROBLEMS["binary"])
    state = in_its_own_form(learner, table, target, monkeypatch)
    rebuild = FITTED[learner.kind].from_state
    with pytest.raises(StorageError, match="is 0 bytes, not a model"):
        rebuild(state | {"model": b""})
    with pytest.raises(StorageError, match="is a str, not a model"):
        rebuild(state | {"model": "tree"})
    with pytest.raises(StorageError, match=f"{learner.kind}: the stored model"):
        rebuild(state | {"model": b"no model at all"})
    with pytest.raises(StorageError, match=f"{learner.kind}: the stored model"):
        rebuild(state | {"model": state["model"][:-300]})
    with pytest.raises(StorageError, match=r"was expected|were expected"):
        rebuild(state | {"n_features": 9})
    with pytest.raises(StorageError, match="unknown problem 'ranking'"):
        rebuild(state | {"outputs": state["outputs"] | {"problem": "ranking"}})


def test_a_table_of_another_width_is_refused(learner):
    table, target = made(PROBLEMS["binary"])
    fitted = learner.fit(learner.prepare(table), target, halves()[0], None, Budget(rounds=2), 3)
    other = Table.learn(pd.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(StorageError, match="the model reads 4 columns where 1 were expected"):
        fitted.predict(other)


def test_a_table_without_columns_for_boosters_is_refused(learner):
    table, _ = made(PROBLEMS["binary"])
    empty = Table(table.schema, table.numbers[:, :0], table.codes[:, :0])
    with pytest.raises(SchemaError, match="boosters read numbers and categories"):
        learner.prepare(empty)


def test_parameters_without_meaning_are_refused(learner):
    with pytest.raises(ParameterError, match=f"{learner.kind}: learning_rate must be above 0, not -1"):
        replace(learner, learning_rate=-1)
    with pytest.raises(ParameterError, match=f"{learner.kind}: max_rounds must be a number, not 'many'"):
        replace(learner, max_rounds="many")


def test_cost_grows_with_the_work(learner):
    assert 0 < learner.cost(1000, 10, 1) < learner.cost(100_000, 10, 1) < learner.cost(100_000, 10, 5)


def test_patience_counts_from_the_best_round():
    patience = Patience(Budget(), max_rounds=100, patience=3)
    scores = [0.9, 0.8, 0.85, 0.84, 0.83]
    assert [patience.goes_on(score) for score in scores] == [True, True, True, True, False]
    assert patience.kept == 2


def test_scores_that_are_no_numbers_keep_all_rounds():
    patience = Patience(Budget(), max_rounds=3, patience=10)
    assert [patience.goes_on(float("nan")) for _ in range(3)] == [True, True, False]
    assert patience.kept == 3


def test_only_training_rows_set_the_scale():
    target = Target(PROBLEMS["regression"], np.array([1.0, 3.0, 1e9]))
    outputs = Outputs.of(target, np.array([0, 1]))
    assert (outputs.offset, outputs.scale) == (2.0, 1.0)


@pytest.mark.parametrize(
    ("problem", "n_rows", "levels"),
    [
        (Problem("binary", 2), 800, 3),
        (Problem("binary", 2), 10_000, 4),
        (Problem("binary", 2), 1_000_000, 5),
        (Problem("multiclass", 26), 10_000, 5),
        (Problem("multiclass", 7), 10_000, 6),
        (Problem("regression"), 800, 4),
        (Problem("regression"), 2_500, 5),
        (Problem("regression"), 1_000_000, 6),
    ],
)
def test_trees_grow_with_the_rows_and_are_larger_for_numbers_and_few_classes(problem, n_rows, levels):
    assert usual_levels(problem, n_rows) == levels


@pytest.mark.parametrize("name", ["lightgbm", "lightgbm_large", "xgboost", "xgboost_shallow"])
def test_a_stated_size_of_trees_is_kept(name):
    learner = make_learner(name)
    table, target = made(PROBLEMS["regression"])
    stated = {"num_leaves": 2} if "num_leaves" in learner.parameters else {"max_depth": 1}
    rows, _ = halves()
    for chosen, is_stated in ((replace(learner, **stated), True), (learner, False)):
        model = chosen.fit(chosen.prepare(table), target, rows, None, Budget(rounds=3), 0)
        n_leaves = model.additive.trees.is_leaf.sum() / 3
        assert (n_leaves == 2) if is_stated else n_leaves > 8


def test_a_tree_may_use_five_columns_or_all_of_fewer():
    assert [share_of_columns(0.5, n) for n in (1, 4, 5, 8, 10, 50)] == [1.0, 1.0, 1.0, 0.625, 0.5, 0.5]


@pytest.mark.parametrize("name", ["lightgbm", "xgboost_shallow"])
def test_what_few_columns_say_together_is_learned(name):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(2000, 3)), columns=["a", "b", "c"])
    y = np.sign(X["a"] * X["b"] * X["c"]).to_numpy()
    table, target = Table.learn(X), Target(PROBLEMS["regression"], y)
    learner, rows = make_learner(name), np.arange(1200)
    fitted = learner.fit(learner.prepare(table), target, rows, np.arange(1200, 1500), Budget(), 0)
    said = fitted.predict(table)[1500:, 0]
    assert np.corrcoef(said, y[1500:])[0, 1] > 0.8


@pytest.mark.parametrize("levels", [0.5, 9, "2", None])
def test_trees_cannot_be_moved_by_anything_but_a_few_levels(levels):
    with pytest.raises(
        ParameterError, match=r"xgboost: extra_levels must be a whole number from -8 to 8, not"
    ):
        XGBoostLearner(extra_levels=levels)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_the_smallest_trees_still_cost_something(name):
    costs = [make_learner(name, extra_levels=levels).cost(10**6, 50, 1) for levels in (-8, -2, 0, 2)]
    assert 0 < costs[0] < costs[1] < costs[2] < costs[3]
