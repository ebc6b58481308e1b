from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit, softmax

from stackml.combiners.base import Context, MetaFeatures
from stackml.combiners.boosted import BoostedCombiner
from stackml.combiners.linear_choice import informed, rises_without
from stackml.combiners.linear_design import LinearDesign
from stackml.combiners.linear_fit import Rowwise, fit_linear, losses_of, predict_linear
from stackml.combiners.logistic import FittedLogistic, LogisticCombiner, rowwise
from stackml.combiners.passthrough import FittedColumns
from stackml.decision.base import mean_loss
from stackml.foundation.errors import DataError, ParameterError
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target


def test_a_strong_penalty_gives_the_mean_of_logits(world):
    w = world()
    fitted = LogisticCombiner(penalties=(1e12,)).fit(w.meta, w.target, w.context)
    np.testing.assert_allclose(fitted.coefficients[:4], 0.25, atol=1e-6)
    assert all(share > 0 for share in fitted.weights().values())


def test_it_mends_learners_that_are_too_timid(world):
    w = world("binary", n=5000, noises=(0.3, 0.3))
    timid = expit(logit(w.meta.values.astype(float)) / 4).astype(np.float32)
    meta = replace(w.meta, values=timid)
    fitted = LogisticCombiner().fit(meta, w.target, w.context)
    plain = mean_loss(timid.mean(axis=1, keepdims=True), w.target.values, w.target.problem)
    assert mean_loss(fitted.predict(meta), w.target.values, w.target.problem) < plain - 0.05


