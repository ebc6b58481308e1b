"""CatBoost is an extra: its absence has one message, its presence a few facts of its own."""

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import MissingExtraError, ParameterError
from stackml.foundation.optional import installed
from stackml.learners.base import Budget
from stackml.learners.catboost import Blocks, CatBoostLearner
from stackml.tables.schema import Overrides
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

needs_catboost = pytest.mark.skipif(
    not installed("catboost"), reason="catboost is not installed; it comes with the extra 'best'"
)


def made():
    frame = pd.DataFrame(
        {"x": [1.0, np.nan, 3.0] * 40, "size": ["s", "m", None] * 40, "town": ["a", "b", "c", None] * 30}
    )
    return Table.learn(frame, Overrides(ordered={"size": ["s", "m", "l"]}))


def test_ordered_categories_are_numbers_and_others_keep_their_codes():
    table = made()
    blocks = Blocks.of(table)
    assert (blocks.numbers.shape, blocks.codes.shape) == ((120, 2), (120, 1))
    np.testing.assert_array_equal(blocks.numbers[:3, 1], [0, 1, np.nan])
    assert blocks.codes[3, 0] == -1
    assert blocks.varies
    assert not blocks.take(np.array([1, 1])).varies


def test_without_the_package_the_message_names_the_extra(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr("stackml.foundation.optional.import_module", absent)
    with pytest.raises(MissingExtraError, match=r"'catboost' is not installed.*stackml\[best\]"):
        CatBoostLearner().prepare(made())


@needs_catboost
def test_missing_is_a_category_of_its_own():
    table = made()
    target = Target(Problem("binary", 2), (table.codes[:, -1] == -1).astype(np.int64))
    learner = CatBoostLearner(learning_rate=0.2)
    fitted = learner.fit(learner.prepare(table), target, np.arange(120), None, Budget(rounds=60), 0)
    predicted = fitted.predict(table)[:, 0]
    assert predicted[target.values == 1].min() > predicted[target.values == 0].max()


@needs_catboost
def test_no_file_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = made()
    target = Target(Problem("regression"), np.arange(120) % 7 / 1.0)
    learner = CatBoostLearner()
    learner.fit(learner.prepare(table), target, np.arange(100), np.arange(100, 120), Budget(rounds=3), 0)
    assert list(tmp_path.iterdir()) == []


@needs_catboost
@pytest.mark.parametrize(("n_columns", "chosen", "not_chosen"), [(8, 2, 32), (9, 32, 2)])
def test_many_columns_of_categories_are_read_as_indicators(n_columns, chosen, not_chosen):
    rng = np.random.default_rng(0)
    words = rng.choice(list("abcde"), size=(400, n_columns))
    frame = pd.DataFrame(words, columns=[f"c{i}" for i in range(n_columns)])
    frame["flag"] = rng.choice(["yes", "no"], size=400)  # two categories never count
    table = Table.learn(frame, Overrides())
    y = (frame["c0"] == "a") + (frame["c1"] > "b") * (frame["c2"] < "d") + rng.normal(size=400)
    target = Target(Problem("regression"), y.to_numpy(dtype=np.float64))

    def predicted(**given):
        learner = CatBoostLearner(**given)
        fitted = learner.fit(learner.prepare(table), target, np.arange(400), None, Budget(rounds=30), 0)
        return fitted.predict(table)

    np.testing.assert_array_equal(predicted(), predicted(one_hot_max_size=chosen))
    assert not np.array_equal(predicted(), predicted(one_hot_max_size=not_chosen))


@pytest.mark.parametrize("size", [1, 2.5, "many"])
def test_indicators_are_of_a_whole_number_of_categories(size):
    with pytest.raises(ParameterError, match="one_hot_max_size must be a whole number of 2 or more"):
        CatBoostLearner(one_hot_max_size=size)
