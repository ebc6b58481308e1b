"""Many models' trees in one XGBoost booster, whose predictor walks them in blocks of rows.

LightGBM walks row by row; the same trees in XGBoost's predictor are several times faster. The
booster is written here and never leaves the memory: nothing of a file reaches XGBoost's reader but
arrays that `Trees` has proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from stackml.learners.trees.arrays import Floats32
from stackml.learners.trees.walk import Walker
from stackml.learners.trees.xgboost_form import Part as Part
from stackml.learners.trees.xgboost_form import ubjson_of
from stackml.storage.fields import refuse

_BUILDING = Lock()
_PORTION = 30_000  # nodes of one booster; measured in experiments/0004-scoring-speed


class Sum:
    """Sums of the leaves of many models, each model adding to groups of its own or shared ones.

    Parameters
    ----------
    parts : sequence of Part
        Of models that read the same columns.
    n_groups : int
    """

    def __init__(self, parts: Sequence[Part], n_groups: int) -> None:
        self._parts = tuple(parts)
        self.n_groups = n_groups
        self.n_features = self._parts[0].trees.n_features
        self._ready: list[Any] = []
        for part in self._parts:
            if part.trees.n_features != self.n_features:
                refuse("trees of one view", f"read {part.trees.n_features} columns, others {self.n_features}")

    def of(self, matrix: Floats32) -> npt.NDArray[np.float64]:
        """Return the sums, float64 of shape (n_rows, n_groups), without the models' bases.

        A row's sums are the same in any company, bit for bit.
        """
        total = np.zeros((len(matrix), self.n_groups))
        if len(matrix):
            for booster in self._boosters():
                found = booster.inplace_predict(matrix, predict_type="margin", validate_features=False)
                total += found.reshape(total.shape)
        return total

    def of_few(self, matrix: Floats32) -> npt.NDArray[np.float64]:
        """Return the same but for rounding, faster for a few rows."""
        with _BUILDING:
            walker, values, groups = self._walker
        leaves = walker.leaves(matrix)
        sums = [np.bincount(groups, values[row], minlength=self.n_groups) for row in leaves]
        return np.stack(sums) if sums else np.zeros((0, self.n_groups))

    @cached_property
    def _walker(self) -> tuple[Walker, Floats32, npt.NDArray[np.int32]]:
        values = [part.trees.leaf_value * np.float32(part.factor) for part in self._parts]
        groups = [part.trees.group + np.int32(part.first_group) for part in self._parts]
        return Walker([part.trees for part in self._parts]), np.concatenate(values), np.concatenate(groups)

    def _boosters(self) -> Iterator[Any]:
        # Built one at a time, as they are asked for: while one thread builds the next, others predict.
        with _BUILDING:
            n_boosters = len(self._waiting)
        for number in range(n_boosters):
            if number >= len(self._ready):
                with _BUILDING:
                    if number >= len(self._ready):
                        self._ready.append(_built(self._waiting[number], self.n_groups))
                        self._waiting[number] = []  # and with it what was worked out of its trees
            yield self._ready[number]

    @cached_property
    def _waiting(self) -> list[list[Part]]:
        return _portions(self._parts)


def _portions(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parts divided so that the nodes of each portion fit a core's cache."""
    portions: list[list[Part]] = [[]]
    room = _PORTION
    for part in parts:
        start = 0
        while start < part.trees.n_trees:
            ends = part.trees.first_node[start + 1 :] - part.trees.first_node[start]
            n = int(np.searchsorted(ends, room, side="right"))
            if n == 0 and portions[-1]:
                portions.append([])
                room = _PORTION
                continue
            stop = start + max(1, n)
            portions[-1].append(replace(part, trees=part.trees.some(start, stop)))
            room -= int(ends[stop - start - 1])
            start = stop
    return portions


def _built(parts: Sequence[Part], n_groups: int) -> Any:
    import xgboost as xgb

    booster = xgb.Booster({"nthread": 1, "verbosity": 0}, model_file=ubjson_of(parts, n_groups))
    # The first call configures the model, which is not safe to do in two threads.
    booster.inplace_predict(np.zeros((1, parts[0].trees.n_features), np.float32), predict_type="margin")
    return booster
