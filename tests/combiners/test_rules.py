"""Rules without a meta-learner: what they compute, and that no row has an influence on another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import stackml
from stackml.combiners.catalog import make_combiner, restore_combiner
from stackml.combiners.rules import Reference, rule
from stackml.foundation.errors import ParameterError, StorageError
from stackml.tables.target import Problem

BINARY, THREE, NUMBER = Problem("binary", 2), Problem("multiclass", 3), Problem("regression")


def column(*values: float) -> np.ndarray:
    """Outputs of several models for one row and one output."""
    return np.array(values, dtype=np.float64)[:, None, None]


def test_the_weighted_median_is_the_middle_of_the_weight():
    median = rule("median", NUMBER)
    assert median(column(1, 9, 2), np.ones(3)) == 2
    assert median(column(1, 9, 2, 4), np.ones(4)) == 3
    assert median(column(1, 9, 2), np.array([1.0, 3.0, 1.0])) == 9
    assert median(column(1, 9), np.array([1.0, 1.0])) == 5
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, 50, 1))
    np.testing.assert_allclose(median(outputs, np.full(6, 0.1)), np.median(outputs, axis=0))


def test_the_geometric_mean_is_that_of_both_classes_made_to_sum_to_one():
    p = np.array([0.2, 0.6])
    up, down = np.sqrt(p.prod()), np.sqrt((1 - p).prod())
    assert rule("geometric", BINARY)(column(*p), np.ones(2))[0, 0] == pytest.approx(up / (up + down))
    outputs = np.array([[[0.5, 0.3, 0.2]], [[0.1, 0.8, 0.1]]])
    expected = np.sqrt(outputs.prod(axis=0))
    np.testing.assert_allclose(rule("geometric", THREE)(outputs, np.ones(2)), expected / expected.sum())


def test_votes_are_shares_and_a_torn_model_divides_its_vote():
    vote = rule("vote", BINARY)
    assert vote(column(0.51, 0.49, 0.9), np.ones(3))[0, 0] == pytest.approx(2 / 3)
    assert vote(column(0.5, 0.9), np.ones(2))[0, 0] == pytest.approx(0.75)
    assert vote(column(0.4, 0.9, 0.3), np.array([1.0, 4.0, 1.0]))[0, 0] == pytest.approx(4 / 6)
    outputs = np.array([[[0.4, 0.4, 0.2]], [[0.1, 0.2, 0.7]]])
    np.testing.assert_allclose(rule("vote", THREE)(outputs, np.ones(2)), [[0.25, 0.25, 0.5]])


def test_of_classes_with_as_many_votes_the_first_is_predicted():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=200)})
    y = np.where(X["x"] + rng.normal(size=200) > 0, "yes", "no")
    stack = stackml.StackClassifier(["logistic", "neighbors"], "vote", folds=2, calibration="none", n_jobs=1)
    p = stack.fit(X, y).predict_proba(X)
    assert set(p[:, 0]) == {0.0, 0.5, 1.0}
    assert set(stack.predict(X)[p[:, 0] == 0.5]) == {"no"}


@pytest.mark.parametrize("problem", [BINARY, THREE, NUMBER], ids=lambda p: p.kind)
def test_rank_mean_keeps_the_order_of_one_model_and_forgets_its_scale(problem):
    rng = np.random.default_rng(1)
    if problem.kind == "multiclass":
        outputs = rng.dirichlet(np.ones(3), size=(1, 400))
    else:
        outputs = rng.random((1, 400, 1))
    reference = Reference.learn(outputs)
    found = rule("rank_mean", problem, reference)(outputs, np.ones(1))
    np.testing.assert_allclose(found, outputs[0], atol=1e-9)
    bent = np.concatenate([outputs, outputs**5])
    both = rule("rank_mean", problem, Reference.learn(bent))(bent, np.ones(2))
    for k in range(outputs.shape[2]) if problem.kind != "multiclass" else ():
        assert (np.argsort(both[:, k]) == np.argsort(outputs[0, :, k])).all()


def test_ranks_are_taken_against_what_was_seen_and_never_against_the_batch(world):
    w = world(n=3000)
    fitted = make_combiner("rank_mean").fit(w.meta, w.target, w.context)
    assert fitted.reference.sizes.max() <= 1025
    whole = fitted.predict(w.meta)
    np.testing.assert_array_equal(fitted.predict(w.meta.take(np.array([7]))), whole[[7]])
    high = replace(w.meta, values=np.ones_like(w.meta.values))
    assert (fitted.predict(high) == fitted.predict(high.take(np.array([0])))).all()


def test_weights_are_given_by_name_and_zero_leaves_a_learner_out(world):
    w = world()
    fitted = make_combiner("mean", weights={"l0": 3, "l2": 0, "l3": 0}).fit(w.meta, w.target, w.context)
    assert fitted.weights() == {"l0": 0.75, "l1": 0.25}
    expected = 0.75 * w.meta.of("l0") + 0.25 * w.meta.of("l1")
    np.testing.assert_allclose(fitted.predict(w.meta), expected, atol=1e-6)
    assert make_combiner("vote", weights={"l0": 2}) == make_combiner("vote", weights=(("l0", 2.0),))
    assert len({make_combiner("mean", weights={"l0": 2}), make_combiner("mean")}) == 2


def test_parameters_without_meaning_are_refused(world):
    w = world()
    with pytest.raises(ParameterError, match=r"'vote': no learner 'l00' predicts .* did you mean 'l0'\?"):
        make_combiner("vote", weights={"l00": 2}).fit(w.meta, w.target, w.context)
    with pytest.raises(
        ParameterError, match=r"'median': the weight of 'l0' is -1.0; give a number of 0 or more"
    ):
        make_combiner("median", weights={"l0": -1})
    for given in ([2, 1, 1], {"l0": "twice"}, {"l0": None}, 2):
        with pytest.raises(ParameterError, match=r"'mean': weights=.* give them by name"):
            make_combiner("mean", weights=given)
    with pytest.raises(ParameterError, match="every learner has weight 0; leave one above 0"):
        make_combiner("mean", weights=dict.fromkeys(w.meta.learners, 0)).fit(w.meta, w.target, w.context)
    with pytest.raises(ParameterError, match=r"unknown rule 'medain'; did you mean 'median'\?"):
        rule("medain", BINARY)
    with pytest.raises(
        ParameterError, match="ranks are taken against predictions seen before; give reference="
    ):
        rule("rank_mean", BINARY)
    with pytest.raises(
        ParameterError, match=r"weights \[0.0, 0.0\]: each must be a finite number of 0 or more"
    ):
        rule("mean", BINARY)(column(0.1, 0.2), np.zeros(2))


@pytest.mark.parametrize("name", ["mean", "median", "geometric", "vote", "rank_mean"])
def test_what_is_not_of_the_same_models_is_refused(name):
    rng = np.random.default_rng(0)
    outputs = rng.random((4, 50, 1))
    combine = rule(name, BINARY, Reference.learn(outputs))
    with pytest.raises(ParameterError, match="5 weights for the predictions of 4 models; give one for each"):
        combine(outputs, np.ones(5))
    with pytest.raises(ParameterError, match=r"shape \(4, 50, 3\): a binary problem wants"):
        combine(rng.random((4, 50, 3)), np.ones(4))
    if name == "rank_mean":
        with pytest.raises(ParameterError, match="the reference is of 4 models of 1 outputs"):
            combine(outputs[:2], np.ones(2))


@pytest.mark.parametrize("name", ["vote", "geometric"])
def test_rules_of_classes_refuse_numbers(world, name):
    w = world("regression")
    with pytest.raises(ParameterError, match=f"'{name}' combines .* and the target is a number; use 'mean'"):
        make_combiner(name).fit(w.meta, w.target, w.context)


def test_a_tampered_reference_is_refused(world):
    w = world()
    state = make_combiner("rank_mean").fit(w.meta, w.target, w.context).to_state()

    def tampered(**changes):
        return {**state, "reference": {**state["reference"], **changes}}

    knots, sizes = state["reference"]["knots"], state["reference"]["sizes"]
    for bad in (
        tampered(knots=knots[::-1].copy()),
        tampered(knots=np.full_like(knots, np.nan)),
        tampered(levels=state["reference"]["levels"] + 1),
        tampered(sizes=sizes[:2]),
        tampered(sizes=sizes + 1),
        tampered(sizes=sizes.astype(float)),
        tampered(sizes=-sizes),
    ):
        with pytest.raises(StorageError, match="rank_mean"):
            restore_combiner("rank_mean", bad)


@pytest.mark.parametrize("combiner", ["vote", "median", "geometric", "rank_mean"])
def test_a_stack_with_a_rule_is_the_same_after_a_file(tmp_path, combiner):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    y = (X["a"] + rng.normal(size=300) > 0).astype(int)
    stack = stackml.StackClassifier(["logistic", "lightgbm", "neighbors"], combiner, folds=3, n_jobs=1)
    stack.fit(X, y)
    again = stackml.load(stack.save(tmp_path / "a.stack"))
    np.testing.assert_array_equal(again.predict_proba(X), stack.predict_proba(X))
