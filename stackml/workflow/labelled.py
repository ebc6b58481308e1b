"""Rows with known answers: where they come from, and their target as the class codes of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.datasets import dataset_card, load_dataset
from stackml.foundation.errors import DataError, ParameterError, SchemaError, near_miss
from stackml.foundation.randomness import stream
from stackml.tables.reading import to_frame
from stackml.workflow.held_out import Model, codes_of


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows with known answers.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        With the target.
    name : str
        Of the file or table, for messages.
    target : str
    notes : list of str
    """

    frame: pd.DataFrame
    name: str
    target: str
    notes: list[str] = field(default_factory=list)

    @property
    def features(self) -> pd.DataFrame:
        """All columns but the target."""
        return self.frame.drop(columns=self.target)

    def drawn(self, n_rows: int | None, seed: int) -> Labelled:
        """Return `n_rows` of them drawn by chance, in their order; all where there are no more.

        Raises
        ------
        ParameterError
            If `n_rows` is below 1.
        """
        if n_rows is None or n_rows >= len(self.frame):
            return self
        if n_rows < 1:
            raise ParameterError(f"n_rows={n_rows!r}: give 1 row or more")
        kept = stream(seed, "workflow", "draw", self.name).choice(len(self.frame), n_rows, replace=False)
        note = f"{n_rows:,} of {len(self.frame):,} rows were drawn by chance"
        frame = self.frame.iloc[np.sort(kept)].reset_index(drop=True)
        return replace(self, frame=frame, notes=[*self.notes, note])

    def column(self, name: str | None, what: str) -> npt.NDArray[Any] | None:
        """Return a column as an array; None for no name.

        Raises
        ------
        SchemaError
            If there is no such column.
        """
        if name is None:
            return None
        if name not in self.frame.columns:
            raise SchemaError(
                f"the rows have no column '{name}' for {what}{near_miss(name, self.frame.columns)}"
            )
        return self.frame[name].to_numpy()


def labelled_rows(
    data: str | Path | pd.DataFrame | None, dataset: str | None, target: str | None, about: Mapping[str, Any]
) -> Labelled:
    """Return labelled rows of a file, a frame, or a known table.

    Parameters
    ----------
    data : str, Path or DataFrame, optional
    dataset : str, optional
        A table of the catalog; give either this or `data`.
    target : str, optional
        By default that of the table, or of the training.
    about : mapping
        What a model's card says of its training.

    Raises
    ------
    ParameterError
        If not exactly one of `data` and `dataset` is given, or nobody says which column is meant.
    SchemaError
        If the target is missing.
    """
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
    return Labelled(frame, told, target, notes)


def units_of(rows: Labelled, groups: str | None, about: Mapping[str, Any]) -> npt.NDArray[Any] | None:
    """Return what resampling draws together: the groups named, or those of the training; None for rows.

    Raises
    ------
    SchemaError
        If the column named is missing.
    DataError
        If a row has no group.
    """
    known = about.get("unit")
    name = groups or (known if known in rows.frame.columns else None)
    found = rows.column(name, "groups")
    missing = np.flatnonzero(pd.isna(found)) if found is not None else np.empty(0, np.int64)
    if missing.size:
        raise DataError(
            f"groups: '{name}' is missing in {missing.size} row(s), first in row {missing[0]}; give every "
            "row a group, for instance one of its own"
        )
    return found


def coded_target(rows: Labelled, model: Model, stated: Any, published: Any) -> npt.NDArray[Any]:
    """Return the target as class codes of a model, or as numbers.

    A model of 0 and 1 understands a positive value, stated by the user or as it was published.

    Parameters
    ----------
    rows : Labelled
    model : StackClassifier, StackRegressor or Assembly
    stated, published : object
        Values of the target that are class 1; None where there is none.

    Raises
    ------
    DataError
        If a label is missing, unknown to the model, or no number where one is predicted.
    """
    problem = model.fitted_.problem.kind
    labels = labels_of(rows, model, stated, published)
    y, known = codes_of(model, labels, problem)
    if not known.all():
        at = int(np.flatnonzero(~known)[0])
        classes = ", ".join(str(c) for c in list(getattr(model, "classes_", []))[:10])
        raise DataError(
            f"target '{rows.target}', row {at}: {labels[at]!r} is no class of the stack; it knows: {classes}"
            + ("; say which value is class 1 with positive=" if problem == "binary" else "")
        )
    return y


def labels_of(rows: Labelled, model: Model, stated: Any, published: Any) -> npt.NDArray[Any]:
    """Return the target in the labels of a model, as far as it knows them; see `coded_target`."""
    values = rows.frame[rows.target]
    missing = np.flatnonzero(values.isna())
    if missing.size:
        raise DataError(
            f"target '{rows.target}' is missing in {missing.size} row(s), first in row {missing[0]}; "
            "drop them first"
        )
    if not hasattr(model, "predict_proba"):
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        strange = np.flatnonzero(np.isnan(numbers))
        if strange.size:
            at = int(strange[0])
            raise DataError(
                f"target '{rows.target}', row {at}: {values.iloc[at]!r} is no number, and the models predict "
                "one; give target= the column with the values"
            )
        return numbers
    classes = list(model.classes_)
    worded = classes == [0, 1] and not values.isin(classes).all()
    for positive in (stated, published) if worded else ():
        if positive is not None and (values == positive).any():
            return (values == positive).to_numpy().astype(np.int64)
        if stated is not None:
            found = ", ".join(str(value) for value in values.unique()[:5])
            raise DataError(f"target '{rows.target}' never is {stated!r}; it holds: {found}")
    if all(isinstance(c, str) for c in classes):
        values = values.astype(str)
    return values.to_numpy()
