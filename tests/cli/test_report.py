"""What a training prints: whole in a pipe, fitting on a narrow terminal."""

import re
from pathlib import Path

import pandas as pd
import pytest

from stackml.cli.report import print_report
from stackml.workflow.judging import Scored
from stackml.workflow.spec import load_spec
from stackml.workflow.training import TrainingResult

VERDICT = (
    "the stack does not beat its best single learner (isolation_forest_two) on held-out rows: "
    "average precision +0.004 [-0.011, +0.020]"
)
LONG = "FitError: fold 2 [of 5]: " + "the loss is not finite; " * 5 + "stopped"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def learner(name: str, status: str = "fitted", score: float = 0.7123, message: str = "") -> dict[str, object]:
    return {
        "name": name,
        "kind": name,
        "layer": 1,
        "status": status,
        "score": score,
        "loss": 0.2,
        "weight": 0.25 if status == "fitted" else float("nan"),
        "fit_seconds": 12.345,
        "models": 5,
        "rounds": 210.4,
        "message": message,
    }


@pytest.fixture
def result(tmp_path: Path) -> TrainingResult:
    board = [
        learner("stack", score=0.7345),
        learner("lightgbm"),
        learner("isolation_forest", score=float("nan")),
        learner(
            "mlp",
            "failed",
            float("nan"),
            LONG,
        ),
    ]
    metrics = ("average_precision", "roc_auc")
    scored = [Scored(n, m, 0.71, 0.69, 0.73) for m in metrics for n in ("stack", "lightgbm", "plain mean")]
    decisions = [
        {"rule": "flag nothing", "threshold": float("inf"), "flagged": 0.0, "recall": 0.0, "cost": 1.5},
        {"rule": "least cost", "threshold": 0.21, "flagged": 0.05, "recall": 0.6, "cost": 0.4},
    ]
    return TrainingResult(
        spec=load_spec("fraud", folder=tmp_path),
        dataset="fraud_sim",
        leaderboard=pd.DataFrame(board),
        held_out=scored,
        versus=[],
        verdicts=[VERDICT],
        decisions=pd.DataFrame(decisions).assign(precision=float("nan")),
        predictions=pd.DataFrame(),
        stack=None,
        stack_path=tmp_path / "runs" / "fraud" / "now" / "fraud.stack",
        n_train=32_000,
        n_held_out=8_000,
        run_id="0" * 32,
        model_uri="models:/m-1",
        registered_name="fraud",
        version="3",
        alias="challenger",
        tracking_uri="sqlite:///mlflow.db",
        seconds=83.0,
        fits_done=3,
        fits_cached=12,
        notes=["version 3 is a challenger", f"learner 'mlp' failed: {LONG}"],
    )


def test_a_pipe_gets_every_sentence_whole_and_plain(result, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    print_report(result)
    lines = capsys.readouterr().out.splitlines()
    assert "\x1b" not in "".join(lines)
    assert f"T{VERDICT[1:]}." in lines
    assert any(line.startswith("mlp failed: FitError: fold 2 [of 5]") and len(line) > 100 for line in lines)
    assert sum("the loss is not finite" in line for line in lines) == 1, "told once"
    assert "fits: 12 kept from the run before, 3 done now" in lines
    assert [line.split()[:4] for line in lines if line.startswith("flag ")] == [
        ["flag", "nothing", "-", "0.0"]
    ]
    assert all(line == line.rstrip() for line in lines)
    assert "fraud on fraud_sim: 32,000 rows learned from, 8,000 held out, 1 min 23 s" in lines
    for label, text in (
        ("stored", "runs/fraud/now/fraud.stack"),
        ("registered", "fraud version 3, the challenger: models:/fraud@challenger"),
        ("look", "stackml ui"),
        ("compare", "stackml compare --pipeline fraud"),
        ("score", "stackml score models:/fraud@challenger ROWS.csv SCORES.csv"),
    ):
        assert any(line.split(maxsplit=1) == [label, text] for line in lines), label


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_gets_lines_that_fit_and_cells_that_are_whole(
    result, capsys, monkeypatch, tmp_path, width
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(width))
    print_report(result)
    shown = capsys.readouterr().out
    assert "\x1b[" in shown
    lines = [ANSI.sub("", line).rstrip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert [line.split() for line in lines if line.startswith("isolation_forest ")] == [
        ["isolation_forest", "isolation_forest", "-", "0.25", "12.3", "210", "fitted"]
    ]
    assert any(line.split()[:3] == ["average_precision", "stack", "0.7100"] for line in lines)


def test_in_a_project_with_its_makefile_make_is_offered(result, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("Makefile").write_text("ui:\n\t@stackml ui\n")
    print_report(result)
    assert "make ui (or: stackml ui)" in capsys.readouterr().out


def test_the_store_that_was_named_is_in_the_commands_to_copy(result, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    print_report(result, "http://user:secret@host:5000")
    out = capsys.readouterr().out
    assert "stackml ui --tracking-uri http://" in out
    assert "secret" not in out
