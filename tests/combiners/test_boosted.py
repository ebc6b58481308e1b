from dataclasses import replace

import numpy as np
import pytest

from stackml.combiners.boosted import BoostedCombiner, FittedBoosted
from stackml.combiners.logistic import LogisticCombiner
from stackml.combiners.simplex import SimplexCombiner
from stackml.decision.base import mean_loss
from stackml.foundation.errors import StorageError


def test_without_rounds_it_is_the_linear_combiner(world):
    w = world()
    none = BoostedCombiner(most_rounds=0).fit(w.meta, w.target, w.context)
    base = LogisticCombiner().fit(w.meta, w.target, w.context)
    np.testing.assert_allclose(none.predict(w.meta), base.predict(w.meta), atol=1e-9)
    assert none.weights() == base.weights()


def conditional(world):
    """Return a world where a score tells which of two learners is right, so that no fixed weights can."""
    rng = np.random.default_rng(0)
    y = world(n=4000).target.values
    here = rng.random(4000) < 0.5
    truth, coin = np.where(y == 1, 0.85, 0.15), np.where(rng.random(4000) < 0.5, 0.85, 0.15)
    extra = {
        "a": np.where(here, truth, coin)[:, None],
        "b": np.where(here, coin, truth)[:, None],
        "noise": rng.uniform(0.3, 0.7, 4000)[:, None],
        "score_where": here[:, None].astype(float),
    }
    w = world(n=4000, extra=extra)
    return replace(w, meta=w.meta.select(list(extra)))


def test_it_learns_which_learner_is_right_where(world):
    w = conditional(world)
    boosted = BoostedCombiner().fit(w.meta, w.target, w.context)
    linear = LogisticCombiner().fit(w.meta, w.target, w.context)
    assert boosted.text
    losses = [mean_loss(f.predict(w.meta), w.target.values, w.target.problem) for f in (boosted, linear)]
    assert losses[0] < losses[1] - 0.02


def test_no_trees_where_nothing_is_left_to_learn(world):
    w = world(n=2000, noises=(0.0, 0.0, 3.0))
    fitted = BoostedCombiner().fit(w.meta, w.target, w.context)
    assert fitted.text.count("Tree=") <= 10


def test_one_class_alone_needs_no_trees(world):
    w = world()
    only = replace(w.target, values=np.ones(600, dtype=np.int64))
    assert BoostedCombiner().fit(w.meta, only, w.context).text == ""


def test_trees_read_the_learners_that_have_a_weight_alone(world):
    w = conditional(world)
    fitted = BoostedCombiner().fit(w.meta, w.target, w.context)
    assert fitted.read == ("a", "b", "score_where")
    asked = w.meta.select(fitted.learners)
    np.testing.assert_array_equal(fitted.predict(asked), fitted.predict(w.meta))


def test_a_file_of_before_starts_from_convex_weights(world):
    w = world()
    state = BoostedCombiner(most_rounds=0).fit(w.meta, w.target, w.context).to_state()
    convex = SimplexCombiner().fit(w.meta, w.target, w.context)
    old = {key: value for key, value in state.items() if key != "start"} | {"base": convex.to_state()}
    restored = FittedBoosted.from_state(old)
    np.testing.assert_allclose(restored.predict(w.meta), convex.predict(w.meta), atol=1e-9)


@pytest.mark.parametrize("start", ["ridge", ["logistic"], None])
def test_an_unknown_start_is_refused(world, start):
    w = world()
    state = BoostedCombiner(most_rounds=0).fit(w.meta, w.target, w.context).to_state()
    with pytest.raises(StorageError, match=r"what it starts from is .*; known: simplex, logistic; the file"):
        FittedBoosted.from_state(state | {"start": start})


@pytest.mark.parametrize("combiner", [LogisticCombiner(), BoostedCombiner(most_rounds=0)])
def test_a_share_too_few_is_refused(world, combiner):
    w = world()
    fitted = combiner.fit(w.meta, w.target, w.context)
    state = fitted.to_state()
    with pytest.raises(StorageError, match="shares has the shape"):
        type(fitted).from_state(state | {"shares": state["shares"][:-1]})


@pytest.mark.parametrize("against", [0.0, 0.4])
def test_it_says_whether_a_learner_counts_against_others(world, against):
    w = world("regression", n=2000)
    y, rng = w.target.values, np.random.default_rng(1)
    shared = rng.normal(size=2000)
    # What the second overdoes too is taken back from the first.
    extra = {
        "a": (y + shared)[:, None],
        "b": (0.3 * y + against * 3 * shared + rng.normal(size=2000))[:, None],
    }
    meta = world("regression", n=2000, extra=extra).meta.select(["a", "b"])
    fitted = BoostedCombiner(most_rounds=0).fit(meta, w.target, w.context)
    assert fitted.subtracts == bool(against)
    assert not SimplexCombiner().fit(meta, w.target, w.context).subtracts
