from dataclasses import replace

import numpy as np
import pytest

from stackml.combiners.base import MetaFeatures
from stackml.combiners.greedy import GreedyCombiner, climb
from stackml.combiners.mean import MeanCombiner
from stackml.combiners.simplex import SimplexCombiner, log_loss, squared_error
from stackml.combiners.simplex_solver import minimise_on_simplex, quadratic_on_simplex
from stackml.combiners.single import SingleCombiner
from stackml.foundation.errors import DataError, ParameterError
from stackml.tables.target import Problem, Target


def test_mean_is_the_mean_of_what_predicts_the_target(world):
    w = world(extra={"score_odd": np.full((600, 1), 99.0)})
    fitted = MeanCombiner().fit(w.meta, w.target, w.context)
    assert fitted.learners == ("l0", "l1", "l2", "l3")
    np.testing.assert_allclose(fitted.predict(w.meta)[:, 0], w.meta.values[:, :4].mean(axis=1), atol=1e-6)


def test_single_takes_the_best_by_the_metric_asked_for(world):
    w = world(n=1500)
    # A learner that ranks perfectly but is far off as a probability.
    ranks = (0.9 * w.target.values + 0.05) ** 8
    w = world(n=1500, extra={"ranker": ranks[:, None] * 1e-6})
    by_loss = SingleCombiner().fit(w.meta, w.target, w.context)
    by_rank = SingleCombiner().fit(w.meta, w.target, replace(w.context, metric="roc_auc"))
    assert by_loss.learners == ("l0",)
    assert by_rank.learners == ("ranker",)


def test_single_takes_the_learner_named_and_names_the_nearest(world):
    w = world()
    assert SingleCombiner("l2").fit(w.meta, w.target, w.context).weights() == {"l2": 1.0}
    with pytest.raises(ParameterError, match=r"no learner 'l22' predicts the target; did you mean 'l2'\?"):
        SingleCombiner("l22").fit(w.meta, w.target, w.context)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_simplex_recovers_known_weights(kind):
    rng = np.random.default_rng(3)
    n, truth = 40_000, np.array([0.6, 0.3, 0.1, 0.0])
    if kind == "regression":
        problem, parts = Problem("regression"), rng.normal(size=(4, n, 1))
        y = np.tensordot(truth, parts, axes=1)[:, 0] + 0.1 * rng.normal(size=n)
    else:
        k = 2 if kind == "binary" else 3
        parts = rng.dirichlet(np.full(k, 0.4), size=(4, n))
        mixed = np.tensordot(truth, parts, axes=1)
        y = (mixed.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
        problem = Problem(kind, k)
        parts = parts[:, :, 1:] if kind == "binary" else parts
    values = np.hstack(list(parts)).astype(np.float32)
    names = ("a", "b", "c", "d")
    meta = MetaFeatures(values, names, (parts.shape[2],) * 4, ("probability",) * 4, problem)
    weights = SimplexCombiner().fit(meta, Target(problem, y), None).weights()
    found = np.array([weights.get(name, 0.0) for name in names])
    np.testing.assert_allclose(found, truth, atol=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_simplex_solver_ends_where_no_weight_can_gain(seed):
    rng = np.random.default_rng(seed)
    happened = np.clip(rng.beta(2, 1, size=(300, 9)), 1e-7, 1)
    happened[:, 4] = happened[:, 3]  # twins: the minimum is not unique
    for pull in (0.0, 5.0):
        objective = log_loss(happened, np.ones(300), pull)
        w = minimise_on_simplex(objective, 9)
        value, gradient, _ = objective(w, True)
        assert w.min() >= 0
        assert w.sum() == pytest.approx(1)
        assert gradient @ w - gradient.min() < 1e-8
        others = rng.dirichlet(np.ones(9), size=200)
        assert all(objective(o, False)[0] >= value - 1e-9 for o in others)


@pytest.mark.parametrize("seed", range(20))
def test_near_copies_of_a_learner_do_not_keep_the_solver_from_ending(seed):
    rng = np.random.default_rng(seed)
    copies = rng.beta(5, 1, size=(2000, 1)) * np.exp(rng.normal(scale=0.02, size=(2000, 12)))
    objective = log_loss(np.clip(copies, 1e-6, 1 - 1e-6), np.ones(2000), 5.0)
    # No tolerance: only the rounding of the objective is left to end it.
    w = minimise_on_simplex(objective, 12, tolerance=0.0)
    _, gradient, _ = objective(w, True)
    assert gradient @ w - gradient.min() < 1e-7


def test_simplex_solver_meets_targets_far_from_zero_and_useless_learners():
    rng = np.random.default_rng(0)
    y = 1e6 + rng.normal(size=500)
    values = np.column_stack([y + 0.1 * rng.normal(size=500), np.zeros(500), y * 0 + 1e6])
    w = minimise_on_simplex(squared_error(values, y, np.ones(500), 5.0), 3)
    assert w[0] > 0.95
    assert w[1] < 1e-6


def test_quadratic_on_simplex_agrees_with_a_fine_grid():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3))
    H, c = root @ root.T, rng.normal(size=3)
    w = quadratic_on_simplex(H, c, np.full(3, 1 / 3))
    grid = np.array([(a, b, 100 - a - b) for a in range(101) for b in range(101 - a)]) / 100
    best = (0.5 * np.einsum("ni,ij,nj->n", grid, H, grid) + grid @ c).min()
    assert 0.5 * w @ H @ w + c @ w <= best + 1e-12


