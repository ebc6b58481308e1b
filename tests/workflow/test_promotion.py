import numpy as np
import pytest

from stackml.foundation.errors import TrackingError
from stackml.metrics import get_metric
from stackml.stack import StackClassifier
from stackml.tracking.registry import champion, list_versions
from stackml.tracking.store import connect
from stackml.workflow.held_out import HeldOut, shown
from stackml.workflow.promotion import decide, promote
from stackml.workflow.rows import load_rows


@pytest.fixture(scope="module")
def store(first):
    return connect(first.tracking_uri, create=False)


@pytest.fixture
def rows(first, credit, project):
    numbers = first.predictions["row"].to_numpy()
    frame, y = load_rows(credit, None, project).take(numbers)
    return numbers, frame, y


def held_out(rows, prediction):
    numbers, _, y = rows
    return HeldOut("binary", numbers, y, None, {"stack": prediction}, None)


def test_better_on_the_same_rows_becomes_champion_and_worse_does_not(first, second, store, rows):
    name, metric = first.registered_name, get_metric("roc_auc")
    _, frame, y = rows
    before = champion(store, name)
    worse = decide(
        store, name, 2, first.stack, held_out(rows, 1.0 - shown(first.stack, frame)), frame, metric
    )
    assert worse.alias == "challenger"
    assert "it is behind the champion (version " in worse.reason
    assert "may have seen" in worse.reason, "the division these rows come from was not named"
    assert champion(store, name).version == before.version
    better = decide(store, name, 2, first.stack, held_out(rows, y.astype(float)), frame, metric)
    if before.version == 1:
        assert better.alias == "champion"
        assert better.difference.low > 0
        assert champion(store, name).version == 2
    promote(name, before.version, tracking_uri=store.tracking_uri)
    assert champion(store, name).version == before.version


def test_a_champion_that_cannot_be_scored_stays_and_the_reason_is_told(first, second, store, rows):
    name, metric = first.registered_name, get_metric("roc_auc")
    _, frame, y = rows
    other = frame.rename(columns={"age": "years"})
    found = decide(store, name, 2, first.stack, held_out(rows, y.astype(float)), other, metric)
    assert found.alias == "challenger"
    assert "cannot be scored on these rows (X lacks 1 column" in found.reason
    assert f"stackml promote {name} 2" in found.reason
    classes = StackClassifier(["logistic"], folds=2).fit(frame, np.where(y == 1, "yes", "no"))
    found = decide(store, name, 2, classes, held_out(rows, y.astype(float)), frame, metric)
    assert "its classes are [0, 1]" in found.reason


def test_promote_by_hand_names_what_there_is(first, second, store):
    with pytest.raises(TrackingError, match="has no version '9'; it has: 2, 1"):
        promote(first.registered_name, 9, tracking_uri=store.tracking_uri)
    with pytest.raises(TrackingError, match="did you mean 'credit'"):
        promote("credt", 1, tracking_uri=store.tracking_uri)
    assert [v.version for v in list_versions(store, "credit")] == [2, 1]
