"""One training from the command line, and what can be done with it afterwards."""

import os
import re
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


def test_two_runs_are_compared_by_pipeline_and_by_id(project):
    folder, out = project
    sets = ("--set", "split.folds=2", "--set", "stack.learners=[logistic]", "--set", "stack.metric=null")
    done = stackml(folder, "train", "fraud", "--rows", "2500", *sets)
    assert done.returncode == 0, done.stderr
    assert "its only learner (logistic)" in done.stdout
    assert "\ncompare     stackml compare --pipeline fraud\n" in done.stdout
    first, second = (re.findall(r"^tracked +run (\w+)", text, re.MULTILINE)[0] for text in (out, done.stdout))
    by_pipeline = stackml(folder, "compare", "--pipeline", "fraud")
    by_id = stackml(folder, "compare", second[:8], first)
    for compared in (by_pipeline, by_id):
        assert compared.returncode == 0, compared.stderr
        lines = compared.stdout.splitlines()
        (verdict,) = (line for line in lines if line.startswith(f"Run {second[:8]} "))
        assert f" run {first[:8]} on the same held-out rows" in verdict
        assert ": average precision " in verdict or " the same average precision " in verdict
        assert any(line.split()[:2] == ["recall_at_1%", second[:8]] for line in lines)
        assert any(line.split()[0] == "stack.learners" for line in lines if line.strip())
    assert by_id.stdout == by_pipeline.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--preset", "fastt"),
            "error: --preset fastt: unknown preset or learner 'fastt'; did you mean 'fast'?",
        ),
        (
            ("--set", "stack.fold=3"),
            "--set stack.fold=3: unknown key 'fold' in 'stack'; did you mean 'split.folds'?",
        ),
        (
            ("--set", "split.fold=3"),
            "--set split.fold=3: unknown key 'fold' in 'split'; did you mean 'folds'?",
        ),
        (("--dataset", "banksm"), "has no dataset 'banksm'; did you mean 'banksim'?"),
        (("--set", "dataset=banksim"), "choose a table with --dataset banksim"),
    ],
)
def test_a_near_miss_is_pointed_out(run, arguments, told):
    result = run("train", "fraud", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
