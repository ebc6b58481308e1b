"""`stackml compare MODEL MODEL --data FILE`: what is printed, written and logged, and common mistakes."""

import json
import re

import pandas as pd
import pytest

import stackml

FEATURES = ["amount", "kind"]


@pytest.fixture(scope="session")
def other_path(rows, tmp_path_factory):
    stack = stackml.StackClassifier(learners=["logistic"], combiner="mean", folds=2, n_jobs=1)
    stack.fit(rows[FEATURES], rows["fraud"])
    return stack.save(tmp_path_factory.mktemp("others") / "other.stack")


@pytest.fixture
def compared(run, rows, stack_path, other_path):
    """Return a function that compares the two stacks on a file of the rows."""
    rows.to_csv("rows.csv", index=False)

    def call(*more, models=None):
        models = [stack_path, f"plain={other_path}"] if models is None else models
        return run("compare", *models, "--data", "rows.csv", "--no-track", *more)

    return call


def test_two_models_on_the_same_rows(compared, tmp_path):
    result = compared(
        *("--target", "fraud", "--metric", "roc_auc", "--metric", "brier"),
        *("--output", "t.csv", "--output", "t.json", "--output", "f.png"),
    )
    assert result.exit_code == 0, result.stderr
    out = result.stdout
    assert "2 models on rows.csv: 120 rows, target fraud" in out
    assert "roc_auc (baseline: small)" in out
    assert "brier (baseline: small)" in out
    assert "all 2 comparisons together, 95 %, paired bootstrap" in out
    assert re.search(r"^plain +0\.\d{4} +[+-]0\.\d{4} +\[[+-]0\.\d{4}, [+-]0\.\d{4}\]", out, flags=re.M)
    assert re.search(r"^plain +stack +\d+\.\d +0\.\d{3}$", out, flags=re.M)
    assert re.search(r"^plain .* small on the same rows", out, flags=re.M)
    assert re.search(r"^Recommended: (small|plain), ", out, flags=re.M)
    assert "tracked" not in out
    tables = [line for line in out.splitlines() if not line.endswith((".", "t.csv", "t.json"))]
    assert max(len(line) for line in tables) <= 80
    assert set(pd.read_csv("t.csv")["model"]) == {"small", "plain"}
    assert len(json.loads((tmp_path / "t.json").read_text())) == 4
    assert (tmp_path / "f.png").is_file()


def test_single_against_combined(compared, stack_path, rows):
    both = stackml.StackClassifier(["lightgbm", "logistic"], combiner="mean", folds=2, n_jobs=1)
    both.fit(rows[FEATURES], rows["fraud"]).save("both.stack")
    options = (
        "--target",
        "fraud",
        "--learners",
        "--baseline",
        "logistic",
        "--groups",
        "kind",
        "--rows",
        "100",
    )
    result = compared(*options, models=["both.stack"])
    assert result.exit_code == 0, result.stderr
    assert "3 models on rows.csv: 100 rows in 2 groups, target fraud" in result.stdout
    assert "baseline: logistic" in result.stdout
    assert "both is the plain mean of what it is made of" in result.stdout
    assert "100 of 120 rows were drawn by chance" in result.stdout


def test_a_parts_share_of_rows_is_printed(compared, stack_path, other_path):
    pair = stackml.Ensemble({"a": stackml.load(stack_path), "b": stackml.load(other_path)}, weights=[2, 1])
    pair.save("pair.stack")
    result = compared("--target", "fraud", models=["pair.stack", f"b={other_path}"])
    assert result.exit_code == 0, result.stderr
    assert "calls/row" in result.stdout
    assert re.search(r"^pair +ensemble +\d+\.\d +0\.\d{3} +2\.00 +all 2$", result.stdout, flags=re.M)


def test_a_comparison_is_logged_and_models_of_a_run_are_found(run, rows, stack_path, other_path):
    rows.to_csv("rows.csv", index=False)
    options = (
        "--data",
        "rows.csv",
        "--target",
        "fraud",
        "--experiment",
        "a b",
        "--tracking-uri",
        "sqlite:///r.db",
    )
    result = run("compare", stack_path, other_path, *options)
    assert result.exit_code == 0, result.stderr
    (run_id,) = re.findall(
        r"^tracked +run ([0-9a-f]{32}) in sqlite:.*r\.db \(a b\)$", result.stdout, flags=re.M
    )
    missing = run("compare", stack_path, f"runs:/{run_id}/stack", *options)
    assert missing.exit_code == 2
    assert missing.stderr.startswith("error: ")
    assert run("compare", stack_path, "models:/fraud@champion", *options).exit_code == 2
    again = run("compare", run_id[:8], "--tracking-uri", "sqlite:///r.db")
    assert again.exit_code == 0, again.stderr


def test_mistakes_get_one_line_and_exit_code_2(compared, run, rows, stack_path, other_path):
    numbers = stackml.StackRegressor(["ridge"], folds=2, n_jobs=1).fit(rows[["kind"]], rows["amount"])
    numbers.save("numbers.stack")
    words = stackml.StackClassifier(["logistic"], folds=2, n_jobs=1)
    words.fit(rows[FEATURES], rows["fraud"].map({0: "no", 1: "yes"})).save("words.stack")
    for arguments, models, message in (
        ((), None, "does not say which column it predicts; give target="),
        (("--target", "frauds"), None, "no column 'frauds' .*did you mean 'fraud'"),
        (("--target", "fraud", "--metric", "roc_acu"), None, "did you mean 'roc_auc'"),
        (("--target", "fraud"), [stack_path], "'small' is one model alone; .*--learners"),
        (("--target", "fraud"), [], "no models to compare; give .stack files"),
        (
            ("--target", "fraud"),
            [stack_path, "numbers.stack"],
            "'numbers' predicts numbers and 'small' classes",
        ),
        (("--target", "fraud"), [stack_path, "words.stack"], "'small' and 'words' know different classes"),
        (
            ("--target", "fraud"),
            [stack_path, "word.stack"],
            "no model 'word.stack'; did you mean 'words.stack'",
        ),
        (("--target", "fraud"), [stack_path, stack_path], "two models are named 'small'"),
        (("--target", "fraud", "--baseline", "plian"), None, "did you mean 'plain'"),
        (("--target", "fraud", "--groups", "kinds"), None, "did you mean 'kind'"),
        (("--target", "fraud", "--output", "t.xlsx"), None, "must end with .csv, .json"),
        (("--target", "fraud", "--output", "none/t.csv"), None, "there is no folder 'none'"),
        (("--target", "fraud", "--pipeline", "fraud"), None, "--pipeline is for runs"),
        (("--target", "fraud", "--margin", "-1"), None, "margin=-1.0"),
    ):
        result = compared(*arguments, models=models)
        assert result.exit_code == 2, (arguments, result.stdout, result.stderr)
        assert re.search(message, result.stderr), result.stderr
        assert result.stderr.startswith("error: ")
        assert len(result.stderr.strip().splitlines()) == 1
        assert result.stdout == ""
    for arguments, message in (
        (("compare", stack_path, other_path), "is a model, not a run id; .*--data FILE"),
        (("compare", "abc", "--learners"), "--learners is for models on the same rows"),
        (("compare", "abc", "--metric", "roc_auc"), "--metric is for models on the same rows"),
        (("compare", "a.stack", "b.stack", "--data", "row.csv"), "there is no"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.stdout
        assert re.search(message, result.stderr), result.stderr
