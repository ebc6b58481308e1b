"""Any scikit-learn estimator as a learner."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from stackml.features.plain import PlainView, learn_plain
from stackml.foundation.digest import digest
from stackml.foundation.errors import ParameterError
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.learners.boosting import training_rows
from stackml.learners.constant import fit_constant, has_one_class
from stackml.storage.state import State
from stackml.storage.trust import dump_estimator, load_estimator
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target


@final
@dataclass(frozen=True)
class SklearnLearner(Learner):
    """An estimator given by the user, fitted on the features in their own units.

    It reads a float32 matrix: numbers (NaN kept where the estimator's tags allow it, else
    medians), one-hot columns of categories with at most 16 levels, ranks of ordered ones,
    log-shares of the others. It is stored by skops, and whoever loads the file must trust the
    types it needs by name.

    Attributes
    ----------
    name : str
    estimator : estimator
        Cloned before every fit. Random states that are None are set from the fit's seed.
    """

    name: str
    estimator: Any
    kind: ClassVar[str] = "sklearn"

    def __post_init__(self) -> None:
        """Refuse what is no estimator."""
        needed = ("fit", "predict", "get_params")
        lacking = [method for method in needed if not hasattr(self.estimator, method)]
        if lacking or isinstance(self.estimator, type):
            found = "a class, not an object" if isinstance(self.estimator, type) else f"it has no {lacking}"
            raise ParameterError(
                f"learner '{self.name}': {self.estimator!r} is not a scikit-learn estimator ({found}); "
                "give an object such as ('svm', SVC(probability=True))"
            )

    @property
    def seeded(self) -> bool:
        """Whether it takes a random state, and was given none."""
        return bool(_unset_seeds(self.estimator))

    @property
    def digest(self) -> str:
        """Digest of the class and its parameters, nested ones too."""
        params = self.estimator.get_params(deep=True)
        return digest(self.kind, _class_path(self.estimator), {k: _text(v) for k, v in params.items()})

    @property
    def method(self) -> str:
        """The estimator's class."""
        return f"{self.kind} {_class_path(self.estimator)}"

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """All outside estimators read the same view."""
        return ("plain",)

    def prepare(self, table: Table, rows: Rows | None = None) -> tuple[Table, PlainView]:
        """Learn medians and frequencies."""
        return table, learn_plain(table, rows)

    def fit(
        self,
        prepared: tuple[Table, PlainView],
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedLearner:
        """Fit a clone on the rows; `stop_rows` and `budget` are not read.

        Raises
        ------
        ParameterError
            If the estimator is of the wrong kind for the problem.
        """
        from sklearn.base import clone

        check_suits(self.name, self.estimator, target.problem)
        rows = training_rows(target, rows, self.kind)
        if has_one_class(target, rows):
            return fit_constant(target, rows)
        table, view = prepared
        fill_gaps = not allows_nan(self.estimator)
        estimator = clone(self.estimator)
        _set_seeds(estimator, seed)
        matrix = view.transform(table.take(rows), fill_gaps=fill_gaps)
        weight = (
            {}
            if target.weight is None or not _takes_weight(estimator)
            else {"sample_weight": target.weight[rows]}
        )
        estimator.fit(matrix, target.values[rows], **weight)
        return FittedSklearn(view, estimator, fill_gaps, target.problem)

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return a guess in seconds; nothing is known of the estimator."""
        return 0.5 + 1e-5 * n_rows * n_outputs


@final
@dataclass(frozen=True, eq=False)
class FittedSklearn(FittedLearner):
    """A fitted estimator and the view it reads."""

    view: PlainView
    estimator: Any
    fill_gaps: bool
    problem: Problem
    kind: ClassVar[str] = "sklearn"

    def predict(self, table: Table) -> Prediction:
        """Return the value, or probabilities aligned to all classes of the problem."""
        matrix = self.view.transform(table, fill_gaps=self.fill_gaps)
        if self.problem.is_regression:
            values = np.asarray(self.estimator.predict(matrix), np.float64)
            return values.reshape(table.n_rows, -1)[:, :1].astype(np.float32)
        classes = np.asarray(self.estimator.classes_, np.int64)
        full = np.zeros((table.n_rows, self.problem.n_classes))
        full[:, classes] = class_shares(self.estimator, matrix, classes)
        if self.problem.kind == "binary":
            return full[:, 1:2].astype(np.float32)
        shares = full / np.maximum(full.sum(axis=1, keepdims=True), 1e-12)
        return np.asarray(shares, np.float32)

    def to_state(self) -> State:
        """Return the view and the estimator as skops bytes, which hold no pickle."""
        return {
            "view": self.view.to_state(),
            "estimator": dump_estimator(self.estimator),
            "fill_gaps": self.fill_gaps,
            "problem": [self.problem.kind, self.problem.n_classes],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], trusted: tuple[str, ...] = ()) -> Self:
        """Rebuild the estimator.

        Parameters
        ----------
        state : mapping
        trusted : tuple of str
            Full names of types, beyond those skops knows as harmless, that may be built.

        Raises
        ------
        StorageError
            If it needs other types; the message lists them.
        """
        kind, n_classes = state["problem"]
        estimator = load_estimator(state["estimator"], trusted, "estimator")
        view = PlainView.from_state(state["view"])
        return cls(view, estimator, bool(state["fill_gaps"]), Problem(kind, int(n_classes)))


def check_suits(name: str, estimator: Any, problem: Problem) -> None:
    """Refuse a regressor for classes and a classifier for numbers.

    Raises
    ------
    ParameterError
    """
    from sklearn.base import is_classifier, is_regressor

    wrong = is_classifier(estimator) if problem.is_regression else is_regressor(estimator)
    if wrong:
        is_a, wanted = ("classifier", "number") if problem.is_regression else ("regressor", "class")
        other = "regressor" if problem.is_regression else "classifier"
        raise ParameterError(
            f"learner '{name}': {type(estimator).__name__} is a {is_a}, but the target is a {wanted}; "
            f"give the {other} of its family"
        )


def class_shares(estimator: Any, matrix: Any, classes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return shares of the estimator's classes: its probabilities, else decisions squashed, else votes.

    Returns
    -------
    float64 ndarray of shape (n_rows, n_classes of the estimator)
    """
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(matrix), np.float64)
    if hasattr(estimator, "decision_function"):
        decision = np.asarray(estimator.decision_function(matrix), np.float64)
        if decision.ndim == 1:
            second = expit(decision)[:, None]
            return np.concatenate([1 - second, second], axis=1)
        if decision.shape[1] == len(classes):
            return np.asarray(softmax(decision, axis=1))
    votes = np.asarray(estimator.predict(matrix))
    return np.asarray(votes[:, None] == classes, np.float64)


def _class_path(estimator: Any) -> str:
    return f"{type(estimator).__module__}.{type(estimator).__qualname__}"


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return digest(value)
    # An estimator's own text leaves out the middle of long parameters, which follow one by one anyway.
    return _class_path(value) if hasattr(value, "get_params") else repr(value)


def allows_nan(estimator: Any) -> bool:
    """Return whether missing numbers may reach the estimator."""
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(estimator).input_tags.allow_nan)
    except (AttributeError, TypeError, ValueError):  # an estimator of before there were tags
        return False


def _takes_weight(estimator: Any) -> bool:
    try:
        return "sample_weight" in inspect.signature(estimator.fit).parameters
    except (TypeError, ValueError):  # built in C, without a signature
        return False


def _set_seeds(estimator: Any, seed: int) -> None:
    estimator.set_params(**dict.fromkeys(_unset_seeds(estimator), seed))


def _unset_seeds(estimator: Any) -> list[str]:
    params = estimator.get_params(deep=True)
    return [k for k, v in params.items() if v is None and k.rsplit("__", 1)[-1] == "random_state"]
