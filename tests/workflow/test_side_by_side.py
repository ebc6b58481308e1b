"""Models side by side: what is paired, what is said, what is recommended, what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import stackml
from stackml.foundation.errors import DataError, ParameterError, SchemaError, TrackingError
from stackml.learners.forest import ExtraTreesLearner
from stackml.metrics import get_metric
from stackml.tracking.flavor import log_model
from stackml.tracking.store import connect
from stackml.tracking.writing import running
from stackml.workflow import compare_models
from stackml.workflow.held_out import shown
from stackml.workflow.side_by_side_recording import record_comparison, write_comparison

QUICK = {"repeats": 0, "n_resamples": 200}


def made(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    frame["shop"] = rng.choice(["x", "y", "z"], n)
    frame["client"] = np.arange(n) // 4
    noise = rng.normal(size=n)
    frame["bad"] = (frame["a"] + 2 * frame["b"] * frame["c"] + (frame["shop"] == "x") + noise > 0.5).astype(
        int
    )
    frame["y"] = frame["a"] * 3 + noise
    return frame


SEEN, UNSEEN = made(500, 0), made(400, 1)
FEATURES = ["a", "b", "c", "d", "shop"]


def fit(learners, columns=FEATURES, y=None, **more):
    y = SEEN["bad"] if y is None else y
    return stackml.StackClassifier(learners, folds=3, n_jobs=1, **more).fit(SEEN[columns], y)


@pytest.fixture(scope="module")
def stack():
    return fit(["lightgbm", "logistic", "isolation_forest"])


@pytest.fixture(scope="module")
def weak():
    return fit(["logistic"], ["d"])


@pytest.fixture(scope="module")
def found(stack, weak):
    return compare_models(
        {"stack": stack, "weak": weak},
        UNSEEN,
        target="bad",
        metrics=["roc_auc", "log_loss"],
        learners=True,
        **QUICK,
    )


def row(found, model, metric="roc_auc"):
    table = found.table
    (one,) = table[(table["model"] == model) & (table["metric"] == metric)].to_dict("records")
    return one


def test_single_and_combined_stand_in_one_table(found, stack):
    assert list(dict.fromkeys(found.table["metric"])) == ["roc_auc", "log_loss"]
    expected = {"stack", "weak", "stack/lightgbm", "stack/logistic", "stack/plain mean", "weak/logistic"}
    assert set(found.table["model"]) == expected, "an anomaly score predicts nothing and is left out"
    assert row(found, "stack/lightgbm")["kind"] == "learner"
    assert row(found, "stack/lightgbm")["of"] == "stack"
    assert found.rows == found.units == 400
    assert found.comparisons == 5 * 2
    first = found.table[found.table["metric"] == "roc_auc"]
    assert first["value"].is_monotonic_decreasing


def test_learners_predict_what_transform_says(found, stack):
    meta = pd.DataFrame(stack.transform(UNSEEN[FEATURES]), columns=stack.get_feature_names_out())
    auc = get_metric("roc_auc")
    for name in ("lightgbm", "logistic"):
        assert row(found, f"stack/{name}")["value"] == auc.value(UNSEEN["bad"], meta[name])
    mean = meta[["lightgbm", "logistic"]].mean(axis=1)
    assert row(found, "stack/plain mean")["value"] == pytest.approx(auc.value(UNSEEN["bad"], mean), abs=1e-6)
    assert row(found, "stack")["value"] == auc.value(UNSEEN["bad"], shown(stack, UNSEEN[FEATURES]))


def test_a_clear_difference_is_shown_and_the_weak_one_never_recommended(found):
    assert found.baseline == "stack/lightgbm", "the best single learner"
    assert row(found, "weak")["verdict"] == "worse"
    assert row(found, "weak")["together_high"] < 0
    assert row(found, "weak")["lag_low"] > 0
    assert row(found, "stack/lightgbm")["verdict"] == "baseline"
    assert np.isnan(row(found, "stack/lightgbm")["difference"])
    assert found.recommended not in ("weak", "weak/logistic", "stack/logistic")
    sentences = [
        one for one in found.verdicts if one.startswith("weak is behind stack/lightgbm on the same rows: ")
    ]
    assert len(found.verdicts) == 5
    assert len(sentences) == 1
    assert "; worse in log loss" in sentences[0]
    assert found.recommendation.startswith(f"recommended: {found.recommended}, ")
    assert "95 % for all 15 pairs of models together" in found.recommendation
    assert any("favours it" in note for note in found.notes)


def test_intervals_of_all_together_are_never_narrower(found):
    known = found.table[found.table["verdict"] != "baseline"]
    assert (known["together_low"] <= known["difference_low"]).all()
    assert (known["together_high"] >= known["difference_high"]).all()


def test_the_same_seed_gives_the_same_and_any_number_of_jobs(stack, weak, found):
    models = {"stack": stack, "weak": weak}
    options = {"target": "bad", "metrics": ["roc_auc", "log_loss"], "learners": True, **QUICK}
    again = compare_models(models, UNSEEN, n_jobs=2, **options)
    pd.testing.assert_frame_equal(again.table, found.table)
    assert again.verdicts == found.verdicts
    other = compare_models(models, UNSEEN, seed=1, **options)
    assert other.table["value"].tolist() == found.table["value"].tolist()
    assert other.table["low"].tolist() != found.table["low"].tolist()


def test_the_rows_are_not_changed_and_may_be_drawn(stack, weak):
    before = UNSEEN.copy()
    options = {"target": "bad", "n_rows": 150, **QUICK}
    a, b = (compare_models({"s": stack, "w": weak}, UNSEEN, **options) for _ in range(2))
    pd.testing.assert_frame_equal(UNSEEN, before)
    assert a.rows == 150
    assert a.table["value"].tolist() == b.table["value"].tolist()
    assert "150 of 400 rows were drawn by chance" in a.notes
    assert a.baseline == "s", "without learners the first model"


def test_groups_are_resampled_together(stack, weak):
    four = UNSEEN.loc[UNSEEN.index.repeat(4)].assign(row=np.repeat(np.arange(400), 4))
    models, options = {"s": stack, "w": weak}, {"target": "bad", "metrics": ["roc_auc"], **QUICK}
    alone = compare_models(models, UNSEEN, **options)
    grouped = compare_models(models, four, groups="row", **options)
    fooled = compare_models(models, four, **options)
    assert (grouped.rows, grouped.units) == (1600, 400)

    def width(found):
        return row(found, "w")["difference_high"] - row(found, "w")["difference_low"]

    assert width(grouped) == pytest.approx(width(alone), rel=0.3)
    assert width(fooled) < 0.7 * width(grouped)


def test_a_weight_of_two_is_the_row_given_twice(stack, weak):
    heavy = UNSEEN.assign(w=np.where(UNSEEN["a"] > 0, 2.0, 1.0))
    twice = pd.concat([UNSEEN, UNSEEN[UNSEEN["a"] > 0]])
    models, options = {"s": stack, "w": weak}, {"target": "bad", "metrics": ["log_loss", "roc_auc"], **QUICK}
    weighted, repeated = (
        compare_models(models, heavy, weight="w", **options),
        compare_models(models, twice, **options),
    )
    np.testing.assert_allclose(weighted.table["value"], repeated.table["value"], rtol=1e-9)
    np.testing.assert_allclose(weighted.table["lag"], repeated.table["lag"], rtol=1e-6, atol=1e-12)


def test_times_are_measured_and_megabytes_are_those_of_the_file(stack, weak, tmp_path):
    path = stack.save(tmp_path / "whole.stack")
    found = compare_models([f"big={path}", ("weak", weak)], UNSEEN, target="bad", repeats=1, n_resamples=50)
    assert row(found, "big")["megabytes"] == path.stat().st_size / 1e6
    assert (found.table["us_per_row"] > 0).all()
    assert " us a row" in found.recommendation
    assert "whole" in set(compare_models([path, ("w", weak)], UNSEEN, target="bad", **QUICK).table["model"])


def test_what_is_cheaper_and_not_shown_to_be_worse_is_recommended_unless_a_margin_forbids(stack):
    models = {"stack": stack, "small": fit(["logistic"])}
    options = {"target": "bad", "metrics": ["roc_auc"], **QUICK}
    few = compare_models(models, UNSEEN, n_rows=40, **options)
    assert few.table["model"].iloc[0] == "stack"
    assert few.recommended == "small", "40 rows do not show a difference"
    assert " here and may be worse by up to " in few.recommendation
    strict = compare_models(models, UNSEEN, n_rows=40, margin=0.01, **options)
    assert strict.recommended == "stack"
    assert "every other may lag by more than 0.01 (95 %)" in strict.recommendation
    assert compare_models(models, UNSEEN, **options).recommended == "stack", "400 rows do"
    with pytest.raises(ParameterError, match=r"margin=-1: give 0 or more"):
        compare_models(models, UNSEEN, margin=-1, **options)


def test_an_assembly_stands_beside_its_parts_and_says_whom_it_asked(stack, weak):
    pair = stackml.Ensemble({"stack": stack, "weak": weak}, weights=[3, 1])
    found = compare_models({"pair": pair}, UNSEEN, target="bad", learners=True, **QUICK)
    assert set(found.table["model"]) == {"pair", "stack", "weak", "plain mean"}
    assert row(found, "pair")["calls_per_row"] == 2
    assert row(found, "pair")["asked"] == "all 2"
    assert row(found, "stack")["calls_per_row"] == 1
    even = compare_models(
        {"pair": stackml.Ensemble({"stack": stack, "weak": weak})},
        UNSEEN,
        target="bad",
        learners=True,
        **QUICK,
    )
    assert set(even.table["model"]) == {"pair", "stack", "weak"}
    assert "pair is the plain mean of what it is made of" in even.notes


def test_classes_are_aligned_by_label(stack):
    turned = SEEN["bad"].map({0: "z", 1: "a"})
    plain = SEEN["bad"].map({0: "z", 1: "a"}).astype(pd.CategoricalDtype(["z", "a"]))
    names = {"z": 0, "a": 1}
    one, other = fit(["logistic"], y=turned), fit(["logistic"], y=plain)
    truth = UNSEEN.assign(bad=UNSEEN["bad"].map({0: "z", 1: "a"}))
    found = compare_models({"one": one, "other": other}, truth, target="bad", metrics=["roc_auc"], **QUICK)
    assert names[one.classes_[0]] == 1
    assert row(found, "one")["value"] > 0.6
    assert row(found, "one")["value"] == row(found, "other")["value"]


def test_a_positive_value_is_understood_as_in_evaluating(stack, weak, found):
    truth = UNSEEN.assign(bad=UNSEEN["bad"].map({0: "paid", 1: "late"}))
    models, options = {"stack": stack, "weak": weak}, {"target": "bad", "metrics": ["roc_auc"], **QUICK}
    worded = compare_models(models, truth, positive="late", **options)
    assert row(worded, "weak")["value"] == row(found, "weak")["value"]
    with pytest.raises(DataError, match=r"never is 'lat'; it holds: "):
        compare_models(models, truth, positive="lat", **options)


def test_three_classes_and_numbers_are_compared_too():
    three = pd.Series(np.select([SEEN["a"] < -0.5, SEEN["a"] < 0.5], ["low", "mid"], "high"))
    truth = UNSEEN.assign(bad=np.select([UNSEEN["a"] < -0.5, UNSEEN["a"] < 0.5], ["low", "mid"], "high"))
    stack = fit(["lightgbm", "logistic"], y=three)
    found = compare_models({"stack": stack}, truth, target="bad", learners=True, **QUICK)
    assert {"lightgbm", "logistic"} < set(found.table["model"])
    number = stackml.StackRegressor(["lightgbm", "ridge"], folds=3, n_jobs=1).fit(SEEN[FEATURES], SEEN["y"])
    found = compare_models(
        {"number": number}, UNSEEN, target="y", metrics=["rmse", "mae"], learners=True, **QUICK
    )
    assert found.table["value"].iloc[0] == pytest.approx(1.0, abs=0.3)
    assert row(found, "lightgbm", "rmse")["verdict"] == "worse", "the target is linear"


def test_what_cannot_be_compared_is_refused(stack, weak, tmp_path):
    number = stackml.StackRegressor(["ridge"], folds=3, n_jobs=1).fit(SEEN[FEATURES], SEEN["y"])
    words = fit(["logistic"], y=SEEN["bad"].map({0: "good", 1: "bad"}))
    path = stack.save(tmp_path / "fraud.stack")
    for models, options, error, message in (
        ({"s": stack}, {}, ParameterError, r"'s' is one model alone; .*--learners"),
        ({}, {}, ParameterError, r"no models to compare"),
        ({"s": stack, "n": number}, {}, ParameterError, r"'n' predicts numbers and 's' classes"),
        ({"s": stack, "t": words}, {}, ParameterError, r"'s' and 't' know different classes: "),
        ([("s", stack), ("s", weak)], {}, ParameterError, r"two models are named 's'"),
        ({"s": stack, "w": weak}, {"target": "bda"}, SchemaError, r"no column 'bda'.*did you mean 'bad'\?"),
        ({"s": stack, "w": weak}, {"target": None}, ParameterError, r"give target="),
        ({"s": stack, "w": weak}, {"metrics": ["roc_acu"]}, ParameterError, r"did you mean 'roc_auc'\?"),
        (
            {"s": stack, "w": weak},
            {"baseline": "ss"},
            ParameterError,
            r"none of the models; did you mean 's'\?",
        ),
        ({"s": stack, "w": weak}, {"groups": "cleint"}, SchemaError, r"for groups; did you mean 'client'\?"),
        ({"s": stack, "w": weak}, {"weight": "ww"}, SchemaError, r"no column 'ww' for weights"),
        ({"s": stack, "w": weak}, {"margin": "0.1"}, ParameterError, r"margin='0.1': give 0 or more"),
        ({"s": stack, "w": weak}, {"n_rows": 0}, ParameterError, r"n_rows=0"),
        ({"s": stack, "w": "not a model"}, {}, TrackingError, r"there is no model 'not a model'"),
        ([stack, str(path).replace("fraud", "frauds")], {}, TrackingError, r"did you mean 'fraud.stack'\?"),
        ({"s": stack, "w": 3}, {}, ParameterError, r"model 'w' is a int"),
    ):
        with pytest.raises(error, match=message):
            compare_models(models, UNSEEN, **{"target": "bad", **QUICK, **options})
    with pytest.raises(DataError, match=r"model 's': .*lacks 1 column.*'a'"):
        compare_models({"w": weak, "s": stack}, UNSEEN.drop(columns="a"), target="bad", **QUICK)
    both = {"s": stack, "w": weak}
    for rows, options, message in (
        (UNSEEN.assign(p=0.0), {"weight": "p"}, "sample_weight is zero for every row"),
        (UNSEEN.assign(p="much"), {"weight": "p"}, "sample_weight holds values that are no numbers"),
        (UNSEEN.assign(p=1), {"groups": "p"}, "the rows are 1 group, and from one group nothing tells"),
        (UNSEEN.head(1), {"metrics": "log_loss"}, "the rows are 1 row, and from one row nothing tells"),
        (
            UNSEEN.assign(p=[None, *"ab"] + ["c"] * 397),
            {"groups": "p"},
            r"'p' is missing in 1 row\(s\), first",
        ),
    ):
        with pytest.raises(DataError, match=message):
            compare_models(both, rows, **{"target": "bad", **QUICK, **options})
    with pytest.raises(DataError, match="target 'shop', row 0: 'x' is no number"):
        compare_models([number, number], UNSEEN, target="shop", **QUICK)
    with pytest.raises(ParameterError, match="made of, and another model, are both named 's/lightgbm'"):
        compare_models({"s": stack, "s/lightgbm": weak}, UNSEEN, target="bad", learners=True, **QUICK)
    one = UNSEEN[UNSEEN["bad"] == 1]
    with pytest.raises(DataError, match=r"roc_auc has no value on these rows .*one class alone"):
        compare_models({"s": stack, "w": weak}, one, target="bad", metrics=["roc_auc"], **QUICK)


def test_one_model_and_one_metric_need_no_list(stack):
    found = compare_models(stack, UNSEEN, target="bad", metrics="log_loss", learners=True, **QUICK)
    assert set(found.table["model"]) == {"model_1", "lightgbm", "logistic", "plain mean"}
    assert found.metrics == ("log_loss",)
    with pytest.raises(ParameterError, match="'model_1' is a NoneType"):
        compare_models(None, UNSEEN, target="bad", **QUICK)


def test_few_rows_are_said_to_give_intervals_that_are_too_narrow(stack, weak, found):
    few = compare_models([stack, weak], UNSEEN.head(12), target="bad", metrics=["log_loss"], **QUICK)
    assert few.notes == [
        "12 rows are few: intervals from fewer than 30 are too narrow, and those of 95 % from 10 hold in "
        "about 90 % of cases"
    ]
    assert not [note for note in found.notes if "few" in note]


def test_a_model_that_has_learned_from_the_rows_is_told_by_its_loss(found, weak):
    rng = np.random.default_rng(0)
    y = SEEN["bad"].where(rng.random(500) > 0.3, 1 - SEEN["bad"])
    deep = fit([ExtraTreesLearner(min_samples_leaf=1)], y=y, calibration="none")  # remembers noise too
    models = {"weak": weak, "deep": deep, "both": stackml.Ensemble([weak, deep])}
    notes = compare_models(models, SEEN.assign(bad=y), target="bad", **QUICK).notes
    told = [note for note in notes if "learned from these rows; the scores here flatter it" in note]
    assert [note.split(": ")[0] for note in told] == ["deep", "both"]
    assert not [note for note in found.notes if "learned" in note]


def test_models_of_two_targets_are_told_apart(stack, weak):
    other = stack.fitted_.with_card({"training": {"target": "late"}})
    ours = weak.fitted_.with_card({"training": {"target": "bad"}})
    with pytest.raises(
        ParameterError, match=r"'a' was trained on the target 'bad' and 'b' on 'late'; .*target="
    ):
        compare_models({"a": ours, "b": other}, UNSEEN, **QUICK)
    assert compare_models({"a": ours, "b": other}, UNSEEN, target="bad", **QUICK).target == "bad"
    assert compare_models({"a": ours, "b": weak}, UNSEEN, **QUICK).target == "bad"


def test_files_hold_the_table_and_the_figure(found, tmp_path):
    for name in ("t.csv", "t.json", "t.png", "t.svg"):
        write_comparison(found, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 0
    read = pd.read_csv(tmp_path / "t.csv")
    assert read["model"].tolist() == found.table["model"].tolist()
    np.testing.assert_allclose(read["value"], found.table["value"])
    assert len(json.loads((tmp_path / "t.json").read_text())) == len(found.table)
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ParameterError, match=r"must end with .csv.*found '.xlsx'"):
        write_comparison(found, tmp_path / "t.xlsx")
    with pytest.raises(DataError, match="there is no folder"):
        write_comparison(found, tmp_path / "none" / "t.csv")


def test_a_comparison_is_a_run_of_its_own(found, tmp_path):
    logged = record_comparison(found, params={"seed": 0, "secret_token": "x"}, folder=tmp_path)
    client = connect(folder=tmp_path, create=False).client
    run = client.get_run(logged.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["stackml.kind"] == "comparison"
    assert client.get_experiment(run.info.experiment_id).name == logged.experiment == "comparisons"
    assert run.data.params["baseline"] == "stack/lightgbm"
    assert run.data.params["metrics"] == "roc_auc, log_loss"
    assert run.data.params["recommended"] == found.recommended
    assert "secret_token" not in run.data.params
    assert run.data.metrics["weak/roc_auc"] == row(found, "weak")["value"]
    assert run.data.metrics["weak/gain_over_baseline/roc_auc"] == row(found, "weak")["difference"]
    assert "stack/lightgbm/gain_over_baseline/roc_auc" not in run.data.metrics, "not a number"
    listed = {item.path for item in client.list_artifacts(logged.run_id)}
    assert {"comparison.csv", "comparison.json", "verdicts.txt", "figures"} <= listed
    assert [item.path for item in client.list_artifacts(logged.run_id, "figures")] == [
        "figures/comparison.png"
    ]
    kept = pd.read_csv(client.download_artifacts(logged.run_id, "comparison.csv", str(tmp_path)))
    assert kept["verdict"].tolist() == found.table["verdict"].tolist()
    shown_as = Path(client.download_artifacts(logged.run_id, "comparison.json", str(tmp_path)))
    assert json.loads(shown_as.read_text())["columns"] == list(found.table.columns)


def test_models_of_the_registry_and_of_files_stand_side_by_side(stack, weak, tmp_path):
    store = connect(folder=tmp_path, experiment="e")
    with running(store, "training", {}) as run_id:
        log_model(stack, registered_model_name="fraud", run_id=run_id, store=store)
    models = ["models:/fraud/1", f"old=runs:/{run_id}/stack", weak.save(tmp_path / "weak.stack")]
    found = compare_models(models, UNSEEN, target="bad", folder=tmp_path, **QUICK)
    assert set(found.table["model"]) == {"fraud/1", "old", "weak"}
    assert row(found, "old")["difference"] == 0
    assert row(found, "old")["verdict"] == "level"
    with pytest.raises(TrackingError, match=r"did you mean 'fraud'"):
        compare_models(["models:/fraut/1", weak], UNSEEN, target="bad", folder=tmp_path, **QUICK)


def test_on_a_real_table_a_stack_its_learners_and_an_ensemble(real_data):
    frame = pd.read_parquet(real_data / "german_credit.parquet")
    order = np.random.default_rng(0).permutation(len(frame))
    seen, unseen = frame.iloc[order[:600]], frame.iloc[order[600:]].reset_index(drop=True)
    X, y = seen.drop(columns="class"), seen["class"]
    quick = {"folds": 3, "n_jobs": 1}
    stack = stackml.StackClassifier(["lightgbm", "extra_trees", "logistic"], **quick).fit(X, y)
    poor = stackml.StackClassifier(["logistic"], **quick).fit(X[["residence_since", "num_dependents"]], y)
    both = stackml.Ensemble({"stack": stack, "poor": poor})
    found = compare_models(
        {"stack": stack, "both": both, "poor": poor},
        unseen,
        target="class",
        metrics=["roc_auc"],
        learners=True,
        **QUICK,
    )
    assert row(found, "poor")["verdict"] == "worse"
    words = {name: row(found, f"stack/{name}")["verdict"] for name in ("lightgbm", "extra_trees", "logistic")}
    assert set(words.values()) <= {"baseline", "level"}, "400 rows do not tell these three apart"
    assert row(found, "stack")["verdict"] == "level"
    assert found.recommended != "poor"
    assert row(found, found.recommended)["lag_low"] <= 0
