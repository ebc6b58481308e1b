"""What `stack.explain` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Scale = Literal["probability", "logit", "value"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why rows are predicted as they are; every frame is aligned to the rows explained.

    Attributes
    ----------
    scale : {"probability", "logit", "value"}
        Unit of contributions, baseline and prediction.
    contributions : DataFrame of shape (n_rows, n_columns)
        What each column the stack reads adds; a row sums to its prediction minus its baseline.
    baseline : Series of shape (n_rows,)
        The prediction rows are compared with: of the typical row, or the mean over the background.
    prediction : Series of shape (n_rows,)
    output : Series of shape (n_rows,)
        The class explained; "value" for a number.
    reasons : DataFrame
        One line a reason: ``row``, ``rank``, ``column``, ``value``, ``typical``,
        ``contribution``, ``sentence``.
    by_learner : DataFrame
        One line a row and learner: ``row``, ``learner``, ``weight`` (share in the combiner, all
        learners of a row sum to 1), ``kind`` and ``prediction``: the learner's own, for the same
        class, as a probability or value; a score of an anomaly detector as it is.
    """

    scale: Scale
    contributions: pd.DataFrame = field(repr=False)
    baseline: pd.Series = field(repr=False)
    prediction: pd.Series = field(repr=False)
    output: pd.Series = field(repr=False)
    reasons: pd.DataFrame = field(repr=False)
    by_learner: pd.DataFrame = field(repr=False)
