"""Older states pass through one function per version."""

from __future__ import annotations

from typing import Any

import pytest

from stackml.foundation.errors import StorageError
from stackml.storage import upgrades
from stackml.storage.manifest import Manifest
from stackml.storage.state import State


def test_the_present_format_passes_untouched() -> None:
    state = {"a": 1}
    assert upgrades.upgrade(Manifest("stack", upgrades.FORMAT_VERSION, {}, {}), state) is state


def test_each_step_runs_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrades, "FORMAT_VERSION", 3)
    steps = {v: lambda _, state, v=v: {"seen": [*state["seen"], v]} for v in (1, 2)}
    monkeypatch.setattr(upgrades, "UPGRADES", steps)
    assert upgrades.upgrade(Manifest("stack", 1, {}, {}), {"seen": []}) == {"seen": [1, 2]}
    assert upgrades.upgrade(Manifest("stack", 2, {}, {}), {"seen": []}) == {"seen": [2]}


def test_a_missing_step_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrades, "UPGRADES", {})
    with pytest.raises(
        StorageError, match="format 1 can no longer be read; load and save it again with an older"
    ):
        upgrades.upgrade(Manifest("stack", 1, {}, {}), {})


def test_format_1_averages_predictions() -> None:
    state: State = {"layers": [[{"name": "lightgbm"}, {"name": "mlp"}]]}
    found = upgrades.upgrade(Manifest("stack", 1, {}, {}), state)
    layers: Any = found["layers"]
    assert [member["mean"] for member in layers[0]] == ["prediction", "prediction"]


def test_odd_layers_of_format_1_are_left_to_who_reads_them() -> None:
    state: State = {"layers": {"a": 1}}
    assert upgrades.upgrade(Manifest("stack", 1, {}, {}), state) == {"layers": {"a": 1}}
