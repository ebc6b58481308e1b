"""What every combiner of the catalog keeps to, for every kind of problem."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.special import expit, softmax

from stackml.combiners.base import Context, MetaFeatures
from stackml.combiners.catalog import COMBINERS, make_combiner, restore_combiner
from stackml.combiners.nested import nested_predictions, restricted
from stackml.foundation.errors import DataError
from stackml.metrics.catalog import get_metric
from stackml.splitting.base import Fold, Folds
from stackml.splitting.stratified import StratifiedSplitter
from stackml.tables.target import Problem, Target

PROBLEMS = {
    "binary": Problem("binary", 2),
    "multiclass": Problem("multiclass", 4),
    "regression": Problem("regression"),
}
NAMES = [entry.name for entry in COMBINERS]
FIXED = {entry.name: entry.is_fixed for entry in COMBINERS}
N = 400

every = pytest.mark.parametrize("name", NAMES)
each = pytest.mark.parametrize(("name", "kind"), [(e.name, kind) for e in COMBINERS for kind in e.problems])


@cache
def case(kind: str, perfect: bool = False) -> tuple[MetaFeatures, Target, Context]:
    """Four learners of differing skill (or one perfect among noise) and an anomaly score."""
    rng = np.random.default_rng(7)
    problem = PROBLEMS[kind]
    noises = (0.0, 9.0, 9.0, 9.0) if perfect else (0.4, 0.8, 1.2, 1.6)
    if kind == "multiclass":
        z = 2 * rng.normal(size=(N, 4))
        truth = softmax((9 if perfect else 1) * z, axis=1)
        y = (truth.cumsum(axis=1) > rng.random((N, 1))).argmax(axis=1)
        made = [softmax((9 if s == 0 else 1) * z + s * rng.normal(size=z.shape), axis=1) for s in noises]
    else:
        z = 2 * rng.normal(size=(N, 1))
        sharp = 9 if perfect and kind == "binary" else 1
        made = [(sharp if s == 0 else 1) * z + s * rng.normal(size=z.shape) for s in noises]
        y = z[:, 0] + (0.02 if perfect else 0.5) * rng.normal(size=N)
        if kind == "binary":
            y = (rng.random(N) < expit(sharp * z[:, 0])).astype(np.int64)
            made = [expit(p) for p in made]
    values = np.hstack([*made, 100 * np.abs(z[:, :1]) + rng.normal(size=(N, 1))]).astype(np.float32)
    label = "value" if kind == "regression" else "probability"
    names, widths = ("gbm", "forest", "mlp", "knn", "iso"), (*[m.shape[1] for m in made], 1)
    meta = MetaFeatures(values, names, widths, (label,) * 4 + ("score",), problem)
    folds = StratifiedSplitter(4).split(n_rows=N, y_codes=y, groups=None, time=None, seed=0)
    return meta, Target(problem, y), Context(0, "", folds)


@cache
def fitted(name: str, kind: str):
    meta, target, context = case(kind)
    return make_combiner(name).fit(meta, target, context)


def check_prediction(p: np.ndarray, n_rows: int, problem: Problem) -> None:
    assert p.dtype == np.float64
    assert p.shape == (n_rows, problem.n_outputs)
    assert np.isfinite(p).all()
    if not problem.is_regression:
        assert p.min() >= 0
        assert p.max() <= 1
    if problem.kind == "multiclass":
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)


@each
def test_predictions_have_the_form_promised(name, kind):
    meta, target, _ = case(kind)
    check_prediction(fitted(name, kind).predict(meta), N, target.problem)


@each
def test_the_order_of_scored_rows_does_not_matter_and_one_row_can_be_scored(name, kind):
    meta = case(kind)[0]
    whole = fitted(name, kind).predict(meta)
    order = np.random.default_rng(1).permutation(N)
    np.testing.assert_array_equal(fitted(name, kind).predict(meta.take(order)), whole[order])
    for row in (0, 3, N - 1):
        np.testing.assert_array_equal(fitted(name, kind).predict(meta.take(np.array([row])))[0], whole[row])


@each
def test_the_order_of_learners_does_not_matter(name, kind):
    meta, target, context = case(kind)
    turned = meta.select(["iso", "knn", "gbm", "mlp", "forest"])
    whole = fitted(name, kind).predict(meta)
    np.testing.assert_array_equal(fitted(name, kind).predict(turned), whole)
    again = make_combiner(name).fit(turned, target, context)
    np.testing.assert_array_equal(again.predict(meta), whole)


@each
def test_only_the_learners_named_are_needed(name, kind):
    meta = case(kind)[0]
    model = fitted(name, kind)
    np.testing.assert_array_equal(model.predict(meta.select(model.learners)), model.predict(meta))


@each
def test_weights_are_shares_of_the_learners_needed(name, kind):
    weights = fitted(name, kind).weights()
    assert set(weights) == set(fitted(name, kind).learners) <= set(case(kind)[0].learners)
    assert all(share >= 0 for share in weights.values())
    assert sum(weights.values()) == pytest.approx(1)


@each
def test_state_round_trips_bit_for_bit(name, kind):
    meta = case(kind)[0]
    model = fitted(name, kind)
    again = restore_combiner(model.kind, model.to_state())
    np.testing.assert_array_equal(again.predict(meta), model.predict(meta))
    assert again.learners == model.learners
    assert again.weights() == model.weights()


@each
def test_input_is_never_modified(name, kind):
    meta, target, context = case(kind)
    values, y = meta.values.copy(), target.values.copy()
    frozen = replace(meta, values=meta.values.copy())
    frozen.values.setflags(write=False)
    weight = np.ones(N)
    weight.setflags(write=False)
    make_combiner(name).fit(frozen, replace(target, weight=weight), context).predict(frozen)
    np.testing.assert_array_equal(frozen.values, values)
    np.testing.assert_array_equal(target.values, y)


@each
def test_a_weight_of_two_is_the_row_given_twice(name, kind):
    meta, target, context = case(kind)
    doubled = np.arange(0, N, 3)
    weight = np.ones(N)
    weight[doubled] = 2
    rows = np.concatenate([np.arange(N), doubled])
    # Both copies stay on one side of every fold.
    fold_of = context.folds.fold_of_row[rows]
    folds = Folds(
        tuple(Fold(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(4)),
        len(rows),
        "plain",
    )
    a = make_combiner(name).fit(meta, replace(target, weight=weight), context).predict(meta)
    b = (
        make_combiner(name)
        .fit(meta.take(rows), target.take(rows), replace(context, folds=folds))
        .predict(meta)
    )
    # LightGBM bins and bounds its leaves by rows, not by their weight.
    tolerance = 0.05 if name in ("boosted", "auto") else 2e-4
    assert np.abs(a - b).mean() <= tolerance * max(1.0, float(np.abs(a).max()))


@each
def test_rows_of_weight_zero_count_nothing(name, kind):
    meta, target, context = case(kind)
    weight = np.ones(N)
    weight[::5] = 0
    model = make_combiner(name).fit(meta, replace(target, weight=weight), context)
    check_prediction(model.predict(meta), N, target.problem)
    if FIXED[name] or name in ("single", "greedy", "simplex"):
        kept = np.flatnonzero(weight)
        inner = replace(context, folds=restricted(context.folds, kept))
        without = make_combiner(name).fit(meta.take(kept), target.take(kept), inner)
        np.testing.assert_allclose(model.predict(meta), without.predict(meta), atol=1e-6)


@each
def test_a_permuted_target_scores_by_chance(name, kind):
    meta, target, context = case(kind)
    chance = replace(target, values=np.random.default_rng(5).permutation(target.values))
    folds = StratifiedSplitter(4).split(n_rows=N, y_codes=chance.values, groups=None, time=None, seed=0)
    nested = nested_predictions(make_combiner(name), meta, chance, replace(context, folds=folds))
    if kind == "regression":
        assert get_metric("r2").score(chance.values, nested[:, 0]) < 0.05
    else:
        scored = nested if kind == "multiclass" else nested[:, 0]
        assert get_metric("roc_auc").score(chance.values, scored) == pytest.approx(0.5, abs=0.08)


@each
def test_a_perfect_learner_among_noise_gets_nearly_all_weight(name, kind):
    if FIXED[name]:
        pytest.skip("it looks at no target")
    meta, target, context = case(kind, perfect=True)
    weights = make_combiner(name).fit(meta, target, context).weights()
    assert weights["gbm"] > (0.75 if name == "boosted" else 0.85)


@every
def test_a_class_without_rows_is_met(name):
    meta, target, context = case("multiclass")
    kept = np.flatnonzero(target.values != 2)
    inner = replace(context, folds=restricted(context.folds, kept))
    model = make_combiner(name).fit(meta.take(kept), target.take(kept), inner)
    check_prediction(model.predict(meta), N, target.problem)


@each
def test_extreme_predictions_stay_finite(name, kind):
    meta, target, context = case(kind)
    if kind == "regression":
        hard = replace(meta, values=(meta.values * 1e6).astype(np.float32))
        truth = replace(target, values=target.values * 1e6)
    else:
        values = meta.values.copy()
        values[:, :-1] = np.round(values[:, :-1])
        if kind == "multiclass":
            blocks = [np.eye(4)[meta.of(n).argmax(axis=1)] for n in meta.predictors]
            values[:, :-1] = np.hstack(blocks)
        hard, truth = replace(meta, values=values), target
    check_prediction(make_combiner(name).fit(hard, truth, context).predict(hard), N, target.problem)


@each
def test_missing_predictions_are_refused(name, kind):
    meta, target, context = case(kind)
    values = meta.values.copy()
    values[3, 0] = np.inf
    with pytest.raises(
        DataError, match=r"meta-feature 'gbm(_0)?' at row 3 is inf; give only rows that some fold"
    ):
        make_combiner(name).fit(replace(meta, values=values), target, context)


@each
def test_without_folds_it_still_fits(name, kind):
    meta, target, _ = case(kind)
    a = make_combiner(name).fit(meta, target, Context(seed=1)).predict(meta)
    b = make_combiner(name).fit(meta, target, Context(seed=1)).predict(meta)
    check_prediction(a, N, target.problem)
    np.testing.assert_array_equal(a, b)
