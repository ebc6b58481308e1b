"""LightGBM: shared bins, and a text that is checked before anything reads it."""

import re

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from stackml.foundation.errors import ParameterError, StorageError
from stackml.learners import lightgbm
from stackml.learners.base import Budget
from stackml.learners.lightgbm import FittedLightGBM, LightGBMLearner
from stackml.learners.trees.from_lightgbm import trees_from_text
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

BINARY = Problem("binary", 2)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return Table.learn(
        pd.DataFrame(
            {"a": rng.normal(size=800), "b": rng.normal(size=800), "c": rng.choice(list("stuvwxyz"), 800)}
        )
    )


@pytest.fixture(scope="module")
def target(table):
    high = table.numbers[:, 0] + (table.codes[:, 0] % 3 == 0) + np.random.default_rng(1).normal(size=800)
    return Target(BINARY, (high > 0.3).astype(np.int64))


@pytest.fixture(scope="module")
def state(table, target):
    """What format 1 stored: the library's own text."""
    learner = LightGBMLearner(
        num_leaves=31, max_cat_to_onehot=1, min_data_per_group=10, cat_smooth=1.0, cat_l2=1.0
    )
    with pytest.MonkeyPatch.context() as patch:
        texts = []
        patch.setattr(lightgbm, "trees_from_text", lambda text: texts.append(text) or trees_from_text(text))
        fitted = learner.fit(learner.prepare(table), target, np.arange(800), None, Budget(rounds=12), 0)
    assert "cat_boundaries" in texts[0]  # else the checks of category sets would check nothing
    found = fitted.to_state()
    del found["trees"]
    return found | {"model": texts[0].encode(), "n_features": 3}


def test_variants_and_folds_share_one_binned_table(table, target, monkeypatch):
    made = []
    construct = lgb.Dataset._lazy_init

    def counted(self, *args, **kwargs):
        made.append(self)
        return construct(self, *args, **kwargs)

    monkeypatch.setattr(lgb.Dataset, "_lazy_init", counted)
    variants = [LightGBMLearner(), LightGBMLearner(extra_trees=True, num_leaves=7, min_child_samples=5)]
    prepared = {}
    for learner in variants:
        key = learner.prepare_key
        shared = prepared[key] if key in prepared else prepared.setdefault(key, learner.prepare(table))
        for fold in range(3):
            held = np.arange(fold, 800, 3)
            rows = np.setdiff1d(np.arange(800), held)
            assert learner.fit(shared, target, rows, held, Budget(), fold).rounds > 1
    assert len(made) == 1
    assert LightGBMLearner(max_bin=63).prepare_key not in prepared


def test_shared_bins_give_what_bins_of_its_own_would(table, target):
    # All rows: then the bins are the same, and so must be the model.
    learner, rows = LightGBMLearner(), np.arange(800)
    own = lgb.Dataset(
        np.column_stack([table.numbers, table.codes]).astype(np.float32),
        label=target.values,
        categorical_feature=[2],
        params={"feature_pre_filter": False, "verbosity": -1},
    )
    settings = learner._settings(target, learner.prepare(table).view, 3, 4)
    direct = lgb.train(settings, own, num_boost_round=30).predict(
        np.column_stack([table.numbers, table.codes]).astype(np.float32)
    )
    fitted = learner.fit(learner.prepare(table), target, rows, None, Budget(rounds=30), 4)
    np.testing.assert_allclose(fitted.predict(table)[:, 0], direct, atol=2e-5)


def test_bins_can_be_learned_from_the_past_alone(table, target):
    learner, past = LightGBMLearner(), np.arange(500)
    budget = Budget(rounds=20)
    changed = Table(table.schema, table.numbers.copy(), table.codes)
    changed.numbers[500:] *= 100
    fits = [
        learner.fit(learner.prepare(t, rows), target, past, None, budget, 0).predict(table)
        for t, rows in ((table, past), (changed, past), (table, None), (changed, None))
    ]
    np.testing.assert_array_equal(fits[0], fits[1])
    assert (fits[2] != fits[3]).any()
    every = learner.prepare(table, np.arange(800))
    np.testing.assert_array_equal(learner.fit(every, target, past, None, budget, 0).predict(table), fits[2])


