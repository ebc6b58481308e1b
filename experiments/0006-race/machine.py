"""What a row must say of the machine it was measured on, and what a process used of it."""

import os
import platform
import resource
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "stackml", "scikit-learn", "lightgbm", "xgboost-cpu", "xgboost", "catboost", "torch", "pandas", "numpy",
    "autogluon.tabular", "h2o", "flaml", "mljar-supervised",
)  # fmt: skip
PROC = Path("/proc")


def cores():
    """Return the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def load_average():
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def versions():
    """Return Python's and the packages' versions, as one text."""
    found = [f"python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "; ".join(found)


@cache
def commit():
    """Return the project's commit, with a plus where tracked files were changed since."""
    here = Path(__file__).parent

    def git(*arguments):
        return subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, check=False
        ).stdout

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../../stackml").strip()
    return git("rev-parse", "--short", "HEAD").strip() + ("+" if changed else "") or "unknown"


def own_peak_bytes():
    """Return the largest resident size of this process or of one child that has ended.

    Linux hands a parent's ``ru_maxrss`` down to the program a child becomes, so the kernel's mark of
    this program alone is read where there is one.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return max(
        _status(os.getpid(), "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, children
    )


def tree_bytes(pid):
    """Return the resident bytes of a process and all below it now (pages they share count for each)."""
    return sum(_status(member, "VmRSS") for member in family(pid))


def cpu_seconds():
    """Return CPU seconds of this process, of ended children and of those still running."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    tick = os.sysconf("SC_CLK_TCK")
    running = 0.0
    for member in family(os.getpid())[1:]:
        fields = _read(PROC / str(member) / "stat").rpartition(")")[2].split()
        running += sum(map(int, fields[11:15])) / tick if fields else 0.0
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + running


def family(pid):
    """Return a process and all processes below it."""
    members = [pid]
    for member in members:
        for task in (PROC / str(member) / "task").glob("*"):
            members.extend(int(child) for child in _read(task / "children").split())
    return members


def _status(pid, field):
    for line in _read(PROC / str(pid) / "status").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path):
    try:
        return path.read_text()
    except OSError:  # ended meanwhile, or no Linux
        return ""
