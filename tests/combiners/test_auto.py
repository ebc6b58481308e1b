from dataclasses import dataclass, replace
from time import perf_counter
from typing import ClassVar

import numpy as np
import pytest

from stackml.combiners.auto import DEFAULT_CANDIDATES, AutoCombiner, choose_combiner
from stackml.combiners.base import Combiner
from stackml.combiners.boosted import BoostedCombiner
from stackml.combiners.catalog import COMBINERS, make_combiner, restore_combiner
from stackml.combiners.mean import FittedMean, MeanCombiner
from stackml.combiners.nested import nested_predictions
from stackml.combiners.simplex import SimplexCombiner
from stackml.combiners.single import SingleCombiner
from stackml.decision.base import mean_loss
from stackml.foundation.errors import DataError, FitError, ParameterError, StorageError
from stackml.splitting.temporal import TemporalSplitter


@dataclass(frozen=True)
class Broken(Combiner):
    kind: ClassVar[str] = "broken"
    complexity: ClassVar[int] = 0

    def fit(self, meta, target, context):
        raise ValueError("no luck")


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_single_wins_where_one_learner_dominates(world, kind):
    # A sample can favour a combination that is nearly that learner: one of three counts.
    wins = []
    for seed in (1, 2, 3):
        w = world(kind, n=1000, noises=(0.0, 5.0, 5.0, 6.0), seed=seed)
        fitted, choice = choose_combiner(DEFAULT_CANDIDATES, w.meta, w.target, w.context)
        assert fitted.weights()["l0"] > 0.8
        wins.append(choice.chosen == "single" and fitted.learners == ("l0",))
    assert any(wins)


@pytest.mark.parametrize("metric", ["", "roc_auc", "average_precision"])
def test_a_combination_wins_where_learners_err_apart(world, metric):
    w = world("binary", n=4000, noises=(1.5,) * 5, metric=metric)
    fitted, choice = choose_combiner(DEFAULT_CANDIDATES, w.meta, w.target, w.context)
    assert choice.chosen != "single"
    assert len(fitted.learners) > 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_pure_noise_never_chooses_boosted(world, kind, seed):
    w = world(kind, n=500, seed=seed)
    chance = np.random.default_rng(seed + 100).permutation(w.target.values)
    candidates = (*DEFAULT_CANDIDATES, BoostedCombiner())
    _, choice = choose_combiner(candidates, w.meta, replace(w.target, values=chance), w.context)
    assert choice.chosen != "boosted"


def test_the_record_says_what_was_tried_and_why(world):
    w = world(metric="roc_auc")
    fitted, choice = choose_combiner(DEFAULT_CANDIDATES, w.meta, w.target, w.context)
    assert [row.candidate for row in choice.rows] == [c.kind for c in DEFAULT_CANDIDATES]
    assert [row.candidate for row in choice.rows if row.chosen] == [choice.chosen] == [fitted.kind]
    best = max(choice.rows, key=lambda row: row.score)
    assert best.difference == 0
    for row in choice.rows:
        assert row.difference == pytest.approx(best.score - row.score, abs=1e-9)
        assert row.seconds >= 0
        assert row.reason
    state = choice.to_state()
    assert state["chosen"] == choice.chosen
    assert len(state["rows"]) == len(DEFAULT_CANDIDATES)


@dataclass(frozen=True)
class Lucky(Combiner):
    """Knows nothing, except, by luck, the targets of some rows: it knows them by the first learner."""

    kind: ClassVar[str] = "lucky"
    complexity: ClassVar[int] = 0
    known: tuple = ()

    def fit(self, meta, target, context):
        return self

    def predict(self, meta):
        known = dict(self.known)
        return np.array([[known.get(float(v), 0.5)] for v in meta.values[:, 0]])


def test_no_row_is_predicted_by_a_choice_its_own_fold_took_part_in(world):
    w = world(n=600)
    y, fold = w.target.values, w.context.folds.folds[0].held_out
    base = y.mean() + 1e-4 * np.random.default_rng(0).normal(size=w.meta.values.shape)
    meta = replace(w.meta, values=base.astype(np.float32))
    lucky = Lucky(tuple((float(meta.values[i, 0]), 0.99 if y[i] else 0.01) for i in fold))
    _, choice = choose_combiner((lucky, MeanCombiner()), meta, w.target, w.context)
    assert choice.chosen == "lucky"
    mean, luck = (nested_predictions(c, meta, w.target, w.context) for c in (MeanCombiner(), lucky))
    # The other folds prefer the mean; those, in turn, are judged with the lucky one.
    np.testing.assert_array_equal(choice.nested[fold], mean[fold])
    others = np.setdiff1d(np.arange(600), fold)
    np.testing.assert_array_equal(choice.nested[others], luck[others])
    assert choice.rows[0].score > -mean_loss(choice.nested, y, w.target.problem) + 0.1


def test_with_few_folds_the_nested_output_is_that_of_the_chosen_combiner(world):
    w = world(n=400, folds=3)
    _, choice = choose_combiner((MeanCombiner(), SingleCombiner()), w.meta, w.target, w.context)
    again = nested_predictions(make_combiner(choice.chosen), w.meta, w.target, w.context)
    np.testing.assert_array_equal(choice.nested, again)