def test_few_rows_keep_learners_alike_near_the_mean_and_many_rows_part_them(world):
    few = world(n=80, noises=(0.7,) * 6)
    many = world(n=20_000, noises=(0.2, 2.0))
    drawn = [LogisticCombiner(prune=0.0).fit(w.meta, w.target, w.context) for w in (few, many)]
    np.testing.assert_allclose(drawn[0].coefficients[:6], 1 / 6, atol=0.15)
    assert drawn[1].penalty < 1000
    assert drawn[1].weights()["l0"] > 0.9


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_nonnegative_keeps_every_weight_at_zero_or_more(world, kind):
    w = world(kind, n=800)
    # A learner that says the opposite: a free fit would subtract it.
    against = -w.meta.of("l0") if kind == "regression" else w.meta.of("l0")[:, ::-1]
    against = 1 - against if kind == "binary" else against
    w = world(kind, n=800, extra={"against": against})
    kept = LogisticCombiner(penalties=(1.0,), nonnegative=True).fit(w.meta, w.target, w.context)
    assert (kept.coefficients[: len(kept.design.predictors)] > 0).all()
    # Nor is it subtracted where weights are free: it does not go with the target.
    free = LogisticCombiner(penalties=(1.0,)).fit(w.meta, w.target, w.context)
    for fitted in (kept, free):
        assert "against" not in fitted.learners
        assert np.isfinite(fitted.predict(w.meta.select(fitted.learners))).all()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_what_one_learner_overdoes_another_takes_back(world, kind):
    w = world(kind, n=8000, noises=(0.0,))
    shift = np.random.default_rng(1).normal(size=(8000, w.meta.values.shape[1]))
    link, back = (logit, expit) if kind == "binary" else (np.log, lambda z: softmax(z, axis=1))
    if kind == "regression":
        link = back = np.asarray
    clean = link(w.meta.values.astype(np.float64))
    values = [back(clean + part * shift) for part in (0.5, 1.0)]
    width = w.meta.widths[0]
    meta = MetaFeatures(
        np.hstack(values).astype(np.float32),
        ("little", "much"),
        (width, width),
        w.meta.kinds * 2,
        w.meta.problem,
    )
    losses = {}
    for free in (True, False):
        combiner = LogisticCombiner(nonnegative=not free)
        fitted = combiner.fit(meta.take(np.arange(4000)), w.target.take(np.arange(4000)), Context(0))
        asked = meta.take(np.arange(4000, 8000)).select(fitted.learners)
        losses[free] = mean_loss(fitted.predict(asked), w.target.values[4000:], w.target.problem)
        if free:
            assert fitted.coefficients[0] > 1 > 0 > fitted.coefficients[1]
    assert losses[True] < 0.97 * losses[False]


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_learner_without_which_the_loss_hardly_rises_is_left_out(world, kind):
    w = world(kind, n=4000, noises=(0.3, 0.3, 1.5))
    width = w.meta.widths[0]
    copy = w.meta.of("l0") * np.float32(0.999) + np.float32(1e-4)
    w = world(kind, n=4000, noises=(0.3, 0.3, 1.5), extra={"copy": copy})
    fitted, whole = (
        LogisticCombiner(penalties=(1.0,), prune=prune).fit(w.meta, w.target, w.context)
        for prune in (1e-4, 0.0)
    )
    assert len({"l0", "copy"} & set(fitted.learners)) == 1
    assert "l1" in fitted.learners
    loss, least = (
        mean_loss(f.predict(w.meta.select(f.learners)), w.target.values, w.target.problem)
        for f in (fitted, whole)
    )
    assert loss < 1.001 * least
    assert len(fitted.predict(w.meta.select(fitted.learners))[0]) == width


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_rises_of_the_loss_are_about_those_of_fitting_again(world, kind, shift):
    w = world(kind, n=3000, noises=(0.5, 0.6, 0.9, 1.6))
    if kind == "regression":  # learners and target may be far from 0
        moved = (w.meta.values + shift).astype(np.float32), w.target.values + shift
        w = replace(w, meta=replace(w.meta, values=moved[0]), target=replace(w.target, values=moved[1]))
    data = rowwise(LinearDesign.learn(w.meta, None), w.meta, w.target)
    free = np.zeros(4, dtype=bool)
    found = fit_linear(data, 1e-3, free)

    def loss(rows, coefficients):
        return losses_of(rows, predict_linear(rows, coefficients)).sum()

    rises = rises_without(data, found)
    again = [data.only([j for j in range(4) if j != i]) for i in range(4)]
    real = [loss(others, fit_linear(others, 1e-3, free[:3])) - loss(data, found) for others in again]
    np.testing.assert_allclose(rises, real, rtol=0.5, atol=0.05)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_of_copies_one_is_left_on_few_rows_too(world, kind):
    w = world(kind, n=400, noises=(0.5,))
    copies = np.hstack([w.meta.values] * 4)
    names = tuple("abcd")
    meta = MetaFeatures(copies, names, w.meta.widths * 4, w.meta.kinds * 4, w.meta.problem)
    fitted = LogisticCombiner(penalties=(1.0,)).fit(meta, w.target, w.context)
    assert len(fitted.learners) == 1


