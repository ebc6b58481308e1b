"""Any fitted model, wherever it is kept, as a learner of a new stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stackml.assembly.estimator import Assembly
from stackml.foundation.errors import ParameterError
from stackml.learners.continuing import Continuation
from stackml.stack.fitted import FittedStack
from stackml.stack.outside.foreign import stack_of_estimator
from stackml.stack.outside.freezing import begin_from, freeze
from stackml.stack.outside.frozen import FrozenLearner
from stackml.stack.outside.warm import WarmLearner
from stackml.tracking.flavor import load_model


def frozen(
    model: Any,
    mapping: Mapping[str, str] | None = None,
    *,
    absent: str = "refuse",
    rows: Any = None,
    trusted: Sequence[str] = (),
) -> FrozenLearner:
    """Return a fitted model as a learner that predicts and learns nothing.

    Its predictions of the new rows are taken for out-of-fold ones. That is honest where it was fitted on
    other rows; do not give it rows it was fitted on, which it knows by heart.

    Parameters
    ----------
    model : StackClassifier, StackRegressor, fitted scikit-learn estimator, str or Path
        A text is a ``.stack`` file, a folder, or an MLflow URI such as ``models:/fraud@champion``.
    mapping : mapping of str to str, optional
        ``{"theirs": "ours"}``: columns that the new table calls otherwise.
    absent : {"refuse", "missing"}
        What becomes of columns that the new table lacks.
    rows : DataFrame, optional
        Of a scikit-learn estimator: a sample of what it was fitted on; see `stack_of_estimator`.
    trusted : sequence of str
        Full names of types outside the catalog that may be built from the file.

    Returns
    -------
    FrozenLearner
        For ``learners=[("old", frozen(...)), "lightgbm"]``.

    Raises
    ------
    TrackingError
        If there is no such model.
    SchemaError, ParameterError, DataError
        If the mapping or the model has no meaning; a new stack that has other columns, classes or
        another kind of target says so when it is fitted.
    """
    return freeze(_stack_of(model, rows, trusted), mapping, absent=absent)


def warm_start(
    model: Any,
    mapping: Mapping[str, str] | None = None,
    *,
    absent: str = "refuse",
    how: Continuation | None = None,
    rows: Any = None,
    trusted: Sequence[str] = (),
) -> WarmLearner:
    """Return a booster that begins where a fitted model ends.

    Its first margin is the model's, fitted to the new target by a slope and an offset; its trees mend the
    rest, and may read columns the model does not know.

    Parameters
    ----------
    model, mapping, absent, rows, trusted
        As in `frozen`.
    how : Continuation, optional
        How the trees grow.

    Returns
    -------
    WarmLearner

    Raises
    ------
    TrackingError, SchemaError, ParameterError, DataError
        As `frozen`.
    """
    return begin_from(_stack_of(model, rows, trusted), mapping, absent=absent, how=how)


def _stack_of(model: Any, rows: Any, trusted: Sequence[str]) -> FittedStack:
    found = load_model(model, trusted=trusted) if isinstance(model, str | Path) else model
    if isinstance(found, Assembly):
        raise ParameterError(
            f"a {type(found).__name__} cannot be a learner; give the stacks it is made of, one learner each"
        )
    return found if isinstance(found, FittedStack) else stack_of_estimator(found, rows)
