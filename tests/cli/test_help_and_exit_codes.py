"""Every command explains itself, and every mistake gets a line and a code, never a traceback."""

import os
import re
import subprocess
import sys

import pytest

import stackml
from stackml.cli.app import app
from stackml.foundation.errors import DataError

COMMANDS = (
    *(
        "train",
        "score",
        "evaluate",
        "explain",
        "compare",
        "promote",
        "update",
        "learners",
        "init",
        "ui",
        "doctor",
        "data",
    ),
    *("data list", "data make", "data fetch", "data verify"),
)


def text(result):
    return result.stdout + result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_holds_an_example_of_the_command_itself(run, command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    examples = result.stdout.split("Examples:")[1]
    assert f"stackml {command}" in examples
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_every_command_is_in_the_list_above(run):
    named = {info.name for info in app.registered_commands} | {"data"}
    assert named == {command for command in COMMANDS if " " not in command}


def test_the_main_help_says_the_exit_codes_and_cuts_no_description(run):
    shown = run("--help").stdout
    for line in ("0  done", "1  something unexpected", "2  what was given is wrong", "130  interrupted"):
        assert line in shown
    assert not any(line.endswith("...") for line in shown.splitlines()[1:])


def test_version(run):
    assert run("--version").stdout.strip() == f"stackml {stackml.__version__}"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["train", "fraud", "--datset", "x"], "--dataset"),
        (["train"], "Missing argument"),
        (["data", "mkae"], "Did you mean 'make'?"),
        (["promote", "fraud", "first"], "VERSION"),
    ],
)
def test_a_slip_in_the_command_names_the_nearest(run, arguments, hint):
    result = run(*arguments)
    assert result.exit_code == 2
    assert hint in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "fruad"], r"did you mean 'fraud'\?"),
        (
            ["train", "fraud", "--set", "stack.fold=3"],
            r"--set stack\.fold=3: unknown key 'fold' in 'stack'; did you mean 'split\.folds'\?",
        ),
        (["train", "fraud", "--set", "split.foldz=3"], r"did you mean 'folds'\?"),
        (["train", "fraud", "--set", "seed"], r"write it as path=value"),
        (["train", "fraud", "--preset", "fastt"], r"did you mean 'fast'\?"),
        (["train", "fraud", "--time-limit", "-1"], r"--time-limit -1\.0: should be greater than 0"),
        (["train", "fraud", "--dataset", "banksym"], r"did you mean 'banksim'\?"),
        (["data", "make", "fraud_smi"], r"did you mean 'fraud_sim'\?"),
        (["data", "make", "fraud_sim", "rows.xlsx"], r"\.parquet or \.csv; found '\.xlsx'"),
        (["data", "verify", "banksim"], r"Place banksim\.parquet .* in data/raw"),
        (["data", "verify", "fraud_sim"], r"is simulated"),
        (["compare"], r"give run ids, or --pipeline NAME"),
        (["compare", "abc"], r"there is no tracking store at .*mlflow\.db; train a pipeline first"),
        (["promote", "fraud", "1"], r"there is no tracking store"),
        (["ui"], r"there is no tracking store"),
        (["score", "models:/fraud@champion", "in.csv", "out.csv"], r"there is no tracking store"),
        (["score", "none.stack", "in.csv", "out.csv"], r"there is no model 'none\.stack'"),
        (["evaluate", "none.stack", "fraud_sim"], r"there is no model 'none\.stack'"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2, text(result)
    assert re.search(message, result.stderr.replace("\n", " ")), result.stderr
    assert "Traceback" not in text(result)
    assert result.stdout == ""


def fail_with(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("stackml.workflow.spec.load_spec", fail)


def test_an_unexpected_error_is_one_line_with_the_way_to_the_traceback(run, monkeypatch):
    fail_with(monkeypatch, ZeroDivisionError("division\nby zero"))
    result = run("train", "fraud")
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first == "unexpected error: ZeroDivisionError: division by zero"
    assert "STACKML_DEBUG=1" in second
    assert "Traceback" not in text(result)


def test_debug_shows_the_traceback(run, monkeypatch):
    fail_with(monkeypatch, DataError("bad row"))
    monkeypatch.setenv("STACKML_DEBUG", "1")
    result = run("train", "fraud")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "error: bad row" in result.stderr


def test_ctrl_c_says_how_to_go_on(run, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    result = run("train", "fraud")
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted; run again with --resume"


def test_help_imports_nothing_heavy():
    code = (
        "import sys, contextlib, io\n"
        "from stackml.cli.app import app\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    app(['--help'], standalone_mode=False)\n"
        "heavy = {'mlflow', 'sklearn', 'lightgbm', 'xgboost', 'pandas', 'numpy', 'pyarrow', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_process_leaves_with_the_code_and_no_escape_codes(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("STACKML_DEBUG", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "stackml.cli.app", "train", "fruad"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