def test_the_text_holds_the_kept_trees_and_no_more(state):
    text = state["model"].decode()
    assert text.count("\nTree=") == 12
    assert text.endswith("end of trees\n")
    assert "parameters" not in text
    assert "pandas_categorical" not in text


def swap(pattern, replacement):
    def change(text):
        changed, n = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
        assert n == 1, pattern
        return changed

    return change


def same_length(pattern, character):
    """Overwrite the last character of the first match, so that sizes still add up."""

    def change(text):
        match = re.search(pattern, text, flags=re.MULTILINE)
        assert match is not None, pattern
        return text[: match.end() - 1] + character + text[match.end() :]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap("^version=v4", "version=v9"), "header is not that of a version 4"),
        (swap("^max_feature_idx=2", "max_feature_idx=7"), "max_feature_idx is '7' where 2"),
        (swap("^num_class=1", "num_class=5"), "num_class is '5' where 1"),
        (swap("^objective=binary", "objective=regression"), "objective is 'regression"),
        (swap("^tree_sizes=.*$", "tree_sizes="), "sizes of its trees have no meaning"),
        (swap(r"^tree_sizes=\d+", "tree_sizes=99999999"), "length is not the sum of its trees"),
        (swap("^tree_sizes=.*\n", ""), "a value is absent"),
        (swap("^tree_sizes=(.*)$", r"tree_sizes=\1 x"), "a value is absent or no number"),
        (same_length(r"^split_feature=\d", "9"), "splits a column that is not there"),
        (same_length(r"^left_child=\d", "0"), "a branch that leads nowhere"),
        (same_length(r"^cat_boundaries=0 \d", "9"), "category sets that are not there"),
        (
            same_length(r"^num_leaves=\d\d", "9"),
            "tree 0: .* is not a list of",
        ),
        (same_length(r"^leaf_value=-?\d", "x"), "leaf_value is not a list of"),
        (same_length(r"^left_child", "x"), "a value is absent|is not whole"),
        (same_length("^Tree=3", "4"), "tree 3 is not where the header says"),
        (lambda text: text[:-1], "the end is missing"),
    ],
)
def test_hostile_texts_are_refused_before_they_are_read(state, change, message, monkeypatch):
    monkeypatch.setattr(lightgbm, "trees_from_text", None)  # reading would fail otherwise
    with pytest.raises(StorageError, match=message):
        FittedLightGBM.from_state(state | {"model": change(state["model"].decode()).encode()})


def test_trees_that_share_a_node_are_refused(state):
    text = state["model"].decode()
    right = re.search(r"^right_child=(.*)$", text, re.MULTILINE)
    left = re.search(r"^left_child=(.*)$", text, re.MULTILINE)
    # The first leaf on the left is led to twice.
    leaf = next(child for child in left[1].split() if child.startswith("-") and len(child) == 2)
    other = next(c for c in right[1].split() if c.startswith("-") and len(c) == 2 and c != leaf)
    twice = right[0].replace(f"{other}", leaf, 1)
    with pytest.raises(StorageError, match="has two parents"):
        FittedLightGBM.from_state(state | {"model": text.replace(right[0], twice, 1).encode()})


def test_leaves_of_a_file_must_be_finite(state):
    text = state["model"].decode()
    found = re.search(r"^leaf_value=(\S+)", text, re.MULTILINE)
    infinite = text.replace(found[0], "leaf_value=" + "9" * 5 + "e+99".rjust(len(found[1]) - 5, "9"), 1)
    with pytest.raises(StorageError, match="a leaf that is no number"):
        FittedLightGBM.from_state(state | {"model": infinite.encode()})


def test_fractions_are_checked():
    with pytest.raises(ParameterError, match=r"feature_fraction must be in \(0, 1\], not 1.5"):
        LightGBMLearner(feature_fraction=1.5)


def test_ranks_a_real_table(real_data):
    frame = pd.read_parquet(real_data / "gmsc.parquet").iloc[:20_000]
    y = Target(BINARY, frame["SeriousDlqin2yrs"].to_numpy().astype(np.int64))
    table = Table.learn(frame.drop(columns=["SeriousDlqin2yrs"]))
    learner = LightGBMLearner()
    rows, held = np.arange(15_000), np.arange(15_000, 20_000)
    fitted = learner.fit(learner.prepare(table), y, rows, held, Budget(), 0)
    predicted, truth = fitted.predict(table.take(held))[:, 0], y.values[held] == 1
    ranks = pd.Series(predicted).rank().to_numpy()
    n_positive = truth.sum()
    area = (ranks[truth].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * (~truth).sum())
    assert area > 0.83


