"""Which packages, at which versions, a logged stack needs to predict."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import stackml

if TYPE_CHECKING:
    from stackml.stack.fitted import FittedStack

ALWAYS = ("mlflow", "numpy", "pandas", "scipy", "scikit-learn", "narwhals")
ESTIMATORS_OF_USERS = {"sklearn": ("skops",), "foreign": ("skops",)}


def pip_requirements(stack: FittedStack) -> list[str]:
    """Return ``package==version`` lines: what is always needed and what this stack's parts stand on."""
    from stackml.oof.plan import LIBRARIES  # it brings all learners with it

    packages = {**LIBRARIES, **ESTIMATORS_OF_USERS}
    kinds = {member.kind for layer in stack.layers for member in layer.members} | {stack.combiner.kind}
    groups = [*((name,) for name in ALWAYS), *sorted({packages[kind] for kind in kinds & packages.keys()})]
    return [f"stackml=={stackml.__version__}", *(line for names in groups if (line := _pinned(names)))]


def _pinned(names: tuple[str, ...]) -> str:
    # One library can come under several package names; the first that is installed counts.
    for name in names:
        try:
            return f"{name}=={version(name)}"
        except PackageNotFoundError:
            continue
    return ""
