"""Which packages, at which versions, a logged stack needs to predict."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import stackml

if TYPE_CHECKING:
    from stackml.assembly.base import FittedModel
    from stackml.stack.fitted import FittedStack

ALWAYS = ("mlflow", "numpy", "pandas", "scipy", "scikit-learn", "narwhals")
ESTIMATORS_OF_USERS = {"sklearn": ("skops",), "foreign": ("skops",)}


def pip_requirements(model: FittedModel) -> list[str]:
    """Return ``package==version`` lines: what is always needed and what this model's parts stand on."""
    from stackml.assembly.base import leaves
    from stackml.oof.plan import LIBRARIES  # it brings all learners with it

    packages = {**LIBRARIES, **ESTIMATORS_OF_USERS}
    kinds = set().union(*(_kinds(stack) for stack in leaves(model)))
    groups = [*((name,) for name in ALWAYS), *sorted({packages[kind] for kind in kinds & packages.keys()})]
    return [f"stackml=={stackml.__version__}", *(line for names in groups if (line := _pinned(names)))]


def _kinds(stack: FittedStack) -> set[str]:
    """Return the kinds of all parts, of stacks within the stack too."""
    found = {stack.combiner.kind}
    for member in (member for layer in stack.layers for member in layer.members):
        found.add("lightgbm" if member.kind == "warm" else member.kind)
        for model in member.models:
            inner = getattr(getattr(model, "source", model), "stack", None)
            found |= _kinds(inner) if inner is not None else set()
    return found


def _pinned(names: tuple[str, ...]) -> str:
    # One library can come under several package names; the first that is installed counts.
    for name in names:
        try:
            return f"{name}=={version(name)}"
        except PackageNotFoundError:
            continue
    return ""