def test_a_split_of_missing_against_the_rest_can_be_stored():
    rng = np.random.default_rng(0)
    x = np.where(rng.random(600) < 0.5, np.nan, rng.integers(0, 2, 600).astype(float))
    table = Table.learn(pd.DataFrame({"x": x, "z": rng.normal(size=600)}))
    y = (np.isnan(x) ^ (rng.random(600) < 0.05)).astype(np.int64)
    target = Target(Problem("binary", 2), y)
    learner = LightGBMLearner()
    fitted = learner.fit(learner.prepare(table), target, np.arange(600), None, Budget(rounds=5), 0)
    assert np.isinf(fitted.to_state()["trees"]["thresholds"]).any()
    again = FittedLightGBM.from_state(fitted.to_state())
    assert np.array_equal(again.predict(table), fitted.predict(table))


def shops(n_rows=1200, effect=1.5, seed=0):
    """Return rows of 120 shops and a target that depends on the shop alone, or on nothing."""
    rng = np.random.default_rng(seed)
    shop = rng.integers(0, 120, n_rows)
    odds = rng.normal(size=120)[shop] * effect
    y = (rng.random(n_rows) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    names = pd.Series(shop).map(lambda i: f"s{i}")
    return Table.learn(pd.DataFrame({"shop": names, "x": rng.normal(size=n_rows)})), Target(BINARY, y)


def auc_of(learner, table, target, n_train=800):
    rows, others = np.arange(n_train), np.arange(n_train, table.n_rows)
    fitted = learner.fit(learner.prepare(table), target, rows, None, Budget(rounds=40), 0)
    return fitted, roc_auc_score(target.values[others], fitted.predict(table.take(others))[:, 0])


def test_what_a_value_of_many_says_about_the_target_is_read():
    told, auc = auc_of(LightGBMLearner(), *shops(4000), 3000)
    _, share = auc_of(LightGBMLearner(target_codes=False), *shops(4000), 3000)
    assert told.view.encoder.columns == (0,)
    assert auc > 0.7 > share


@pytest.mark.filterwarnings("error")
def test_target_codes_are_added_without_a_warning():
    table, target = shops()
    learner = LightGBMLearner()
    learner.fit(learner.prepare(table), target, np.arange(800), np.arange(800, 1200), Budget(), 0)


def test_target_codes_say_nothing_of_a_row_itself():
    # A code that held the row's own target would make the trees believe it and nothing else.
    table, target = shops(effect=0.0)
    learner = LightGBMLearner()
    fitted, auc = auc_of(learner, table, target)
    assert 0.42 < auc < 0.58
    assert np.abs(fitted.predict(table)[:800, 0] - 0.5).mean() < 0.2


def test_target_codes_learn_from_the_past_alone():
    # Each shop is good at first and bad later: who looks ahead would trust what it was.
    rng = np.random.default_rng(0)
    shop, late = rng.integers(0, 40, 4000), np.arange(4000) >= 2000
    y = ((shop < 20) ^ late).astype(np.int64)
    frame = pd.DataFrame({"shop": pd.Series(shop).map(lambda i: f"s{i}"), "x": rng.normal(size=4000)})
    target = Target(BINARY, y, time=np.arange(4000.0))
    rows = np.arange(2000)
    table = Table.learn(frame)
    learner = LightGBMLearner()
    fitted = learner.fit(learner.prepare(table, rows), target, rows, None, Budget(rounds=5), 0)
    changed = Target(BINARY, np.where(late, 1 - y, y), time=target.time)
    again = learner.fit(learner.prepare(table, rows), changed, rows, None, Budget(rounds=5), 0)
    np.testing.assert_array_equal(fitted.predict(table), again.predict(table))


def test_target_codes_are_stored_and_read_as_they_were():
    table, target = shops()
    fitted, _ = auc_of(LightGBMLearner(), table, target)
    strange = Table.of(pd.DataFrame({"shop": ["s1", None, "never"], "x": [0.0, np.nan, 1.0]}), table.schema)
    back = FittedLightGBM.from_state(fitted.to_state())
    np.testing.assert_array_equal(back.predict(strange), fitted.predict(strange))
    assert np.isfinite(back.predict(strange)).all()


def test_target_codes_for_several_classes_and_numbers():
    table, target = shops()
    values = target.values + 2 * (np.arange(1200) % 2)
    for other in (Target(Problem("multiclass", 4), values), Target(Problem("regression", 0), values * 1.5)):
        learner = LightGBMLearner()
        stop = np.arange(900, 1200)
        fitted = learner.fit(learner.prepare(table), other, np.arange(900), stop, Budget(), 0)
        assert fitted.view.encoder.width == other.problem.n_outputs
        assert fitted.predict(table).shape == (1200, other.problem.n_outputs)


def test_boosters_with_target_codes_of_their_own_are_joined():
    table, target = shops()
    learner = LightGBMLearner()
    prepared = learner.prepare(table)
    one, two = (
        learner.fit(prepared, target, rows, None, Budget(rounds=10), 0)
        for rows in (np.arange(800), np.arange(400, 1200))
    )
    margins = [np.log(p / (1 - p)) for p in (m.predict(table).astype(np.float64) for m in (one, two))]
    mean = 1 / (1 + np.exp(-(0.25 * margins[0] + 0.75 * margins[1])))
    both = one.joined([two], [0.25, 0.75])
    np.testing.assert_allclose(both.predict(table), mean, atol=1e-5)
    assert both.view.encoder.width == 2
    assert one.joins(table.schema) == two.joins(table.schema)


def places(n_rows=3000, seed=0):
    """Return rows of 60 places; in a third of them a sign means the reverse of what it means elsewhere."""
    rng = np.random.default_rng(seed)
    place, sign = rng.integers(0, 60, n_rows), rng.integers(0, 2, n_rows)
    y = np.where(rng.random(n_rows) < 0.9, sign ^ (place % 3 == 0), rng.integers(0, 2, n_rows)).astype(
        np.int64
    )
    frame = pd.DataFrame({"place": pd.Series(place).map(lambda i: f"p{i}"), "sign": sign})
    return Table.learn(frame), Target(BINARY, y)


def test_what_a_value_means_in_its_place_is_read_as_a_category():
    told, auc = auc_of(LightGBMLearner(as_categories=True), *places(6000), 4800)
    _, coded = auc_of(LightGBMLearner(), *places(6000), 4800)
    assert told.view.as_categories == (0,)
    assert auc > coded + 0.01


def test_categories_of_many_values_are_stored_and_read_as_they_were():
    table, target = places()
    fitted, _ = auc_of(LightGBMLearner(as_categories=True), table, target)
    strange = Table.of(pd.DataFrame({"place": ["p1", None, "never"], "sign": [0, 1, 1]}), table.schema)
    back = FittedLightGBM.from_state(fitted.to_state())
    np.testing.assert_array_equal(back.predict(strange), fitted.predict(strange))
    assert back.view.as_categories == (0,)
    one = [back.predict(table.take(np.array([i])))[0, 0] for i in range(20)]
    np.testing.assert_allclose(one, back.predict(table)[:20, 0], atol=1e-6)


def test_rows_to_stop_on_are_binned_as_those_learned_from():
    table, target = places()
    learner, stop = LightGBMLearner(as_categories=True), np.arange(2400, 3000)
    fitted = learner.fit(learner.prepare(table), target, np.arange(2400), stop, Budget(), 0)
    assert roc_auc_score(target.values[stop], fitted.predict(table.take(stop))[:, 0]) > 0.85


def test_a_view_that_reads_an_unshared_column_as_a_category_is_refused():
    table, target = places()
    fitted, _ = auc_of(LightGBMLearner(as_categories=True), table, target)
    state = fitted.to_state()
    state["view"] = {**state["view"], "as_categories": [1]}
    with pytest.raises(StorageError, match="as_categories names a column that is not read by its share"):
        FittedLightGBM.from_state(state)


def test_boosters_that_read_categories_otherwise_are_not_joined():
    table, target = places()
    plain, _ = auc_of(LightGBMLearner(), table, target)
    wide, _ = auc_of(LightGBMLearner(as_categories=True), table, target)
    assert plain.joins(table.schema) != wide.joins(table.schema)
