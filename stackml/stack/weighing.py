"""Who answered: how much each learner counts in each row."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from stackml.stack.arguments import checked_jobs
from stackml.stack.fitted import FittedStack
from stackml.tables.reading import to_frame
from stackml.tables.table import Table


class Weighing:
    """Estimators that can say which of their learners answered."""

    fitted_: FittedStack
    n_jobs: int | None

    def member_weights(self, X: Any) -> pd.DataFrame:
        """Return how much each learner counts in each row.

        With the combiner "gated" weights differ from row to row, and a learner of weight 0 is not
        called for the row where `top_k` is given. With any other they are alike for all rows: the
        weights of a weighted mean or rule, or each learner's normalised importance where the combiner
        has no such weights ("logistic", "boosted"), as in the column `weight` of the leaderboard.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_columns)

        Returns
        -------
        DataFrame of float64, shape (n_rows, n_learners)
            Columns are the learners of the last layer, the index is that of `X`; rows sum to 1.

        Raises
        ------
        SchemaError, DataError
            As `predict`.
        """
        check_is_fitted(self, "fitted_")
        frame, stack = to_frame(X), self.fitted_
        weights = stack.member_weights(Table.of(frame, stack.schema), n_jobs=checked_jobs(self.n_jobs))
        return pd.DataFrame(weights, frame.index, [member.name for member in stack.layers[-1].members])
