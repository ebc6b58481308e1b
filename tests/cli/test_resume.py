"""A training that is killed goes on where it was, and ends as if nothing had happened."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from stackml.assembly.loading import load
from stackml.datasets import load_dataset

ROWS = 3000
TRAIN = (
    *("train", "fraud", "--rows", str(ROWS), "--n-jobs", "1", "--set", "split.folds=3"),
    *("--set", "stack.learners=[logistic, lightgbm, xgboost, extra_trees, mlp]"),
    *("--set", "stack.time_limit=null", "--set", "tracking.enabled=false"),
)
ENOUGH = 3
PATIENCE = 120


def started(folder: Path, *more: str) -> subprocess.Popen[str]:
    left_out = ("STACKML_DEBUG", "STACKML_DATA", "MLFLOW_TRACKING_URI", "FORCE_COLOR")
    environment = {k: v for k, v in os.environ.items() if k not in left_out} | {"OMP_NUM_THREADS": "1"}
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "stackml.cli.app", *TRAIN, *more],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(folder: Path, *more: str) -> str:
    out, err = (process := started(folder, *more)).communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out


def tasks(folder: Path) -> list[Path]:
    return list(folder.glob("runs/*/cache/**/*.fit"))


def predictions(folder: Path) -> np.ndarray:
    (path,) = folder.glob("runs/fraud/*/fraud.stack")
    rows = load_dataset("fraud_sim", n_rows=400, seed=5).frame.drop(columns="fraud")
    return load(path).predict_proba(rows)


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_killed_training_resumes_and_ends_the_same(tmp_path: Path) -> None:
    killed = started(tmp_path / "killed")
    try:
        until = time.monotonic() + PATIENCE
        while len(tasks(tmp_path / "killed")) < ENOUGH and killed.poll() is None:
            assert time.monotonic() < until, "no fits were written"
            time.sleep(0.005)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    assert killed.returncode == -signal.SIGKILL, "it had ended before it could be killed"
    kept = len(tasks(tmp_path / "killed"))
    assert not list(tmp_path.glob("killed/runs/fraud/*/fraud.stack"))

    resumed = finished(tmp_path / "killed", "--resume")
    (told,) = re.findall(r"^fits: (\d+) kept from the run before, (\d+) done now$", resumed, re.MULTILINE)
    whole = finished(tmp_path / "whole")
    assert "kept from" not in whole
    n_fits = len(tasks(tmp_path / "whole"))
    assert kept >= ENOUGH
    assert (int(told[0]), int(told[1])) == (kept, n_fits - kept)
    assert np.array_equal(predictions(tmp_path / "killed"), predictions(tmp_path / "whole"))
