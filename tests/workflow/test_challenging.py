"""An updated stack goes live where it beats the old one on later rows, and else stays a challenger."""

from __future__ import annotations

import numpy as np
import pytest

import stackml
from stackml.datasets.simulators import simulate_credit
from stackml.foundation.errors import DataError, ParameterError
from stackml.stack import StackClassifier
from stackml.tracking.flavor import log_model
from stackml.tracking.registry import champion, promote
from stackml.tracking.store import connect
from stackml.workflow.challenging import challenge

CHEAP = ("recalibrate", "reweight", "continue")


@pytest.fixture(scope="module")
def credits():
    return simulate_credit(9_000, seed=3, change_at=4_500).drop(columns="application_id")


@pytest.fixture(scope="module")
def old(credits):
    X = credits[:3000].drop(columns="default")
    return StackClassifier(["lightgbm", "logistic"], folds=3, n_jobs=1).fit(X, credits["default"][:3000])


def test_after_a_change_the_updated_stack_is_the_better_one(old, credits):
    before = old.predict_proba(credits.head(5).drop(columns="default"))
    found = challenge(old, credits[4500:], target="default", ways=CHEAP)
    assert found.standing.alias == "champion"
    assert found.standing.difference.low > 0
    assert (found.learned, found.compared) == (3150, 1350)
    assert np.array_equal(old.predict_proba(credits.head(5).drop(columns="default")), before)


def test_where_nothing_changed_the_old_one_stays(old, credits):
    found = challenge(old, credits[3000:4500], target="default", ways=CHEAP)
    assert found.standing.alias == "challenger"


def test_a_registered_stack_gets_a_version_and_the_registry_its_champion(old, credits, tmp_path):
    store = connect(folder=tmp_path, experiment="credit")
    run_id = store.client.create_run(store.experiment_id).info.run_id
    first = log_model(old, registered_model_name="credit", store=store, run_id=run_id)
    promote(store, "credit", int(first.registered_model_version))
    found = challenge(old, credits[4500:], target="default", ways=["continue"], name="credit", store=store)
    assert found.standing.alias == "champion"
    assert found.standing.before == 1
    assert champion(store, "credit").version == 2
    again = challenge(
        found.stack, credits[6500:7500], target="default", ways=CHEAP, name="credit", store=store
    )
    assert champion(store, "credit").version == (3 if again.standing.alias == "champion" else 2)


def test_what_cannot_be_compared_is_refused(old, credits):
    with pytest.raises(DataError, match="30 rows are too few: 20 or more are needed"):
        challenge(old, credits[:30], target="default")
    with pytest.raises(ParameterError, match="share=2: give a share"):
        challenge(old, credits, target="default", share=2)
    with pytest.raises(ParameterError, match="no column 'day' for time"):
        challenge(old, credits, target="default", time="day")


def test_models_put_together_take_up_no_rows(old, credits):
    with pytest.raises(ParameterError, match="update the stacks it is made of"):
        challenge(stackml.Ensemble({"one": old, "same": old}), credits)
