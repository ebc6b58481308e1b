"""Several stacks, or the fold models of one, made one model a learner."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

import stackml
from stackml.combiners.catalog import make_combiner
from stackml.foundation.errors import DataError, ParameterError, StackmlWarning, StorageError
from stackml.learners.boosting import Outputs
from stackml.learners.catalog import LEARNERS, make_learner, restore_learner
from stackml.learners.neural import MLPLearner
from stackml.learners.tabular_nets import NetLearner
from stackml.learners.trees.additive import FittedTrees
from stackml.stack.file import to_state
from stackml.tables.table import Table

N = 500
SMALL = {
    "lightgbm": {"max_rounds": 40, "learning_rate": 0.2},
    "xgboost": {"max_rounds": 40, "learning_rate": 0.2},
    "random_forest": {"n_trees": 12},
    "extra_trees": {"n_trees": 12},
    "mlp": {"epochs": 8, "hidden": (16, 8)},
    "realmlp": {"epochs": 8, "hidden": (16, 8)},
    "tabm": {"epochs": 8, "hidden": (16, 8)},
    "logistic": {"C": 1.0},
    "ridge": {"alpha": 1.0},
}
BOOSTERS = ("lightgbm", "xgboost")
FORESTS = ("random_forest", "extra_trees")
NETS = ("mlp", "realmlp", "tabm")
KINDS = ("binary", "multiclass", "regression")


@cache
def rows(kind: str, n: int = N) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers with gaps, a short and a long category; the long one is given target codes."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    X.loc[rng.random(n) < 0.1, "b"] = np.nan
    X["short"] = rng.choice(["x", "y", "z"], n)
    X["long"] = rng.choice([f"v{i}" for i in range(25)], n)
    score = X["a"] * 2 + X["c"] + (X["short"] == "x") + rng.normal(size=n)
    if kind == "regression":
        return X, 1000 + 50 * score.to_numpy()
    if kind == "binary":
        return X, np.where(score > 0.3, "yes", "no")
    return X, np.array(["low", "mid", "high"])[np.digitize(score, (-1, 1))]


def stack_of(learner, kind: str, seed: int = 0, folds: int = 3, **more):
    X, y = rows(kind)
    make = stackml.StackRegressor if kind == "regression" else stackml.StackClassifier
    given = make_learner(learner, **SMALL[learner]) if isinstance(learner, str) else learner
    made = make(
        [("one", given)], folds=folds, calibration="none", refit=False, random_state=seed, n_jobs=1, **more
    )
    groups = np.arange(len(y)) // 2 if learner in FORESTS else None  # else forests predict out of bag
    return made.fit(X, y, groups=groups)


@cache
def fitted(learner: str, kind: str, seed: int = 0):
    return stack_of(learner, kind, seed)


def suits(learner: str, kind: str) -> bool:
    return kind in LEARNERS[learner].learner.problems


PAIRS = [(learner, kind) for learner in SMALL for kind in KINDS if suits(learner, kind)]
every = pytest.mark.parametrize(("learner", "kind"), PAIRS)


def outputs(stack, X) -> np.ndarray:
    return stack.fitted_.predict(Table.of(X, stack.fitted_.schema))


def margins(model, table) -> np.ndarray:
    """Return margins of boosters, predictions of other models."""
    said = model.predict(table).astype(np.float64)
    if not isinstance(model, FittedTrees):
        return said
    additive = model.additive
    parts = additive.trees
    from stackml.learners.trees.booster import Part, Sum

    sums = Sum([Part(parts, 0, 1.0)], parts.n_groups)
    return (sums.of(additive.view.matrix(table)) + parts.base) * additive.scale + additive.offset


@pytest.mark.parametrize("weights", [None, (5, 2, 1)])
@pytest.mark.parametrize(("learner", "kind"), [p for p in PAIRS if p[0] in (*BOOSTERS, *FORESTS)])
def test_trees_join_exactly(learner, kind, weights):
    stack = fitted(learner, kind)
    (member,) = stack.fitted_.layers[0].members
    assert len(member.models) == 3
    merged = stackml.merge(stack, "trees", weights=weights)
    (one,) = merged.fitted_.layers[0].members[0].models
    X, _ = rows(kind)
    shares = np.array(weights or (1, 1, 1)) / sum(weights or (1, 1, 1))
    table = Table.of(X, stack.fitted_.schema)
    expected = np.tensordot(shares, [margins(model, table) for model in member.models], axes=1)
    unit = one.additive.scale if isinstance(one, FittedTrees) else max(1.0, np.abs(expected).max())
    tolerance = 1e-5 if learner == "xgboost" else 1e-6
    np.testing.assert_allclose(margins(one, table) / unit, expected / unit, atol=tolerance, rtol=1e-6)
    alone = Table.of(X[:1], stack.fitted_.schema)
    np.testing.assert_allclose(one.predict(alone), one.predict(table)[:1], rtol=1e-5, atol=1e-6)


@every
def test_fold_models_become_one_that_saves_loads_and_explains(learner, kind, tmp_path):
    stack = fitted(learner, kind)
    before = to_state(stack.fitted_)
    merged = stackml.merge(stack)
    assert [len(m.models) for m in merged.fitted_.layers[0].members] == [1]
    X, _ = rows(kind)
    said = outputs(merged, X)
    assert np.isfinite(said).all()
    merged.save(tmp_path / "one.stack")
    loaded = stackml.load(tmp_path / "one.stack")
    assert outputs(loaded, X).tobytes() == said.tobytes()
    assert loaded.fitted_.card == merged.fitted_.card
    assert loaded.fitted_.card["merge"]["weights"] == pytest.approx([1 / 3] * 3)
    assert str(to_state(stack.fitted_)) == str(before)
    # A model of which nothing is left to merge gives itself, whatever it is merged with.
    again = stackml.merge([merged, loaded])
    np.testing.assert_allclose(outputs(again, X), said, rtol=1e-5, atol=1e-6)
    assert again.explain(X[:1], n_permutations=2).contributions.shape[0] == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("learner", NETS)
def test_a_net_taken_apart_and_put_together_predicts_as_before(learner, kind):
    stack = fitted(learner, kind)
    X, _ = rows(kind)
    table = Table.of(X, stack.fitted_.schema)
    for model in stack.fitted_.layers[0].members[0].models:
        parts = model.weights(stack.fitted_.schema)
        np.testing.assert_allclose(
            model.with_weights(parts).predict(table), model.predict(table), rtol=2e-5, atol=1e-5
        )
        if kind == "regression":
            moved = model.with_weights(parts.in_units(parts.centre + 30.0, parts.unit * 1.5))
            np.testing.assert_allclose(moved.predict(table), model.predict(table), rtol=1e-4)
            # Also where a bound of the training target holds a value back.
            X_far = X.assign(a=X["a"] * 50, c=X["c"] * 50)
            far = Table.of(X_far, stack.fitted_.schema)
            np.testing.assert_allclose(moved.predict(far), model.predict(far), rtol=1e-4)


def test_aligning_and_a_shared_start_make_the_mean_of_nets_meaningful():
    X, y = rows("regression")
    losses = {}
    for name, start, align in (("strangers", None, False), ("aligned", None, True), ("shared", 1, False)):
        stack = stack_of(MLPLearner(epochs=15, start=start), "regression")
        merged = stackml.merge(stack, align=align)
        assert merged.fitted_.card["merge"]["learners"][0]["shared_start"] == (start is not None)
        losses[name] = float(np.mean((merged.predict(X) - y) ** 2)) / y.var()
        ensemble = float(np.mean((stack.predict(X) - y) ** 2)) / y.var()
    assert losses["aligned"] < 0.8 * losses["strangers"]
    assert losses["shared"] < 0.8 * losses["strangers"]
    assert losses["shared"] < ensemble + 0.1


@pytest.mark.parametrize("make", [MLPLearner, NetLearner])
def test_a_start_is_shared_by_folds_and_kept_in_the_file(make, tmp_path):
    stack = stack_of(make(hidden=(8,), epochs=2, start=7), "binary")
    models = stack.fitted_.layers[0].members[0].models
    schema = stack.fitted_.schema
    starts = [model.weights(schema).start for model in models]
    for name, array in starts[0].items():
        assert all(np.array_equal(array, other[name]) for other in starts)
    again = restore_learner(models[0].kind, models[0].to_state())
    assert again.start == 7
    merged = stackml.merge(stack, "ties", density=0.5)
    assert merged.fitted_.card["merge"]["learners"][0]["base"] == "start"
    with pytest.raises(StorageError, match="start"):
        restore_learner(models[0].kind, {**models[0].to_state(), "start": -1})
    with pytest.raises(ParameterError, match="start must be a seed"):
        make(start=-1)


def test_out_of_fold_predictions_of_a_shared_start_do_not_know_their_own_target():
    X, y = rows("binary")
    learner = MLPLearner(hidden=(8,), epochs=2, start=1)

    places = np.random.default_rng(0).permutation(len(y))
    folds = [(np.setdiff1d(places, part), np.sort(part)) for part in np.array_split(places, 3)]

    def honest(target):
        made = stackml.StackClassifier([("one", learner)], "mean", folds=folds, strict=True, n_jobs=1)
        return made.fit(X, target).oof_["one"].to_numpy()

    changed = y.copy()
    changed[0] = "no" if y[0] == "yes" else "yes"
    before, after = honest(y), honest(changed)
    assert before[0] == after[0]
    assert (before != after).any()


def test_several_stacks_merge_by_their_weights():
    X, _ = rows("binary")
    one, two = fitted("lightgbm", "binary", 0), fitted("lightgbm", "binary", 1)
    merged = stackml.merge([one, two], weights=(3, 1))
    expected = 0.75 * logit(outputs(one, X)) + 0.25 * logit(outputs(two, X))
    np.testing.assert_allclose(logit(outputs(merged, X)), expected, atol=1e-5)
    record = merged.fitted_.card["merge"]
    assert record["weights"] == [0.75, 0.25]
    assert record["learners"][0]["weights"] == pytest.approx([0.25] * 3 + [0.25 / 3] * 3)
    swapped = stackml.merge([two, one], weights=(1, 3))
    np.testing.assert_allclose(outputs(swapped, X), outputs(merged, X), atol=1e-6)


def test_it_is_judged_beside_parents_and_ensemble():
    X, y = rows("binary")
    one, two = fitted("mlp", "binary", 0), fitted("mlp", "binary", 1)
    merged = stackml.merge([one, two], X=X[:200], y=y[:200])
    found = merged.fitted_.card["merge"]["evaluation"]
    assert found["rows"] == 200
    assert not found["chosen_on_same_rows"]
    names = {row["model"] for row in found["scores"]}
    assert names == {"merged", "ensemble", "parent 1", "parent 2"}
    assert {row["metric"] for row in found["scores"]} == {"roc_auc", "log_loss"}
    assert all(row["low"] <= row["high"] for row in found["differences"])
    chosen = stackml.merge([one, two], "greedy_soup", X=X[:200], y=y[:200])
    assert chosen.fitted_.card["merge"]["evaluation"]["chosen_on_same_rows"]
    weights = chosen.fitted_.card["merge"]["learners"][0]["weights"]
    assert sum(weights) == pytest.approx(1)
    with pytest.raises(DataError, match="'maybe'"):
        stackml.merge([one, two], X=X[:3], y=["yes", "maybe", "no"])
    with pytest.raises(ParameterError, match="X and y go together"):
        stackml.merge([one, two], X=X)


@pytest.mark.parametrize("seed", [3, 4])
def test_a_greedy_soup_with_target_codes_is_no_worse_than_its_best_model(seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(900, 3)), columns=list("abc"))
    shop = rng.integers(0, 60, 900)
    X["shop"] = np.char.add("v", shop.astype(str))
    y = (X["a"] + 2 * rng.normal(size=60)[shop] + rng.normal(size=900) > 0).astype(int)
    stack = stackml.StackClassifier(["logistic"], "mean", folds=4, refit=False, calibration="none", n_jobs=1)
    stack.fit(X[:500], y[:500])
    record = stackml.merge(stack, "greedy_soup", X=X[500:], y=y[500:]).fitted_.card["merge"]
    found = {r["model"]: r["value"] for r in record["evaluation"]["scores"] if r["metric"] == "roc_auc"}
    best = max(value for model, value in found.items() if model.startswith("parent"))
    assert found["merged"] >= best - 1e-9


def test_different_endings_are_refitted_on_rows_or_left_out():
    X, y = rows("binary")
    names = ["lightgbm", "mlp"]
    learners = [(name, make_learner(name, **SMALL[name])) for name in names]
    stacks = [
        stackml.StackClassifier(learners, "simplex", folds=3, random_state=seed, n_jobs=1).fit(X, y)
        for seed in (0, 1)
    ]
    if stacks[0].fitted_.combiner.weights() != stacks[1].fitted_.combiner.weights():
        with pytest.raises(
            ParameterError, match="the combiners of the stacks weigh the learners differently"
        ):
            stackml.merge(stacks)
    merged = stackml.merge(stacks, X=X, y=y)
    assert merged.fitted_.card["merge"]["combiner_from"] == "rows"
    assert list(merged.learners_) == names
    other = stackml.StackClassifier([learners[0]], folds=3, calibration="temperature", n_jobs=1).fit(X, y)
    with pytest.warns(StackmlWarning, match="calibrated differently"):
        bare = stackml.merge([fitted("lightgbm", "binary"), other])
    assert bare.fitted_.card["merge"]["calibrator_from"] in ("none", "parents")
    with warnings.catch_warnings():
        warnings.simplefilter("error", StackmlWarning)
        assert stackml.merge([fitted("lightgbm", "binary"), other], X=X, y=y)


def test_a_combiner_fitted_on_rows_keeps_its_parameters_and_is_calibrated():
    X, y = rows("binary")
    learners = [(name, make_learner(name, **SMALL[name])) for name in ("lightgbm", "logistic")]
    asked = make_combiner("gated", top_k=1, falls_back=False)
    gated = [
        stackml.StackClassifier(learners, asked, folds=3, random_state=seed, n_jobs=1).fit(X, y)
        for seed in (0, 1)
    ]
    merged = stackml.merge(gated, X=X, y=y)
    assert merged.fitted_.combiner.gate.top_k == 1
    ranked = [
        stackml.StackClassifier(
            learners, "rank_mean", folds=3, random_state=seed, n_jobs=1, calibration="temperature"
        ).fit(X, y)
        for seed in (0, 1)
    ]
    record = stackml.merge(ranked, X=X, y=y).fitted_.card["merge"]
    assert (record["combiner_from"], record["calibrator_from"]) == ("rows", "rows")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda X, y: (X.drop(columns="d"), y), "the column 'd' is known to one of them alone"),
        (lambda X, y: (X, np.where(y == "no", "maybe", y)), "the classes are"),
        (
            lambda X, y: (X.assign(short=X["short"].str.upper()), y),
            "'short' has another vocabulary: 3 values",
        ),
        (lambda X, y: (X.assign(a=X["a"].astype(str) + "k"), y), "the column 'a' has another kind"),
    ],
)
def test_other_columns_and_classes_are_named(change, says):
    X, y = change(*rows("binary"))
    other = stackml.StackClassifier([("one", make_learner("logistic", C=1.0))], folds=3, n_jobs=1).fit(X, y)
    with pytest.raises(ParameterError, match=says):
        stackml.merge([fitted("logistic", "binary"), other])


def test_other_learners_scales_and_shapes_are_named():
    X, y = rows("binary")
    one = fitted("mlp", "binary")
    with pytest.raises(ParameterError, match="learner 'one' is a 'linear', not a 'mlp'"):
        stackml.merge([one, fitted("logistic", "binary")])
    wide = stack_of(MLPLearner(hidden=(17, 8), epochs=1), "binary")
    with pytest.raises(
        ParameterError, match=r"from model 1 in the hidden layers \(\[17, 8\], not \[16, 8\]\)"
    ):
        stackml.merge([one, wide])
    scaled = stackml.StackClassifier(
        [("one", make_learner("mlp", **SMALL["mlp"]))], folds=3, calibration="none", n_jobs=1
    ).fit(X.assign(a=X["a"] * 2), y)
    with pytest.raises(ParameterError, match="model 4 differs from model 1 in the scale of 'a'"):
        stackml.merge([one, scaled])
    with pytest.raises(ParameterError, match="the problem is regression, not binary"):
        stackml.merge([one, fitted("mlp", "regression")])


def test_another_reading_of_a_text_is_said_in_few_words():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=200)})
    X["note"] = [" ".join(rng.choice(["good", "bad", "red", "blue", "long", "short"], 6)) for _ in range(200)]
    y = (X["a"] > 0).astype(int)
    given = {"learners": ["logistic"], "combiner": "mean", "folds": 2, "schema": {"kinds": {"note": "text"}}}
    one, two = (stackml.StackClassifier(**given, random_state=seed).fit(X, y) for seed in (0, 1))
    with pytest.raises(ParameterError, match="'note' is read through another encoder") as caught:
        stackml.merge([one, two])
    assert len(str(caught.value)) < 400


def test_what_cannot_be_merged_is_said():
    X, y = rows("binary")
    near = stackml.StackClassifier(["neighbors", "logistic"], "mean", folds=3, n_jobs=1).fit(X, y)
    merged = stackml.merge(near)
    kept, made = merged.fitted_.card["merge"]["learners"]
    assert (kept["method"], kept["models"], made["method"]) == ("kept", 3, "linear")
    with pytest.raises(ParameterError, match=r"learner 'neighbors' .* cannot be made one; drop"):
        stackml.merge([near, near])
    with pytest.raises(ParameterError, match=r"'neighbors' .* is no sum of trees"):
        stackml.merge(stackml.merge(near), "trees")
    with pytest.raises(ParameterError, match="nothing to merge"):
        stackml.merge(stackml.merge(fitted("logistic", "binary")))
    with pytest.raises(ParameterError, match="model 1 is not fitted"):
        stackml.merge([stackml.StackClassifier()])
    with pytest.raises(ParameterError, match="model 2 is a str"):
        stackml.merge([fitted("logistic", "binary"), "me"])
    with pytest.raises(ParameterError, match="did you mean 'slerp'"):
        stackml.merge(near, "slurp")
    with pytest.raises(ParameterError, match=r"did you mean 'trees'\?; known: .*greedy_soup, trees"):
        stackml.merge(near, "tree")
    with pytest.raises(ParameterError, match="the list of stacks is empty"):
        stackml.merge([])
    with pytest.raises(ParameterError, match="sample_weight is of the rows X and y, and there are none"):
        stackml.merge(near, sample_weight=np.ones(len(y)))
    with pytest.raises(ParameterError, match=r"drop_learner needs the rows .* merged or updated keeps none"):
        merged.drop_learner("logistic")
    with pytest.raises(ParameterError, match="give X= and y="):
        stackml.merge(near, "greedy_soup")
    with pytest.raises(ParameterError, match="2 weights for 3 models"):
        stackml.merge(near, weights=(1, 1))
    with pytest.raises(ParameterError, match="leave out weights"):
        stackml.merge(near, "soup", weights=(1, 1, 1))


def test_two_layers_of_one_stack_merge():
    X, y = rows("binary")
    stack = stackml.StackClassifier(
        [("lgb", make_learner("lightgbm", **SMALL["lightgbm"])), ("mlp", MLPLearner(epochs=3, start=1))],
        "mean",
        layers=2,
        folds=3,
        n_jobs=1,
    ).fit(X, y)
    merged = stackml.merge(stack)
    assert [len(m.models) for layer in merged.fitted_.layers for m in layer.members] == [1] * 4
    assert np.corrcoef(outputs(merged, X)[:, 0], outputs(stack, X)[:, 0])[0, 1] > 0.95
    with pytest.raises(ParameterError, match="2 layers"):
        stackml.merge([stack, stack])


def test_tampered_parts_of_a_forest_are_refused():
    stack = fitted("random_forest", "multiclass")
    merged = stackml.merge(stack, weights=(5, 2, 1))
    (forest,) = merged.fitted_.layers[0].members[0].models
    state = forest.to_state()
    parts = state["parts"]
    for wrong in (
        {**parts, "share": parts["share"][:-1]},
        {**parts, "share": -parts["share"]},
        {**parts, "share": parts["share"] * 2},
        {**parts, "n_trees": parts["n_trees"] + 1},
        {**parts, "n_trees": parts["n_trees"] * 1.0},
        {**parts, "n_trees": np.array([2**62, 2**62, -(2**62)])},
        {},
    ):
        with pytest.raises(StorageError):
            restore_learner("forest", {**state, "parts": wrong})
    X, _ = rows("multiclass")
    table = Table.of(X, stack.fitted_.schema)
    again = restore_learner("forest", state)
    assert again.predict(table).tobytes() == forest.predict(table).tobytes()


def test_targets_of_other_scale_join_exactly():
    # Fold models of a regression have a centre and a unit each; here they lie far apart.
    model = fitted("lightgbm", "regression").fitted_.layers[0].members[0].models[0]
    far = type(model).from_state(
        {**model.to_state(), "outputs": Outputs(model._outputs.problem, -500.0, 7.0).to_state()}
    )
    X, _ = rows("regression")
    table = Table.of(X, fitted("lightgbm", "regression").fitted_.schema)
    both = model.joined([far], (0.25, 0.75))
    np.testing.assert_allclose(
        both.predict(table), 0.25 * model.predict(table) + 0.75 * far.predict(table), rtol=1e-6, atol=1e-4
    )


def test_soup_over_settings_on_a_real_table(real_data):
    frame = pd.read_parquet(real_data / "california_housing.parquet").sample(2500, random_state=1)
    X, y = frame.drop(columns="median_house_value"), frame["median_house_value"].to_numpy()
    learn, held = slice(0, 1500), slice(1500, None)
    stacks = [
        stackml.StackRegressor(
            [("mlp", MLPLearner(hidden=(32, 16), epochs=25, learning_rate=rate, start=1))], folds=2, n_jobs=1
        ).fit(X[learn], y[learn])
        for rate in (2e-3, 4e-3)
    ]

    def rmse(stack) -> float:
        return float(np.sqrt(np.mean((stack.predict(X[held]) - y[held]) ** 2)))

    soup = stackml.merge(stacks, "soup")
    apart = [stackml.merge(stack) for stack in stacks]
    assert sum(len(m.models) for m in soup.fitted_.layers[0].members) == 1
    # One network beside four: nearer to their ensemble than to a constant by far.
    assert rmse(soup) < 1.1 * min(rmse(stack) for stack in stacks)
    assert rmse(soup) < 1.05 * max(rmse(stack) for stack in apart)
    assert rmse(soup) < 0.75 * y[held].std()
