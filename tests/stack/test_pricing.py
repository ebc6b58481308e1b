"""What a prediction costs stands beside how good it is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from stackml.cli.report import _print_leaderboard
from stackml.stack import StackClassifier
from stackml.stack.pricing import Price, megabytes, on_the_front


def test_the_leaderboard_says_what_everyone_costs(classifier, rows, binary, tmp_path):
    learners = ["lightgbm", "extra_trees", "logistic", "hbos"]
    stack = classifier(learners=learners, combiner="mean").fit(rows, binary)
    board = stack.leaderboard_.set_index("name")
    assert (board[["us_per_row", "megabytes"]] > 0).all(axis=None)
    needed = list(stack.fitted_.combiner.learners)
    assert "hbos" not in needed, "nobody calls it"
    for price in ("us_per_row", "megabytes"):
        assert board.loc["stack", price] == pytest.approx(board.loc[needed, price].sum(), rel=1e-3, abs=2e-4)
    assert board["pareto"].dtype == bool
    assert not board.loc["hbos", "pareto"], "it has no score"
    assert board["pareto"].any()
    assert stack.fitted_.card["leaderboard"][0]["pareto"] in (True, False)


def test_megabytes_are_about_those_of_the_file(rows, binary, tmp_path):
    X = np.random.default_rng(0).normal(size=(6000, 8))
    y = (X[:, 0] * X[:, 1] + np.random.default_rng(1).normal(size=6000) > 0).astype(int)
    stack = StackClassifier(["extra_trees", "lightgbm"], "mean", folds=3, n_jobs=1).fit(X, y)
    written = stack.save(tmp_path / "a.stack").stat().st_size / 1e6
    assert stack.leaderboard_.set_index("name").loc["stack", "megabytes"] == pytest.approx(written, rel=0.1)


def test_a_layer_below_costs_the_stack_whole(classifier, rows, binary):
    stack = classifier(learners=["logistic", "extra_trees"], combiner="single", layers=2).fit(rows, binary)
    board = stack.leaderboard_
    (needed,) = stack.fitted_.combiner.learners
    counted = (board["layer"] == 1) | ((board["layer"] == 2) & (board["name"] == needed))
    found = board.loc[board["name"] == "stack", "megabytes"].item()
    assert found == pytest.approx(board.loc[counted, "megabytes"].sum(), rel=1e-3, abs=2e-4)


def test_a_learner_that_failed_costs_nothing_that_is_known(classifier, rows, binary):
    class Broken(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            raise RuntimeError("no")

        def predict(self, X):
            return X[:, 0]

    stack = classifier(learners=["logistic", ("broken", Broken())]).fit(rows, binary)
    row = stack.leaderboard_.set_index("name").loc["broken"]
    assert row[["us_per_row", "megabytes"]].isna().all()
    assert not row["pareto"]


def test_who_is_on_the_front():
    scores = np.array([0.9, 0.9, 0.8, 0.7, np.nan, 0.7])
    prices = [Price(9, 9), Price(9, 8), Price(1, 9), Price(2, 9), Price(0, 0), Price(np.nan, 1)]
    found = on_the_front(scores, prices, greater_is_better=True)
    assert found.tolist() == [False, True, True, False, False, True]
    assert on_the_front(-scores, prices, greater_is_better=False).tolist() == found.tolist()
    assert on_the_front(np.array([np.nan]), prices[:1], greater_is_better=True).tolist() == [False]


def test_equals_are_all_on_the_front():
    same = [Price(1.0, 1.0)] * 2
    assert on_the_front(np.array([0.5, 0.5]), same, greater_is_better=True).all()


def test_what_no_file_takes_has_no_size():
    class Odd:
        def to_state(self):
            return {"a": object()}

    assert np.isnan(megabytes([Odd()]))


@pytest.mark.parametrize(("width", "shown"), [(80, False), (100, True)])
def test_prices_are_printed_where_a_line_has_room(
    classifier, rows, binary, capsys, monkeypatch, width, shown
):
    stack = classifier(learners=["logistic", "extra_trees"]).fit(rows, binary)
    monkeypatch.setenv("COLUMNS", str(width))
    _print_leaderboard(stack.leaderboard_, "roc_auc")
    lines = capsys.readouterr().out.splitlines()
    assert all(("us/row" in line and "pareto" in line) == shown for line in lines if "OOF score" in line)
    assert max(map(len, lines)) <= width


def test_a_fit_from_the_cache_keeps_its_price(classifier, rows, binary, tmp_path):
    first, again = (
        classifier(learners=["logistic"], cache_dir=tmp_path).fit(rows, binary).leaderboard_ for _ in "12"
    )
    assert (first["us_per_row"] == again["us_per_row"]).all()