def test_after_the_deadline_no_further_candidate_is_begun(world):
    w = world(metric="roc_auc")
    past = perf_counter() - 1
    fitted, choice = choose_combiner(DEFAULT_CANDIDATES, w.meta, w.target, w.context, deadline=past)
    assert choice.chosen == fitted.kind == "simplex"
    assert np.isfinite(choice.nested).all()
    reasons = {row.candidate: row.reason for row in choice.rows}
    assert reasons.pop("simplex") == "best"
    assert set(reasons.values()) == {"not tried: no time was left"}
    # One that fails does not count as tried.
    fitted, choice = choose_combiner(
        (SimplexCombiner(), Broken()), w.meta, w.target, w.context, deadline=past
    )
    assert fitted.kind == "simplex"
    ample = choose_combiner(DEFAULT_CANDIDATES, w.meta, w.target, w.context, deadline=perf_counter() + 600)
    assert not any(row.reason.startswith("not tried") for row in ample[1].rows)


def test_a_fixed_combiner_is_a_choice_of_one(world):
    w = world()
    fitted, choice = choose_combiner((MeanCombiner(),), w.meta, w.target, w.context)
    assert isinstance(fitted, FittedMean)
    assert choice.rows[0].reason == "the only candidate"
    assert np.isfinite(choice.nested).all()


def test_a_candidate_that_fails_is_reported_and_passed_over(world):
    w = world()
    _, choice = choose_combiner((Broken(), MeanCombiner()), w.meta, w.target, w.context)
    assert choice.chosen == "mean"
    assert choice.rows[0].reason == "failed: no luck"
    assert choice.to_state()["rows"][0]["score"] is None
    with pytest.raises(FitError, match="no combiner could be fitted: broken failed: no luck"):
        choose_combiner((Broken(),), w.meta, w.target, w.context)


def test_time_folds_choose_on_the_future_alone(world):
    w = world("binary", n=1200, metric="roc_auc")
    time = np.arange(1200.0)
    folds = TemporalSplitter(3).split(n_rows=1200, y_codes=w.target.values, groups=None, time=time, seed=0)
    rows = folds.held_out_rows
    context = replace(w.context, folds=folds)
    fitted, choice = choose_combiner(DEFAULT_CANDIDATES, w.meta.take(rows), w.target.take(rows), context)
    first = folds.fold_of_row[rows] == 0
    assert np.isnan(choice.nested[first]).all()
    assert np.isfinite(choice.nested[~first]).all()
    # Two folds are left: rows' losses stand in for the folds' scores.
    assert all(row.standard_error > 0 for row in choice.rows if row.difference > 0)
    assert np.isfinite(fitted.predict(w.meta)).all()


def test_few_rows_and_one_learner_still_give_an_answer(world):
    w = world(n=24, noises=(0.5,), folds=2, metric="roc_auc")
    fitted, choice = choose_combiner(DEFAULT_CANDIDATES, w.meta, w.target, w.context)
    assert choice.chosen == "single"
    assert fitted.learners == ("l0",)
    rows = np.arange(1)
    alone, choice = choose_combiner(
        DEFAULT_CANDIDATES, w.meta.take(rows), w.target.take(rows), replace(w.context, folds=None)
    )
    assert alone.learners == ("l0",)
    assert choice.rows[0].reason.startswith("could not be compared")


def test_the_same_seed_gives_the_same_choice_and_output(world):
    w = world(n=800)
    a, first = choose_combiner(DEFAULT_CANDIDATES, w.meta, w.target, w.context)
    b, second = choose_combiner(DEFAULT_CANDIDATES, w.meta, w.target, w.context)
    assert first.chosen == second.chosen
    np.testing.assert_array_equal(first.nested, second.nested)
    np.testing.assert_array_equal(a.predict(w.meta), b.predict(w.meta))


def test_errors_name_what_is_wrong(world):
    w = world()
    with pytest.raises(ParameterError, match="there are no candidates; give at least one"):
        choose_combiner((), w.meta, w.target, w.context)
    with pytest.raises(ParameterError, match="metric 'rmse' is not made for a binary problem"):
        choose_combiner((MeanCombiner(),), w.meta, w.target, replace(w.context, metric="rmse"))
    with pytest.raises(DataError, match=r"600 rows of meta-features and 5 of the target"):
        choose_combiner((MeanCombiner(),), w.meta, w.target.take(np.arange(5)), w.context)


def test_the_catalog_makes_every_combiner_by_name():
    assert [make_combiner(entry.name).kind for entry in COMBINERS] == [entry.name for entry in COMBINERS]
    assert make_combiner("greedy", steps=3).parameters["steps"] == 3
    auto = make_combiner("auto", candidates=["mean", SingleCombiner("x")])
    assert auto.candidates == (MeanCombiner(), SingleCombiner("x"))
    own = MeanCombiner()
    assert make_combiner(own) is own
    orders = [entry.build.complexity for entry in COMBINERS]
    assert orders == sorted(orders)


def test_the_catalog_names_the_nearest():
    with pytest.raises(
        ParameterError, match=r"unknown combiner 'gredy'; did you mean 'greedy'\?; known: mean"
    ):
        make_combiner("gredy")
    with pytest.raises(ParameterError, match=r"'greedy' has no parameter 'step'; did you mean 'steps'\?"):
        make_combiner("greedy", step=3)
    with pytest.raises(ParameterError, match="combiner 'mean' is an object already"):
        make_combiner(MeanCombiner(), a=1)
    with pytest.raises(StorageError, match="stored combiner is of the unknown kind 'evil'; known: mean"):
        restore_combiner("evil", {})


def test_judging_several_costs_what_each_of_them_does() -> None:
    several = AutoCombiner((SimplexCombiner(), BoostedCombiner()))
    alone = [combiner.cost(20_000, 8, 1) for combiner in several.candidates]
    assert several.cost(20_000, 8, 1) == sum(alone)
