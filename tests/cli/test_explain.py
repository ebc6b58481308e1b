"""Reasons on the command line."""

import pandas as pd
import pytest

import stackml


@pytest.fixture
def file(run, rows, tmp_path):
    rows.to_csv("rows.csv", index=False)
    return "rows.csv"


def test_sentences_for_the_first_rows(run, stack_path, file):
    result = run("explain", stack_path, file, "--rows", "4", "--id", "id")
    assert result.exit_code == 0, result.stderr
    headings = [line for line in result.stdout.splitlines() if "probability of 1:" in line]
    assert [line.split(":")[0] for line in headings] == ["0000", "0001", "0002", "0003"]
    assert "raises the probability by" in result.stdout
    assert all(line.startswith("- ") for line in result.stdout.splitlines() if line and line not in headings)


def test_a_file_of_the_highest(run, stack_path, file, rows):
    result = run(
        "explain", stack_path, file, "--rows", "5", "--highest", "-k", "1", "--output", "new/why.parquet"
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == ["rows", "5", "reasons", "5", "output", "new/why.parquet"]
    found = pd.read_parquet("new/why.parquet")
    expected = stackml.load(stack_path).predict_proba(rows[["amount", "kind"]])[:, 1]
    assert sorted(found["prediction"]) == pytest.approx(sorted(expected)[-5:])
    assert (expected[found["row"]] == found["prediction"]).all()
    assert (found["prediction"] > found["baseline"]).all()
    assert set(found["output"]) == {1}
    listing = run("explain", stack_path, file, "--class", "0", "--output", "why.csv")
    assert listing.exit_code == 0, listing.stderr
    assert pd.read_csv("why.csv")["sentence"].str.contains("raises the probability of 0 by").all()


def test_mistakes(run, stack_path, file, rows, tmp_path):
    for arguments, message in (
        (("rosw.csv",), "did you mean 'rows.csv'?"),
        (("fraud_smi",), "neither a file nor a known table 'fraud_smi'; did you mean 'fraud_sim'?"),
        ((file, "--id", "idd"), "did you mean 'id'?"),
        ((file, "--class", "2"), "output='2' is no class of the stack; it knows: 0, 1"),
        ((file, "--output", "why.xlsx"), "found .xlsx"),
        ((file, "--rows", "0"), "--rows"),
        (("fraud_sim",), "X lacks 1 column(s) the stack was trained on: 'kind'"),
    ):
        result = run("explain", stack_path, *arguments)
        assert result.exit_code == 2, result.stdout + result.stderr
        assert message in result.stderr
    rows.head(0).to_csv("none.csv", index=False)
    assert "has no rows to explain" in run("explain", stack_path, "none.csv").stderr
    assert not list(tmp_path.glob("*why*"))
