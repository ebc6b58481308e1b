"""A stack with a gate: only the experts chosen are called, and it can say who answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import stackml
from stackml.combiners.gate import Gate
from stackml.combiners.gated import FIXED, GATE, GatedCombiner
from stackml.datasets import load_dataset
from stackml.foundation.errors import StorageError
from stackml.stack.explaining import by_learner
from stackml.stack.file import from_state, to_state
from stackml.stack.proving import prove

LEARNERS = ["logistic", "extra_trees", "neighbors"]


@pytest.fixture(scope="module")
def regimes():
    """Rows of which nothing is said but by noisy columns and a half."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(900, 6)), columns=list("abcdef"))
    X["half"] = rng.choice(["u", "v"], 900)
    z = np.where(X["half"] == "u", 2 * X.iloc[:, :6].sum(axis=1), 6 * np.sign(X["a"] * X["b"]))
    return X, (rng.random(900) < 1 / (1 + np.exp(-z))).astype(int)


@pytest.fixture(scope="module", params=[1, 2], ids=["top 1", "top 2"])
def sparse(request, regimes):
    """A stack whose gate sends rows to all three experts, at random."""
    k = request.param
    made = GatedCombiner(top_k=2, falls_back=False)
    stack = stackml.StackClassifier(LEARNERS, made, folds=3, n_jobs=1).fit(*regimes)
    inputs = stack.fitted_.combiner.gate.inputs
    out = np.random.default_rng(5).normal(size=(inputs.n_columns + 1, 3))
    gate = Gate(inputs, np.zeros((inputs.n_columns + 1, 0)), out, np.zeros(3), k)
    even = (1 / 3,) * 3
    combiner = replace(
        stack.fitted_.combiner, experts=tuple(sorted(LEARNERS)), gate=gate, shares=even, called=even
    )
    stack.fitted_ = replace(stack.fitted_, combiner=combiner)
    return stack, k


def test_at_most_k_experts_are_called_for_a_row(sparse, regimes):
    stack, k = sparse
    table, counted = stack._table(regimes[0]), Counter()
    p = stack.fitted_.predict(table, counted=counted)
    weights = stack.member_weights(regimes[0])
    assert counted.total() <= k * len(table.numbers)
    assert dict(counted) == {n: int((weights[n] > 0).sum()) for n in counted}
    assert all(counted[name] > 50 for name in LEARNERS)
    every = stack.fitted_.combiner.predict(stack.fitted_.meta_features(table))
    np.testing.assert_allclose(p, stack.fitted_.calibrator.apply(every), atol=1e-6)


def test_neither_order_nor_batch_matters(sparse, regimes):
    stack, _ = sparse
    X = regimes[0]
    whole = stack.predict_proba(X)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_allclose(stack.predict_proba(X.iloc[order]), whole[order], atol=1e-6)
    np.testing.assert_allclose(stack.predict_proba(X[:1]), whole[:1], atol=1e-6)
    odd = X[:5].assign(half="never seen", a=np.nan)
    assert np.isfinite(stack.predict_proba(odd)).all()


def test_a_file_gives_the_same_bits(sparse, regimes, tmp_path):
    stack, _ = sparse
    again = stackml.load(stack.save(tmp_path / "gated.stack"))
    np.testing.assert_array_equal(again.predict_proba(regimes[0]), stack.predict_proba(regimes[0]))
    pd.testing.assert_frame_equal(again.member_weights(regimes[0]), stack.member_weights(regimes[0]))


def test_a_gate_that_reads_columns_that_are_not_there_is_refused(sparse):
    stack, _ = sparse
    state = to_state(stack.fitted_)
    columns = state["combiner"]["state"]["gate"]["columns"]
    columns["slots"] = columns["slots"] + 1000
    with pytest.raises((StorageError, IndexError)):
        prove(from_state(state))


@pytest.mark.parametrize("combiner", ["mean", "simplex", "single", "median", "logistic", "boosted", "gated"])
def test_every_stack_can_say_how_its_learners_count(regimes, combiner):
    X, y = regimes
    made = GatedCombiner(falls_back=False) if combiner == "gated" else combiner
    stack = stackml.StackClassifier(LEARNERS, made, folds=3, n_jobs=1).fit(X, y)
    weights = stack.member_weights(X[:50])
    assert list(weights.columns) == LEARNERS
    assert weights.index.equals(X.index[:50])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    said = stack.leaderboard_.set_index("name")["weight"].drop("stack")
    if combiner == "gated":
        assert weights.nunique().max() > 1
        np.testing.assert_allclose(stack.member_weights(X).mean(), said[LEARNERS], atol=0.1)
    else:
        np.testing.assert_allclose(weights, np.tile(said[LEARNERS], (50, 1)))


def test_an_explanation_of_rows_says_which_learner_answered(sparse, regimes):
    stack, _ = sparse
    X = regimes[0][:6]
    weights = stack.member_weights(X)
    for line in by_learner(stack.fitted_, stack._table(X), X.index, np.ones(6, dtype=np.int64)).itertuples():
        assert line.weight == pytest.approx(weights.loc[line.row, line.learner])
        assert np.isnan(line.prediction) == (line.weight == 0)


def test_on_adult_two_experts_a_row_do_as_well_as_fixed_weights_of_all(real_data, monkeypatch):
    monkeypatch.setenv("STACKML_DATA", str(real_data))
    data = load_dataset("adult")
    frame = data.frame.sample(4000, random_state=0).reset_index(drop=True)
    X, y = frame.drop(columns=[data.target]), frame[data.target]
    learners = ["lightgbm", "extra_trees", "logistic"]
    made = {"folds": 4, "n_jobs": 1}
    two = stackml.StackClassifier(learners, GatedCombiner(top_k=2), **made).fit(X[:2000], y[:2000])
    whole = stackml.StackClassifier(learners, "simplex", **made).fit(X[:2000], y[:2000])
    counted = Counter()
    two.fitted_.predict(two._table(X[2000:]), counted=counted)
    assert counted.total() <= 2 * 2000
    card = two.fitted_.card["combiners"]["gated"]
    assert card["chosen"] in (GATE, FIXED)
    assert card["calls_per_row"] <= 2 + 1e-9
    assert set(card["calls"]) == set(two.fitted_.combiner.learners)
    y_new = y[2000:].to_numpy()
    losses = [-np.log(s.predict_proba(X[2000:])[np.arange(2000), y_new]).mean() for s in (two, whole)]
    assert losses[0] < losses[1] * 1.01
