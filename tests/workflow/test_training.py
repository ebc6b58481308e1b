import sys

import numpy as np
import pandas as pd
import pytest

import stackml
from stackml.foundation.errors import FitError, MissingExtraError, SchemaError, SpecError
from stackml.learners.linear import LogisticLearner
from stackml.metrics import get_metric
from stackml.workflow.rows import divide, load_rows
from stackml.workflow.spec import apply_sets, load_spec, parse_spec
from stackml.workflow.training import train

from .conftest import QUICK, UNTRACKED


def test_leaderboard_has_the_stack_and_each_learner(first):
    assert set(first.leaderboard["name"]) == {"stack", "lightgbm", "logistic"}
    assert set(first.leaderboard["status"]) == {"fitted"}
    assert (first.n_train, first.n_held_out) == (1200, 300)


def test_held_out_scores_are_those_of_the_logged_predictions(first):
    for scored in first.held_out:
        frame = first.predictions
        assert scored.value == get_metric(scored.metric).value(frame["y"], frame[scored.name])
    sure = {(s.name, s.metric) for s in first.held_out if s.low <= s.value <= s.high}
    best = first.leaderboard.query("name != 'stack'")["name"].iloc[0]
    for name in ("stack", best, "plain mean"):
        assert {metric for who, metric in sure if who == name} == set(first.spec.metrics)


def test_verdicts_say_no_more_than_the_intervals(first):
    mean, alone = first.verdicts
    assert "its best single learner (" in alone
    # Its combiner is the mean itself.
    assert mean.startswith("the stack is the plain mean of its 2 learners")
    assert "as its pipeline asks" in mean
    for versus in first.versus:
        claims = [v for v in first.verdicts if versus.other in v and versus.metric == "roc_auc"]
        assert all((" beats " in claim) == (versus.difference.low > 0) for claim in claims)


def test_stored_stack_predicts_the_held_out_rows_as_told(first, credit, project):
    loaded = stackml.load(first.stack_path)
    rows = load_rows(credit, None, project)
    frame, _ = rows.take(first.predictions["row"].to_numpy())
    assert np.array_equal(loaded.predict_proba(frame)[:, 1], first.predictions["stack"])
    assert first.stack_path.parent.parent == project / "runs" / "credit"


def test_decisions_are_found_out_of_fold_and_tried_on_held_out_rows(first):
    table = first.decisions.set_index("rule")
    frame = first.predictions
    nothing = table.loc["flag nothing"]
    assert nothing["flagged"] == 0
    assert nothing["cost"] == pytest.approx(5 * frame["y"].mean())
    least = table.loc["least cost"]
    flagged = frame["stack"] >= least["threshold"]
    assert least["flagged"] == pytest.approx(flagged.mean())
    assert least["recall"] == pytest.approx(frame["y"][flagged].sum() / frame["y"].sum())
    assert table.loc["review 10 %", "flagged"] < 0.2


def test_first_version_is_champion_and_the_next_is_held_against_it(first, second):
    assert (first.version, first.alias) == (1, "champion")
    assert second.version == 2
    assert second.alias in ("champion", "challenger")
    (note,) = [n for n in second.notes if n.startswith("version 2 ")]
    assert "on the same held-out rows" in note
    assert ": roc auc " in note
    assert "may have seen" not in note
    assert (second.alias == "champion") == ("it beats version 1" in note)


def test_run_holds_spec_metrics_and_predictions(first):
    from stackml.tracking.store import connect

    client = connect(first.tracking_uri, create=False).client
    run = client.get_run(first.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["dataset"] == "credit_sim"
    assert run.data.params["split.folds"] == "2"
    stack = {s.metric: s for s in first.held_out if s.name == "stack"}
    assert run.data.metrics["roc_auc"] == stack["roc_auc"].value
    assert run.data.metrics["roc_auc_low"] == stack["roc_auc"].low
    names = {item.path for item in client.list_artifacts(first.run_id)}
    assert names >= {"held_out.parquet", "oof.parquet", "pipeline.yaml", "verdicts.txt", "plan.json"}
    fold_scores = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{first.run_id}'", max_results=10
    )
    assert {child.info.run_name for child in fold_scores} == {"lightgbm", "logistic"}
    assert all("fold_roc_auc" in child.data.metrics for child in fold_scores)


