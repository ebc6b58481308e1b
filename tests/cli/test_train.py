"""One training from the command line, and what can be done with it afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


def stackml(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    left_out = ("STACKML_DEBUG", "STACKML_DATA", "MLFLOW_TRACKING_URI", "FORCE_COLOR")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    return subprocess.run(
        [sys.executable, "-m", "stackml.cli.app", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment | {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("project")
    sets = ("--set", "split.folds=2", "--set", "stack.learners=[lightgbm, logistic]")
    done = stackml(folder, "train", "fraud", "--rows", "2500", *sets)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return folder, done.stdout


def test_train_prints_leaderboard_scores_verdict_and_what_comes_next(project):
    folder, out = project
    assert "\x1b" not in out
    for start in ("stack ", "lightgbm ", "logistic ", "The stack ", "registered  fraud version 1"):
        assert any(line.startswith(start) for line in out.splitlines()), start
    assert "plain mean" in out
    assert "models:/fraud@champion" in out
    (stored,) = (line.split()[1] for line in out.splitlines() if line.startswith("stored"))
    assert (folder / stored).is_file()


def test_the_champion_scores_a_file_and_can_be_compared(project):
    folder, _ = project
    assert stackml(folder, "data", "make", "fraud_sim", "rows.csv", "--rows", "80").returncode == 0
    scored = stackml(folder, "score", "models:/fraud@champion", "rows.csv", "out/scores.csv")
    assert scored.returncode == 0, scored.stderr
    found = pd.read_csv(folder / "out" / "scores.csv")
    assert list(found.columns) == ["row", "transaction_id", "prediction", "probability_0", "probability_1"]
    assert len(found) == 80
    compared = stackml(folder, "compare", "--pipeline", "fraud")
    assert compared.returncode == 0, compared.stderr
    assert "roc_auc" in compared.stdout
