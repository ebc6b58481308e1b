"""What the public half of every assembly can do: answer, say who answered, be stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if

from stackml.assembly.base import Answers, FittedAssembly
from stackml.assembly.writing import write_assembly
from stackml.stack.arguments import checked_jobs
from stackml.stack.labels import labels_array
from stackml.tables.reading import to_frame


def _classifies(assembly: Assembly) -> bool:
    return not (hasattr(assembly, "fitted_") and assembly.fitted_.problem.is_regression)


class Assembly(BaseEstimator):
    """Base of the public assemblies; a subclass sets `fitted_`, in its `fit` or when it is made.

    Attributes
    ----------
    fitted_ : FittedAssembly
    classes_ : ndarray of shape (n_classes,)
        Of a classifier.
    """

    fitted_: FittedAssembly
    n_jobs: int | None = None
    _fit_reads: ClassVar[str] = "rows and labels"

    @classmethod
    def of(cls, fitted: Any) -> Self:
        """Return the public assembly around a fitted one, such as one read from a file."""
        raise NotImplementedError

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Class labels, in the order of the columns of `predict_proba`."""
        if not hasattr(self, "fitted_") or self.fitted_.problem.is_regression:
            raise AttributeError(f"this '{type(self).__name__}' has no 'classes_'")
        return labels_array(self.fitted_.classes, self.fitted_.label_dtype)

    @property
    def feature_names_in_(self) -> npt.NDArray[np.object_]:
        """Columns that one of the parts knows."""
        self._check_fitted()
        return np.asarray([column.name for column in self.fitted_.schema.columns], dtype=object)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each row, or its value; shape (n_rows,).

        Raises
        ------
        SchemaError, DataError
            If a column that a part reads is missing, or a value cannot be read.
        """
        values = self._answers(X).values
        if self.fitted_.problem.is_regression:
            return values[:, 0]
        return self.classes_[_both_classes(values).argmax(axis=1)]

    @available_if(_classifies)  # type: ignore[untyped-decorator]  # scikit-learn's own
    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return class probabilities, float64 of shape (n_rows, n_classes); rows sum to 1.

        Raises
        ------
        SchemaError, DataError
            As `predict`.
        """
        return _both_classes(self._answers(X).values)

    def member_weights(self, X: Any) -> pd.DataFrame:
        """Return each part's share in the answer to each row.

        Returns
        -------
        DataFrame of shape (n_rows, n_parts)
            One column a part, the index of `X`; rows sum to 1.
        """
        self._check_fitted()
        frame = to_frame(X)
        names = [part.name for part in self.fitted_.parts]
        return pd.DataFrame(self._answers(frame).weights, columns=names, index=frame.index)

    def save(self, path: str | Path) -> Path:
        """Write the assembly with its parts to one file, without pickle; `stackml.load` reads it."""
        self._check_fitted()
        return write_assembly(path, self.fitted_)

    def _answers(self, X: Any) -> Answers:
        self._check_fitted()
        return self.fitted_.answers(to_frame(X), n_jobs=checked_jobs(self.n_jobs))

    def _check_fitted(self) -> None:
        if not hasattr(self, "fitted_"):
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted yet; call fit with {self._fit_reads}"
            )

    def __sklearn_clone__(self) -> Self:
        # Its models are fitted parameters: a clone stands on the same ones.
        return type(self)(**self.get_params(deep=False))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")


def _both_classes(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.hstack([1.0 - values, values]) if values.shape[1] == 1 else values
