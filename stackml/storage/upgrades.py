"""The format's version, and how to change the format.

To change what a file means:

1. Raise `FORMAT_VERSION` by one.
2. Add a function to `UPGRADES` under the *old* number. It takes the manifest and the state as
   the old version wrote them and returns the state as the new version writes it. It never looks
   at today's classes: they will have changed again when it runs.
3. Before merging, store a small file written by the old version under ``tests/formats/``. It must
   load forever; `tests/formats/test_fixtures.py` reads every file there.
4. Describe the change in ``docs/`` and under "Unreleased" in the change log.

Adding a key that readers may ignore needs none of this. A new kind of member, a new tag in
``state.json`` or a key with another meaning does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from stackml.foundation.errors import StorageError
from stackml.storage.state import State

if TYPE_CHECKING:
    from stackml.storage.manifest import Manifest

FORMAT_VERSION = 2

Upgrade: TypeAlias = "Callable[[Manifest, State], State]"


def from_1(manifest: Manifest, state: State) -> State:
    """Say what the mean of a learner's models was taken of: their predictions, in every case.

    Format 2 also stores boosters as arrays under ``"trees"``; the libraries' own text and bytes
    under ``"model"`` go on meaning what they meant.
    """
    if manifest.kind != "stack":
        return state
    layers: Any = state.get("layers")
    for layer in layers if isinstance(layers, list) else []:
        for member in layer if isinstance(layer, list) else []:
            if isinstance(member, dict):
                member["mean"] = "prediction"
    return state


UPGRADES: Mapping[int, Upgrade] = MappingProxyType({1: from_1})


def upgrade(manifest: Manifest, state: State) -> State:
    """Return the state as the present format writes it.

    Parameters
    ----------
    manifest : Manifest
        As read from the file; its ``format_version`` says where to begin.
    state : dict
        As read from the file.

    Raises
    ------
    StorageError
        If a step between the file's version and the present one is missing.
    """
    for version in range(manifest.format_version, FORMAT_VERSION):
        if version not in UPGRADES:
            raise StorageError(
                f"format {version} can no longer be read; load and save it again with an older stackml"
            )
        state = UPGRADES[version](manifest, state)
    return state
