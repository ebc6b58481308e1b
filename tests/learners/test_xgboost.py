"""XGBoost: predictions, and trees that are checked when they are read."""

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from stackml.features.native import learn_native_view
from stackml.foundation.errors import StorageError
from stackml.learners import xgboost, xgboost_bins, xgboost_trees
from stackml.learners.base import Budget
from stackml.learners.trees.from_xgboost import trees_from_ubjson
from stackml.learners.ubjson import read_ubjson
from stackml.learners.xgboost import FittedXGBoost, XGBoostLearner
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=800), "c": rng.choice(list("mnopqrstuvwxyz"), 800)})
    frame.loc[::9, "a"] = np.nan
    frame.loc[::7, "c"] = None
    return Table.learn(frame)


@pytest.fixture(scope="module")
def target(table):
    signal = np.nan_to_num(table.numbers[:, 0]) + (table.codes[:, 0] % 3 == 0)
    return Target(Problem("binary", 2), (signal > 0.4).astype(np.int64))


def fit(table, target, rounds=25, **parameters):
    learner = XGBoostLearner(**parameters)
    return learner.fit(learner.prepare(table), target, np.arange(800), None, Budget(rounds=rounds), 0)


def native(table, target, **parameters):
    """Return what format 1 stored: the library's own bytes."""
    with pytest.MonkeyPatch.context() as patch:
        models = []
        patch.setattr(
            xgboost, "trees_from_ubjson", lambda model: models.append(model) or trees_from_ubjson(model)
        )
        found = fit(table, target, **parameters).to_state()
    del found["trees"]
    return found | {"model": models[0], "n_features": 2}


def test_predictions_are_those_of_the_library(table, target):
    fitted = fit(table, target)
    codes = table.codes.copy()
    codes[:50], codes[50:100] = -2, -1
    strange = Table(table.schema, table.numbers, codes)
    view = learn_native_view(table, None, XGBoostLearner().most_levels)
    matrix, types = view.matrix(strange), view.types(strange.schema)
    slow = xgb.Booster(model_file=bytearray(native(table, target)["model"])).predict(
        xgb.DMatrix(matrix, feature_types=list(types), enable_categorical=True)
    )
    np.testing.assert_allclose(fitted.predict(strange)[:, 0], slow, atol=2e-5)


def test_a_part_of_the_shared_bins_learns_what_its_rows_alone_would(table, target):
    # Values so few that rows alone have the same bins.
    table = Table(table.schema, np.round(table.numbers), table.codes)
    rows = np.arange(0, 800, 2)
    learner = XGBoostLearner()
    shared = learner.fit(learner.prepare(table), target, rows, None, Budget(rounds=20), 0)
    alone = learner.fit(
        learner.prepare(table.take(rows)), target.take(rows), np.arange(len(rows)), None, Budget(rounds=20), 0
    )
    np.testing.assert_array_equal(shared.predict(table), alone.predict(table))


def test_rows_put_in_the_bins_a_block_at_a_time_grow_the_same_trees(table, target, monkeypatch):
    rows, stop = np.arange(800)[::-1][::2], np.arange(0, 800, 3)
    learner = XGBoostLearner()

    def trees():
        fitted = learner.fit(learner.prepare(table), target, rows, stop, Budget(), 0)
        return fitted.rounds, fitted.predict(table)

    at_once = trees()
    monkeypatch.setattr(xgboost_bins, "_BLOCK", 33)
    in_blocks = trees()
    assert at_once[0] == in_blocks[0] > 1
    assert np.array_equal(at_once[1], in_blocks[1])


def test_bins_of_the_past_know_nothing_of_later_rows(table, target):
    changed = Table(table.schema, table.numbers.copy(), table.codes)
    changed.numbers[400:] *= 50
    learner, budget = XGBoostLearner(), Budget(rounds=20)
    a, b = (
        learner.fit(learner.prepare(t, np.arange(400)), target, np.arange(400), None, budget, 0)
        for t in (table, changed)
    )
    np.testing.assert_array_equal(a.predict(table), b.predict(table))


def test_trees_can_grow_by_leaf(table, target):
    trees = fit(table, target, leafwise=True, max_leaves=4, max_depth=0).additive.trees
    assert trees.node_count.max() == 7


def altered(value, path, change):
    """Return a nested value with the part at `path` changed."""
    if not path:
        return change(value)
    key = path[0]
    if isinstance(value, list):
        return [altered(v, path[1:], change) if i == key else v for i, v in enumerate(value)]
    return value | {key: altered(value[key], path[1:], change)}


def first(number):
    return lambda values: np.concatenate([[number], values[1:]]).astype(np.asarray(values).dtype)