def test_simplex_pull_keeps_few_rows_from_deciding(world):
    w = world(n=12, folds=2)
    pulled = SimplexCombiner(pull=1000.0).fit(w.meta, w.target, w.context).weights()
    assert max(pulled.values()) - min(pulled.values()) < 0.05


def test_simplex_drops_learners_of_little_weight(world):
    rng = np.random.default_rng(0)
    w = world(n=5000, extra={"noise": rng.random((5000, 1))})
    assert "noise" not in SimplexCombiner().fit(w.meta, w.target, w.context).learners


def test_greedy_climbs_along_the_loss_with_replacement(world):
    rng = np.random.default_rng(0)
    happened = rng.beta(3, 1, size=(200, 4))
    path = climb(happened, None, np.ones(200), 10, np.arange(4))
    np.testing.assert_allclose(path.sum(axis=1), 1)
    assert path[0].argmax() == np.log(happened).mean(axis=0).argmax()
    counts = path * np.arange(1, 11)[:, None]
    np.testing.assert_allclose(np.diff(counts, axis=0).sum(axis=1), 1)


def test_greedy_beats_the_best_single_learner(world):
    w = world(n=3000, noises=(0.9, 0.9, 0.9, 1.0, 1.0, 1.0))

    def loss(fitted):
        p = fitted.predict(w.meta)[:, 0]
        return -np.log(np.where(w.target.values == 1, p, 1 - p)).mean()

    single = loss(SingleCombiner().fit(w.meta, w.target, w.context))
    for metric in ("", "roc_auc", "average_precision"):
        greedy = GreedyCombiner().fit(w.meta, w.target, replace(w.context, metric=metric))
        assert loss(greedy) < single
        assert len(greedy.learners) > 1


def test_greedy_on_a_sample_of_rare_positives_is_close_to_all_rows(world):
    w = world(n=20_000, noises=(0.5, 0.9, 2.0))
    rare = np.flatnonzero((w.target.values == 0) | (np.arange(20_000) % 40 == 0))
    meta, target = w.meta.take(rare), w.target.take(rare)
    whole = GreedyCombiner(most_rows=10**6).fit(meta, target, replace(w.context, folds=None)).weights()
    part = GreedyCombiner(most_rows=4000).fit(meta, target, replace(w.context, folds=None)).weights()
    for name in ("l0", "l1", "l2"):
        assert part.get(name, 0) == pytest.approx(whole.get(name, 0), abs=0.15)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GreedyCombiner(steps=0), "combiner 'greedy': steps=0 must be 1 or more"),
        (lambda: GreedyCombiner(share=1.5), r"combiner 'greedy': share=1.5 must lie above 0 and at most 1"),
        (lambda: SimplexCombiner(pull=-1), "combiner 'simplex': pull=-1 must be 0 or more"),
        (lambda: SimplexCombiner(prune=1.0), "combiner 'simplex': prune=1.0 must lie within 0 and 1"),
    ],
)
def test_parameters_without_meaning_are_refused(build, message):
    with pytest.raises(ParameterError, match=message):
        build()


def test_missing_predictions_are_refused_by_name_and_row(world):
    w = world()
    values = w.meta.values.copy()
    values[7, 2] = np.nan
    with pytest.raises(DataError, match=r"meta-feature 'l2' at row 7 is nan; give only rows that some fold"):
        MeanCombiner().fit(replace(w.meta, values=values), w.target, w.context)


def test_rows_that_do_not_belong_together_are_refused(world):
    w = world()
    with pytest.raises(DataError, match="600 rows of meta-features and 599 of the target do not belong"):
        MeanCombiner().fit(w.meta, w.target.take(np.arange(599)), w.context)
    none = np.arange(0)
    with pytest.raises(DataError, match="there are no rows to learn from"):
        MeanCombiner().fit(w.meta.take(none), w.target.take(none), w.context)
    with pytest.raises(DataError, match="every row has weight 0"):
        MeanCombiner().fit(w.meta, replace(w.target, weight=np.zeros(600)), w.context)


def test_scores_alone_cannot_be_averaged(world):
    w = world(extra={"score_a": np.ones((600, 1))})
    with pytest.raises(ParameterError, match=r"combiner 'mean': no learner predicts the target .*score_a"):
        MeanCombiner().fit(w.meta.select(["score_a"]), w.target, w.context)
