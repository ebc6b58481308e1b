"""What every learner of the catalog must do, on small tables of every kind of problem."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from learner_cases import PROBLEMS, Case, every_case, title

from stackml.learners.base import Budget, FittedLearner
from stackml.learners.catalog import LEARNERS, restore_learner
from stackml.storage.archive import read_archive, write_archive
from stackml.tables.schema import Overrides
from stackml.tables.table import Table
from stackml.tables.target import Target

N_ROWS, N_TRAIN, N_STOP = 360, 260, 300  # the rows between are stopped on, those after are only predicted
TRAIN, STOP, REST = np.arange(N_TRAIN), np.arange(N_TRAIN, N_STOP), np.arange(N_STOP, N_ROWS)
SEED = 7

# Matrix products round by the shape of the batch; everything else is equal bit for bit.
ALONE_TOLERANCE = 1e-6
# Weights and repeated rows reach the same objective by other draws and inner folds.
WEIGHT_TOLERANCE = 0.05


CASES = every_case()
each_case = pytest.mark.parametrize("case", CASES, ids=title)


def frame_of(n_rows: int, seed: int) -> pd.DataFrame:
    """Return numbers (one with gaps, one heavy-tailed), and categories of 2, 4 and 60 levels."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "plain": rng.normal(size=n_rows),
            "gaps": np.where(rng.random(n_rows) < 0.2, np.nan, rng.normal(size=n_rows)),
            "heavy": np.exp(2 * rng.normal(size=n_rows)),
            "count": rng.integers(0, 4, n_rows),
            "two": rng.choice(["yes", "no"], n_rows),
            "four": rng.choice(["a", "b", "c", None], n_rows),
            "many": [f"m{i}" for i in rng.integers(0, 60, n_rows)],
            "size": rng.choice(["small", "middle", "large"], n_rows),
        }
    )


@cache
def table() -> Table:
    """Return the table all cases learn from."""
    overrides = Overrides(ordered={"size": ["small", "middle", "large"]})
    return Table.learn(frame_of(N_ROWS, seed=1), overrides)


@cache
def target(problem: str) -> Target:
    """Return a target that depends on a number and a category."""
    frame = frame_of(N_ROWS, seed=1)
    rng = np.random.default_rng(2)
    signal = 1.5 * frame["plain"] + (frame["two"] == "yes") + 0.3 * rng.normal(size=N_ROWS)
    if problem == "regression":
        return Target(PROBLEMS[problem], 100.0 + 10.0 * signal.to_numpy())
    edges = [0.5] if problem == "binary" else [-0.5, 1.0]
    return Target(PROBLEMS[problem], np.searchsorted(edges, signal.to_numpy()).astype(np.int64))


@cache
def prepared(case: Case) -> Any:
    """Return what the learner prepared from all rows."""
    return case.learner.prepare(table(), None)


def fit(case: Case, y: Target | None = None, rows: np.ndarray = TRAIN, **given: Any) -> FittedLearner:
    """Fit the case's learner on the table."""
    budget = given.get("budget", Budget())
    y = target(case.problem) if y is None else y
    return case.learner.fit(prepared(case), y, rows, given.get("stop"), budget, given.get("seed", SEED))


@cache
def fitted(case: Case) -> FittedLearner:
    """Return the usual model of a case, stopped early where it can be."""
    return fit(case, stop=STOP)


@cache
def unseen() -> Table:
    """Return rows with categories and gaps that training rows never had."""
    frame = frame_of(40, seed=3)
    frame.loc[:9, "four"] = "new"
    frame.loc[5:14, "many"] = "new"
    frame.loc[10:19, "two"] = None
    frame.loc[15:24, "plain"] = np.nan
    frame.loc[20:29, "heavy"] = 1e12
    frame.loc[25:34, "size"] = None
    return Table.of(frame, table().schema)


@each_case
def test_predictions_have_the_form_the_contract_says(case: Case) -> None:
    for rows in (table().take(REST), unseen()):
        found = fitted(case).predict(rows)
        assert found.dtype == np.float32
        assert found.shape == (rows.n_rows, case.learner.n_outputs(PROBLEMS[case.problem]))
        assert np.isfinite(found).all()
        kind = case.learner.output_kind(PROBLEMS[case.problem])
        if kind != "value":
            assert found.min() >= 0
            assert found.max() <= 1
        if kind == "probability" and found.shape[1] > 1:
            np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)


