"""The library does not import MLflow until a function of this room needs it."""

import subprocess
import sys


def test_importing_the_room_leaves_mlflow_alone():
    files = ("client", "comparison", "flavor", "learner_runs", "pyfunc", "registry", "runs", "store", "ui")
    names = ", ".join(["stackml.tracking", *(f"stackml.tracking.{name}" for name in files)])
    code = f"import sys, {names}; print([m for m in ('mlflow', 'lightgbm', 'sklearn') if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"


def test_telemetry_is_off_when_mlflow_is_imported():
    code = (
        "import os; os.environ.pop('MLFLOW_DISABLE_TELEMETRY', None)\n"
        "from stackml.tracking.client import import_mlflow; import_mlflow()\n"
        "from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY\n"
        "print(MLFLOW_DISABLE_TELEMETRY.get())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "True"