def test_nothing_is_learned_from_held_out_time(tmp_path):
    spec = apply_sets(load_spec("fraud"), ["n_rows=1500"])
    rows = load_rows(spec, None, tmp_path)
    (fold,) = divide(rows, spec).folds
    time = pd.to_datetime(rows.frame["time"])
    assert time.iloc[fold.train].max() < time.iloc[fold.held_out].min()
    assert not set(fold.train) & set(fold.held_out)


def test_nothing_is_learned_from_held_out_patients(tmp_path):
    spec = apply_sets(load_spec("readmission"), [*UNTRACKED, "stack.learners=[logistic]"])
    result = train(spec, folder=tmp_path, n_jobs=1)
    rows = load_rows(spec, None, tmp_path)
    held_out = result.predictions["row"].to_numpy()
    patients = rows.frame["patient_id"]
    assert not set(patients.iloc[held_out]) & set(patients.drop(patients.index[held_out]))
    assert list(result.predictions["unit"]) == list(patients.iloc[held_out])
    read = {c.name for c in result.stack.fitted_.schema.read}
    assert not read & {"patient_id", "admission_date", "admission_id", "readmitted_30d"}
    assert any("'patient_id' divides the rows (group)" in note for note in result.notes)


def test_resume_fits_nothing_again_and_gives_the_same_stack(tmp_path):
    spec = apply_sets(load_spec("fraud"), UNTRACKED)
    one = train(spec, folder=tmp_path, n_jobs=1)
    again = train(spec, folder=tmp_path, n_jobs=1, resume=True)
    assert (one.fits_done, one.fits_cached) == (6, 0), "two folds and a refit each"
    assert (again.fits_done, again.fits_cached) == (0, 6)
    assert again.predictions.equals(one.predictions)
    assert again.stack_path != one.stack_path
    fewer = apply_sets(spec, ["stack.learners=[{logistic: {C: 0.5}}, lightgbm]"])
    changed = train(fewer, folder=tmp_path, n_jobs=1, resume=True)
    assert (changed.fits_done, changed.fits_cached) == (3, 3), "the changed learner alone is fitted"
    fresh = train(spec, folder=tmp_path, n_jobs=1)
    assert (fresh.fits_done, fresh.fits_cached) == (6, 0)


def test_a_learner_that_fails_is_reported_and_left_out(tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("no convergence today")

    monkeypatch.setattr(LogisticLearner, "fit", fail)
    spec = apply_sets(load_spec("credit"), UNTRACKED)
    result = train(spec, folder=tmp_path, n_jobs=1)
    board = result.leaderboard.set_index("name")
    assert board.loc["logistic", "status"] == "failed"
    assert "learner 'logistic' failed: RuntimeError: no convergence today" in result.notes
    assert result.verdicts[0].startswith("the stack is its only learner (lightgbm)")
    assert {s.name for s in result.held_out} == {"stack", "lightgbm"}
    assert result.run_id is None
    with pytest.raises(FitError, match="no convergence today"):
        train(apply_sets(spec, ["stack.learners=[logistic]"]), folder=tmp_path, n_jobs=1)


def test_a_learner_that_is_not_installed_fails_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "catboost", None)
    monkeypatch.setattr("stackml.learners.catalog.installed", lambda module: module != "catboost")
    named = apply_sets(
        load_spec("credit"), [*UNTRACKED, "stack.learners=[catboost: {max_rounds: 20}, logistic]"]
    )
    result = train(named, folder=tmp_path, n_jobs=1)
    board = result.leaderboard.set_index("name")
    assert board.loc["catboost", "status"] == "failed"
    assert "pip install 'stackml[best]'" in board.loc["catboost", "message"]
    assert board.loc["logistic", "status"] == "fitted"
    with pytest.raises(MissingExtraError, match=r"learner 'catboost' needs 'catboost'.*stackml\[best\]"):
        train(apply_sets(named, ["stack.learners=[catboost]"]), folder=tmp_path, n_jobs=1)


