"""What models say of labelled rows they did not learn from, and what each row then costs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.alike import in_order, shown
from stackml.assembly.base import FittedModel, Part
from stackml.assembly.label_texts import text_of
from stackml.assembly.seen import among_its_own, too_good, too_good_leaf, warn_of_seen
from stackml.foundation.errors import DataError
from stackml.metrics.catalog import per_row_loss
from stackml.stack.fitted import FittedStack
from stackml.stack.honest import known_target, out_of_fold
from stackml.stack.inputs import (
    EncodedTarget,
    as_column,
    assemble_target,
    refuse_missing,
    regression_target,
)
from stackml.tables.target import Target

FloatArray = npt.NDArray[np.float64]

LEAST_ROWS = 20


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Labelled rows and what each model says of them.

    Attributes
    ----------
    rows : int64 ndarray of shape (n_known,)
        Rows of the table given that every model has an honest prediction of; the rest of the
        attributes are of these.
    frame : DataFrame
    target : Target
        Codes in the order of the models' classes, or numbers.
    outputs : float64 ndarray of shape (n_models, n_known, n_outputs)
    honest : tuple of str
        For each model "out of fold" or "predictions".
    """

    rows: npt.NDArray[np.int64]
    frame: pd.DataFrame
    target: Target
    outputs: FloatArray
    honest: tuple[str, ...]

    def take(self, rows: npt.NDArray[np.int64]) -> Outcomes:
        """Return those of some of the rows, counted among these."""
        return Outcomes(
            self.rows[rows],
            self.frame.iloc[rows],
            self.target.take(rows),
            self.outputs[:, rows],
            self.honest,
        )

    @property
    def losses(self) -> FloatArray:
        """Log loss (nats) or squared error of each row by each model, shape (n_models, n_known)."""
        kind, values = self.target.problem.kind, self.target.values
        return np.stack([per_row_loss(kind, values, shown(o, self.target.problem)) for o in self.outputs])


def outcomes_of(
    models: Sequence[Any],
    parts: Sequence[Part],
    frame: pd.DataFrame,
    y: Any,
    beside: dict[str, Any],
    n_jobs: int = 1,
) -> Outcomes:
    """Ask models about labelled rows.

    A stack asked about the very table it was fitted on in this process answers with its
    out-of-fold predictions; where groups or time are not given, those of its fit are taken.

    Parameters
    ----------
    models : sequence
        As the user gave them.
    parts : sequence of Part
        The same, fitted and alike.
    frame : DataFrame
    y : array-like of shape (n_rows,)
    beside : dict
        "group", "time" and "weight": arrays or None.
    n_jobs : int

    Raises
    ------
    DataError
        If `y` holds a label no model knows or one class only, or too few rows have predictions.

    Warns
    -----
    StackmlWarning
        If a model seems to have learned from these rows.
    """
    first = parts[0].model
    encoded = _encoded(y, first, len(frame))
    target = assemble_target(encoded, len(frame), beside["group"], beside["time"], beside["weight"])
    found, honest = [], []
    for model, part in zip(models, parts, strict=True):
        outputs, fitted_to = _asked(model, part, frame, target, first.classes, n_jobs)
        found.append(outputs)
        honest.append("predictions" if fitted_to is None else "out of fold")
        if fitted_to is not None and target.groups is None:
            target = replace(target, groups=fitted_to.groups)
        if fitted_to is not None and target.time is None:
            target = replace(target, time=fitted_to.time, dated=fitted_to.dated)
    outputs = np.stack(found)
    rows = np.flatnonzero(np.isfinite(outputs).all(axis=(0, 2)))
    if len(rows) < LEAST_ROWS:
        raise DataError(
            f"{len(rows)} row(s) with a prediction of every model; give at least {LEAST_ROWS} labelled rows, "
            "and better some thousands"
        )
    return Outcomes(rows, frame.iloc[rows], target.take(rows), outputs[:, rows], tuple(honest))


def _asked(
    model: Any, part: Part, frame: pd.DataFrame, target: Target, classes: Sequence[Any], n_jobs: int
) -> tuple[FloatArray, Target | None]:
    """Return honest outputs, and the target of the fit where they are out of fold."""
    if not isinstance(part.model, FittedStack):
        truth: Any = target.values
        if not target.problem.is_regression:
            truth = [text_of(classes[code]) for code in target.values]
        why = too_good_leaf(part.model, frame, truth, n_jobs)
        if why is not None:
            warn_of_seen(part.name, f"of a model in it, {why}", out_of_fold=True, stacklevel=4)
        return in_order(part.predict(frame, n_jobs=n_jobs), part.model, classes), None
    table = part.read(frame)
    kept = out_of_fold(model, table)
    if kept is not None:
        return in_order(kept, part.model, classes), known_target(model) or target
    outputs = in_order(part.model.predict(table, n_jobs=n_jobs), part.model, classes)
    why = among_its_own(model, table) or too_good(part.model, outputs, target.values)
    if why is not None:
        warn_of_seen(part.name, why, out_of_fold=True, stacklevel=4)
    return outputs, None


def _encoded(y: Any, model: FittedModel, n_rows: int) -> EncodedTarget:
    if model.problem.is_regression:
        return regression_target(y, n_rows)
    array = as_column(y, "y", n_rows)
    refuse_missing(array, "y", "a row without a class tells nothing; drop it")
    code = {label: position for position, label in enumerate(model.classes)}
    labels = array.tolist()
    strange = [label for label in labels if label not in code]
    if strange:
        raise DataError(
            f"y holds {strange[0]!r}, which the models do not know; they know: "
            f"{', '.join(map(repr, model.classes[:10]))}"
        )
    values = np.array([code[label] for label in labels], dtype=np.int64)
    if len(np.unique(values)) < 2:
        raise DataError(f"y holds one class only ({labels[0]!r}); rows of two or more are needed")
    return EncodedTarget(values, np.asarray(model.classes), model.problem)
