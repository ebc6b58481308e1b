"""What the columns of a table are, inferred once from the training rows; a person can override it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd

from stackml.foundation.errors import SchemaError
from stackml.tables.embedding import learn_embedding, vectors_of
from stackml.tables.encoding import calendar_part, datetimes_of, factorized, kind_of, labels_of, numbers_of
from stackml.tables.precision import choose_rounding
from stackml.tables.schema import CALENDAR_PARTS, Column, Kind, Overrides, Role, Schema
from stackml.tables.text import learn_text, texts_of

ID_SHARE = 0.95
ID_ROWS = 100


def infer_schema(frame: pd.DataFrame, overrides: Overrides | None = None) -> Schema:
    """Return the schema of a frame.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Training rows, string column names.
    overrides : Overrides, optional
        Kinds, roles, orders and integer-coded categories a person states.

    Raises
    ------
    SchemaError
        If an override names no column, or an ordered column holds a value its order lacks.
    DataError
        If a value cannot be read; the message names column, row and value.
    """
    overrides = overrides or Overrides()
    overrides.check([str(name) for name in frame.columns])
    return Schema(tuple(_column(frame[name], str(name), overrides) for name in frame.columns))


def infer_past_schema(frame: pd.DataFrame, rows: Any, overrides: Overrides, schema: Schema) -> Schema:
    """Return the schema some rows alone would have given: no vocabulary or range of later rows.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
    rows : int64 ndarray
        Rows it is learned from.
    overrides : Overrides
    schema : Schema
        Of all rows; kinds and roles are taken from it, so that one column is one kind of thing.
    """
    unread = {c.name: "drop" for c in schema.columns if c.role == "feature" and c.unused}
    stated = Overrides(
        {c.name: c.kind for c in schema.columns},
        {**{c.name: c.role for c in schema.columns}, **unread},
        overrides.ordered,
        overrides.categories,
        overrides.protected,
    )
    return infer_schema(frame.iloc[rows], stated)


def _column(series: pd.Series, name: str, overrides: Overrides) -> Column:
    role = cast("Role", overrides.roles.get(name, "feature"))
    protected = name in overrides.protected
    kind = _kind(series, name, overrides)
    if role != "feature":
        return Column(name, kind, role, protected)
    column = Column(name, kind, role, protected)
    if series.isna().all():
        return replace(column, unused="all values are missing")
    if kind == "category":
        return _category(series, column, overrides.ordered.get(name), stated=name in _stated(overrides))
    if kind == "text":
        return _text(series, column)
    if kind == "embedding":
        return _embedding(series, column)
    return _number(series, column)


def _stated(overrides: Overrides) -> set[str]:
    return {*overrides.categories, *overrides.kinds, *overrides.ordered}


def _kind(series: pd.Series, name: str, overrides: Overrides) -> Kind:
    if name in overrides.ordered or name in overrides.categories:
        return "category"
    return cast("Kind", overrides.kinds[name]) if name in overrides.kinds else kind_of(series)


def _number(series: pd.Series, column: Column) -> Column:
    if column.kind == "datetime":
        series = datetimes_of(series)
    if _beyond_float64(series):
        return replace(column, unused="its whole numbers are beyond 2**53; a category or an id, perhaps?")
    values = numbers_of(series, column.name)
    present = values[~np.isnan(values)]
    if present.size and present.min() == present.max() and present.size == values.size:
        return replace(column, unused="it is constant")
    rounding = choose_rounding(values)
    calendar = (
        tuple(p for p in CALENDAR_PARTS if _varies(calendar_part(present, p)))
        if column.kind == "datetime"
        else ()
    )
    return replace(column, offset=rounding.offset, parts=rounding.parts, calendar=calendar)


def _beyond_float64(series: pd.Series) -> bool:
    if not pd.api.types.is_integer_dtype(series.dtype):
        return False
    low, high = int(series.min()), int(series.max())
    return max(abs(low), abs(high)) > 2**53


def _varies(values: np.ndarray) -> bool:
    return bool(values.size and values.min() != values.max())


def _category(series: pd.Series, column: Column, order: Sequence[Any] | None, *, stated: bool) -> Column:
    codes, labels = factorized(series)
    used = {labels[code] for code in np.unique(codes) if code >= 0}
    if order is not None:
        vocabulary = labels_of(order)
        beyond = used - set(vocabulary)
        if beyond:
            raise SchemaError(
                f"schema.ordered: column '{column.name}' holds {sorted(beyond)[:5]}, which its order lacks"
            )
        return replace(column, vocabulary=tuple(vocabulary), ordered=True)
    if isinstance(series.dtype, pd.CategoricalDtype) and series.cat.ordered:
        return replace(column, vocabulary=tuple(dict.fromkeys(labels)), ordered=True)
    vocabulary = sorted(used, key=_natural)
    if len(vocabulary) == 1 and not (codes < 0).any():
        return replace(column, unused="it is constant")
    if not stated and len(vocabulary) > ID_SHARE * len(series) and len(series) >= ID_ROWS:
        return replace(column, unused="nearly every row has a value of its own, as an id has")
    return replace(column, vocabulary=tuple(vocabulary))


def _text(series: pd.Series, column: Column) -> Column:
    texts = texts_of(series, column.name)
    if len(set(texts)) == 1:
        return replace(column, unused="it is constant")
    encoder = learn_text(texts)
    if encoder is None:
        return replace(column, unused="no word of it occurs in two rows")
    return replace(column, encoder=encoder)


def _embedding(series: pd.Series, column: Column) -> Column:
    vectors = vectors_of(series, column.name)
    if np.array_equal(vectors, np.broadcast_to(vectors[:1], vectors.shape)):
        return replace(column, unused="it is constant")
    return replace(column, encoder=learn_embedding(vectors))


def _natural(label: str) -> tuple[int, float, str]:
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)
