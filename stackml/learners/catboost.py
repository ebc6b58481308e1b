"""CatBoost: boosting of symmetric trees with ordered statistics of categories (an extra).

CatBoost's own reader believes most of what a model's bytes say. The digests of a stored file
catch damage, not malice: read CatBoost models only from sources you trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from stackml.foundation.errors import ParameterError, SchemaError, StorageError
from stackml.foundation.optional import optional
from stackml.learners.base import Budget, FittedLearner, Learner, Prediction, Rows
from stackml.learners.boosting import (
    FAMILY,
    Outputs,
    Patience,
    check_blob,
    check_parameters,
    check_width,
    expected_rounds,
    faster_rate,
    patience_of,
    rows_with_weight,
    training_rows,
)
from stackml.storage.state import State
from stackml.tables.table import Table
from stackml.tables.target import Target

_BUILDING = Lock()

_LOSSES = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}
_LEAST_PROBABILITY = 1e-6
_FEW_CATEGORIES, _MANY_CATEGORIES = 2, 32  # of a column that is read as indicators
_FEW_COLUMNS = 8  # of more than few categories


@dataclass(frozen=True, eq=False)
class Blocks:
    """A table as CatBoost reads it.

    Attributes
    ----------
    numbers : float32 ndarray of shape (n_rows, n_numbers)
        Slots, then ordered categories; NaN is missing.
    codes : int32 ndarray of shape (n_rows, n_unordered)
        Unordered categories; missing (-1) and unseen (-2) are values of their own.
    """

    numbers: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]

    @property
    def n_features(self) -> int:
        """Columns of both blocks."""
        return int(self.numbers.shape[1] + self.codes.shape[1])

    @staticmethod
    def of(table: Table) -> Blocks:
        """Return the blocks of a table.

        Raises
        ------
        SchemaError
            If the table has neither numbers nor categories.
        """
        if table.n_features == 0:
            raise SchemaError(
                "boosters read numbers and categories, and the table has neither; add such a column"
            )
        ordered = np.array([column.ordered for column in table.schema.categories], dtype=bool)
        if not ordered.any():
            return Blocks(table.tree_numbers, table.codes)
        ranks = table.codes[:, ordered].astype(np.float32)
        ranks[ranks < 0] = np.nan
        return Blocks(np.concatenate([table.tree_numbers, ranks], axis=1), table.codes[:, ~ordered])

    def take(self, rows: Rows) -> Blocks:
        """Return the given rows."""
        return Blocks(self.numbers[rows], self.codes[rows])

    @property
    def varies(self) -> bool:
        """Whether any column has two values."""
        numbers, first = self.numbers, self.numbers[:1]
        same = (numbers == first) | (np.isnan(numbers) & np.isnan(first))
        return not (same.all() and (self.codes == self.codes[:1]).all())

    def native(self) -> Any:
        """Return the ``catboost.FeaturesData``."""
        highest = int(self.codes.max(initial=0))
        words = np.array([str(code).encode() for code in range(-2, highest + 1)], dtype=object)
        return optional("catboost", extra="best").FeaturesData(
            num_feature_data=np.ascontiguousarray(self.numbers) if self.numbers.shape[1] else None,
            cat_feature_data=words[self.codes + 2] if self.codes.shape[1] else None,
        )


@final
@dataclass(frozen=True)
class CatBoostLearner(Learner):
    """Gradient boosting with CatBoost.

    Attributes
    ----------
    learning_rate : float
        Shrinkage of each tree, above 0.
    depth : int
        Depth of the symmetric trees, 1 to 16.
    l2_leaf_reg : float
        Penalty on leaf values.
    random_strength : float
        Noise added to the scores of splits.
    max_ctr_complexity : int
        Most categories combined into one; 2 was measured to take twice the time.
    one_hot_max_size : int, optional
        Columns of up to so many categories (2 or more) are read as one indicator a category; others
        by ordered statistics of the target, which cost time for each column. By default 32 where
        more than 8 columns have three categories or more, else 2 (experiments/0023-catboost-categories).
    max_rounds : int
        Most trees.
    patience : int, optional
        Rounds without a better loss before stopping; by default 2.5 / `learning_rate`.
    """

    kind: ClassVar[str] = "catboost"
    stops_early: ClassVar[bool] = True
    family: ClassVar[str] = FAMILY
    library: ClassVar[str] = "catboost"  # it imports polars, which scikit-learn looks for in every fit

    learning_rate: float = 0.05
    depth: int = 6
    l2_leaf_reg: float = 3.0
    random_strength: float = 1.0
    max_ctr_complexity: int = 1
    one_hot_max_size: int | None = None
    max_rounds: int = 2000
    patience: int | None = None

    def __post_init__(self) -> None:
        check_parameters(
            self,
            positive=("learning_rate", "depth", "max_ctr_complexity", "max_rounds"),
            fractions=(),
            not_negative=("l2_leaf_reg", "random_strength"),
        )
        size = self.one_hot_max_size
        if size is not None and not (isinstance(size, int | np.integer) and size >= _FEW_CATEGORIES):
            raise ParameterError(
                f"catboost: one_hot_max_size must be a whole number of {_FEW_CATEGORIES} or more, or None "
                f"for a choice by the table, not {size!r}"
            )

    @property
    def prepare_key(self) -> tuple[Any, ...]:
        """All CatBoost learners share the blocks."""
        return (self.kind,)

    def prepare(self, table: Table, rows: Rows | None = None) -> Blocks:
        """Return the table as CatBoost reads it; nothing is learned here.

        Raises
        ------
        SchemaError
            If the table has neither numbers nor categories.
        MissingExtraError
            If CatBoost is not installed.
        """
        optional("catboost", extra="best")
        return Blocks.of(table)

    def fit(
        self,
        prepared: Any,
        target: Target,
        rows: Rows,
        stop_rows: Rows | None,
        budget: Budget,
        seed: int,
    ) -> FittedCatBoost:
        """Return a model learned from some rows.

        Raises
        ------
        FitError
            If no row has a weight above zero.
        """
        catboost = optional("catboost", extra="best")
        rounds = patience_of(self.patience, self.learning_rate)
        patience = Patience(budget, self.max_rounds, rounds)
        rows = training_rows(target, rows, self.kind)
        stop_rows = None if patience.is_exact else rows_with_weight(target, stop_rows)
        outputs = Outputs.of(target, rows)
        learned, labels = prepared.take(rows), outputs.labels(target, rows)
        if len(np.unique(labels)) == 1 or not learned.varies:
            # The library refuses both.
            return FittedCatBoost(b"", outputs, prepared.n_features, 1, _prior(outputs, target, rows))
        model = catboost.CatBoost(self._settings(target, patience.limit, seed, self._one_hot(prepared)))
        held = None if stop_rows is None else _pool(prepared.take(stop_rows), outputs, target, stop_rows)
        if held is not None:
            model.set_params(use_best_model=True, od_type="Iter", od_wait=rounds)
        model.fit(_pool(learned, outputs, target, rows), eval_set=held, callbacks=[_Clock(patience)])
        blob = bytes(model._serialize_model())
        return FittedCatBoost(blob, outputs, prepared.n_features, int(model.tree_count_))

    def _one_hot(self, blocks: Blocks) -> int:
        if self.one_hot_max_size is not None:
            return self.one_hot_max_size
        categories = blocks.codes.max(axis=0, initial=-1) + 1
        is_wide = np.count_nonzero(categories > _FEW_CATEGORIES) > _FEW_COLUMNS
        return _MANY_CATEGORIES if is_wide else _FEW_CATEGORIES

    def _settings(self, target: Target, n_rounds: int, seed: int, one_hot: int) -> dict[str, Any]:
        problem = target.problem
        classes = {"classes_count": problem.n_classes} if problem.kind == "multiclass" else {}
        return classes | {
            "loss_function": _LOSSES[problem.kind],
            "iterations": n_rounds,
            "learning_rate": self.learning_rate,
            "depth": self.depth,
            "l2_leaf_reg": self.l2_leaf_reg,
            "random_strength": self.random_strength,
            "max_ctr_complexity": self.max_ctr_complexity,
            "one_hot_max_size": one_hot,
            # Stated because the default changes with `iterations`: a replay would differ.
            "leaf_estimation_iterations": 10 if problem.kind == "binary" else 1,
            "random_seed": seed,
            "thread_count": 1,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }

    def usual_rounds(self, n_rows: int) -> int:
        """Return the rounds a fit usually takes, whatever the number of rows."""
        return expected_rounds(self.max_rounds, self.learning_rate)

    def paced(self, share: float) -> CatBoostLearner:
        """Return the learner with larger steps, which needs fewer of them."""
        return replace(self, learning_rate=faster_rate(self.learning_rate, share))

    def cost(self, n_rows: int, n_features: int, n_outputs: int) -> float:
        """Return about the seconds one core needs, early stopping counted in."""
        a_round = 2e-3 + 5e-8 * n_rows * n_features * min(2, self.max_ctr_complexity) * self.depth / 6
        return 2 * self.usual_rounds(n_rows) * n_outputs * a_round


@final
class FittedCatBoost(FittedLearner):
    """A CatBoost model, held as its own bytes.

    Parameters
    ----------
    model : bytes
        Empty where the training rows had nothing to learn.
    outputs : Outputs
    n_features : int
    rounds : int
    prior : tuple of float
        What is predicted where `model` is empty.
    """

    kind: ClassVar[str] = "catboost"

    def __init__(
        self, model: bytes, outputs: Outputs, n_features: int, rounds: int, prior: tuple[float, ...] = ()
    ) -> None:
        self._model = model
        self._outputs = outputs
        self._n_features = n_features
        self._rounds = rounds
        self._prior = prior
        self._built: Any = None

    @property
    def rounds(self) -> int:
        """Rounds kept after early stopping."""
        return self._rounds

    def predict(self, table: Table) -> Prediction:
        """Return predictions, float32 of shape (n_rows, n_outputs); see the base class.

        Raises
        ------
        StorageError
            If the table has another number of columns.
        """
        blocks = Blocks.of(table)
        check_width(self._n_features, blocks.n_features, self.kind)
        n_rows = table.n_rows
        if not self._model or n_rows == 0:
            return self._outputs.finish(np.tile(np.array(self._prior, dtype=np.float64), n_rows), n_rows)
        is_value = self._outputs.problem.is_regression
        form = "RawFormulaVal" if is_value else "Probability"
        pool = optional("catboost", extra="best").Pool(blocks.native())
        raw = np.asarray(self._booster().predict(pool, prediction_type=form, thread_count=1))
        if self._outputs.problem.kind == "binary":
            raw = raw[:, 1]
        return self._outputs.finish(raw, n_rows)

    def _booster(self) -> Any:
        if self._built is None:
            with _BUILDING:
                if self._built is None:
                    self._built = _read(self._model)
        return self._built

    def to_state(self) -> State:
        """Return the model's bytes and how to read its outputs."""
        return {
            "model": self._model,
            "outputs": self._outputs.to_state(),
            "n_features": self._n_features,
            "rounds": self._rounds,
            "prior": list(self._prior),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the model.

        Raises
        ------
        StorageError
            If the bytes are not those of a CatBoost model of so many columns.
        MissingExtraError
            If CatBoost is not installed.
        """
        outputs, prior = Outputs.from_state(state["outputs"]), tuple(float(p) for p in state["prior"])
        n_features, model = int(state["n_features"]), state["model"]
        if model == b"" and len(prior) == outputs.problem.n_outputs:
            return cls(b"", outputs, n_features, int(state["rounds"]), prior)
        if not check_blob(model, cls.kind).startswith(b"CBM1"):
            raise StorageError("catboost: the stored model does not begin like one; the file is damaged")
        check_width(len(_read(model).feature_names_), n_features, cls.kind)
        return cls(model, outputs, n_features, int(state["rounds"]))


class _Clock:
    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    def after_iteration(self, info: Any) -> bool:
        return self._patience.goes_on(None)  # the library itself watches the scores


def _pool(blocks: Blocks, outputs: Outputs, target: Target, rows: Rows) -> Any:
    weight = None if target.weight is None else target.weight[rows].astype(np.float32)
    labels = outputs.labels(target, rows)
    return optional("catboost", extra="best").Pool(blocks.native(), label=labels, weight=weight)


def _prior(outputs: Outputs, target: Target, rows: Rows) -> tuple[float, ...]:
    problem = outputs.problem
    if problem.is_regression:
        return (0.0,)
    weight = None if target.weight is None else target.weight[rows]
    counts = np.bincount(target.values[rows], weights=weight, minlength=problem.n_classes)
    shares = np.clip(counts / counts.sum(), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    shares = shares / shares.sum()
    return (float(shares[1]),) if problem.kind == "binary" else tuple(shares.tolist())


def _read(model: bytes) -> Any:
    catboost = optional("catboost", extra="best")
    # By way of a file: when it reads from memory, the library runs past the end of a cut model.
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.cbm")
        path.write_bytes(model)
        try:
            return catboost.CatBoost().load_model(str(path))
        except (catboost.CatBoostError, ValueError) as error:
            raise StorageError(f"catboost: the stored model cannot be read ({str(error)[:200]})") from error
