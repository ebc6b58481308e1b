"""Where to draw the line: thresholds found out of fold, tried on held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.decision import capacity_threshold, cost_threshold, f1_threshold
from stackml.metrics import CostMatrix, cost_rows
from stackml.workflow.held_out import STACK, HeldOut
from stackml.workflow.models import DecisionSpec

FloatArray = npt.NDArray[np.float64]


def decision_table(
    oof: FloatArray, oof_y: npt.NDArray[Any], held_out: HeldOut, decision: DecisionSpec
) -> pd.DataFrame:
    """Return one row a rule: its threshold and what it does to held-out rows.

    Parameters
    ----------
    oof : float64 ndarray of shape (n_training_rows,)
        The stack's out-of-fold probability; NaN where there is none.
    oof_y : ndarray of shape (n_training_rows,)
        0 or 1.
    held_out : HeldOut
        Of a binary problem.
    decision : DecisionSpec

    Returns
    -------
    DataFrame
        ``rule``, ``threshold``, ``flagged`` (share of the rows), ``precision``, ``recall`` (of
        class 1) and ``cost`` (mean, currency units per case).
    """
    known = np.isfinite(oof)
    p, y = oof[known], oof_y[known]
    costs = CostMatrix(decision.false_positive_cost, decision.false_negative_cost)
    thresholds: dict[str, float] = {"flag nothing": float("inf")}
    if 0 < y.sum() < len(y):
        thresholds["least cost"] = cost_threshold(p, y, costs).threshold
        thresholds["best F1"] = f1_threshold(p, y).threshold
    if decision.capacity is not None and len(p):
        rule = f"review {100 * decision.capacity:g} %"
        thresholds[rule] = capacity_threshold(p, share=decision.capacity).threshold
    return pd.DataFrame(
        [{"rule": rule, **_effect(threshold, held_out, costs)} for rule, threshold in thresholds.items()]
    )


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a decision table as JSON values; infinite and unknown numbers become None."""

    def plain(value: Any) -> Any:
        return value if isinstance(value, str) or np.isfinite(value) else None

    return [{str(k): plain(v) for k, v in row.items()} for row in table.to_dict(orient="records")]


def _effect(threshold: float, held_out: HeldOut, costs: CostMatrix) -> dict[str, float]:
    p, event = held_out.predictions[STACK], held_out.y == 1
    flagged = p >= threshold
    hits = int((flagged & event).sum())
    return {
        "threshold": threshold,
        "flagged": float(flagged.mean()),
        "precision": hits / int(flagged.sum()) if flagged.any() else float("nan"),
        "recall": hits / int(event.sum()) if event.any() else float("nan"),
        "cost": float(cost_rows(held_out.y, p, costs, threshold).mean()),
    }
