"""What every way of merging keeps to, and what aligning units never changes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import ParameterError
from stackml.learners.base import Budget
from stackml.learners.catalog import LEARNERS, restore_learner
from stackml.merging import MERGES, Context, align, make_merge
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

every = pytest.mark.parametrize("name", list(MERGES))
weighted = pytest.mark.parametrize("name", [n for n, entry in MERGES.items() if entry.build.takes_weights])
SHAPES = {"weights": (6, 5), "bias": (5,), "head": (2, 5, 1), "single": (1,)}


def models(n: int = 3, dtype: type = np.float32) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    return [
        {name: np.asarray(rng.normal(size=shape), dtype) for name, shape in SHAPES.items()} for _ in range(n)
    ]


def context(seed: int = 0, **more) -> Context:
    """Score a model by how near it lies to some place."""
    return Context(
        score=lambda arrays, weights: -float(np.abs(arrays["weights"] - 0.3).sum()), seed=seed, **more
    )


def equal(a, b) -> bool:
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() for k in a
    )


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_merged_with_itself_is_itself(name, dtype):
    (model,) = models(1, dtype)
    found = make_merge(name).merge([model, model, model], None, context())
    assert equal(found.arrays, model)


@every
def test_one_model_is_itself(name):
    (model,) = models(1)
    assert equal(make_merge(name).merge([model], None, context()).arrays, model)


@every
def test_names_shapes_and_types_stay_and_weights_sum_to_one(name):
    given = models()
    found = make_merge(name).merge(given, None, context())
    assert {k: (v.shape, v.dtype) for k, v in found.arrays.items()} == {
        k: (v.shape, v.dtype) for k, v in given[0].items()
    }
    assert all(np.isfinite(v).all() for v in found.arrays.values())
    assert len(found.weights) == 3
    assert min(found.weights) >= 0
    assert sum(found.weights) == pytest.approx(1)


@every
def test_the_order_of_models_does_not_matter_where_the_method_says_so(name):
    merge, given = make_merge(name), models()
    if merge.order_matters:
        pytest.skip("each model is given draws of its own, by its place")
    first = merge.merge(given, None, context())
    for order in permutations(range(3)):
        found = merge.merge([given[i] for i in order], None, context())
        for key, array in first.arrays.items():
            np.testing.assert_allclose(found.arrays[key], array, atol=1e-6)
        assert [found.weights[order.index(i)] for i in range(3)] == pytest.approx(first.weights)


@weighted
def test_weights_count_by_their_shares_and_a_weight_of_0_leaves_a_model_out(name):
    given = models()
    merge = make_merge(name)
    a, b = (merge.merge(given, w, context()) for w in ((2, 1, 1), (0.5, 0.25, 0.25)))
    assert equal(a.arrays, b.arrays)
    assert a.weights == (0.5, 0.25, 0.25)
    if not merge.reads_base:
        alone = merge.merge(given, (0, 1, 0), context())
        for key, array in given[1].items():
            np.testing.assert_allclose(alone.arrays[key], array, atol=1e-6)


@weighted
@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ((1, 1), "2 weights for 3 models"),
        ((1, -1, 1), "0 or more"),
        ((0, 0, 0), "not all 0"),
        ((1, np.nan, 1), "finite"),
        (("a", 1, 1), "one number for each"),
        (3, "one number for each"),
    ],
)
def test_weights_without_a_meaning_are_refused(name, weights, says):
    with pytest.raises(ParameterError, match=says):
        make_merge(name).merge(models(), weights, context())


@every
def test_the_first_mismatch_is_named(name):
    merge, given = make_merge(name), models()
    with pytest.raises(ParameterError, match=r"'bias' has the shape \(5,\) in model 1 and \(4,\) in model 2"):
        merge.merge([given[0], {**given[1], "bias": np.zeros(4, np.float32)}], None, context())
    with pytest.raises(ParameterError, match="model 1 has the array 'bias', model 3 has not"):
        merge.merge([given[0], given[1], {k: v for k, v in given[2].items() if k != "bias"}], None, context())
    with pytest.raises(ParameterError, match="model 2 has the array 'more', model 1 has not"):
        merge.merge([given[0], {**given[1], "more": np.zeros(1)}], None, context())
    with pytest.raises(ParameterError, match="'single' of model 2 holds a value that is not finite"):
        merge.merge([given[0], {**given[1], "single": np.full(1, np.nan)}], None, context())
    with pytest.raises(ParameterError, match="'single' of model 2 is not an array of floats"):
        merge.merge([given[0], {**given[1], "single": np.zeros(1, int)}], None, context())
    with pytest.raises(ParameterError, match="no model"):
        merge.merge([], None, context())


@every
def test_models_are_not_changed_and_the_seed_decides(name):
    given = models()
    kept = [{k: v.copy() for k, v in model.items()} for model in given]
    merge = make_merge(name)
    a, b = merge.merge(given, None, context(5)), merge.merge(given, None, context(5))
    assert equal(a.arrays, b.arrays)
    assert all(equal(model, before) for model, before in zip(given, kept, strict=True))
    other = merge.merge(given, None, context(6))
    assert equal(a.arrays, other.arrays) == (not name.startswith("dare"))


@every
def test_what_a_method_needs_and_does_not_take_is_said(name):
    merge = make_merge(name)
    if merge.needs_score:
        with pytest.raises(ParameterError, match="give X= and y="):
            merge.merge(models(), None, Context())
    if not merge.takes_weights:
        with pytest.raises(ParameterError, match="leave out weights"):
            merge.merge(models(), (1, 1, 1), context())
    if merge.reads_base:
        with pytest.raises(ParameterError, match="the base has not"):
            merge.merge(models(), None, Context(base={"weights": models(1)[0]["weights"]}))
        with pytest.raises(ParameterError, match=r"density must be in \(0, 1\]"):
            make_merge(name, density=0.0)
        whole = make_merge(name, density=1.0, scale=1.0)
        (model,) = models(1)
        base = {k: v + 1 for k, v in model.items()}
        found = whole.merge([model, model], None, Context(base=base))
        for key, array in model.items():
            np.testing.assert_allclose(found.arrays[key], array, atol=1e-6)


def test_unknown_names_are_met_with_the_nearest_known_one():
    with pytest.raises(ParameterError, match="did you mean 'slerp'"):
        make_merge("slrp")
    with pytest.raises(ParameterError, match="did you mean 'density'"):
        make_merge("ties", densty=0.3)
    with pytest.raises(ParameterError, match="is an object already"):
        make_merge(make_merge("ties"), density=0.3)


AXES = {"in": (None, "hidden"), "bias": ("hidden",), "mid": ("hidden", "second"), "out": ("second", None)}


def network(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"in": (4, 8), "bias": (8,), "mid": (8, 6), "out": (6, 2)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def answers(net: dict[str, np.ndarray]) -> np.ndarray:
    rows = np.random.default_rng(9).normal(size=(50, 4))
    return np.maximum(np.maximum(rows @ net["in"] + net["bias"], 0) @ net["mid"], 0) @ net["out"]


def shuffled(net: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    one, two = rng.permutation(8), rng.permutation(6)
    return {
        "in": net["in"][:, one],
        "bias": net["bias"][one],
        "mid": net["mid"][one][:, two],
        "out": net["out"][two],
    }


def test_aligning_finds_the_units_of_a_shuffled_network():
    net = network(0)
    found = align([net, shuffled(net, 1), shuffled(net, 2)], AXES)
    for model in found.models:
        assert equal(model, net)
    assert found.moved[0] == 0
    assert min(found.moved[1:]) > 0.5


def test_aligning_changes_no_prediction_and_no_input():
    given = [network(seed) for seed in range(3)]
    kept = [{k: v.copy() for k, v in net.items()} for net in given]
    found = align(given, AXES)
    assert all(equal(net, before) for net, before in zip(given, kept, strict=True))
    assert equal(found.models[0], given[0])
    for before, after in zip(given, found.models, strict=True):
        np.testing.assert_allclose(answers(after), answers(before), atol=1e-5)


def test_aligning_brings_networks_nearer_together():
    one, two = network(0), network(1)
    (_, near), (_, far) = align([one, two], AXES).models, (one, two)
    assert sum(((near[k] - one[k]) ** 2).sum() for k in one) < sum(
        ((far[k] - one[k]) ** 2).sum() for k in one
    )


def test_signs_that_two_arrays_share_are_turned_together():
    rng = np.random.default_rng(0)
    net = {"scale": rng.normal(size=(2, 5)), "in": rng.normal(size=(5, 3))}
    sign = np.array([1, -1, -1, 1, -1])
    turned = {"scale": net["scale"][::-1] * sign, "in": net["in"] * sign[:, None]}
    axes = {"scale": ("member", "input"), "in": ("input", None)}
    found = align([net, turned], axes, frozenset({"input"}))
    assert equal(found.models[1], net)


def test_axes_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="the axes of 'bias'"):
        align([network(0)], {"bias": ("hidden", None)})
    with pytest.raises(ParameterError, match="'mid' has 6 units of 'hidden', another array 8"):
        align([network(0)], {"in": (None, "hidden"), "mid": (None, "hidden")})


PROBLEMS = {
    "binary": Problem("binary", 2),
    "multiclass": Problem("multiclass", 3),
    "regression": Problem("regression"),
}


def learned(name: str, kind: str):
    """Fit a learner of the catalog to a few rows with gaps and a category that is given target codes."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(160, 3)), columns=list("abc"))
    frame.loc[::7, "b"] = np.nan
    frame["shop"] = rng.choice([f"s{i}" for i in range(20)], 160)
    table, problem = Table.learn(frame), PROBLEMS[kind]
    y = 100 + 9 * frame["a"].to_numpy() if problem.is_regression else rng.integers(0, problem.n_classes, 160)
    learner, target = LEARNERS[name].learner, Target(problem, y)
    rows = np.arange(160)
    return table, learner.fit(learner.prepare(table), target, rows, None, Budget(rounds=2), 0)


@pytest.mark.parametrize(
    ("name", "kind"), [(n, k) for n, e in LEARNERS.items() for k in PROBLEMS if e.suits(PROBLEMS[k])]
)
def test_a_learner_that_merges_gives_itself_when_merged_with_itself(name, kind):
    table, model = learned(name, kind)
    weights, joins = model.weights(table.schema), model.joins(table.schema)
    if weights is None and joins is None:
        with pytest.raises(NotImplementedError):
            model.joined([model], (0.5, 0.5))
        return
    assert weights is None or joins is None
    again = model.with_weights(weights) if joins is None else model.joined([model], (0.3, 0.7))
    said, tolerance = model.predict(table), 1e-6 if joins is not None else 2e-5
    np.testing.assert_allclose(again.predict(table), said, rtol=tolerance, atol=tolerance)
    stored = restore_learner(again.kind, again.to_state())
    assert stored.predict(table).tobytes() == again.predict(table).tobytes()
    assert model.predict(table).tobytes() == said.tobytes()
