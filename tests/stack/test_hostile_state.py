"""Files whose seal is right and whose state is malicious: one error, no crash, nothing built from it."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import stackml
from stackml.foundation.errors import StorageError
from stackml.stack.file import KIND
from stackml.storage.archive import read_archive, write_archive

LEARNERS = ["logistic", "hbos", "extra_trees", "isolation_forest", "neighbors", "mlp"]


@pytest.fixture(scope="module")
def saved(classifier, regressor, rows, binary, three, score, tmp_path_factory):
    """Path of each kind of stack, by name."""
    folder = tmp_path_factory.mktemp("saved")
    wide = rows.assign(many=[f"v{i % 40}" for i in range(len(rows))])
    made = {
        "binary": classifier(learners=LEARNERS, calibration="none").fit(wide, binary),
        "logistic": classifier(learners=["logistic", "hbos"], combiner="logistic").fit(wide, binary),
        "three": classifier(learners=["logistic"], calibration="none").fit(wide, three),
        "number": regressor().fit(wide, score),
        "boosted": classifier(
            learners=["logistic", "extra_trees"], combiner="boosted", calibration="none"
        ).fit(wide, binary),
    }
    return {name: stack.save(folder / f"{name}.stack") for name, stack in made.items()}


@pytest.fixture
def sealed(saved, tmp_path):
    """Return a writer of a file with a changed state."""

    def write(name, change, **manifest):
        head, state = read_archive(saved[name], kind=KIND)
        change(state)
        path = tmp_path / "hostile.stack"
        entries = {k: v for k, v in head.entries.items() if k not in manifest} | manifest
        write_archive(path, kind=KIND, state=state, manifest=entries)
        return path

    return write


def test_a_sealed_file_without_changes_loads(saved, sealed, rows):
    for name in saved:
        stackml.load(sealed(name, lambda s: None))


def member(kind):
    """Return a way to a member's models, by the kind of the fitted learner."""

    def models(state):
        (found,) = (m for m in state["layers"][0] if m["kind"] == kind)
        return found["models"]

    return models


def each(kind, change):
    """Change every model of one kind."""

    def all_of(state):
        for model in member(kind)(state):
            change(model)

    return all_of


def put(*keys_and_value):
    """Set a value at a path of keys."""
    *keys, last, value = keys_and_value

    def change(state):
        for key in keys:
            state = state[key]
        state[last] = value

    return change


def calibrator(kind, **state):
    return put("calibrator", {"kind": kind, "state": state})


def nan_in(array):
    broken = array.copy()
    broken.flat[-1] = np.nan
    return broken


def binary_of_five(state):
    state["problem"] = {"kind": "binary", "n_classes": 5}
    state["classes"] = {"labels": list("abcde")}


def column(of, /, **values):
    def change(state):
        (found,) = (c for c in state["schema"]["columns"] if c["name"] == of)
        found.update(values)

    return change


def two_of_a_name(state):
    state["layers"][0][1]["name"] = state["layers"][0][0]["name"]


NORMAL = {
    "spread": "normal",
    "knots": np.zeros(0, np.float32),
    "places": np.zeros(0, np.float32),
    "lengths": np.zeros(0, np.int64),
}
SHARES = ("combiner", "state", "shares")
FIRST = ("layers", 0, 0)
PLAIN = ("view", "plain")

