"""The rows a pipeline trains on: loaded, each column in its role, divided into known and held out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.datasets import dataset_card, load_dataset
from stackml.foundation.errors import DataError, SchemaError, SpecError, near_miss
from stackml.foundation.randomness import stream
from stackml.splitting.base import Folds
from stackml.splitting.holdout import holdout_split
from stackml.tables.reading import read_file
from stackml.workflow.models import ColumnsSpec, DatasetSpec, PipelineSpec, Problem

MANY_VALUES = 20


@dataclass(frozen=True, eq=False)
class Rows:
    """A table of a pipeline, every role resolved.

    Attributes
    ----------
    name : str
        Of the table.
    frame : DataFrame of shape (n_rows, n_columns)
        All columns but the target.
    y : ndarray of shape (n_rows,)
        Labels or numbers; binary tables with a positive value hold 1 for it and 0.
    target : str
    problem : {"binary", "multiclass", "regression"}
    group, time : str or None
        Columns the divisions honour; learners do not read them.
    unit : str or None
        Column of rows that belong together, honoured or not: what resampling draws.
    positive : str, int, bool or None
        The published value that is 1 in `y`; None where there is none.
    schema : mapping
        Overrides for the stack.
    protected : tuple of str
    """

    name: str
    frame: pd.DataFrame
    y: npt.NDArray[Any]
    target: str
    problem: Problem
    group: str | None
    time: str | None
    unit: str | None
    positive: Any
    schema: Mapping[str, Any]
    protected: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    def take(self, rows: npt.NDArray[np.int64]) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
        """Return features and target of some rows; the frame's index keeps the row numbers."""
        return self.frame.iloc[rows], self.y[rows]

    def column(self, name: str | None, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
        """Return a column of some rows as an array; None for no name."""
        return None if name is None else self.frame[name].to_numpy()[rows]


def load_rows(spec: PipelineSpec, dataset: str | None, folder: Path) -> Rows:
    """Load a table of a pipeline.

    Raises
    ------
    SpecError
        If the pipeline has no such table, or its split needs what the table lacks.
    DataError
        If the rows cannot be read.
    SchemaError
        If a column named in the spec is not there.
    """
    name = spec.dataset if dataset is None else dataset
    if name not in spec.tables:
        raise SpecError(
            f"pipeline '{spec.name}' has no dataset '{name}'{near_miss(name, spec.tables)}; it has: "
            f"{', '.join(spec.tables)} (others are added under 'datasets' of its pipeline.yaml)"
        )
    said = _said(spec, name)
    frame, known = _load(spec, name, said, folder)
    known = _merged(known, said)
    _check_columns(known, frame, spec, name)
    target, positive = known["target"], known["positive"]
    y, problem = _target(frame, target, positive, known["problem"], name)
    group, time = _divided_by(spec, name, known)
    return Rows(
        name=name,
        frame=frame.drop(columns=target),
        y=y,
        target=target,
        problem=problem,
        group=group,
        time=time,
        unit=known["group"],
        positive=known["published"] if known["published"] is not None else positive,
        schema=_schema(known, target),
        protected=tuple(c for c in known["protected"] if c != target),
    )


def divide(rows: Rows, spec: PipelineSpec) -> Folds:
    """Return one fold: the rows to learn from and those never seen.

    Raises
    ------
    SplitError
        If the rows cannot be divided.
    """
    everything = np.arange(rows.n_rows)
    codes: npt.NDArray[Any] = rows.y
    names = None
    if rows.problem != "regression":
        labels, codes = np.unique(rows.y, return_inverse=True)
        names = [str(label) for label in labels]
    return holdout_split(
        n_rows=rows.n_rows,
        y_codes=codes.reshape(-1),
        groups=rows.column(rows.group, everything),
        time=rows.column(rows.time, everything),
        seed=spec.seed,
        share=spec.split.holdout,
        embargo=spec.split.embargo if rows.time is not None else 0.0,
        class_names=names,
    )


def _said(spec: PipelineSpec, name: str) -> DatasetSpec:
    """Return what the spec says of a table; `columns` speaks of the default one."""
    said = spec.datasets.get(name, DatasetSpec())
    if name != spec.dataset:
        return said
    general = spec.columns.model_dump(exclude_none=True)
    return DatasetSpec.model_validate({**general, **said.model_dump(exclude_none=True)})


def _load(
    spec: PipelineSpec, name: str, said: DatasetSpec, folder: Path
) -> tuple[pd.DataFrame, dict[str, Any]]:
    nothing = {
        "published": None,
        "target": None,
        "positive": None,
        "problem": None,
        "group": None,
        "time": None,
    }
    if said.path is None:
        card = dataset_card(name)
        data = load_dataset(name, data_dir=_data_dir(name, folder), n_rows=spec.n_rows, seed=spec.seed)
        return data.frame, {
            "target": data.target,
            "positive": data.positive,
            "published": card.positive,
            "problem": card.task,
            "group": data.group,
            "time": data.time,
            "drop": data.drop,
            "categories": data.category_codes,
            "protected": data.protected,
        }
    if said.target is None:
        raise SpecError(f"dataset '{name}': say which column to predict: datasets.{name}.target")
    frame = read_file(folder / said.path)
    if spec.n_rows is not None and spec.n_rows < len(frame):
        kept = stream(spec.seed, "workflow", "draw", name).choice(len(frame), spec.n_rows, replace=False)
        frame = frame.iloc[np.sort(kept)].reset_index(drop=True)
    return frame, nothing


def _data_dir(name: str, folder: Path) -> Path | None:
    # data/raw is meant from the project's folder, wherever the command runs; STACKML_DATA comes first.
    raw = folder / "data" / "raw"
    return raw if "STACKML_DATA" not in os.environ and any(raw.glob(f"{name}.*")) else None


def _merged(known: dict[str, Any], said: DatasetSpec) -> dict[str, Any]:
    lists: dict[str, Any] = dict.fromkeys(("id", "drop", "categories", "text", "protected"), ())
    merged: dict[str, Any] = {**lists, "ordered": {}, **known}
    stated = said.model_dump(exclude_none=True, exclude={"path"})
    if "target" in stated and stated["target"] != known["target"]:
        merged |= {
            "positive": None,
            "published": None,
            "problem": None,
        }  # those of the catalog speak of its own target
    return merged | stated


def _check_columns(known: Mapping[str, Any], frame: pd.DataFrame, spec: PipelineSpec, name: str) -> None:
    named = [(key, known[key]) for key in ("target", "group", "time") if known[key] is not None]
    for key in ColumnsSpec.model_fields:
        named += [(key, column) for column in known[key]]
    for key, column in named:
        if column not in frame.columns:
            raise SchemaError(
                f"pipeline '{spec.name}', dataset '{name}': '{key}' names the column '{column}', which the "
                f"table lacks{near_miss(column, map(str, frame.columns))}"
            )


def _target(
    frame: pd.DataFrame, target: str, positive: Any, problem: Problem | None, name: str
) -> tuple[npt.NDArray[Any], Problem]:
    values = frame[target]
    n_missing = int(values.isna().sum())
    if n_missing:
        raise DataError(
            f"dataset '{name}': target '{target}' is missing in {n_missing} rows, first in row "
            f"{int(np.flatnonzero(values.isna())[0])}; drop them or fill them first"
        )
    if positive is not None:
        if not (values == positive).any():
            found = ", ".join(str(v) for v in values.unique()[:5])
            raise DataError(f"dataset '{name}': target '{target}' never is {positive!r}; it holds: {found}")
        return (values == positive).to_numpy().astype(np.int64), "binary"
    problem = problem or _problem_of(values)
    if problem == "regression":
        return values.to_numpy(dtype=np.float64), problem
    plain = (
        values.to_numpy() if pd.api.types.is_numeric_dtype(values.dtype) else values.astype(str).to_numpy()
    )
    return np.asarray(plain.tolist()), problem


def _problem_of(values: pd.Series) -> Problem:
    n_distinct = values.nunique()
    if n_distinct == 2:
        return "binary"
    if pd.api.types.is_numeric_dtype(values.dtype) and n_distinct > MANY_VALUES:
        return "regression"
    return "multiclass"


def _divided_by(spec: PipelineSpec, name: str, known: Mapping[str, Any]) -> tuple[str | None, str | None]:
    kind = spec.split.kind
    if kind == "auto":
        return known["group"], known["time"]
    group = known["group"] if "grouped" in kind else None
    time = known["time"] if "temporal" in kind else None
    for needed, found, key in (("grouped" in kind, group, "group"), ("temporal" in kind, time, "time")):
        if needed and found is None:
            raise SpecError(
                f"pipeline '{spec.name}': split.kind is '{kind}', but dataset '{name}' has no {key} column; "
                f"name it in datasets.{name}.{key}, or use split.kind=auto"
            )
    return group, time


def _schema(known: Mapping[str, Any], target: str) -> dict[str, Any]:
    """Return overrides; group and time that no division honours are left out of learning all the same."""
    aside = [known[key] for key in ("group", "time") if known[key] is not None]
    roles = dict.fromkeys((*known["drop"], *aside), "drop") | dict.fromkeys(known["id"], "id")
    return {
        "roles": {column: role for column, role in roles.items() if column != target},
        "kinds": {c: "text" for c in known["text"] if c != target},
        "categories": [c for c in known["categories"] if c != target],
        "ordered": cast("dict[str, Any]", known["ordered"]),
        "protected": [c for c in known["protected"] if c != target],
    }