def test_rows_of_one_group_count_once():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 100)
    of_group = rng.normal(size=(200, 40))[:, groups]
    y = rng.normal(size=40)[groups]
    data = Rowwise(of_group[:, :, None], np.zeros((4000, 0)), y, np.ones(4000), Problem("regression"))
    assert informed(data).mean() > 0.1
    assert informed(data, groups).mean() < 0.02
    assert not informed(data.take(np.arange(5))).any()


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_bounded_weights_are_of_least_loss(world, kind):
    w = world(kind, n=300, noises=(0.5, 0.6, 0.7, 3.0))
    flipped = w.meta.values.copy()
    flipped[:, 1:3] = -flipped[:, 1:3] if kind == "regression" else 1 - flipped[:, 1:3]
    meta = replace(w.meta, values=flipped)
    data = rowwise(LinearDesign.learn(meta, None), meta, w.target)
    bounded = np.ones(4, dtype=bool)
    found = fit_linear(data, 1.0, bounded)
    assert (found[:4] >= 0).all()
    assert (found[1:3] == 0).all()
    np.testing.assert_allclose(found, fit_linear(data, 1.0, bounded, found), atol=1e-6)

    def value(b):
        z = predict_linear(data, b)
        losses = losses_of(data, z)
        if kind == "regression":
            centred = w.target.values - w.target.values.mean()
            plain = data.links[:, :, 0].T @ data.prior()[:4]
            variance = ((centred - plain + plain.mean()) ** 2).mean()
            return 0.5 * losses.sum() + 0.5 * variance * ((b[:4] - 0.25) ** 2).sum()
        return losses.sum() + 0.5 * ((b[:4] - 0.25) ** 2).sum() + 5e-4 * b[4] ** 2

    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 0.1) * 30:
        other = found + size * rng.normal(size=5)
        other[:4] = np.maximum(other[:4], 0)
        assert value(found) <= value(other) + 1e-9


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("penalties", [(1.0,), LogisticCombiner().penalties])
def test_learners_that_lean_against_any_kind_of_target_are_not_turned_round(world, kind, penalties):
    w = world(kind, n=600, noises=(0.5, 0.7))
    values = -w.meta.values if kind == "regression" else 1 - w.meta.values
    if kind == "multiclass":
        values = np.hstack([p / p.sum(axis=1, keepdims=True) for p in (values[:, :3], values[:, 3:])])
    against = replace(w.meta, values=values.astype(np.float32))
    fitted = LogisticCombiner(penalties=penalties).fit(against, w.target, w.context)
    predicted = fitted.predict(against.select(fitted.learners))
    assert np.ptp(predicted, axis=0).max() < 0.1


def test_many_classes_with_scores_alone_have_a_combiner(world):
    w = world("multiclass", extra={"score": np.random.default_rng(0).normal(size=(600, 1))})
    meta = w.meta.select(["score"])
    predicted = LogisticCombiner().fit(meta, w.target, w.context).predict(meta)
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0)


def test_learners_that_all_lean_against_the_target_are_not_turned_round(world):
    w = world(n=300, noises=(0.5, 0.7))
    against = replace(w.meta, values=1 - w.meta.values)
    fitted = LogisticCombiner(penalties=(1.0,)).fit(against, w.target, w.context)
    assert fitted.learners == ("l0", "l1")
    np.testing.assert_allclose(fitted.predict(against), w.target.values.mean(), atol=0.01)
    # Nor is a combiner left without learners where features are passed through.
    hint = w.target.values + np.random.default_rng(1).normal(size=300)
    against = replace(against, features=Table.learn(pd.DataFrame({"hint": hint})))
    fitted = LogisticCombiner(penalties=(1.0,)).fit(against, w.target, w.context)
    assert fitted.weights() == {"l0": 0.5, "l1": 0.5}


def test_ridge_does_not_depend_on_the_unit_or_the_origin_of_the_target(world):
    w = world("regression")
    scaled = replace(w.meta, values=(w.meta.values * 1000 + 5000).astype(np.float32))
    target = replace(w.target, values=w.target.values * 1000 + 5000)
    a = LogisticCombiner().fit(w.meta, w.target, w.context).predict(w.meta)
    b = LogisticCombiner().fit(scaled, target, w.context).predict(scaled)
    np.testing.assert_allclose(b, a * 1000 + 5000, rtol=1e-3, atol=1.0)


def test_scores_help_though_they_are_on_a_scale_of_their_own(world):
    w = world(n=3000, noises=(2.0, 2.5))
    score = (w.target.values + 0.5 * np.random.default_rng(5).normal(size=3000))[:, None] * 1e4 + 7
    w = world(n=3000, noises=(2.0, 2.5), extra={"score_x": score})
    fitted = LogisticCombiner().fit(w.meta, w.target, w.context)
    assert fitted.weights()["score_x"] > 0.5
    alone = LogisticCombiner().fit(w.meta.select(["score_x"]), w.target, w.context)
    assert alone.learners == ("score_x",)
    assert mean_loss(alone.predict(w.meta), w.target.values, w.target.problem) < 0.5


