"""Whether a learner can enter the ensemble, by what its first folds say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stackml.combiners.base import Context, MetaFeatures
from stackml.combiners.simplex import SimplexCombiner
from stackml.foundation.errors import StackmlError
from stackml.learners.base import OutputKind, Prediction, Rows
from stackml.tables.target import Target

TRIAL_FOLDS = 2
LEAST_SHARE = 0.01  # of the ensemble; less is not worth three more folds
MOST_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Tried:
    """What a learner says about the rows of the first folds.

    Attributes
    ----------
    name : str
    kind : {"probability", "value", "score"}
    predictions : float32 ndarray of shape (n_rows, n_outputs)
    """

    name: str
    kind: OutputKind
    predictions: Prediction


def share_in_ensemble(candidate: Tried, others: Sequence[Tried], target: Target, rows: Rows) -> float:
    """Return the convex weight a learner gets beside those before it.

    The weights are fitted on the very rows they are asked about, which flatters the candidate:
    one that gets nothing here would get nothing from more folds either.

    Parameters
    ----------
    candidate : Tried
    others : sequence of Tried
        Learners that are in.
    target : Target
        Of all rows.
    rows : int64 ndarray
        Rows of the predictions.

    Returns
    -------
    float
        Between 0 and 1; 1 where there is nothing to compare with, or a score that no weight fits.
    """
    peers = [other for other in others if other.kind != "score"]
    if candidate.kind == "score" or not peers:
        return 1.0
    step = -(-len(rows) // MOST_ROWS)
    tried = [*peers, candidate]
    meta = MetaFeatures(
        np.concatenate([t.predictions[::step] for t in tried], axis=1),
        tuple(t.name for t in tried),
        tuple(t.predictions.shape[1] for t in tried),
        tuple(t.kind for t in tried),
        target.problem,
    )
    try:
        fitted = SimplexCombiner(pull=0.0, prune=0.0).fit(meta, target.take(rows[::step]), Context())
    except StackmlError:
        return 1.0
    return fitted.weights().get(candidate.name, 0.0)
