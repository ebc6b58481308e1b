import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stackml.assembly.loading import load
from stackml.foundation.errors import StorageError, TrackingError
from stackml.stack.estimators import StackClassifier
from stackml.tracking import load_model, log_model
from stackml.tracking.learner_runs import learner_records
from stackml.tracking.runs import TrainingRecord, log_training
from stackml.tracking.store import connect


@pytest.fixture(scope="module")
def run(store, logged):
    return store.client.get_run(logged.run_id)


def artifact(store, run_id, path):
    local = Path(store.client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    return local / path


def children_of(store, run_id):
    found = store.client.search_runs([store.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    return {one.info.run_name: one for one in found}


def test_the_parent_run_is_finished_and_named(run):
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "fraud"
    assert run.data.tags["owner"] == "risk"
    assert run.data.tags["stackml.pipeline"] == "fraud"


def test_metrics_come_with_their_intervals(run):
    assert run.data.metrics == {
        "roc_auc": 0.9,
        "roc_auc_low": 0.85,
        "roc_auc_high": 0.95,
        "log_loss": 0.3,
    }


def test_params_are_flat_and_hold_no_secret(run):
    assert run.data.params == {
        "learners": "[lightgbm, logistic]",
        "split.kind": "time",
        "split.embargo": "0.5",
        "source.uri": "postgresql://db/fraud",
    }


def test_no_secret_is_anywhere_in_the_store(store, logged):
    folder = Path(store.tracking_uri.removeprefix("sqlite:///")).parent
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert "hunter" not in "\n".join(database.iterdump())
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".db":
            assert b"hunter" not in path.read_bytes(), path


def test_the_datasets_are_inputs_with_their_use(run):
    found = {i.tags[0].value: i.dataset for i in run.inputs.dataset_inputs}
    assert set(found) == {"training", "held_out"}
    assert found["training"].digest == "a" * 36
    assert json.loads(found["held_out"].profile)["num_rows"] == 60


def test_artifacts_say_what_was_done(store, logged, classifier):
    names = {one.path for one in store.client.list_artifacts(logged.run_id)}
    assert names == {"plan.json", "leaderboard.csv", "oof.parquet", "pipeline.yaml", "report"}
    plan = json.loads(artifact(store, logged.run_id, "plan.json").read_text())
    assert plan == classifier.plan_
    board = pd.read_csv(artifact(store, logged.run_id, "leaderboard.csv"))
    assert set(board["name"]) == {"lightgbm", "logistic", "stack"}
    oof = pd.read_parquet(artifact(store, logged.run_id, "oof.parquet"))
    pd.testing.assert_frame_equal(oof, classifier.oof_)


def test_each_learner_has_a_child_run(store, logged, classifier):
    children = children_of(store, logged.run_id)
    assert set(children) == {"lightgbm", "logistic"} == set(logged.children)
    child = children["lightgbm"]
    assert child.info.status == "FINISHED"
    assert child.data.params["kind"] == "lightgbm"
    assert "learning_rate" in child.data.params
    board = classifier.leaderboard_.set_index("name")
    assert child.data.metrics["score"] == board.loc["lightgbm", "score"]
    assert child.data.metrics["fit_seconds"] == board.loc["lightgbm", "fit_seconds"]


def test_fold_scores_are_steps_and_those_of_the_folds(store, logged, classifier, target):
    from sklearn.metrics import roc_auc_score

    history = store.client.get_metric_history(logged.children["logistic"], "fold_roc_auc")
    assert [point.step for point in history] == [0, 1]
    folds = classifier._built.layers[0].folds.folds
    expected = [
        roc_auc_score(target[f.held_out], classifier.oof_["logistic"].iloc[f.held_out]) for f in folds
    ]
    np.testing.assert_allclose([point.value for point in history], expected, rtol=1e-12)


def test_the_model_belongs_to_the_run_and_carries_its_scores(store, logged, run):
    model = store.client.get_logged_model(logged.model_uri.removeprefix("models:/"))
    assert model.source_run_id == logged.run_id
    assert str(model.status) == "READY"
    assert [one.model_id for one in run.outputs.model_outputs] == [model.model_id]
    scores = {one.key: (one.value, one.dataset_name) for one in model.metrics}
    assert scores["roc_auc"] == (0.9, "simulated")
    assert "source.password" not in model.params


def test_the_model_is_found_by_run_id_and_by_address(store, logged, classifier, rows):
    expected = classifier.predict_proba(rows)
    for uri in (f"runs:/{logged.run_id}/stack", logged.model_uri, "models:/fraud/1", "models:/fraud/latest"):
        np.testing.assert_array_equal(load_model(uri, store=store).predict_proba(rows), expected)


def test_mlflow_itself_finds_the_model(store, logged, classifier, rows, monkeypatch):
    import mlflow.pyfunc

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri)
    for uri in (f"runs:/{logged.run_id}/stack", "models:/fraud/1"):
        found = mlflow.pyfunc.load_model(uri).predict(rows)["probability_1"]
        np.testing.assert_array_equal(found, classifier.predict_proba(rows)[:, 1])
    np.testing.assert_array_equal(load_model("models:/fraud/1").predict(rows), classifier.predict(rows))


def test_a_model_can_be_logged_in_a_run_of_the_users_own(store, classifier, rows, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri)
    with mlflow.start_run(experiment_id=store.experiment_id) as run:
        info = log_model(classifier, name="mine", input_example=rows, registered_model_name="mine")
    assert info.run_id == run.info.run_id
    assert info.registered_model_version == 1
    back = load_model(f"runs:/{run.info.run_id}/mine")
    np.testing.assert_array_equal(back.predict(rows), classifier.predict(rows))


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/frauds/1", "no model 'frauds' is registered.*did you mean 'fraud'"),
        ("models:/fraud/99", "no version '99'; it has: "),
        ("models:/fraud@champoin", "no alias 'champoin'"),
        ("models:/fraud", "does not say which version"),
        ("runs:/00000000000000000000000000000000/stack", "cannot find the run"),
    ],
)
def test_a_model_that_is_not_there_is_said_with_what_there_is(store, logged, uri, message):
    with pytest.raises(TrackingError, match=message):
        load_model(uri, store=store)


