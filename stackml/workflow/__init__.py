"""Workflow: what a pipeline.yaml says, and training, evaluating, comparing and promoting by it.

`spec` reads the file, `training` is the main job from rows to a tracked and stored stack,
`evaluation` scores a stack on labelled rows, `comparison` puts runs side by side,
`side_by_side` any models on the same rows, `promotion` says which version is the champion.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackml.workflow.side_by_side import Comparison as Comparison
    from stackml.workflow.side_by_side import compare_models as compare_models

__all__ = ["Comparison", "compare_models"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # entered when first used: importing the spec alone stays light
        return getattr(_import_module("stackml.workflow.side_by_side"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
