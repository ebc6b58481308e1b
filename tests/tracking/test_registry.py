import json

import numpy as np
import pytest

from stackml.foundation.errors import TrackingError
from stackml.tracking import load_model, log_model
from stackml.tracking.registry import champion, list_versions, promote, register, set_alias


@pytest.fixture(scope="module")
def name(store, logged):
    for number in (1, 2, 3):
        assert (
            register(store, "credit", logged.model_uri, tags={"n": number, "api_token": "hunter2"}) == number
        )
    return "credit"


def test_versions_are_listed_newest_first(store, name, logged):
    versions = list_versions(store, name)
    assert [one.version for one in versions] == [3, 2, 1]
    assert versions[0].run_id == logged.run_id
    assert versions[0].uri == "models:/credit/3"
    assert versions[0].tags == {"n": "3"}


def test_champion_challenger_and_previous(store, name):
    assert champion(store, name) is None
    promote(store, name, 1)
    assert champion(store, name).version == 1
    set_alias(store, name, "challenger", 2)
    assert {one.version: one.aliases for one in list_versions(store, name)} == {
        3: (),
        2: ("challenger",),
        1: ("champion",),
    }
    assert promote(store, name, 2).aliases == ("champion",)
    assert {one.version: one.aliases for one in list_versions(store, name)} == {
        3: (),
        2: ("champion",),
        1: ("previous",),
    }
    promote(store, name, 2)  # again: nothing changes
    assert champion(store, name).version == 2
    promote(store, name, 1)  # and back
    assert {one.version: one.aliases for one in list_versions(store, name)} == {
        3: (),
        2: ("previous",),
        1: ("champion",),
    }


def test_a_name_never_registered_has_no_champion(store):
    assert champion(store, "unheard") is None


def test_unknown_names_versions_and_aliases_say_what_there_is(store, name):
    with pytest.raises(TrackingError, match=r"no model 'credits' is registered .*did you mean 'credit'"):
        list_versions(store, "credits")
    with pytest.raises(TrackingError, match="has no version '7'; it has: 3, 2, 1"):
        promote(store, name, 7)
    with pytest.raises(TrackingError, match="alias 'chalenger' is unknown; did you mean 'challenger'"):
        set_alias(store, name, "chalenger", 1)


def test_the_logged_model_names_its_versions(store, name, logged):
    model = store.client.get_logged_model(logged.model_uri.removeprefix("models:/"))
    assert {"name": name, "version": "3"} in json.loads(model.tags["mlflow.modelVersions"])


def test_a_model_is_loaded_by_its_alias(store, name, classifier, rows):
    promote(store, name, 3)
    found = load_model(f"models:/{name}@champion", store=store)
    np.testing.assert_array_equal(found.predict_proba(rows), classifier.predict_proba(rows))


def test_a_model_logged_without_a_run_is_registered_too(store, classifier):
    info = log_model(classifier, store=store, registered_model_name="without-a-run")
    assert info.registered_model_version == 1
    assert isinstance(load_model("models:/without-a-run/1", store=store), type(classifier))