def test_another_table_is_registered_under_a_name_of_its_own(first, credit, project, tmp_path):
    assert first.registered_name == "credit"
    rows = load_rows(credit, None, project)
    rows.frame.assign(default=rows.y).to_csv(tmp_path / "more.csv", index=False)
    spec = apply_sets(
        credit,
        [
            "datasets.more.path=more.csv",
            "datasets.more.target=default",
            "stack.learners=[logistic]",
            f"tracking.uri={first.tracking_uri}",
        ],
    )
    other = train(spec, dataset="more", folder=tmp_path, n_jobs=1)
    assert (other.registered_name, other.version, other.alias) == ("credit-more", 1, "champion")
    assert "version 1 of 'credit-more' is the champion: there was none before" in other.notes


def test_call_comes_before_the_spec(tmp_path):
    spec = apply_sets(load_spec("credit"), [*UNTRACKED, "n_rows=400"])
    result = train(spec, folder=tmp_path, preset="fast", time_limit=50, n_jobs=1)
    assert result.spec.stack.learners == "fast"
    assert result.spec.stack.time_limit == 50
    with pytest.raises(
        SpecError, match=r"^preset='fastt': unknown preset or learner 'fastt'; did you mean 'fast'"
    ):
        train(spec, folder=tmp_path, preset="fastt")


OWN = """
name: own
dataset: mine
metrics: [{metric}]
datasets:
  mine: {{path: mine.csv, target: {target}, drop: [junk]}}
stack: {{learners: [lightgbm, {linear}], combiner: mean}}
split: {{folds: 2}}
tracking: {{enabled: false}}
"""


@pytest.fixture
def own_table(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    kind = np.array(["low", "mid", "high"])[np.digitize(x[:, 0] + 0.3 * rng.normal(size=300), [-0.5, 0.5])]
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "junk": 1, "kind": kind, "size": 3 * x[:, 0] + x[:, 1]})
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "metric", "linear"), [("kind", "log_loss", "logistic"), ("size", "rmse", "ridge")]
)
def test_a_table_of_ones_own_with_classes_or_a_number(own_table, target, metric, linear):
    spec = parse_spec(OWN.format(target=target, metric=metric, linear=linear), "own.yaml")
    result = train(spec, folder=own_table, n_jobs=1)
    assert len(result.verdicts) == 2
    assert "(less is better; + is better)" in result.verdicts[1]
    assert result.decisions.empty
    assert "junk" not in {c.name for c in result.stack.fitted_.schema.read}


def test_what_does_not_go_together_is_told(own_table):
    fraud = apply_sets(load_spec("fraud"), QUICK)
    with pytest.raises(SpecError, match="has no dataset 'banksm'; did you mean 'banksim'"):
        load_rows(fraud, "banksm", own_table)
    grouped = apply_sets(fraud, ["split.kind=grouped"])
    with pytest.raises(
        SpecError, match=r"split.kind is 'grouped', but dataset 'fraud_sim' has no group column"
    ):
        load_rows(grouped, None, own_table)
    dropped = apply_sets(fraud, ["columns.drop=[amuont]"])
    with pytest.raises(SchemaError, match=r"'drop' names the column 'amuont'.*did you mean 'amount'"):
        load_rows(dropped, None, own_table)
    number = parse_spec(OWN.format(target="size", metric="roc_auc", linear="ridge"), "own.yaml")
    with pytest.raises(SpecError, match="'metrics': metric 'roc_auc' is not made for a regression problem"):
        train(number, folder=own_table)
