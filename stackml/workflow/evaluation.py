"""A stack scored on labelled rows of a file, a frame or a known table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.metrics import default_metric, get_metric, score_together
from stackml.tracking.flavor import load_model
from stackml.tracking.store import connect
from stackml.workflow.held_out import STACK, Model, shown
from stackml.workflow.judging import RESAMPLES, Scored
from stackml.workflow.labelled import coded_target, labelled_rows, units_of
from stackml.workflow.models import Problem


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a stack does on labelled rows.

    Attributes
    ----------
    model : str
        What was evaluated, as it was named.
    data : str
    target : str
    problem : {"binary", "multiclass", "regression"}
    rows : int
    scores : list of Scored
        With 95 % bootstrap intervals.
    predictions : DataFrame of shape (rows, ...)
        ``row``, ``y`` and the prediction.
    notes : list of str
    """

    model: str
    data: str
    target: str
    problem: Problem
    rows: int
    scores: list[Scored]
    predictions: pd.DataFrame = field(repr=False)
    notes: list[str] = field(default_factory=list)


def evaluate(
    model: str | Path | Model,
    data: str | Path | pd.DataFrame | None = None,
    *,
    target: str | None = None,
    positive: Any = None,
    metrics: Sequence[str] | None = None,
    groups: str | None = None,
    dataset: str | None = None,
    tracking_uri: str | None = None,
    folder: Path | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score a stack on labelled rows.

    Parameters
    ----------
    model : str, Path, StackClassifier, StackRegressor or Assembly
        A ``.stack`` file, a folder, ``models:/name@alias``, ``runs:/ID/stack``, or a stack.
    data : str, Path or DataFrame, optional
        Labelled rows. Give either these or `dataset`.
    target : str, optional
        Column with the truth; by default the one the stack was trained on.
    positive : object, optional
        Value of the target that is class 1, where the stack was trained on 0 and 1.
    metrics : sequence of str, optional
        By default those of the stack's pipeline, else the problem's default.
    groups : str, optional
        Column of rows that are resampled together.
    dataset : str, optional
        A table of the catalog, all rows of it.
    tracking_uri, folder : optional
        The store that ``models:`` and ``runs:`` are looked up in, as `train` takes them.
    seed : int

    Raises
    ------
    SchemaError
        If the target, the groups or a column the stack reads is missing.
    DataError
        If a label is missing or unknown to the stack.
    ParameterError
        If not exactly one of `data` and `dataset` is given, or a metric is unknown.
    """
    stack = _stack(model, tracking_uri, folder)
    about: Mapping[str, Any] = stack.fitted_.card.get("training", {})
    rows = labelled_rows(data, dataset, target, about)
    problem = stack.fitted_.problem.kind
    y = coded_target(rows, stack, positive, about.get("positive"))
    prediction = shown(stack, rows.features)
    drawn = units_of(rows, groups, about)
    names = metrics or about.get("metrics") or [default_metric(problem).name]
    wanted = [get_metric(name, problem) for name in dict.fromkeys(names)]
    found = score_together(y, {STACK: prediction}, wanted, groups=drawn, n_resamples=RESAMPLES, seed=seed)
    scores = [
        Scored(STACK, name, sure.value, sure.low, sure.high) for (_, name), sure in found.intervals.items()
    ]
    return Evaluation(
        model=str(model) if isinstance(model, str | Path) else type(model).__name__,
        data=rows.name,
        target=rows.target,
        problem=problem,
        rows=len(y),
        scores=scores,
        predictions=_predictions(y, prediction),
        notes=rows.notes,
    )


def _stack(model: str | Path | Model, tracking_uri: str | None, folder: Path | None) -> Model:
    if not isinstance(model, str | Path):
        return model
    registered = isinstance(model, str) and model.startswith(("models:", "runs:"))
    store = connect(tracking_uri, folder=folder, create=False) if registered else None
    return load_model(model, store=store)


def _predictions(y: npt.NDArray[Any], prediction: npt.NDArray[np.float64]) -> pd.DataFrame:
    columns: dict[str, Any] = {"row": np.arange(len(y)), "y": y}
    if prediction.ndim == 1:
        columns[STACK] = prediction
    else:
        columns |= {f"{STACK}_{i}": prediction[:, i] for i in range(prediction.shape[1])}
    return pd.DataFrame(columns)