@each_case
def test_the_order_of_rows_does_not_matter(case: Case) -> None:
    rows = unseen()
    order = np.random.default_rng(0).permutation(rows.n_rows)
    found, wanted = fitted(case).predict(rows.take(order)), fitted(case).predict(rows)[order]
    np.testing.assert_allclose(found, wanted, **case.rounding)


@each_case
def test_a_row_alone_is_scored_as_in_company(case: Case) -> None:
    rows = unseen()
    together = fitted(case).predict(rows)
    for row in (0, 7, 12, 27, 39):
        alone = fitted(case).predict(rows.take(np.array([row])))
        np.testing.assert_allclose(alone[0], together[row], rtol=ALONE_TOLERANCE, atol=ALONE_TOLERANCE)


@each_case
def test_a_stored_model_predicts_the_same_bit_for_bit(case: Case, tmp_path: Any) -> None:
    model = fitted(case)
    path = tmp_path / "model.stack"
    write_archive(path, kind="learner", state=model.to_state(), manifest={})
    again = restore_learner(model.kind, read_archive(path, kind="learner")[1])
    assert again.kind == model.kind
    assert again.rounds == model.rounds
    np.testing.assert_array_equal(again.predict(unseen()), model.predict(unseen()))
    np.testing.assert_array_equal(again.predict(table()), model.predict(table()))


@each_case
def test_the_input_is_never_modified(case: Case) -> None:
    rows = table().take(np.arange(N_ROWS))
    y = target(case.problem)
    before, before_y = Table(rows.schema, rows.numbers.copy(), rows.codes.copy()).digest, y.digest
    learner = case.learner
    model = learner.fit(learner.prepare(rows, None), y, TRAIN, STOP, Budget(), SEED)
    model.predict(rows)
    assert Table(rows.schema, rows.numbers, rows.codes).digest == before
    assert Target(y.problem, y.values).digest == before_y


@each_case
def test_equal_seeds_give_equal_models(case: Case) -> None:
    np.testing.assert_array_equal(fit(case, stop=STOP).predict(table()), fitted(case).predict(table()))


@each_case
def test_the_target_of_other_rows_is_not_looked_at(case: Case) -> None:
    y = target(case.problem)
    values = y.values.copy()
    values[N_TRAIN:] = values[N_TRAIN:][::-1]
    assert (values != y.values).any()
    changed = fit(case, Target(y.problem, values))
    np.testing.assert_array_equal(changed.predict(table()), fit(case).predict(table()))


@each_case
def test_what_is_prepared_from_the_past_knows_nothing_of_the_future(case: Case) -> None:
    past, learner, y = table(), case.learner, target(case.problem)
    numbers, codes = past.numbers.copy(), past.codes.copy()
    numbers[N_TRAIN:] = 50.0 * numbers[N_TRAIN:][::-1] + 3.0
    codes[N_TRAIN:] = np.where(codes[N_TRAIN:] > 0, 0, codes[N_TRAIN:])
    future = Table(past.schema, numbers, codes)
    models = [
        learner.fit(learner.prepare(rows, TRAIN), y, TRAIN, None, Budget(), SEED) for rows in (past, future)
    ]
    np.testing.assert_array_equal(*(model.predict(past.take(REST)) for model in models))


@each_case
def test_rows_of_weight_zero_are_not_there(case: Case) -> None:
    y = target(case.problem)
    weight = np.ones(N_ROWS)
    weight[:60] = 0.0
    with_zeros = fit(case, replace(y, weight=weight))
    without = fit(case, replace(y, weight=np.ones(N_ROWS)), rows=TRAIN[60:])
    np.testing.assert_array_equal(with_zeros.predict(table()), without.predict(table()))


