"""A stack scored on labelled rows of a file, a frame or a known table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.datasets import dataset_card, load_dataset
from stackml.foundation.errors import DataError, ParameterError, SchemaError, near_miss
from stackml.metrics import default_metric, get_metric, score_together
from stackml.stack import StackClassifier, StackRegressor
from stackml.tables.reading import to_frame
from stackml.tracking.flavor import load_model
from stackml.tracking.store import connect
from stackml.workflow.held_out import STACK, Stack, codes_of, shown
from stackml.workflow.judging import RESAMPLES, Scored
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
    model: str | Path | Stack,
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
    model : str, Path, StackClassifier or StackRegressor
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
    frame, told, target, notes = _labelled(data, dataset, target, about)
    problem = stack.fitted_.problem.kind
    labels = _labels(frame, target, stack, positive, about.get("positive"))
    y, known = codes_of(stack, labels, problem)
    if not known.all():
        at = int(np.flatnonzero(~known)[0])
        classes = ", ".join(str(c) for c in list(getattr(stack, "classes_", []))[:10])
        raise DataError(
            f"target '{target}', row {at}: {labels[at]!r} is no class of the stack; it knows: {classes}"
            + ("; say which value is class 1 with positive=" if problem == "binary" else "")
        )
    if groups is not None and groups not in frame.columns:
        raise SchemaError(f"the rows have no column '{groups}' for groups{near_miss(groups, frame.columns)}")
    units = groups or (about.get("unit") if about.get("unit") in frame.columns else None)
    prediction = shown(stack, frame.drop(columns=target))
    drawn = frame[units].to_numpy() if units else None
    names = metrics or about.get("metrics") or [default_metric(problem).name]
    wanted = [get_metric(name, problem) for name in dict.fromkeys(names)]
    found = score_together(y, {STACK: prediction}, wanted, groups=drawn, n_resamples=RESAMPLES, seed=seed)
    scores = [
        Scored(STACK, name, sure.value, sure.low, sure.high) for (_, name), sure in found.intervals.items()
    ]
    return Evaluation(
        model=str(model) if isinstance(model, str | Path) else type(model).__name__,
        data=told,
        target=target,
        problem=problem,
        rows=len(y),
        scores=scores,
        predictions=_predictions(y, prediction),
        notes=notes,
    )


def labelled_rows(
    stack: Stack, data: str | Path | pd.DataFrame | None, dataset: str | None, target: str | None
) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """Return the features of labelled rows, and their labels as the stack knows them.

    Raises
    ------
    SchemaError, DataError, ParameterError
        As `evaluate`.
    """
    about: Mapping[str, Any] = stack.fitted_.card.get("training", {})
    frame, _, target, _ = _labelled(data, dataset, target, about)
    labels = _labels(frame, target, stack, None, about.get("positive"))
    return frame.drop(columns=target), labels


def _stack(model: str | Path | Stack, tracking_uri: str | None, folder: Path | None) -> Stack:
    if isinstance(model, StackClassifier | StackRegressor):
        return model
    registered = isinstance(model, str) and model.startswith(("models:", "runs:"))
    store = connect(tracking_uri, folder=folder, create=False) if registered else None
    return load_model(model, store=store)


def _labelled(
    data: str | Path | pd.DataFrame | None, dataset: str | None, target: str | None, about: Mapping[str, Any]
) -> tuple[pd.DataFrame, str, str, list[str]]:
    if (data is None) == (dataset is None):
        raise ParameterError(
            "give either labelled rows (a file) or the name of a dataset, and only one of them"
        )
    notes: list[str] = []
    if dataset is not None:
        frame, told = load_dataset(dataset).frame, dataset
        target = target or dataset_card(dataset).target
        if about.get("dataset") == dataset:
            notes.append(
                f"the stack was trained on {about.get('n_train', 0):,} rows of '{dataset}', which are among "
                "these: the scores are better than on new rows"
            )
    else:
        frame, told = to_frame(data), str(data) if isinstance(data, str | Path) else "rows"
        target = target or about.get("target")
    if target is None:
        raise ParameterError("the stack does not say which column it predicts; give target=")
    if target not in frame.columns:
        raise SchemaError(
            f"{told} has no column '{target}' to compare predictions with{near_miss(target, frame.columns)}; "
            "give target=, or score the rows instead where the truth is not known yet"
        )
    return frame, told, target, notes


def _labels(frame: pd.DataFrame, target: str, stack: Stack, stated: Any, published: Any) -> npt.NDArray[Any]:
    """Return labels; a stack of 0 and 1 understands a positive value, stated or as it was published."""
    values = frame[target]
    missing = np.flatnonzero(values.isna())
    if missing.size:
        raise DataError(
            f"target '{target}' is missing in {missing.size} row(s), first in row {missing[0]}; "
            "drop them first"
        )
    if isinstance(stack, StackRegressor):
        return values.to_numpy(dtype=np.float64)
    classes = list(stack.classes_)
    worded = classes == [0, 1] and not values.isin(classes).all()
    for positive in (stated, published) if worded else ():
        if positive is not None and (values == positive).any():
            return (values == positive).to_numpy().astype(np.int64)
        if stated is not None:
            found = ", ".join(str(value) for value in values.unique()[:5])
            raise DataError(f"target '{target}' never is {stated!r}; it holds: {found}")
    if all(isinstance(c, str) for c in classes):
        values = values.astype(str)
    return values.to_numpy()


def _predictions(y: npt.NDArray[Any], prediction: npt.NDArray[np.float64]) -> pd.DataFrame:
    columns: dict[str, Any] = {"row": np.arange(len(y)), "y": y}
    if prediction.ndim == 1:
        columns[STACK] = prediction
    else:
        columns |= {f"{STACK}_{i}": prediction[:, i] for i in range(prediction.shape[1])}
    return pd.DataFrame(columns)
