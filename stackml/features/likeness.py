"""What must be equal in two dense views before weights that stand on them mean the same.

Scales bend a column through its own quantiles, so that no change of weights makes up for another
scale: views are compared part by part, and every part has a name that a person knows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from stackml.features.dense import DenseView
from stackml.features.scaling import CLIP, Floats32, NormalScaler, Scaler
from stackml.features.target_encoding import TargetEncoder
from stackml.foundation.digest import digest
from stackml.tables.schema import Schema


def dense_parts(view: DenseView, schema: Schema) -> dict[str, Any]:
    """Return the parts of a view that never saw a target, each by a name for people.

    Parameters
    ----------
    view : DenseView
    schema : Schema
        Of the tables it reads.

    Returns
    -------
    dict of str to lists, texts and digests
        Two views make the same of every row where all are equal, but for target codes.
    """
    plain, encoder = view.plain, view.encoder
    slots = [schema.number_slots[i] for i in plain.slots]
    categories = [column.name for column in schema.categories]
    counted = [categories[i] for i in plain.frequencies.columns]
    ranked = [categories[i] for i in plain.ordered]
    found: dict[str, Any] = {
        "the numbers read": slots,
        "the numbers with missing values": [slots[i] for i in plain.gaps],
        "the hinges": list(plain.hinges),
        "the categories read level by level": [[categories[i], n] for i, n in plain.one_hot],
        "the categories read as ranks": ranked,
        "the categories read by how common they are": counted,
        "the categories with target codes": [[categories[c], n] for c, n in encoder.levels],
        "the width of target codes": encoder.n_outputs,
    }
    found |= {f"the scale of '{n}'": _scale(plain.scaler, i) for i, n in enumerate(slots)}
    found |= {
        f"the coordinates of '{c.name}'": digest(c.encoder.to_state()) for c in schema.read if c.encoder
    }
    if schema.wide:
        wide = plain.wide
        found["the scales of texts and embeddings"] = digest(wide.slots, wide.centre, wide.unit, wide.gaps)
    found |= {f"the scale of the ranks of '{n}'": _scale(plain.ranks, i) for i, n in enumerate(ranked)}
    found |= {
        f"how common the values of '{n}' are": digest(plain.frequencies.tables[i], _scale(scaler, i))
        for scaler in (plain.frequency_scaler,)
        for i, n in enumerate(counted)
    }
    return found


def _scale(scaler: Scaler, column: int) -> str:
    if isinstance(scaler, NormalScaler):
        return digest("normal", scaler.knots[column], scaler.places[column])
    numbers = (scaler.centre, scaler.unit, scaler.heavy, scaler.mean, scaler.deviation)
    return digest("robust", *(values[column] for values in numbers))


def code_tables(view: DenseView, schema: Schema) -> dict[str, Floats32]:
    """Return the target codes of each column in units of its weights: divided and clipped, bit for bit.

    Returns
    -------
    dict of str to float32 ndarray of shape (n_levels + 2, n_outputs)
        By names for people.
    """
    categories, width = schema.categories, view.encoder.n_outputs
    found = {}
    for place, (column, table) in enumerate(zip(view.encoder.columns, view.encoder.tables, strict=True)):
        unit = view.unit[place * width : (place + 1) * width]
        found[f"target codes of '{categories[column].name}'"] = np.clip(table / unit, -CLIP, CLIP)
    return found


def with_code_tables(view: DenseView, tables: list[Floats32]) -> DenseView:
    """Return the view with other target codes, in the units of `code_tables` and the order of its columns."""
    encoder = TargetEncoder(view.encoder.columns, tables, view.encoder.n_outputs)
    return replace(view, encoder=encoder, unit=np.ones_like(view.unit))
