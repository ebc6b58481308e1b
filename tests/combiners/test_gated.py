"""A gate weighs experts by the row where that helps, and holds fixed weights where it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stackml.combiners.base import Context, MetaFeatures
from stackml.combiners.catalog import make_combiner, restore_combiner
from stackml.combiners.gate_fit import Lesson, _Task, mixed_log_loss, mixed_squared_error
from stackml.combiners.gated import FIXED, GATE
from stackml.foundation.errors import DataError, ParameterError, StorageError
from stackml.splitting.stratified import StratifiedSplitter
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

N = 1200


@dataclass(frozen=True, eq=False)
class Regimes:
    meta: MetaFeatures
    target: Target
    context: Context
    regime: np.ndarray


def regimes(kind: str = "binary", helps: bool = True, n: int = N, weight: Any = None) -> Regimes:
    """Two experts, each good in its own half of the rows (or both alike everywhere), and a poor one."""
    rng = np.random.default_rng(3)
    regime = rng.integers(0, 2, n)
    z = 2 * rng.normal(size=n)
    noise = [np.where(regime == k, 0.2, 2.5) if helps else np.full(n, 1.0) for k in (0, 1)]
    seen = [z + s * rng.normal(size=n) for s in (*noise, np.full(n, 3.0))]
    if kind == "regression":
        problem, y, made = Problem("regression"), z + 0.2 * rng.normal(size=n), [s[:, None] for s in seen]
    elif kind == "binary":
        problem, y = Problem("binary", 2), (rng.random(n) < 1 / (1 + np.exp(-3 * z))).astype(np.int64)
        made = [1 / (1 + np.exp(-3 * s[:, None])) for s in seen]
    else:
        problem, y = Problem("multiclass", 3), np.digitize(z, [-1.0, 1.0])
        made = []
        for s in seen:
            p = np.exp(-2 * (s[:, None] - np.array([-2.0, 0.0, 2.0])) ** 2 / 2) + 1e-6
            made.append(p / p.sum(axis=1, keepdims=True))
    table = Table.learn(pd.DataFrame({"k": np.where(regime == 0, "a", "b"), "x": rng.normal(size=n)}))
    label = "value" if kind == "regression" else "probability"
    values = np.hstack(made).astype(np.float32)
    widths = tuple(m.shape[1] for m in made)
    meta = MetaFeatures(values, ("one", "two", "poor"), widths, (label,) * 3, problem, table)
    folds = StratifiedSplitter(5).split(n_rows=n, y_codes=y, groups=None, time=None, seed=0)
    return Regimes(meta, Target(problem, y, weight), Context(0, "", folds), regime)


def loss(fitted, w):
    p, y = fitted.predict(w.meta), w.target.values
    if w.target.problem.is_regression:
        return float(((p[:, 0] - y) ** 2).mean())
    p = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
    return float(-np.log(np.clip(p[np.arange(len(y)), y.astype(int)], 1e-7, 1)).mean())


every_kind = pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])


@every_kind
@pytest.mark.parametrize("parameters", [{}, {"hidden": 4}, {"top_k": 2}, {"top_k": 1}], ids=str)
def test_where_each_expert_has_its_own_rows_the_gate_finds_them(kind, parameters):
    w = regimes(kind)
    fitted = make_combiner("gated", **parameters).fit(w.meta, w.target, w.context)
    fixed = make_combiner("simplex").fit(w.meta, w.target, w.context)
    assert fitted.verdict.chosen == GATE
    assert fitted.verdict.gain > 0
    assert loss(fitted, w) < 0.8 * loss(fixed, w)
    weights = pd.DataFrame(fitted.row_weights(w.meta), columns=fitted.learners)
    assert weights["one"][w.regime == 0].mean() > 0.7
    assert weights["two"][w.regime == 1].mean() > 0.7
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(), [fitted.weights()[n] for n in fitted.learners], atol=1e-9)


@every_kind
@pytest.mark.parametrize("top_k", [None, 1])
def test_where_no_row_tells_who_is_right_weights_stay_fixed(kind, top_k):
    w = regimes(kind, helps=False)
    fitted = make_combiner("gated", top_k=top_k).fit(w.meta, w.target, w.context)
    assert fitted.verdict.chosen == FIXED
    assert not fitted.weighs_rows
    assert len(fitted.learners) <= (top_k or 3)
    assert fitted.report()["calls_per_row"] == len(fitted.learners)
    if top_k is None:
        fixed = make_combiner("simplex").fit(w.meta, w.target, w.context)
        np.testing.assert_array_equal(fitted.predict(w.meta), fixed.predict(w.meta))


@pytest.mark.parametrize("top_k", [1, 2])
def test_few_experts_are_named_by_the_row_alone_and_the_others_may_be_missing(top_k):
    w = regimes()
    fitted = make_combiner("gated", top_k=top_k).fit(w.meta, w.target, w.context)
    route = fitted.route(w.meta.features)
    assert ((route > 0).sum(axis=1) <= top_k).all()
    meta = w.meta.select(fitted.learners)
    values = np.where(route > 0, meta.values, np.nan).astype(np.float32)
    np.testing.assert_array_equal(fitted.predict(replace(meta, values=values)), fitted.predict(w.meta))
    assert fitted.report()["calls_per_row"] == pytest.approx((route > 0).sum(axis=1).mean())
    assert make_combiner("gated").fit(w.meta, w.target, w.context).route(w.meta.features) is None


@every_kind
@pytest.mark.parametrize("parameters", [{}, {"hidden": 3}, {"top_k": 2}], ids=str)
def test_rows_have_no_influence_on_each_other_and_a_state_gives_the_same_bits(kind, parameters):
    w = regimes(kind)
    fitted = make_combiner("gated", **parameters).fit(w.meta, w.target, w.context)
    assert fitted.weighs_rows
    whole = fitted.predict(w.meta)
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(fitted.predict(w.meta.take(order)), whole[order])
    np.testing.assert_array_equal(fitted.predict(w.meta.take(np.array([5]))), whole[[5]])
    again = restore_combiner("gated", fitted.to_state())
    np.testing.assert_array_equal(again.predict(w.meta), whole)
    assert again.report() == fitted.report()
    turned = make_combiner("gated", **parameters).fit(
        w.meta.select(["poor", "two", "one"]), w.target, w.context
    )
    np.testing.assert_array_equal(turned.predict(w.meta), whole)


def test_a_weight_of_two_is_the_row_given_twice():
    w = regimes(n=600)
    rows = np.concatenate([np.arange(600), np.arange(0, 600, 3)])
    weight = np.where(np.arange(600) % 3 == 0, 2.0, 1.0)
    make = make_combiner("gated", falls_back=False)
    a = make.fit(w.meta, replace(w.target, weight=weight), Context())
    b = make.fit(w.meta.take(rows), w.target.take(rows), Context())
    np.testing.assert_allclose(a.gate.weigh(w.meta, a.experts), b.gate.weigh(w.meta, b.experts), atol=0.02)


@pytest.mark.parametrize("n_hidden", [0, 3])
@pytest.mark.parametrize("way", ["log loss", "squared error", "alone", "kept"])
def test_gradients_are_those_of_the_loss(n_hidden, way):
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(40, 4)), rng.random(40)
    happened = rng.uniform(0.1, 0.9, size=(40, 3))
    losses = mixed_squared_error(happened, weight, 0.3) if way == "squared error" else None
    lesson = Lesson(X, weight, losses or mixed_log_loss(happened, weight), -np.log(happened), np.zeros(3))
    among = rng.random((40, 3)).argsort(axis=1) < 2 if way == "kept" else None
    task = _Task(lesson, n_hidden, 2.0, 0.7, alone=way == "alone", among=among)
    at = 0.5 * rng.normal(size=5 * n_hidden + 3 * ((n_hidden or 4) + 1))
    _, gradient = task(at)
    step = 1e-6 * np.eye(len(at))
    slopes = [(task(at + s)[0] - task(at - s)[0]) / 2e-6 for s in step]
    np.testing.assert_allclose(gradient, slopes, atol=1e-7)


def test_a_strong_pull_evens_the_load():
    w = regimes()
    free, even = (
        make_combiner("gated", load_balance=b, falls_back=False).fit(w.meta, w.target, w.context).shares
        for b in (0.0, 100.0)
    )
    assert max(even) - min(even) < 0.05 < max(free) - min(free)


def test_a_gate_that_is_refined_and_one_of_many_classes_are_said_to_cost_more():
    plain, refined = make_combiner("gated"), make_combiner("gated", top_k=2)
    assert refined.cost(5000, 10, 1) > plain.cost(5000, 10, 1)
    assert plain.cost(5000, 10, 6) > plain.cost(5000, 10, 1)


def test_parameters_without_meaning_are_refused():
    w = regimes()
    with pytest.raises(ParameterError, match="'gated': top_k=0 must be a whole number of 1 or more"):
        make_combiner("gated", top_k=0)
    with pytest.raises(ParameterError, match=r"'gated': l2=-1.0 must be a number of 0 or more"):
        make_combiner("gated", l2=-1.0)
    with pytest.raises(ParameterError, match=r"'gated': l2=None must be a number of 0 or more"):
        make_combiner("gated", l2=None)
    with pytest.raises(ParameterError, match=r"'gated': falls_back='no' must be True or False"):
        make_combiner("gated", falls_back="no")
    assert make_combiner("gated", top_k=np.int64(2)) == make_combiner("gated", top_k=2)
    blind = replace(w.meta, features=None)
    with pytest.raises(ParameterError, match=r"top_k chooses experts by the features, .* leave top_k out"):
        make_combiner("gated", top_k=1).fit(blind, w.target, w.context)
    fitted = make_combiner("gated").fit(w.meta, w.target, w.context)
    with pytest.raises(
        DataError, match=r"these meta-features come without; give MetaFeatures\(features=table"
    ):
        fitted.predict(blind)


def test_a_tampered_state_is_refused():
    w = regimes()
    state = make_combiner("gated", top_k=2).fit(w.meta, w.target, w.context).to_state()

    def gate(**changes):
        return {**state, "gate": {**state["gate"], **changes}}

    verdict = state["verdict"]
    for bad in (
        gate(out=state["gate"]["out"][:-1]),
        gate(out=np.full_like(state["gate"]["out"], np.inf)),
        gate(start=state["gate"]["start"][:1]),
        gate(hidden=np.zeros((2, 1))),
        gate(top_k=-1),
        gate(top_k=9),
        gate(top_k=True),
        gate(mean=np.zeros(3), scale=np.zeros(3)),
        {**state, "gate": None},
        {**state, "experts": ["one", "one"]},
        {**state, "shares": -state["shares"]},
        {**state, "called": state["called"] + 1},
        {**state, "verdict": {**verdict, "chosen": "neither"}},
        {**state, "verdict": {**verdict, "chosen": FIXED}},
        {**state, "verdict": None},
        {**state, "verdict": {**verdict, "gain": "much"}},
    ):
        with pytest.raises(StorageError, match="gated"):
            restore_combiner("gated", bad)
