"""A stack as MLflow's generic Python model: a table in, a table of predictions out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stackml.foundation.errors import ParameterError, near_miss
from stackml.tables.reading import to_frame

if TYPE_CHECKING:
    from stackml.assembly.loading import Model

TRUSTED = "STACKML_TRUSTED"
PREDICTION = "prediction"
METHODS = ("predict_proba", "predict")


class PyfuncStack:
    """What `mlflow.pyfunc.load_model` wraps.

    Parameters
    ----------
    stack : StackClassifier, StackRegressor or Assembly
    """

    def __init__(self, stack: Model) -> None:
        self._stack = stack

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return predictions, one row for each row given.

        Parameters
        ----------
        model_input : table or array-like of shape (n_rows, n_columns)
        params : mapping, optional
            ``{"method": "predict"}`` leaves out the probabilities of a classifier.

        Returns
        -------
        DataFrame of shape (n_rows, n_columns)
            Classifier: ``probability_<class>`` for every class (float64) and ``prediction``,
            the most probable class. Regressor: ``prediction`` (float64).

        Raises
        ------
        ParameterError
            If the method is unknown.
        """
        method = (params or {}).get("method", METHODS[0])
        if method not in METHODS:
            raise ParameterError(
                f"params: method '{method}' is unknown{near_miss(method, METHODS)}; "
                f"known: {', '.join(METHODS)}"
            )
        rows = self._named(to_frame(model_input))
        if not hasattr(self._stack, "predict_proba"):
            return pd.DataFrame({PREDICTION: self._stack.predict(rows)}, index=rows.index)
        probability = self._stack.predict_proba(rows)
        prediction = self._stack.classes_[probability.argmax(axis=1)]
        if method == "predict":
            return pd.DataFrame({PREDICTION: prediction}, index=rows.index)
        frame = pd.DataFrame(probability, columns=probability_columns(self._stack), index=rows.index)
        frame[PREDICTION] = prediction
        return frame

    def get_raw_model(self) -> Model:
        """Return the stack itself."""
        return self._stack

    def _named(self, rows: pd.DataFrame) -> pd.DataFrame:
        # MLflow numbers the columns of an array; a stack fitted on an array calls them x0, x1, ...
        names = [column.name for column in self._stack.fitted_.schema.columns]
        numbered = [str(i) for i in range(len(names))]
        if positional(names) and list(rows.columns) == numbered:
            return rows.set_axis(names, axis="columns")
        return rows


def positional(names: Sequence[str]) -> bool:
    """Return whether columns were named by their position, as those of an array are."""
    return list(names) == [f"x{i}" for i in range(len(names))]


def probability_columns(stack: Any) -> list[str]:
    """Return the names of a classifier's probability columns, in the order of its classes."""
    return [f"probability_{label}" for label in np.asarray(stack.classes_).tolist()]


def _load_pyfunc(path: str) -> PyfuncStack:
    """Load a stack for MLflow, which finds this function by its name.

    MLflow's loader has no argument for types to trust. Stacks that hold scikit-learn estimators
    of your own are served with their type names, separated by commas, in the environment
    variable ``STACKML_TRUSTED``.
    """
    from stackml.assembly.loading import load

    trusted = [name.strip() for name in os.environ.get(TRUSTED, "").split(",") if name.strip()]
    return PyfuncStack(load(Path(path), trusted=trusted))