REFUSED = {
    "hbos with a normal scaler": (
        "binary",
        each("hbos", put("scaler", NORMAL)),
        "of another spread than 'robust'",
    ),
    "unknown spread": ("binary", each("hbos", put("scaler", "spread", "evil")), "spread is 'evil'"),
    "hbos without bins": ("binary", each("hbos", put("rarity", np.zeros((2, 3), np.float32))), "has no bins"),
    "hbos ranks": ("binary", each("hbos", put("ranks", np.array([1.0, 0.0]))), "do not ascend"),
    "labels of lists": ("binary", put("classes", "labels", [{}, [2]]), "not texts, numbers or booleans"),
    "labels twice": ("binary", put("classes", "labels", [1, 1]), "one label twice"),
    "labels mixed": ("binary", put("classes", "labels", ["a", 1]), "of different types"),
    "labels of no dtype": (
        "binary",
        put("classes", {"labels": [0, 1], "dtype": "V8"}),
        "the unknown dtype 'V8'",
    ),
    "labels of another dtype": (
        "binary",
        put("classes", {"labels": [0, 300], "dtype": "int8"}),
        "are not of the dtype 'int8'",
    ),
    "binary of five": ("binary", binary_of_five, "a binary problem of 5 classes"),
    "multiclass of two": (
        "binary",
        put("problem", "kind", "multiclass"),
        "a multiclass problem of 2 classes",
    ),
    "many classes": ("binary", put("problem", {"kind": "multiclass", "n_classes": 10**9}), "2 class labels"),
    "leaderboard": ("binary", put("card", {"leaderboard": 5}), "a leaderboard that is no table"),
    "leaderboard of lists": ("binary", put("card", {"leaderboard": [{"a": [1]}]}), "that is no table"),
    "plan": ("binary", put("card", {"plan": 5}), "the card is not one"),
    "passthrough": ("binary", put("passthrough", 3), "not true or false"),
    "width below 0": ("binary", put(*FIRST, "width", -5), "is said to give -5 columns"),
    "width huge": ("binary", put(*FIRST, "width", 10**9), "is said to give 1000000000 columns, not 1"),
    "name": ("binary", put(*FIRST, "name", 5), "a learner has the name 5"),
    "names twice": ("binary", two_of_a_name, "two learners of one name"),
    "output kind": ("binary", put(*FIRST, "output_kind", "evil"), "gives a 'evil' in a binary problem"),
    "absent learner": (
        "binary",
        put("combiner", "state", {"names": ["ghost"], "shares": np.ones(1)}),
        "reads the learner 'ghost', which is not in the file",
    ),
    "names of lists": (
        "binary",
        put("combiner", "state", {"names": [[1]], "shares": np.ones(1)}),
        "is not a list of names",
    ),
    "shares NaN": ("binary", put(*SHARES, np.full(5, np.nan)), "not finite"),
    "shares long": ("binary", put(*SHARES, np.ones(7)), r"has the shape \(7,\)"),
    "shares negative": ("binary", put(*SHARES, np.array([3.0, -2, 0, 0])), "sum of 1"),
    "coefficients": ("logistic", put("combiner", "state", "coefficients", np.full(3, np.inf)), "not finite"),
    "coefficients short": ("logistic", put("combiner", "state", "coefficients", np.ones(2)), "working stack"),
    "score scale": (
        "logistic",
        put("combiner", "state", "design", "score_scale", np.zeros(1)),
        "score_scale is not above 0",
    ),
    "temperature NaN": ("binary", calibrator("temperature", temperature=float("nan")), "not a finite number"),
    "temperature 0": ("binary", calibrator("temperature", temperature=0.0), "which no fit gives"),
    "temperature huge": ("binary", calibrator("temperature", temperature=1e9), "which no fit gives"),
    "beta": ("binary", calibrator("beta", a=-1.0, b=1.0, c=0.0), "turns the ranking around"),
    "isotonic short": ("binary", calibrator("isotonic", x=np.zeros(3), value=np.zeros(1)), "has the shape"),
    "isotonic descends": (
        "binary",
        calibrator("isotonic", x=np.array([0.0, 1.0]), value=np.array([0.7, 0.5])),
        "does not ascend within 0 and 1",
    ),
    "coef short": ("three", each("linear", lambda m: m.update(coef=m["coef"][:2])), "the model reads 2 col"),
    "coef NaN": ("three", each("linear", lambda m: m.update(coef=nan_in(m["coef"]))), "not finite"),
    "coef list": ("three", each("linear", put("coef", [1, 2])), "not an array of floats"),
    "link": ("three", each("linear", put("link", "evil")), "linear: link is 'evil'"),
    "link of numbers": ("three", each("linear", put("link", "identity")), "no probabilities"),
    "one-hot huge": ("three", each("linear", put(*PLAIN, "one_hot", [[0, 10**8]])), "reads 100000000 levels"),
    "one-hot below 0": ("three", each("linear", put(*PLAIN, "one_hot", [[0, -5]])), "without a meaning"),
    "slots beyond": ("three", each("linear", put(*PLAIN, "slots", np.array([999]))), "reads column 999"),
    "slots broken": ("three", each("linear", put(*PLAIN, "slots", np.array([0.5]))), "list of positions"),
    "ranked beyond": ("binary", each("forest", put("view", "ranked", [99])), "reads column 99"),
    "frequencies": (
        "binary",
        each("forest", put("view", "frequencies", "tables", "lengths", np.array([1]))),
        "not as long as it should be",
    ),
    "frequencies NaN": (
        "binary",
        each("forest", lambda m: m["view"]["frequencies"]["tables"]["values"].fill(np.nan)),
        "not finite",
    ),
    "levels fewer": ("binary", column("many", vocabulary=["v0"]), "reads 40 levels of category 1"),
    "neighbors": ("binary", each("neighbors", put("n_neighbors", 10**9)), "n_neighbors is not within 1"),
    "mlp": ("binary", each("mlp", lambda m: m["weights"].reverse()), "mlp: biases has the shape"),
    "vocabulary of lists": ("binary", column("k", vocabulary=[1, [2], 3]), "something else than text"),
    "vocabulary twice": ("binary", column("k", vocabulary=["u", "u", "w"]), "holds a word twice"),
    "parts": ("binary", column("a", parts=10**6), "parts=1000000, not 1, 2 or 3"),
    "calendar": ("binary", column("a", calendar=["__class__"]), "an unknown calendar part"),
    "column name": ("binary", column("a", name=7), "the name 7, which is no text"),
    "column twice": ("binary", column("a", name="b"), "two columns have one name"),
    "layers": ("binary", put("layers", {"a": 1}), "its state is not that of a stack"),
}


