"""Scoring and evaluating a stored stack from the command line."""

import pandas as pd
import pytest

import stackml

pytestmark = pytest.mark.filterwarnings("ignore:X has 1 column.*'id'")  # the rows keep their ids


def test_score_prints_rows_seconds_and_output(run, stack_path, rows, tmp_path):
    rows.to_csv("rows.csv", index=False)
    result = run(
        "score", stack_path, "rows.csv", "new/folder/scores.parquet", "--id", "id", "--batch-rows", "50"
    )
    assert result.exit_code == 0, result.stderr
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["rows"] == "120"
    assert lines["time"].endswith("rows/s)")
    assert lines["output"] == "new/folder/scores.parquet"
    assert "fraud" in result.stdout, "a column that was not used is told"
    found = pd.read_parquet("new/folder/scores.parquet")
    assert found["id"].tolist() == rows["id"].tolist()
    expected = stackml.load(stack_path).predict_proba(rows[["amount", "kind"]])
    assert (found[["probability_0", "probability_1"]].to_numpy() == expected).all()


def test_a_folder_with_one_stack_is_a_model(run, stack_path, rows):
    rows.to_parquet("rows.parquet", index=False)
    assert run("score", stack_path.parent, "rows.parquet", "scores.csv").exit_code == 0


def test_mistakes_in_scoring(run, stack_path, rows, tmp_path):
    rows.to_csv("rows.csv", index=False)
    rows.drop(columns="amount").to_csv("less.csv", index=False)
    rows.astype({"amount": object}).replace({"amount": {rows["amount"][7]: "much"}}).to_csv(
        "text.csv", index=False
    )
    damaged = bytearray(stack_path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "damaged.stack").write_bytes(damaged)
    for arguments, message in (
        ((stack_path, "rosw.csv", "s.csv"), "there is no file 'rosw.csv'; did you mean 'rows.csv'?"),
        (
            (stack_path, "less.csv", "s.csv"),
            "less.csv: X lacks 1 column(s) the stack was trained on: 'amount'",
        ),
        ((stack_path, "text.csv", "s.csv"), "text.csv: column 'amount', row 7: 'much' is not a number"),
        ((stack_path, "rows.csv", "s.xlsx"), "found .xlsx"),
        ((stack_path, "rows.csv", "s.csv", "--id", "idd"), "did you mean 'id'?"),
        ((stack_path, "rows.csv", "s.csv", "--batch-rows", "0"), "batch_rows=0"),
        (("damaged.stack", "rows.csv", "s.csv"), "damaged.stack"),
        (("rows.csv", "rows.csv", "s.csv"), "rows.csv"),
    ):
        result = run("score", *arguments)
        assert result.exit_code == 2, result.stderr
        assert message in result.stderr
        assert result.stderr.startswith("error: ")
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "s.csv").exists()


def test_evaluate_prints_intervals(run, stack_path, rows):
    rows.to_parquet("rows.parquet", index=False)
    result = run(
        "evaluate",
        stack_path,
        "rows.parquet",
        "--target",
        "fraud",
        "--metric",
        "log_loss",
        "--metric",
        "brier",
    )
    assert result.exit_code == 0, result.stderr
    assert "120 rows, target fraud" in result.stdout
    for name in ("log_loss", "brier"):
        (line,) = (line for line in result.stdout.splitlines() if line.startswith(name))
        assert line.count("[") == line.count("]") == 1


def test_mistakes_in_evaluating(run, stack_path, rows):
    rows.to_csv("rows.csv", index=False)
    for arguments, message in (
        (("rows.csv", "--target", "frauds"), "did you mean 'fraud'?"),
        (("rows.csv", "--target", "fraud", "--metric", "roc_acu"), "did you mean 'roc_auc'?"),
        (("fraud_smi",), "neither a file nor a known table 'fraud_smi'; did you mean 'fraud_sim'?"),
        (("rows2.csv", "--target", "fraud"), "there is no file 'rows2.csv'"),
    ):
        result = run("evaluate", stack_path, *arguments)
        assert result.exit_code == 2, result.stdout + result.stderr
        assert message in result.stderr
