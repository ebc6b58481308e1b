"""From a batch of rows to the columns of the output."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from stackml.assembly.loading import Model
from stackml.foundation.errors import DataError, StackmlWarning
from stackml.scoring.reading import Batch
from stackml.tables.schema import Schema

# How the tables room names a row; it counts within the rows it was given.
_ROW = re.compile(r"(?<=, row )\d+")


@dataclass(frozen=True)
class Predictor:
    """A fitted model and the names of what it says about a row."""

    stack: Model

    @property
    def schema(self) -> Schema:
        """Of the rows the stack reads."""
        return self.stack.fitted_.schema

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Columns of the output that hold predictions."""
        if hasattr(self.stack, "predict_proba"):
            return ("prediction", *(f"probability_{label}" for label in self.stack.classes_))
        return ("prediction",)

    def empty(self) -> pa.Table:
        """Return the prediction columns of no rows, which says their types."""
        if hasattr(self.stack, "predict_proba"):
            return self._columns(self.stack.classes_[:0], np.empty((0, len(self.stack.classes_))))
        return self._columns(np.empty(0), np.empty((0, 0)))

    def predict(self, batch: Batch, where: str) -> pa.Table:
        """Return the prediction columns of a batch.

        Raises
        ------
        DataError
            If a value cannot be read; the message names file, column, row in the file and value.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StackmlWarning)  # unknown columns are in the summary
            try:
                return self._predict(batch)
            except DataError as error:
                raise type(error)(f"{where}: {_in_file(str(error), batch.start)}") from error

    def _predict(self, batch: Batch) -> pa.Table:
        if hasattr(self.stack, "predict_proba"):
            probability = self.stack.predict_proba(batch.frame)
            return self._columns(self.stack.classes_[probability.argmax(axis=1)], probability)
        return self._columns(self.stack.predict(batch.frame), np.empty((batch.n_rows, 0)))

    def _columns(self, prediction: np.ndarray, probability: np.ndarray) -> pa.Table:
        columns = [prediction, *(np.ascontiguousarray(column) for column in probability.T)]
        arrays = [pa.array(column.tolist() if column.dtype.kind in "UO" else column) for column in columns]
        if prediction.dtype.kind in "UO":
            arrays[0] = arrays[0].cast(pa.string())  # no rows have no type of their own
        return pa.table(dict(zip(self.column_names, arrays, strict=True)))


def _in_file(message: str, start: int) -> str:
    return _ROW.sub(lambda found: str(int(found[0]) + start), message)