@pytest.mark.parametrize(("name", "change", "message"), REFUSED.values(), ids=REFUSED)
def test_a_malicious_state_ends_in_one_error(sealed, name, change, message):
    with pytest.raises(StorageError, match=message) as caught:
        stackml.load(sealed(name, change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "estimator"), [("binary", "StackRegressor"), ("number", "StackClassifier")])
def test_the_estimator_must_suit_the_problem(sealed, name, estimator):
    with pytest.raises(StorageError, match=f"was written for '{estimator}', but holds a"):
        stackml.load(sealed(name, lambda s: None, estimator=estimator))


@pytest.fixture(scope="module")
def trees():
    """Text of a small LightGBM model of two columns."""
    import lightgbm

    X = np.random.default_rng(0).normal(size=(300, 2))
    data = lightgbm.Dataset(X, (X[:, 0] > 0).astype(int))
    return lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_leaves": 4}, data, 3
    ).model_to_string()


def boosted(text):
    def change(state):
        names = ["logistic", "extra_trees"]
        state["combiner"]["state"].update(read=names, text=text, shares=np.array([0.5, 0.5]))

    return change


def all_of(field, value):
    """Write one value all over the lists of a field, and forget the sizes of the trees."""

    def change(text):
        new = re.sub(rf"{field}=(.*)", lambda m: f"{field}=" + " ".join([value] * len(m[1].split())), text)
        return re.sub(r"tree_sizes=.*\n", "", new)

    return change


def same_length(field, value):
    """Write one digit over every digit of a field: all sizes stay as they are."""

    def change(text):
        return re.sub(
            rf"{field}=.*", lambda m: re.sub(r"=.*", lambda n: re.sub(r"\d", value, n[0]), m[0]), text
        )

    return change


HOSTILE_TREES = {
    "children far away": all_of("left_child", "100000000"),
    "children in a circle": lambda t: all_of("right_child", "0")(all_of("left_child", "0")(t)),
    "children out of place": same_length("left_child", "9"),
    "columns far away": all_of("split_feature", "100000000"),
    "columns out of place": same_length("split_feature", "9"),
    "leaves below 0": lambda t: re.sub(r"tree_sizes=.*\n", "", t.replace("num_leaves=4", "num_leaves=-5")),
    "no model": lambda t: "hello",
    "another width": lambda t: t.replace("max_feature_idx=1", "max_feature_idx=7"),
    "another objective": lambda t: t.replace("objective=binary", "objective=poisson"),
    "more outputs": lambda t: t.replace("num_tree_per_iteration=1", "num_tree_per_iteration=3"),
}

LOAD = """
import sys, stackml
from stackml.foundation.errors import StorageError
for path in sys.argv[1:]:
    print(path, flush=True)
    try:
        stackml.load(path)
    except StorageError as error:
        print("refused:", error, flush=True)
"""


def loaded_apart(paths):
    """Load files in another process; return what it said of each after a clean exit."""
    found = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, (found.returncode, found.stdout[-500:], found.stderr[-500:])
    return found.stdout.splitlines()[1::2]


def test_boosted_trees_that_fit_are_read(sealed, trees, rows):
    wide = rows.assign(many="v1")
    assert np.isfinite(stackml.load(sealed("boosted", boosted(trees))).predict_proba(wide)).all()


