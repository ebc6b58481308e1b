"""A small stored stack, its rows, and the way to call commands."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

import stackml
from stackml.cli.app import app


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Return a function that runs a command in a folder of its own, 80 columns wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("STACKML_DEBUG", "STACKML_DATA", "MLFLOW_TRACKING_URI", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], prog_name="stackml")

    return call


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    amount = np.round(rng.lognormal(3, 1, 120), 2)
    fraud = (amount * rng.random(120) > 14).astype(int)
    ids = [f"{i:04d}" for i in range(120)]
    return pd.DataFrame(
        {"id": ids, "amount": amount, "kind": rng.choice(["pos", "atm"], 120), "fraud": fraud}
    )


@pytest.fixture(scope="session")
def stack_path(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stack = stackml.StackClassifier(learners=["lightgbm"], combiner="mean", folds=2, n_jobs=1)
    stack.fit(rows[["amount", "kind"]], rows["fraud"])
    return stack.save(tmp_path_factory.mktemp("stacks") / "small.stack")
