"""Finished fits on disk, found again by content: an interrupted fit resumes where it stopped."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stackml.foundation.errors import StackmlWarning, StorageError
from stackml.learners.catalog import restore_learner
from stackml.oof.fitting import FitOutcome
from stackml.storage.archive import read_archive, write_archive
from stackml.storage.state import State

KIND = "fit-task"
ENOUGH = 1.2  # times what a fit took that was cut: with more than this it may get further


class TaskCache:
    """A folder of finished tasks, one file each, named by the task's digest.

    Files are written whole or not at all, so a killed run leaves none that is damaged; a file
    that cannot be read is treated as absent and fitted again.

    Parameters
    ----------
    folder : Path
    trusted : sequence of str
        Types outside the catalog that may be read back.
    """

    def __init__(self, folder: Path, trusted: tuple[str, ...] = ()) -> None:
        self.folder = Path(folder)
        self._trusted = trusted
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, digest: str, seconds: float | None = None) -> FitOutcome | None:
        """Return the outcome of a task, or None where it was never finished.

        Parameters
        ----------
        digest : str
        seconds : float, optional
            What the fit may take now: one that a clock cut short will do only where it had as much.
        """
        path = self._path(digest)
        if not path.is_file():
            return None
        try:
            state: Mapping[str, Any] = read_archive(path, kind=KIND)[1]
            model = restore_learner(state["learner"], state["model"], trusted=self._trusted)
            held_out = np.asarray(state["held_out"], dtype=np.float32)
            cut = bool(state["cut"])
        except StorageError as error:
            warnings.warn(f"a finished fit cannot be taken up again: {error}", StackmlWarning, stacklevel=2)
            return None
        if cut and (seconds is None or seconds > ENOUGH * float(state["seconds"])):
            return None
        us_per_row = float(state.get("us_per_row", "nan"))  # which earlier caches lack
        return FitOutcome(model, held_out, float(state["seconds"]), True, cut, us_per_row)

    def put(self, digest: str, outcome: FitOutcome) -> None:
        """Keep the outcome of a task; one that cannot be stored is fitted again next time."""
        state: State = {
            "learner": outcome.model.kind,
            "model": outcome.model.to_state(),
            "held_out": outcome.held_out,
            "seconds": outcome.seconds,
            "cut": outcome.cut,
            "us_per_row": outcome.us_per_row,
        }
        try:
            write_archive(self._path(digest), kind=KIND, state=state, manifest={}, compress=False)
        except StorageError as error:
            warnings.warn(f"a finished fit could not be kept: {error}", StackmlWarning, stacklevel=2)

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}.fit"
