"""What the linters cannot say: sizes, names, and what an import costs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
MODULES = sorted((PROJECT / "stackml").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(PROJECT)))
def test_a_module_can_be_held_in_the_head(module):
    lines = module.read_text(encoding="utf-8").count("\n")
    assert lines <= 450, f"{module.name} has {lines} lines: divide it along an idea"
    assert module.stem not in {"utils", "helpers", "common", "misc"}


def test_nothing_reads_or_writes_pickle():
    forbidden = re.compile(r"\b(pickle|cloudpickle|marshal|dill)\.(loads?|dumps?)\(|\bjoblib\.(load|dump)\(")
    for module in MODULES:
        assert not forbidden.search(module.read_text(encoding="utf-8")), module


@pytest.mark.parametrize("heavy", ["mlflow", "lightgbm", "xgboost", "torch", "matplotlib", "sklearn"])
def test_importing_stackml_is_light(heavy):
    code = f"import stackml, sys; sys.exit('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("heavy", ["mlflow", "matplotlib", "torch", "typer"])
def test_a_fit_imports_no_tracking(heavy):
    code = (
        "import numpy as np, stackml, sys\n"
        "X = np.random.default_rng(0).normal(size=(60, 3))\n"
        "stackml.StackClassifier(['logistic'], 'mean', folds=2).fit(X, X[:, 0] > 0)\n"
        f"sys.exit('{heavy}' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
