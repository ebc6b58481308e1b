"""learners, data, init, ui, doctor."""

import os
import socket
from pathlib import Path

import pandas as pd
import pytest

from stackml.cli import checks


def test_learners_lists_presets_and_missing_extras(run, monkeypatch):
    monkeypatch.setattr("stackml.learners.catalog.installed", lambda module: False)
    shown = run("learners").stdout
    (line,) = (line for line in shown.splitlines() if line.startswith("lightgbm "))
    assert line.split()[1:4] == ["x", "x", "x"]
    assert "catboost is not installed: pip install 'stackml[best]'" in shown


def test_data_list_says_where_each_table_is(run, tmp_path, monkeypatch):
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "german_credit.csv").write_text("a\n1\n")
    monkeypatch.setenv("COLUMNS", "120")
    lines = {line.split()[0]: line for line in run("data", "list").stdout.splitlines() if line.split()}
    assert lines["fraud_sim"].endswith("simulated")
    assert lines["german_credit"].endswith("here (csv)")
    assert "absent" in lines["banksim"]


def test_data_make_writes_the_table(run):
    result = run("data", "make", "credit_sim", "made/credit.csv", "--rows", "60", "--seed", "5")
    assert result.exit_code == 0
    assert "made/credit.csv" in result.stdout
    assert len(pd.read_csv("made/credit.csv")) == 60


def test_data_verify_speaks_of_every_file(run, tmp_path, monkeypatch):
    monkeypatch.setenv("STACKML_DATA", str(tmp_path))
    assert "no real tables are here" in run("data", "verify").stdout
    pd.DataFrame({"a": [1]}).to_parquet("gmsc.parquet")
    pd.DataFrame({"a": [1]}).to_parquet("adult.parquet")
    result = run("data", "verify")
    assert result.exit_code == 2
    assert "'gmsc'" in result.stderr
    assert "'adult'" in result.stderr


def test_init_writes_pipelines_and_keeps_what_is_there(run, tmp_path):
    assert run("init", "mine").exit_code == 0
    found = sorted(p.parent.name for p in Path("mine").glob("pipelines/*/pipeline.yaml"))
    assert found == ["credit", "fraud", "readmission"]
    assert "mlruns/" in Path("mine/.gitignore").read_text()
    changed = Path("mine/pipelines/fraud/pipeline.yaml")
    changed.write_text("name: changed\n")
    again = run("init", "mine")
    assert changed.read_text() == "name: changed\n"
    assert f"kept  {changed}" in again.stdout


def test_init_where_nothing_can_be_written(run):
    Path("file").write_text("")
    result = run("init", "file")
    assert result.exit_code == 2
    assert "cannot write into 'file'" in result.stderr


@pytest.fixture(scope="module")
def made_store(tmp_path_factory):
    from stackml.tracking.store import connect

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(run, made_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{made_store}")


def test_ui_runs_mlflow_on_loopback(run, store, monkeypatch):
    called = {}
    monkeypatch.setattr(
        os, "execvpe", lambda file, arguments, env: called.update(arguments=arguments, env=env)
    )
    monkeypatch.setattr("subprocess.call", lambda *_, **__: 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = run("ui", "--port", str(port))
    assert f"http://127.0.0.1:{port}" in result.stdout
    assert "127.0.0.1" in called["arguments"]
    assert called["env"]["MLFLOW_BACKEND_STORE_URI"].endswith("mlflow.db")


def test_ui_on_a_port_that_is_taken(run, store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("ui", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "cannot be used" in result.stderr


def test_compare_and_promote_on_an_empty_store(run, store):
    result = run("compare", "--pipeline", "fraud")
    assert result.exit_code == 2
    assert "pipeline 'fraud' has no finished runs" in result.stderr
    result = run("promote", "fraud", "1")
    assert result.exit_code == 2
    assert "fraud" in result.stderr


def test_doctor_finds_this_machine_well(run):
    result = run("doctor")
    assert result.exit_code == 0, result.stdout
    for what in ("python", "lightgbm", "cores", "memory", "OMP policy", "tracking", "data"):
        assert f" {what} " in result.stdout
    assert "nothing essential is wrong" in result.stdout
    assert not Path("mlflow.db").exists(), "looking changes nothing"


def test_doctor_leaves_with_1_on_a_fault(run, tmp_path):
    (tmp_path / "no.db").write_text("this is no database")
    result = run("doctor", "--tracking-uri", "sqlite:///no.db")
    assert result.exit_code == 1
    assert "fault  tracking" in result.stdout
    assert "1 fault(s) found" in result.stdout


def test_a_library_that_is_absent_old_or_broken_is_a_fault(monkeypatch):
    monkeypatch.setattr(checks, "requires", lambda _: ["nosuchpackage>=1", "numpy>=999", "lightgbm>=1"])

    def broken(_):
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(checks, "import_module", broken)
    absent, old, unloadable = checks.libraries()
    assert (absent.state, old.state, unloadable.state) == ("fault", "fault", "fault")
    assert absent.advice == "run: pip install 'nosuchpackage>=1'"
    assert ">=999 is needed" in old.found
    assert "libgomp1" in unloadable.advice


def test_memory_is_that_of_the_container_where_it_is_less(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    assert checks.available_memory(tmp_path) is None
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    assert checks.available_memory(tmp_path) == 8000 * 1024
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("5000000\n")
    (tmp_path / "sys/fs/cgroup/memory.current").write_text("1000000\n")
    assert checks.available_memory(tmp_path) == 4_000_000
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert checks.available_memory(tmp_path) == 8000 * 1024


def test_update_says_what_was_tried_and_writes_the_stack(run, stack_path, rows, tmp_path):
    rows.to_csv(tmp_path / "new.csv", index=False)
    result = run("update", stack_path, "new.csv", "new.stack", "--target", "fraud", "--way", "recalibrate")
    assert result.exit_code == 0, result.output
    assert "84 new rows to learn from, 36 later ones to compare on" in result.output
    assert "recalibrate" in result.output
    assert (tmp_path / "new.stack").is_file()
    result = run("update", stack_path, "new.csv", "--target", "fraud")
    assert result.exit_code == 2
    assert "say where to write the updated stack" in result.output
