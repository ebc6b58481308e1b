"""What the doctor looks at, one function each."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final, Literal

from stackml.foundation.errors import StackmlError
from stackml.foundation.optional import installed
from stackml.foundation.threads import available_cores

OLDEST: Final = (3, 11)
GIB: Final = 2**30
LOW_MEMORY: Final = 2 * GIB
LOW_DISK: Final = GIB
# A version that is right says nothing about a library that cannot load, as without libgomp.
LOADED: Final = {
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "xgboost-cpu": "xgboost",
    "scikit-learn": "sklearn",
}
OPTIONAL: Final = {"catboost": "best", "polars": "polars"}
ENDINGS: Final = (".parquet", ".csv")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    state : {"ok", "note", "fault"}
        A note stops nothing; a fault is essential.
    what, found : str
    advice : str
        What to do; "" where there is nothing to do.
    """

    state: Literal["ok", "note", "fault"]
    what: str
    found: str
    advice: str = ""


def examine(tracking_uri: str | None = None) -> list[Check]:
    """Return everything that was looked at, in the order a person fixes it."""
    return [
        python(),
        *libraries(),
        *extras(),
        cores(),
        memory(),
        disk(),
        open_mp(),
        tracking(tracking_uri),
        data(),
    ]


def python() -> Check:
    """Look at the interpreter."""
    found = platform.python_version()
    if sys.version_info[:2] < OLDEST:
        return Check("fault", "python", found, "stackml needs Python 3.11 or newer")
    return Check("ok", "python", found)


def libraries() -> list[Check]:
    """Look at the packages stackml requires: there, of a fitting version, loadable."""
    try:
        from packaging.requirements import Requirement

        needed = [Requirement(text) for text in requires("stackml") or ()]
    except (ImportError, PackageNotFoundError):
        return [Check("fault", "stackml", "not installed as a package", "run: pip install stackml")]
    core = [r for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [_library(one.name, str(one.specifier), one.specifier.contains) for one in core]


def _library(name: str, wanted: str, fits: object) -> Check:
    assert callable(fits)
    remedy = f"run: pip install '{name}{wanted}'"
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check("fault", name, f"absent, {wanted} is needed", remedy)
    if not fits(found, prereleases=True):
        return Check("fault", name, f"{found}, {wanted} is needed", remedy)
    if name in LOADED:
        try:
            import_module(LOADED[name])
        except Exception as error:  # a broken native library may raise anything
            return Check("fault", name, f"{found} cannot be loaded: {_line(error)}", _remedy(error, remedy))
    return Check("ok", name, found)


def _remedy(error: Exception, otherwise: str) -> str:
    if "libgomp" in str(error):
        return "install the OpenMP runtime, on Debian and Ubuntu: apt install libgomp1"
    return otherwise.replace("pip install", "pip install --force-reinstall")


def extras() -> list[Check]:
    """Look at optional packages."""
    found = []
    for module, extra in OPTIONAL.items():
        if installed(module):
            found.append(Check("ok", module, f"{_version(module)} (optional)"))
        else:
            advice = f"to have it: pip install 'stackml[{extra}]'"
            found.append(Check("note", module, "not installed (optional)", advice))
    return found


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "installed"


def cores() -> Check:
    """Look at the cores this process may use."""
    return Check("ok", "cores", str(available_cores()))


def memory() -> Check:
    """Look at the memory that is free, the container's limit counted."""
    free = available_memory()
    if free is None:
        return Check("note", "memory", "not known on this system")
    shown = f"{free / GIB:.1f} GiB free"
    if free < LOW_MEMORY:
        return Check("note", "memory", shown, "large tables may not fit; try --rows or --preset fast")
    return Check("ok", "memory", shown)


def available_memory(root: Path = Path("/")) -> int | None:
    """Return free bytes: of the machine or of the container, whichever is less."""
    found = [*_machine_memory(root), *_container_memory(root)]
    return min(found) if found else None


def _machine_memory(root: Path) -> Iterable[int]:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        return [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        return []


def _container_memory(root: Path) -> Iterable[int]:
    folder = root / "sys/fs/cgroup"
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        return [] if limit == "max" else [max(0, int(limit) - used)]
    except (OSError, ValueError):
        return []


def disk() -> Check:
    """Look at the room for runs in the working folder."""
    free = shutil.disk_usage(Path.cwd()).free
    shown = f"{free / GIB:.1f} GiB free here"
    if free < LOW_DISK:
        return Check("note", "disk", shown, "runs and models may not fit")
    if not os.access(Path.cwd(), os.W_OK):
        return Check("note", "disk", "this folder cannot be written", "work in a folder of your own")
    return Check("ok", "disk", shown)


def open_mp() -> Check:
    """Look at what idle OpenMP threads do."""
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    if policy.lower() != "passive":
        advice = "small fits get many times slower on a busy machine; unset OMP_WAIT_POLICY"
        return Check("note", "OMP policy", policy or "not set", advice)
    return Check("ok", "OMP policy", "passive: idle threads sleep")


def tracking(tracking_uri: str | None) -> Check:
    """Look at the tracking store."""
    from stackml.tracking.store import TRACKING_URI, connect

    if not tracking_uri and not os.environ.get(TRACKING_URI) and not Path("mlflow.db").exists():
        return Check("ok", "tracking", "no store yet; the first training makes mlflow.db here")
    try:
        return Check("ok", "tracking", connect(tracking_uri, create=False).shown)
    except StackmlError as error:
        return Check("fault", "tracking", _line(error))


def data() -> Check:
    """Look at the folders of real tables."""
    from stackml.datasets.catalog import dataset_cards
    from stackml.datasets.files import data_folders

    folders = data_folders(None)
    shown = " and ".join(str(folder) for folder in folders)
    known = [card.name for card in dataset_cards().values() if card.kind == "real"]
    files = {path.stem for folder in folders for path in folder.glob("*") if path.suffix in ENDINGS}
    there = [name for name in known if name in files]
    if "STACKML_DATA" in os.environ and not folders[0].is_dir():
        return Check("note", "data", f"there is no folder {folders[0]}", "mend STACKML_DATA")
    if not there:
        advice = "simulated tables need none; see: stackml data list"
        return Check("note", "data", f"no real tables in {shown}", advice)
    return Check("ok", "data", f"{len(there)} of {len(known)} real tables in {shown}")


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
