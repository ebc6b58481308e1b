"""stackml: stacking ensembles on tables.

>>> import stackml
>>> stack = stackml.StackClassifier(learners="fast", time_limit=60)
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from stackml.foundation.threads import let_idle_threads_sleep as _let_idle_threads_sleep

if TYPE_CHECKING:
    from stackml.assembly.cascade import Cascade as Cascade
    from stackml.assembly.ensemble import Ensemble as Ensemble
    from stackml.assembly.label_union import LabelUnion as LabelUnion
    from stackml.assembly.loading import load as load
    from stackml.assembly.router import Router as Router
    from stackml.stack.estimators import StackClassifier as StackClassifier
    from stackml.stack.estimators import StackRegressor as StackRegressor
    from stackml.stack.merging.front import merge as merge
    from stackml.tables.schema import Overrides as Overrides
    from stackml.tracking.frozen import frozen as frozen
    from stackml.tracking.frozen import warm_start as warm_start

__version__ = "0.1.0"

_let_idle_threads_sleep()  # read once, when a library with OpenMP loads: so before any of them

# Names of the front door and the rooms they live in; a room is entered when it is first used.
_ROOMS = {
    "StackClassifier": "stackml.stack.estimators",
    "StackRegressor": "stackml.stack.estimators",
    "Cascade": "stackml.assembly.cascade",
    "Ensemble": "stackml.assembly.ensemble",
    "Router": "stackml.assembly.router",
    "LabelUnion": "stackml.assembly.label_union",
    "load": "stackml.assembly.loading",
    "merge": "stackml.stack.merging.front",
    "Overrides": "stackml.tables.schema",
    "frozen": "stackml.tracking.frozen",
    "warm_start": "stackml.tracking.frozen",
}
_SUBPACKAGES = (
    "tracking",
    "datasets",
    "metrics",
    "splitting",
    "learners",
    "combiners",
    "decision",
    "tables",
    "workflow",
)

__all__ = [
    "Cascade",
    "Ensemble",
    "LabelUnion",
    "Overrides",
    "Router",
    "StackClassifier",
    "StackRegressor",
    "frozen",
    "load",
    "merge",
    "warm_start",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(_import_module(_ROOMS[name]), name)
    if name in _SUBPACKAGES:
        return _import_module(f"stackml.{name}")
    raise AttributeError(f"module 'stackml' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_SUBPACKAGES})