def test_a_wrong_name_in_a_run_names_the_right_one(store, logged):
    with pytest.raises(TrackingError, match="has no model 'stak'; did you mean 'stack'"):
        load_model(f"runs:/{logged.run_id}/stak", store=store)


def test_a_learner_that_failed_leaves_a_failed_child(store, rows, target):
    from sklearn.linear_model import LogisticRegression

    broken = LogisticRegression(C=-1.0)  # refuses at fit
    stack = StackClassifier(["logistic", ("broken", broken)], folds=2, n_jobs=1).fit(rows, target)
    logged = log_training(store, TrainingRecord("partly", stack))
    assert store.client.get_run(logged.run_id).info.status == "FINISHED"
    assert logged.version is None
    children = children_of(store, logged.run_id)
    assert children["broken"].info.status == "FAILED"
    assert "'C' parameter" in children["broken"].data.tags["error"]
    assert children["logistic"].info.status == "FINISHED"


def test_models_of_all_rows_are_steps(store, rows, target):
    stack = StackClassifier(["lightgbm"], folds=2, refit=3, n_jobs=1).fit(rows, target)
    logged = log_training(store, TrainingRecord("several", stack))
    history = store.client.get_metric_history(logged.children["lightgbm"], "refit_rounds")
    assert [point.step for point in history] == [0, 1, 2]


def test_a_crash_leaves_the_run_failed(store, record, monkeypatch):
    def crash(*_, **__):
        raise StorageError("disk full at http://ann:hunter2@x/")

    monkeypatch.setattr("stackml.tracking.runs.log_model", crash)
    with pytest.raises(StorageError, match="disk full"):
        log_training(store, replace(record, run_name="crashed"))
    (run,) = store.client.search_runs([store.experiment_id], "attributes.run_name = 'crashed'")
    assert run.info.status == "FAILED"
    assert run.info.end_time is not None
    assert run.data.tags["error"] == "StorageError: disk full at http://x/"


def test_an_interrupt_while_a_learner_is_written_leaves_nothing_running(store, record, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("stackml.tracking.learner_runs.write_metrics", interrupt)
    with pytest.raises(KeyboardInterrupt):
        log_training(store, replace(record, run_name="interrupted"))
    assert store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'") == []


def test_an_artifact_path_that_leads_out_is_refused(store, classifier):
    record = TrainingRecord("fraud", classifier, texts={"../../x.txt": "x"}, run_name="escaping")
    with pytest.raises(TrackingError, match="leads out of the run"):
        log_training(store, record)


def test_a_store_without_an_experiment_is_refused(store, record):
    with pytest.raises(TrackingError, match="without an experiment"):
        log_training(connect(store.tracking_uri), record)


def test_many_long_and_odd_params_are_logged(store, classifier):
    params = {f"p[{i}]": "x" * 7000 for i in range(150)}
    logged = log_training(store, TrainingRecord("many", classifier, params=params))
    found = store.client.get_run(logged.run_id).data.params
    assert len(found) == 150
    assert found["p_7"] == "x" * 6000


def test_figures_are_copied(store, classifier, tmp_path):
    (tmp_path / "lift.svg").write_text("<svg/>")
    logged = log_training(store, TrainingRecord("figures", classifier, figures=[tmp_path / "lift.svg"]))
    assert artifact(store, logged.run_id, "figures/lift.svg").read_text() == "<svg/>"


def test_a_loaded_stack_still_knows_its_learners(classifier, tmp_path):
    back = load(classifier.save(tmp_path / "a.stack"))
    fresh = {one.name: one for one in learner_records(classifier)}
    old = {one.name: one for one in learner_records(back)}
    assert set(old) == set(fresh)
    scores = {m.name: m.value for m in old["lightgbm"].measures if m.name == "score"}
    assert scores == {m.name: m.value for m in fresh["lightgbm"].measures if m.name == "score"}
