from dataclasses import replace

import pytest

from stackml.foundation.errors import TrackingError
from stackml.tracking.comparison import runs_table
from stackml.tracking.runs import log_training


@pytest.fixture(scope="module")
def other(store, record):
    params = {**record.params, "learners": ["xgboost"], "extra": 1}
    changed = replace(
        record, run_name="second", params=params, metrics={"roc_auc": (0.8, 0.7, 0.9)}, register_as=None
    )
    return log_training(store, changed)


def test_runs_stand_side_by_side_with_what_differs(store, logged, other):
    table = runs_table(store, [logged.run_id, other.run_id[:12]])
    assert list(table.index) == [logged.run_id[:8], other.run_id[:8]]
    assert list(table.columns) == [
        "name",
        "status",
        "started",
        "log_loss",
        "roc_auc",
        "roc_auc_low",
        "roc_auc_high",
        "param:extra",
        "param:learners",
    ]
    assert table["roc_auc"].tolist() == [0.9, 0.8]
    assert table["param:learners"].tolist() == ["[lightgbm, logistic]", "[xgboost]"]


def test_one_run_alone_has_nothing_that_differs(store, logged):
    table = runs_table(store, [logged.run_id])
    assert not [name for name in table.columns if name.startswith("param:")]


def test_unknown_runs_say_what_there_is(store, logged, other):
    with pytest.raises(TrackingError, match=r"no run begins with 'zzzz' .*latest runs: .*\(second\)"):
        runs_table(store, ["zzzz"])
    with pytest.raises(TrackingError, match="is not a run id"):
        runs_table(store, ["a' OR 'a"])
    with pytest.raises(TrackingError, match="no runs to compare"):
        runs_table(store, [])


def test_a_beginning_that_fits_several_runs_is_refused(store):
    ids = [store.client.create_run(store.experiment_id).info.run_id for _ in range(17)]  # 16 first characters
    for run_id in ids:
        store.client.set_terminated(run_id)
    firsts = [run_id[0] for run_id in ids]
    shared = next(first for first in firsts if firsts.count(first) > 1)
    with pytest.raises(TrackingError, match=f"more than one run begins with '{shared}'"):
        runs_table(store, [shared])
