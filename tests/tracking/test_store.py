import socket
from pathlib import Path

import pytest

from stackml.foundation.errors import TrackingError
from stackml.tracking.store import connect


def test_the_default_store_lies_in_the_folder_with_absolute_artifacts(store, logged):
    database = Path(store.tracking_uri.removeprefix("sqlite:///"))
    assert database.is_absolute()
    assert database.name == "mlflow.db"
    experiment = store.client.get_experiment(store.experiment_id)
    assert experiment.name == "fraud"
    assert experiment.artifact_location == (database.parent / "mlruns" / "fraud").as_uri()


def test_another_working_folder_changes_nothing(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = store.client.create_run(store.experiment_id, run_name="elsewhere")
    store.client.log_text(run.info.run_id, "hello", "note.txt")
    store.client.set_terminated(run.info.run_id)
    folder = Path(store.tracking_uri.removeprefix("sqlite:///")).parent / "mlruns" / "fraud"
    assert (folder / run.info.run_id / "artifacts" / "note.txt").read_text() == "hello"
    assert not list(tmp_path.iterdir())


def test_a_relative_address_is_made_absolute(store, monkeypatch):
    database = Path(store.tracking_uri.removeprefix("sqlite:///"))
    monkeypatch.chdir(database.parent)
    again = connect("sqlite:///mlflow.db", experiment="fraud")
    assert again.tracking_uri == store.tracking_uri
    assert again.experiment_id == store.experiment_id


def test_the_environment_counts_where_no_address_is_given(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri)
    assert connect(folder=tmp_path).tracking_uri == store.tracking_uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////nowhere/mlflow.db")
    assert connect(store.tracking_uri).tracking_uri == store.tracking_uri


def test_mlflows_own_address_is_left_alone(store, logged):
    import mlflow

    assert mlflow.get_tracking_uri() != store.tracking_uri
    assert mlflow.active_run() is None


def test_a_store_that_must_exist_and_does_not_is_not_made(tmp_path):
    with pytest.raises(TrackingError, match=r"there is no tracking store at .*train a pipeline first"):
        connect(folder=tmp_path, create=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns"])
def test_a_folder_is_no_store(uri):
    with pytest.raises(TrackingError, match=r"is a folder.*use sqlite:///"):
        connect(uri)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, but long enough")
    with pytest.raises(TrackingError, match="is not a SQLite database"):
        connect(folder=tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(TrackingError, match=r"there is no folder '.*absent'"):
        connect(f"sqlite:///{tmp_path}/absent/mlflow.db")


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_server_that_does_not_answer_is_said_at_once_and_without_its_password(scheme):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        port = held.getsockname()[1]
        with pytest.raises(TrackingError, match=f"no tracking store answers .*port {port}") as refused:
            connect(f"{scheme}://ann:hunter2@127.0.0.1:{port}")
    assert "hunter2" not in str(refused.value)


def test_a_deleted_experiment_is_said_with_the_way_back(store):
    gone = connect(store.tracking_uri, experiment="gone")
    store.client.delete_experiment(gone.experiment_id)
    with pytest.raises(TrackingError, match=f"was deleted .*--experiment-id {gone.experiment_id}"):
        connect(store.tracking_uri, experiment="gone")


def test_an_experiment_with_odd_characters_has_a_plain_folder(store):
    odd = connect(store.tracking_uri, experiment="credit / 2024: a?")
    location = store.client.get_experiment(odd.experiment_id).artifact_location
    assert location.endswith("/mlruns/credit_2024_a_")


def test_an_address_is_shown_without_its_password(store):
    from dataclasses import replace

    assert replace(store, tracking_uri="postgresql://ann:hunter2@db/x").shown == "postgresql://db/x"
    assert "hunter2" not in repr(replace(store, tracking_uri="postgresql://ann:hunter2@db/x"))