def test_hostile_trees_of_a_combiner_crash_nothing(sealed, trees):
    paths = []
    for name, change in HOSTILE_TREES.items():
        text = change(trees)
        assert text != trees, name
        path = sealed("boosted", boosted(text))
        paths.append(path.rename(path.with_name(f"{name}.stack")))
    said = loaded_apart(paths)
    assert len(said) == len(paths)
    for line in said:
        assert re.match(r"refused: .*(damaged|cannot be read)", line)


def test_trees_of_a_combiner_that_read_other_columns_are_refused(sealed, trees):
    def one_learner(state):
        boosted(trees)(state)
        state["combiner"]["state"].update(read=["logistic"], shares=np.ones(1))

    message = "these meta-features come without|its trees read 2 columns"
    with pytest.raises(StorageError, match=message):
        stackml.load(sealed("boosted", one_learner))


def far_columns(model):
    model["forest"]["n_features"] = 10**8
    model["forest"]["feature"][:] = 10**8 - 1


def far_children(model):
    model["forest"]["left_step"][0] = 10**6


def three_outputs(model):
    forest = model["forest"]
    forest["n_classes"], forest["leaf_value"] = np.array([3]), np.repeat(forest["leaf_value"], 3, axis=2)


def test_hostile_forests_crash_nothing(sealed):
    paths = []
    for kind in ("forest", "isolation_forest"):
        for number, change in enumerate(
            (far_columns, far_children, put("view", "ranked", []), three_outputs)
        ):
            path = sealed("binary", each(kind, change))
            paths.append(path.rename(path.with_name(f"{kind} {number}.stack")))
    said = loaded_apart(paths)
    assert len(said) == len(paths)
    assert all(line.startswith("refused: ") for line in said)


def test_a_forest_looks_at_the_width_before_it_predicts(rows, binary, classifier):
    from dataclasses import replace

    stack = classifier(learners=["extra_trees", "isolation_forest"]).fit(rows, binary)
    for fitted in stack.learners_.values():
        model = fitted.models[0]
        wider = replace(model, forest=replace(model.forest, n_features=10**6))
        with pytest.raises(StorageError, match=r"the model reads 1000000 columns where \d were expected"):
            wider.predict(stack._table(rows))


LABELS = [
    np.array([-1, 1], np.int8),
    np.array([0, 1], np.uint16),
    np.array([0, 2], np.float32),
    np.array([False, True]),
    np.array(["no", "yes"]),
    np.array(["no", "yes"], object),
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda a: a.dtype.name)
def test_labels_keep_their_dtype(classifier, rows, binary, tmp_path, labels):
    stack = classifier().fit(rows, labels[binary])
    loaded = stackml.load(stack.save(tmp_path / "a.stack"))
    assert loaded.classes_.dtype == stack.classes_.dtype
    assert loaded.predict(rows).dtype == stack.predict(rows).dtype
    assert loaded.save(tmp_path / "b.stack").read_bytes() == (tmp_path / "a.stack").read_bytes()


def test_a_stack_without_a_typical_row_still_loads(sealed, rows):
    path = sealed("binary", put("typical", None))
    assert isinstance(stackml.load(path).predict(rows.assign(many="v1")), np.ndarray)
    assert isinstance(stackml.load(path).leaderboard_, pd.DataFrame)


def test_a_fold_model_that_reads_more_columns_than_the_others_never_reaches_native_code(
    classifier, rows, binary, tmp_path
):
    path = classifier(learners=["lightgbm"], calibration="none").fit(rows, binary).save(tmp_path / "a.stack")
    head, state = read_archive(path, kind=KIND)
    trees = state["layers"][0][0]["models"][1]["trees"]
    n_before, n_more = trees["n_features"], 1000
    trees["n_features"] = n_before + n_more
    trees["thresholds_of_column"] = np.pad(trees["thresholds_of_column"], (0, n_more))
    for key, values in trees.items():
        if isinstance(values, np.ndarray) and key != "thresholds_of_column" and len(values) == n_before:
            trees[key] = np.pad(values, (0, n_more))
    hostile = tmp_path / "hostile.stack"
    write_archive(hostile, kind=KIND, state=state, manifest=head.entries)
    with pytest.raises(StorageError, match=r"holds models of \[\d+, \d+\] columns .* side by side"):
        stackml.load(hostile)
