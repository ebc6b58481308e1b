from dataclasses import replace

import numpy as np

from stackml.combiners.boosted import BoostedCombiner
from stackml.combiners.simplex import SimplexCombiner
from stackml.decision.base import mean_loss


def test_without_rounds_it_is_the_convex_weights(world):
    w = world()
    none = BoostedCombiner(most_rounds=0).fit(w.meta, w.target, w.context)
    base = SimplexCombiner().fit(w.meta, w.target, w.context)
    np.testing.assert_allclose(none.predict(w.meta), base.predict(w.meta), atol=1e-9)
    assert none.weights() == base.weights()


def test_it_learns_which_learner_is_right_where(world):
    rng = np.random.default_rng(0)
    w = world(n=4000)
    y = w.target.values
    here = rng.random(4000) < 0.5
    # A score tells which of two learners knows: no fixed weights can use that.
    good = np.where(y == 1, 0.85, 0.15)
    a, b = np.where(here, good, 0.5), np.where(here, 0.5, good)
    lost = np.where(rng.random(4000) < 0.5, a, b)
    extra = {"a": lost[:, None], "b": b[:, None], "score_where": here[:, None].astype(float)}
    w = world(n=4000, extra=extra)
    meta = w.meta.select(["a", "b", "score_where"])
    boosted = BoostedCombiner().fit(meta, w.target, w.context)
    simplex = SimplexCombiner().fit(meta, w.target, w.context)
    assert boosted.text
    losses = [mean_loss(f.predict(meta), y, w.target.problem) for f in (boosted, simplex)]
    assert losses[0] < losses[1] - 0.02


def test_no_trees_where_nothing_is_left_to_learn(world):
    w = world(n=2000, noises=(0.0, 0.0, 3.0))
    fitted = BoostedCombiner().fit(w.meta, w.target, w.context)
    assert fitted.text.count("Tree=") <= 10


def test_one_class_alone_needs_no_trees(world):
    w = world()
    only = replace(w.target, values=np.ones(600, dtype=np.int64))
    assert BoostedCombiner().fit(w.meta, only, w.context).text == ""
