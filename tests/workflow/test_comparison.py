import pytest

from stackml.foundation.errors import TrackingError
from stackml.workflow.comparison import compare
from stackml.workflow.spec import apply_sets
from stackml.workflow.training import train


def test_runs_side_by_side_with_a_paired_verdict(first, second, project):
    found = compare([first.run_id[:8], second.run_id], folder=project)
    assert list(found.table.index) == [first.run_id[:8], second.run_id[:8]]
    assert found.table.loc[first.run_id[:8], "roc_auc"] == first.held_out[0].value
    assert "param:stack.learners" in found.table.columns
    (verdict,) = found.verdicts
    assert verdict.startswith(f"run {first.run_id[:8]} ")
    assert f"run {second.run_id[:8]} on the same held-out rows: roc auc" in verdict


def test_a_pipeline_stands_for_its_latest_runs(first, second, project):
    found = compare(pipeline="credit", folder=project)
    assert {second.run_id[:8], first.run_id[:8]} <= set(found.table.index)


def test_runs_that_held_other_rows_out_are_not_paired(first, credit, project):
    other = train(apply_sets(credit, ["seed=5", "tracking.registered_model=else"]), folder=project, n_jobs=1)
    found = compare([first.run_id, other.run_id], folder=project)
    assert "cannot be compared row by row: they held different rows out" in found.verdicts[0]


def test_mistakes_are_told(first, project, tmp_path):
    with pytest.raises(TrackingError, match="no run begins with 'ffffffffff'"):
        compare(["ffffffffff"], folder=project)
    with pytest.raises(TrackingError, match=r"'fraud' has no finished runs.*stackml train fraud"):
        compare(pipeline="fraud", folder=project)
    with pytest.raises(TrackingError, match="no runs to compare"):
        compare(folder=project)
    with pytest.raises(TrackingError, match="no tracking store"):
        compare(["a"], folder=tmp_path)
