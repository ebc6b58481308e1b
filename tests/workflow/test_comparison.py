import pytest

from stackml.foundation.errors import TrackingError
from stackml.tracking.store import connect
from stackml.workflow.comparison import compare
from stackml.workflow.recording import DATASET_TAG, METRIC_TAG
from stackml.workflow.spec import apply_sets
from stackml.workflow.training import train


def test_runs_side_by_side_with_a_paired_verdict(first, second, project):
    found = compare([first.run_id[:8], second.run_id], folder=project)
    assert list(found.table.index) == [first.run_id[:8], second.run_id[:8]]
    assert found.table.loc[first.run_id[:8], "roc_auc"] == first.held_out[0].value
    assert "param:stack.learners" in found.table.columns
    (verdict,) = found.verdicts
    assert verdict.startswith(f"run {first.run_id[:8]} ")
    assert f" run {second.run_id[:8]} on the same held-out rows" in verdict
    assert ": roc auc " in verdict


def test_a_pipeline_stands_for_its_latest_runs(first, second, project):
    found = compare(pipeline="credit", folder=project)
    assert {second.run_id[:8], first.run_id[:8]} <= set(found.table.index)


def test_runs_that_held_other_rows_out_are_not_paired(first, credit, project):
    other = train(apply_sets(credit, ["seed=5", "tracking.registered_model=else"]), folder=project, n_jobs=1)
    found = compare([first.run_id, other.run_id], folder=project)
    assert "cannot be compared row by row: they held different rows out" in found.verdicts[0]


def test_a_run_without_its_tag_is_judged_by_the_metric_among_its_parameters(first, second, project):
    client = connect(first.tracking_uri, create=False).client
    assert client.get_run(first.run_id).data.params["stack.metric"] == "roc_auc", "null in its pipeline"
    client.delete_tag(second.run_id, METRIC_TAG)
    (verdict,) = compare([first.run_id, second.run_id], folder=project).verdicts
    client.set_tag(second.run_id, METRIC_TAG, "log_loss")
    (both,) = compare([first.run_id, second.run_id], folder=project).verdicts
    client.set_tag(second.run_id, METRIC_TAG, "roc_auc")
    assert ": roc auc " in verdict
    assert "roc auc" in both
    assert "log loss" in both


def test_runs_of_two_tables_are_told_apart(first, second, project):
    client = connect(first.tracking_uri, create=False).client
    client.set_tag(second.run_id, DATASET_TAG, "gmsc")
    (verdict,) = compare([first.run_id, second.run_id], folder=project).verdicts
    client.set_tag(second.run_id, DATASET_TAG, "credit_sim")
    assert verdict.endswith("cannot be compared row by row: one is of 'credit_sim', the other of 'gmsc'")


def test_mistakes_are_told(first, project, tmp_path):
    with pytest.raises(TrackingError, match="no run begins with 'ffffffffff'"):
        compare(["ffffffffff"], folder=project)
    with pytest.raises(TrackingError, match=r"'fraud' has no finished runs.*stackml train fraud"):
        compare(pipeline="fraud", folder=project)
    with pytest.raises(TrackingError, match="no runs to compare"):
        compare(folder=project)
    with pytest.raises(TrackingError, match="no tracking store"):
        compare(["a"], folder=tmp_path)