@each_case
def test_a_weight_of_two_is_the_row_given_twice(case: Case) -> None:
    if not case.learner.supports_weight:
        pytest.skip("the learner reads no weights but zero")
    y = target(case.problem)
    high = y.values > np.median(y.values) if case.problem == "regression" else y.values == 1
    doubled = np.flatnonzero(high[TRAIN])
    weighted = fit(case, replace(y, weight=np.where(high, 2.0, 1.0)))
    rows = np.concatenate([np.arange(N_ROWS), doubled])
    learner = case.learner
    twice_y = Target(y.problem, y.values[rows], weight=np.ones(len(rows)))
    train = np.concatenate([TRAIN, np.arange(N_ROWS, len(rows))])
    twice = learner.fit(learner.prepare(table().take(rows), None), twice_y, train, None, Budget(), SEED)
    scale = float(y.values.std()) if case.problem == "regression" else 1.0
    light = fit(case, replace(y, weight=np.where(high, 0.01, 1.0)))
    outcome = 1 if case.problem == "multiclass" else 0
    means = [float(m.predict(table())[:, outcome].mean()) / scale for m in (light, weighted, twice)]
    assert abs(means[1] - means[2]) < WEIGHT_TOLERANCE
    assert means[1] > means[0]


@each_case
def test_a_class_without_training_rows_is_met(case: Case) -> None:
    if case.problem == "regression":
        pytest.skip("there are no classes")
    y = target(case.problem)
    kept = TRAIN[y.values[TRAIN] != 1]
    found = fit(case, rows=kept, stop=STOP).predict(unseen())
    assert found.shape == (unseen().n_rows, case.learner.n_outputs(y.problem))
    assert np.isfinite(found).all()
    if case.learner.output_kind(y.problem) == "probability":
        assert found[:, 1 if case.problem == "multiclass" else 0].max() < 0.1


@each_case
def test_a_single_column_of_gaps_is_met(case: Case) -> None:
    y = target(case.problem)
    hollow = Table(table().schema, np.full_like(table().numbers, np.nan), table().codes)
    learner = case.learner
    model = learner.fit(learner.prepare(hollow, None), y, TRAIN, STOP, Budget(), SEED)
    assert np.isfinite(model.predict(unseen())).all()


@each_case
def test_rounds_are_obeyed_and_the_clock_leaves_at_least_one(case: Case) -> None:
    if fitted(case).rounds is None:
        pytest.skip("the learner has no rounds")
    assert fit(case, stop=STOP, budget=Budget(rounds=7)).rounds == 7
    hurried = fit(case, stop=STOP, budget=Budget(seconds=0.0))
    assert hurried.rounds is not None
    assert hurried.rounds >= 1
    assert np.isfinite(hurried.predict(unseen())).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_in_haste_is_of_its_kind_and_costs_no_more(name: str) -> None:
    usual = LEARNERS[name].learner
    hurried = usual.paced(0.5)
    assert type(hurried) is type(usual)
    assert hurried.prepare_key == usual.prepare_key
    size = 10_000, 12, 1
    assert (hurried == usual) == (hurried.cost(*size) == usual.cost(*size))
    assert 0.3 * usual.cost(*size) < hurried.cost(*size) <= usual.cost(*size)


@pytest.mark.parametrize(
    "name", [n for n, e in LEARNERS.items() if "binary" in e.problems and e.is_installed]
)
def test_a_column_of_ids_teaches_nothing_about_chance(name: str) -> None:
    n_rows = 900
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {"id": [f"i{k}" for k in rng.integers(0, 300, n_rows)], "x": rng.normal(size=n_rows)}
    )
    y = Target(PROBLEMS["binary"], rng.integers(0, 2, n_rows).astype(np.int64))
    learner = Case(name, "binary").learner
    rows, rest = np.arange(600), np.arange(600, n_rows)
    chance = Table.learn(frame, Overrides(kinds={"id": "category"}))
    model = learner.fit(learner.prepare(chance, None), y, rows, rest[:100], Budget(), SEED)
    score = model.predict(chance.take(rest[100:]))[:, 0].astype(np.float64)
    labels = y.values[rest[100:]]
    wins = (score[labels == 1][:, None] > score[labels == 0]).mean()
    ties = (score[labels == 1][:, None] == score[labels == 0]).mean()
    assert 0.38 < wins + ties / 2 < 0.62
    if learner.output_kind(y.problem) == "probability":
        assert -np.mean(np.log(np.where(labels == 1, score, 1 - score))) < 0.85