def test_a_constant_score_does_no_harm(world):
    w = world(extra={"score_flat": np.full((600, 1), 3.0)})
    fitted = LogisticCombiner().fit(w.meta, w.target, w.context)
    moved = w.meta.values.copy()
    moved[:, 4] = 1e6
    np.testing.assert_array_equal(fitted.predict(w.meta), fitted.predict(replace(w.meta, values=moved)))


@pytest.mark.parametrize("combiner", [LogisticCombiner(), BoostedCombiner()])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_features_passed_through_are_used(world, combiner, kind):
    w = world(kind, n=2000, noises=(1.5, 2.0))
    rng = np.random.default_rng(2)
    hint = w.target.values + 0.2 * rng.normal(size=2000)
    hint[::17] = np.nan
    frame = pd.DataFrame({"hint": hint, "flat": 1.0, "colour": rng.choice(["red", "green", "blue"], 2000)})
    frame.loc[::19, "colour"] = None
    table = Table.learn(frame)
    with_features = replace(w.meta, features=table)
    plain = combiner.fit(w.meta, w.target, w.context).predict(w.meta)
    fitted = combiner.fit(with_features, w.target, w.context)
    better = fitted.predict(with_features)
    problem = w.target.problem
    assert mean_loss(better, w.target.values, problem) < 0.8 * mean_loss(plain, w.target.values, problem)
    # An unseen category and a missing number are met.
    odd = Table.of(pd.DataFrame({"hint": [np.nan], "flat": [1.0], "colour": ["mauve"]}), table.schema)
    one = fitted.predict(replace(w.meta.take(np.array([0])), features=odd))
    assert np.isfinite(one).all()
    with pytest.raises(DataError, match="it was fitted with the features passed through"):
        fitted.predict(w.meta)
    again = type(fitted).from_state(fitted.to_state())
    np.testing.assert_array_equal(again.predict(with_features), better)


def test_columns_leave_out_what_says_nothing_and_what_has_many_codes():
    frame = pd.DataFrame(
        {
            "flat": [1.0] * 60,
            "number": np.arange(60.0),
            "id": [f"c{i}" for i in range(60)],
            "sex": ["f", "m"] * 30,
        }
    )
    table = Table.learn(frame)
    columns = FittedColumns.learn(table)
    assert len(columns.slots) == 1
    assert len(columns.indicators) == 2
    read = columns.read(table)
    assert read[0].mean() == pytest.approx(0, abs=1e-9)
    assert read[0].std() == pytest.approx(1)


def test_one_class_alone_gives_a_finite_answer(world):
    w = world()
    only = replace(w.target, values=np.zeros(600, dtype=np.int64))
    p = LogisticCombiner().fit(w.meta, only, w.context).predict(w.meta)
    assert np.isfinite(p).all()
    assert p.mean() < 0.05


def test_separable_rows_give_finite_weights():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    from stackml.combiners.base import MetaFeatures

    values = np.column_stack([y, 1 - y, rng.random(200)]).astype(np.float32)
    problem = Problem("binary", 2)
    meta = MetaFeatures(values, ("a", "b", "c"), (1, 1, 1), ("probability",) * 3, problem)
    fitted = LogisticCombiner().fit(meta, Target(problem, y), Context())
    assert isinstance(fitted, FittedLogistic)
    assert np.isfinite(fitted.coefficients).all()
    assert ((fitted.predict(meta)[:, 0] > 0.5) == y).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LogisticCombiner(penalties=()), r"penalties=\(\) must be one or more numbers above 0"),
        (
            lambda: LogisticCombiner(penalties=(0.0,)),
            r"penalties=\(0.0,\) must be one or more numbers above 0",
        ),
        (lambda: LogisticCombiner(most_rows=0), "most_rows=0 must be 1 or more"),
        (lambda: BoostedCombiner(leaves=1), "combiner 'boosted': leaves=1 must be 2 or more"),
        (lambda: BoostedCombiner(rate=0), "combiner 'boosted': rate=0 must lie above 0 and at most 1"),
    ],
)
def test_parameters_without_meaning_are_refused(build, message):
    with pytest.raises(ParameterError, match=message):
        build()
