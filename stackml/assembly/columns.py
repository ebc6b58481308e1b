"""The columns that several models read together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stackml.foundation.errors import SchemaError
from stackml.tables.embedding import EmbeddingEncoder
from stackml.tables.schema import Column, Schema


def united(schemas: Mapping[str, Schema]) -> Schema:
    """Return a schema of every column that one of the models knows.

    A column is read if one of them reads it; a category's vocabulary is all of theirs, in order of
    appearance.

    Parameters
    ----------
    schemas : mapping of model name to Schema

    Raises
    ------
    SchemaError
        If two models read one column as different kinds, or as vectors of different lengths; the message
        names both.
    """
    found: dict[str, tuple[str, Column]] = {}
    for model, schema in schemas.items():
        for column in schema.columns:
            if column.name not in found or not found[column.name][1].is_read:
                found[column.name] = (model, column)
            elif column.is_read:
                first, known = found[column.name]
                found[column.name] = first, _both(known, column, first, model)
    return Schema(tuple(column for _, column in found.values()))


def _both(known: Column, other: Column, first: str, second: str) -> Column:
    if known.kind != other.kind:
        raise SchemaError(
            f"column '{known.name}' is a {known.kind} to '{first}' and a {other.kind} to '{second}'; "
            "one table cannot be both: rename the column, or fit one of the two with schema={'kinds': ...}"
        )
    lengths = [c.encoder.dimension for c in (known, other) if isinstance(c.encoder, EmbeddingEncoder)]
    if len(set(lengths)) > 1:
        raise SchemaError(
            f"column '{known.name}' holds vectors of {lengths[0]} numbers for '{first}' and of {lengths[1]} "
            f"for '{second}'; one table cannot hold both: rename the column for one of the two, and fit that "
            "again"
        )
    words = tuple(dict.fromkeys((*known.vocabulary, *other.vocabulary)))
    return replace(known, vocabulary=words, ordered=known.ordered and known.vocabulary == other.vocabulary)
