"""`make bench` works: tiny parts of it, so that a broken script is not found on the day of the race."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT / "experiments" / "0006-race" / "run.py"


def bench(out, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "STACKML_DATA"}
    environment |= {"PYTHONPATH": str(PROJECT), "H2O_PYTHON": str(out / "no-such-python")}
    command = [sys.executable, str(SCRIPT), "--quick", "--out", str(out), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    systems = ("stackml:fast", "lightgbm", "h2o")
    options = ("--names", "credit_sim", "--max-rows", "1500", "--limit", "5", "--systems", *systems)
    ran = bench(out, "--parts", "import", "race", *options)
    assert ran.returncode == 0, ran.stderr
    return out


@pytest.mark.slow
def test_import_is_measured_beside_scikit_learn(raced):
    rows = pd.read_csv(raced / "import.csv").set_index("statement")
    assert (rows["ratio"] > 0).all()
    assert rows.loc["import stackml", "median_s"] < rows.loc["import stackml", "beside_s"]


@pytest.mark.slow
def test_every_system_is_scored_on_the_same_rows(raced):
    rows = pd.read_csv(raced / "race.csv").set_index("system")
    ran = rows.loc[["stackml:fast", "lightgbm"]]
    assert ran["roc_auc"].between(0.5, 1).all()
    assert (ran[["fit_s", "rows_per_s", "disk_mb", "peak_rss_mb"]] > 0).all(axis=None)
    assert ran[["commit", "cores", "load_before", "versions"]].notna().all(axis=None)
    pairs = pd.read_csv(raced / "race-pairs.csv")
    gap = ran.loc["stackml:fast", "roc_auc"] - ran.loc["lightgbm", "roc_auc"]
    assert pairs["better_by"].iloc[0] == pytest.approx(gap)


@pytest.mark.slow
def test_a_peer_that_is_not_there_is_named_in_the_table(raced):
    assert "H2O_PYTHON names no python" in (raced / "result.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_resumed_run_keeps_its_rows(raced):
    before = (raced / "race.csv").read_bytes()
    options = ("--names", "credit_sim", "--max-rows", "1500", "--limit", "5", "--systems", "lightgbm")
    ran = bench(raced, "--parts", "race", "--resume", *options)
    assert ran.returncode == 0, ran.stderr
    assert (raced / "race.csv").read_bytes() == before


def test_an_unknown_part_is_refused(tmp_path):
    ran = bench(tmp_path, "--parts", "imports")
    assert ran.returncode == 2
    assert "invalid choice: 'imports'" in ran.stderr
