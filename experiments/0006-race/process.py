"""One measurement, one process: nothing is warm but what the measurement itself warmed.

As a script it is the other side: ``python process.py MODULE SPEC.json ANSWER.json`` calls ``work(spec)``
of a module beside it and writes what it returns.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
LOOK = 0.25  # seconds between two looks at the memory of the process and its children


def measured(module, spec, python=sys.executable, timeout=None):
    """Return what ``module.work(spec)`` returns in a process of its own, or a row with `error`.

    The row also has `load_before`, and `peak_tree_mb`: the largest sum of resident memory over the
    process and all below it.
    """
    row = {"load_before": machine.load_average()}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        asked, answer, said = (Path(folder) / name for name in ("spec.json", "answer.json", "said.txt"))
        asked.write_text(json.dumps(spec))
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        with said.open("w") as stream:
            process = subprocess.Popen(
                [python, str(HERE / "process.py"), module, str(asked), str(answer)],
                stdout=stream, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip
            peak = _watch(process, timeout)
        row["peak_tree_mb"] = round(peak / 1e6, 1)
        if answer.is_file():
            return row | json.loads(answer.read_text())
        reason = "ran out of time" if process.returncode == -9 else f"ended with {process.returncode}"
        lines = [line.strip() for line in said.read_text(errors="replace").splitlines() if line.strip()]
        return row | {"error": f"{reason}: {lines[-1][:300] if lines else 'it said nothing'}"}


def _watch(process, timeout):
    peak, started = 0, time.monotonic()
    while process.poll() is None:
        peak = max(peak, machine.tree_bytes(process.pid))
        if timeout is not None and time.monotonic() - started > timeout:
            process.kill()
            process.wait()
        time.sleep(LOOK)
    return peak


def _answer(module, asked, answer):
    result = importlib.import_module(module).work(json.loads(Path(asked).read_text()))
    unfinished = Path(answer).with_suffix(".part")
    unfinished.write_text(json.dumps(result))
    unfinished.replace(answer)


if __name__ == "__main__":
    _answer(*sys.argv[1:4])
    sys.stdout.flush()
    os._exit(0)  # some peers leave threads and servers behind that would not let go
