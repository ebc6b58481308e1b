"""Which systems can run here, and with which python."""

import os
import subprocess
import sys

SYSTEMS = (
    "stackml:best", "stackml:balanced", "stackml:fast", "autogluon:best_quality", "h2o", "flaml", "mljar",
    "sklearn-stack", "lightgbm",
)  # fmt: skip
MODULES = {
    "autogluon": "autogluon.tabular", "h2o": "h2o", "flaml": "flaml", "mljar": "supervised.automl",
    "sklearn-stack": "xgboost", "lightgbm": "lightgbm", "stackml": "numpy",
}  # fmt: skip


def python_of(system):
    """Return the python of a system's environment: ``$NAME_PYTHON``, else the current one."""
    return os.environ.get(_variable(system)) or sys.executable


def why_absent(system):
    """Return why a system cannot run here, or an empty text."""
    module = MODULES.get(system.partition(":")[0])
    if module is None:
        return f"unknown system (known: {', '.join(SYSTEMS)})"
    code = f"import {module}, pandas, pyarrow"
    try:
        asked = subprocess.run([python_of(system), "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{_variable(system)} names no python: {error.strerror}"
    if asked.returncode == 0:
        return ""
    reason = (asked.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return f"{reason}; name a python that has it by {_variable(system)}"


def _variable(system):
    return system.partition(":")[0].upper().replace("-", "_") + "_PYTHON"