MODEL = ("learner", "gradient_booster", "model")
TREE = (*MODEL, "trees", 0)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ((*TREE, "left_children"), first(0), "a branch that leads nowhere"),
        ((*TREE, "right_children"), first(10_000), "a branch that leads nowhere"),
        ((*TREE, "right_children"), first(3), "a node of two parents"),
        ((*TREE, "parents"), first(0), "tree 0 has no root"),
        ((*TREE, "split_indices"), first(99), "splits a column that is not there"),
        ((*TREE, "split_indices"), lambda c: c[1:], "tree 0 lacks nodes"),
        ((*TREE, "base_weights"), lambda c: ["x"] * len(c), "tree 0 is of an unknown form"),
        ((*TREE, "categories"), first(-1), "a category that is none"),
        ((*TREE, "categories_sizes"), first(500), "category sets that are not there"),
        ((*TREE, "split_type"), first(7), "category splits where there are none"),
        ((*TREE, "tree_param", "num_nodes"), lambda _: "7000", "not of the size it says"),
        (TREE, lambda tree: {k: v for k, v in tree.items() if k != "parents"}, "parents is absent"),
        ((*MODEL, "tree_info"), first(7), "outputs that are not there"),
        ((*MODEL, "iteration_indptr"), first(2), "rounds are not in order"),
        ((*MODEL, "trees"), lambda _: [], "0 trees are not whole rounds"),
        ((*MODEL, "trees"), lambda trees: trees[1:], "the number of its trees is not what it says"),
        (("learner", "gradient_booster", "name"), lambda _: "gblinear", "no model of trees"),
        (("learner", "objective", "name"), lambda _: "rank:ndcg", "objective is 'rank:ndcg'"),
        (("learner", "learner_model_param", "num_class"), lambda _: "4", "num_class is not 0"),
        (("learner", "learner_model_param", "base_score"), lambda _: "many", "start value is no number"),
        (("learner", "feature_types"), lambda _: ["q"], "reads 1 columns where 2 were expected"),
        (("learner",), lambda _: 3, "of the wrong type"),
    ],
)
def test_hostile_models_are_refused(table, target, path, change, message, monkeypatch):
    model = native(table, target, max_cat_to_onehot=1, colsample_bytree=1.0)["model"]
    value = read_ubjson(model)
    assert len(value["learner"]["gradient_booster"]["model"]["trees"][0]["categories"])
    monkeypatch.setattr(xgboost_trees, "read_ubjson", lambda _: altered(value, path, change))
    with pytest.raises(StorageError, match=message):
        xgboost_trees.check_model_bytes(model, 2, 1, "binary:logistic")


def test_a_model_of_another_problem_is_refused(table, target):
    state = native(table, target)
    other = {"problem": "regression", "n_classes": 0, "offset": 0.0, "scale": 1.0}
    with pytest.raises(StorageError, match="objective is 'binary:logistic' where 'reg:squarederror'"):
        FittedXGBoost.from_state(state | {"outputs": other})


def test_a_category_of_very_many_values_is_read_by_how_common_a_value_is():
    rng = np.random.default_rng(0)
    shop = rng.choice([f"s{i}" for i in range(300)], 900)
    rows = pd.DataFrame({"shop": shop, "kind": rng.choice(list("abc"), 900), "x": rng.normal(size=900)})
    wide = Table.learn(rows)
    view = learn_native_view(wide, np.arange(450), 100)
    assert view.types(wide.schema) == ("q", "q", "c")
    shares = view.matrix(wide)[:, 1]
    counts = pd.Series(shop[:450]).value_counts()
    common, rare = counts.index[0], counts.index[-1]
    assert np.exp(shares[shop == common][0]) * 451 == pytest.approx(counts[common] + 1, rel=1e-5)
    assert shares[shop == common][0] > shares[shop == rare][0]
    unseen = Table.of(rows.assign(shop="never"), wide.schema)
    assert np.exp(view.matrix(unseen)[0, 1]) * 451 == pytest.approx(1, rel=1e-5)


def test_parts_are_cut_where_the_whole_table_is_and_hold_none_of_its_other_rows(table):
    learner = XGBoostLearner()
    matrix = learn_native_view(table, None, learner.most_levels).matrix(table)
    types = ("float", "c")
    whole = xgb.QuantileDMatrix(matrix, feature_types=list(types), enable_categorical=True, max_bin=256)
    part = xgboost_bins.BinnedMatrix(None, matrix, types, 256, None).part(np.arange(5, 60))
    assert part.num_row() == 55
    for cuts, expected in zip(part.get_quantile_cut(), whole.get_quantile_cut(), strict=True):
        np.testing.assert_array_equal(cuts, expected)
