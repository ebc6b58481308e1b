"""What a logged stack tells MLflow about its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stackml.tracking.client import import_mlflow
from stackml.tracking.pyfunc import METHODS, PREDICTION, positional, probability_columns

if TYPE_CHECKING:
    from stackml.assembly.loading import Model

_LABEL_TYPES = {"i": "long", "u": "long", "f": "double", "b": "boolean"}


def stack_signature(stack: Model) -> Any:
    """Return the `ModelSignature` of a stack.

    Columns the stack reads are required, the others it was fitted with may be given. Every
    column is declared "any": MLflow refuses whole numbers for a "double" column, numbers for a
    "string" one, dates with a zone for a "datetime" one and absent values in most, all of which
    a stack reads; it checks the values itself and names row and value. What each column is
    stands in the flavor (``flavors.stackml.columns``). The price: MLflow's scoring server takes
    JSON and Parquet for such a model, not CSV.
    """
    import_mlflow()
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec, Schema

    columns = stack.fitted_.schema.columns
    numbered = positional([column.name for column in columns])
    anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow's own
    inputs = Schema([ColSpec(anything, None if numbered else c.name, numbered or c.is_read) for c in columns])
    outputs = Schema([ColSpec(kind, name) for name, kind in _outputs(stack)])
    if not hasattr(stack, "predict_proba"):
        return ModelSignature(inputs, outputs)
    return ModelSignature(inputs, outputs, ParamSchema([ParamSpec("method", "string", METHODS[0])]))


def _outputs(stack: Any) -> list[tuple[str, str]]:
    if not hasattr(stack, "predict_proba"):
        return [(PREDICTION, "double")]
    label = _LABEL_TYPES.get(np.asarray(stack.classes_).dtype.kind, "string")
    return [*((name, "double") for name in probability_columns(stack)), (PREDICTION, label)]
