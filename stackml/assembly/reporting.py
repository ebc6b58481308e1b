"""What routers and cascades say of themselves: a report and a curve, kept in the card and the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stackml.assembly.curves import Curve
from stackml.assembly.estimator import Assembly
from stackml.metrics.catalog import Metric, default_metric, get_metric
from stackml.storage.fields import refuse
from stackml.tables.target import Problem

REPORT, CURVE = "report", "curve"
_SCALAR = str | bool | int | float | None


class Reporting(Assembly):
    """An assembly that measured itself when it was fitted."""

    @property
    def report_(self) -> dict[str, Any]:
        """What was measured in `fit`, as numbers and words; see the class."""
        self._check_fitted()
        return dict(self.fitted_.card.get(REPORT, {}))

    @property
    def curve_(self) -> pd.DataFrame:
        """The metric and the gap recovered along the price; see the class."""
        self._check_fitted()
        return pd.DataFrame(self.fitted_.card.get(CURVE, []))


def metric_for(name: str | None, problem: Problem) -> Metric:
    """Return the metric named, or the one of the problem: that of `StackClassifier`.

    Raises
    ------
    ParameterError
        If there is no such metric for the problem.
    """
    return default_metric(problem.kind) if name is None else get_metric(name, problem.kind)


def plain(value: Any) -> Any:
    """Return a value as JSON keeps it: numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def curve_rows(curve: Curve, metric: Metric, **columns: Any) -> list[dict[str, Any]]:
    """Return a curve row by row as JSON values.

    Parameters
    ----------
    curve : Curve
    metric : Metric
        Names the column of its values.
    **columns
        What stands before the values, each of length n_points.
    """
    low, high = curve.range
    table = {
        **columns,
        metric.name: curve.values,
        "recovered": curve.recovered,
        "recovered_low": low,
        "recovered_high": high,
    }
    return [plain(dict(zip(table, row, strict=True))) for row in zip(*table.values(), strict=True)]


def check_record(card: Mapping[str, Any]) -> None:
    """Refuse a stored card whose report or curve is none.

    Raises
    ------
    StorageError
    """
    curve = card.get(CURVE, [])
    if not isinstance(card.get(REPORT, {}), dict):
        refuse("the report", "is not one")
    rows = curve if isinstance(curve, list) else [None]
    if not all(isinstance(row, dict) and all(isinstance(v, _SCALAR) for v in row.values()) for row in rows):
        refuse("the curve", "is no table")
