"""A fitted stack inside an estimator that did not fit it: one loaded, or distilled."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd

from stackml.stack.fitted import FittedStack
from stackml.stack.labels import labels_array

Estimator = TypeVar("Estimator", bound=Any)


def adopted(estimator: Estimator, stack: FittedStack) -> Estimator:
    """Give a new estimator a fitted stack; it has no training rows, so it cannot be changed."""
    estimator.fitted_ = stack
    estimator._built = None
    estimator._classes = labels_array(stack.classes, stack.label_dtype)
    estimator.n_features_in_ = len(stack.schema.columns)
    estimator.feature_names_in_ = np.asarray([c.name for c in stack.schema.columns], dtype=object)
    estimator.plan_ = stack.card.get("plan", {})
    estimator.leaderboard_ = pd.DataFrame(stack.card.get("leaderboard", []))
    return estimator
