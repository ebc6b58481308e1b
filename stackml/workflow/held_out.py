"""What a stack, its learners and their plain mean say about rows nothing was learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.estimator import Assembly
from stackml.combiners.weighted import FittedWeights
from stackml.stack import StackClassifier, StackRegressor
from stackml.workflow.models import Problem
from stackml.workflow.rows import Rows

STACK = "stack"
MEAN = "plain mean"

Stack = StackClassifier | StackRegressor
Model = Stack | Assembly
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Makeup:
    """What a stack is made of, as far as a comparison with its parts must know it.

    Attributes
    ----------
    n_learners : int
        Learners that predict the target.
    combiner : str
        Kind of the combiner.
    chosen : bool
        Whether nested cross-validation chose the combiner among several.
    calibrated : bool
    same_as : str or None
        ``"plain mean"`` or the learner that the stack is before calibration; None where it is
        a combination of its own.
    """

    n_learners: int = 2
    combiner: str = ""
    chosen: bool = False
    calibrated: bool = False
    same_as: str | None = None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out rows and what was predicted for them.

    Attributes
    ----------
    problem : {"binary", "multiclass", "regression"}
    row : int64 ndarray of shape (n_rows,)
        Number of each row in the table.
    y : ndarray of shape (n_rows,)
        Class codes, or numbers.
    unit : ndarray of shape (n_rows,), optional
        Rows of one unit belong together and are resampled together.
    predictions : mapping of str to float64 ndarray
        ``"stack"``, each learner, and ``"plain mean"`` where several learners predict the
        target; of shape (n_rows,), multiclass (n_rows, n_classes).
    best : str or None
        The learner that was best out of fold, known before these rows were looked at.
    notes : tuple of str
    makeup : Makeup
    """

    problem: Problem
    row: npt.NDArray[np.int64]
    y: npt.NDArray[Any]
    unit: npt.NDArray[Any] | None
    predictions: Mapping[str, FloatArray]
    best: str | None
    notes: tuple[str, ...] = ()
    makeup: Makeup = Makeup()

    def to_frame(self) -> pd.DataFrame:
        """Return one row a held-out row: ``row``, ``unit``, ``y`` and one column a prediction.

        Multiclass predictions have one column a class, ``stack_0``, ``stack_1`` ...
        """
        columns: dict[str, Any] = {"row": self.row, "y": self.y}
        if self.unit is not None:
            columns["unit"] = self.unit
        for name, prediction in self.predictions.items():
            if prediction.ndim == 1:
                columns[name] = prediction
            else:
                columns |= {f"{name}_{i}": prediction[:, i] for i in range(prediction.shape[1])}
        return pd.DataFrame(columns)


def predict_held_out(stack: Stack, rows: Rows, numbers: npt.NDArray[np.int64]) -> HeldOut:
    """Return what everything in a stack says about held-out rows.

    Parameters
    ----------
    stack : StackClassifier or StackRegressor
        Fitted, and not yet compacted.
    rows : Rows
    numbers : int64 ndarray
        Held-out row numbers.
    """
    _, labels = rows.take(numbers)
    y, known = codes_of(stack, labels, rows.problem)
    notes: tuple[str, ...] = ()
    if not known.all():
        notes = (f"{int((~known).sum())} held-out row(s) have a class that training rows lack; not scored",)
        numbers, y = numbers[known], y[known]
    frame, _ = rows.take(numbers)
    predictions = {STACK: shown(stack, frame)} | _of_learners(stack, frame, rows.problem)
    return HeldOut(
        problem=rows.problem,
        row=numbers,
        y=y,
        unit=rows.column(rows.unit, numbers),
        predictions=predictions,
        best=best_learner(stack.leaderboard_),
        notes=notes,
        makeup=makeup_of(stack),
    )


def shown(stack: Model, frame: pd.DataFrame) -> FloatArray:
    """Return predictions in the shape metrics read: (n_rows,), multiclass (n_rows, n_classes)."""
    if not hasattr(stack, "predict_proba"):
        return stack.predict(frame)
    probability = stack.predict_proba(frame)
    return probability[:, 1] if probability.shape[1] == 2 else probability


def codes_of(
    stack: Model, labels: npt.NDArray[Any], problem: Problem
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return class codes (numbers unchanged) and whether each label is known to the stack."""
    if problem == "regression" or not hasattr(stack, "predict_proba"):
        values = np.asarray(labels, dtype=np.float64)
        return values, np.ones(len(values), dtype=bool)
    found = pd.Index(stack.classes_).get_indexer(pd.Index(labels))
    return found.astype(np.int64), found >= 0


def best_learner(board: pd.DataFrame) -> str | None:
    """Return the learner with the best out-of-fold score in the last layer, or None."""
    learners = board[(board["name"] != STACK) & (board["status"] == "fitted") & board["score"].notna()]
    if learners.empty:
        return None
    return str(learners[learners["layer"] == learners["layer"].max()]["name"].iloc[0])


def makeup_of(stack: Stack) -> Makeup:
    """Return what a stack that was not compacted is made of."""
    fitted = stack.fitted_
    predictors = [name for name, member in stack.learners_.items() if member.output_kind != "score"]
    shares = fitted.combiner.weights() if isinstance(fitted.combiner, FittedWeights) else {}
    same_as: str | None = None
    if len(shares) == 1:
        (same_as,) = shares
    elif fitted.combiner.kind == "mean":
        same_as = MEAN
    return Makeup(
        n_learners=len(predictors),
        combiner=fitted.combiner.kind,
        chosen=len(fitted.card.get("combiners", {}).get("rows", ())) > 1,
        calibrated=fitted.calibrator.kind != "none",
        same_as=same_as,
    )


def _of_learners(stack: Stack, frame: pd.DataFrame, problem: Problem) -> dict[str, FloatArray]:
    meta = stack.transform(frame).astype(np.float64)
    found: dict[str, FloatArray] = {}
    at = 0
    for name, member in stack.learners_.items():
        columns = meta[:, at : at + member.width]
        at += member.width
        if member.output_kind != "score":
            found[name] = columns if problem == "multiclass" else columns[:, 0]
    if len(found) > 1:
        found[MEAN] = np.mean(list(found.values()), axis=0)
    return found
