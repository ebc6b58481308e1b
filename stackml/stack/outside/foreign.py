"""A fitted estimator from outside as a stack of one learner, so that it goes wherever a stack goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.combiners.single import FittedSingle
from stackml.decision.identity import FittedIdentity
from stackml.explain.typical import typical_row
from stackml.foundation.errors import DataError, ParameterError
from stackml.learners.foreign import EXACT_PARTS, FittedForeign, joined_parts
from stackml.learners.sklearn import allows_nan, class_shares
from stackml.metrics.catalog import default_metric
from stackml.stack.fitted import FittedStack, Layer, Member
from stackml.stack.labels import dtype_name
from stackml.tables.encoding import factorized, kind_of
from stackml.tables.reading import to_frame
from stackml.tables.schema import Column, Schema
from stackml.tables.table import encode
from stackml.tables.target import Problem

_PROOF_ROWS = 200
_TOLERANCE = 1e-4  # of a probability, or of the spread of values: what float32 may cost


def stack_of_estimator(estimator: Any, rows: Any = None, classes: Sequence[Any] | None = None) -> FittedStack:
    """Return a fitted estimator as a fitted stack of one learner; nothing is fitted.

    Parameters
    ----------
    estimator : fitted scikit-learn classifier or regressor, StackClassifier or StackRegressor
        Of a stack the fitted stack within is returned.
    rows : DataFrame or array-like of shape (n_rows, n_columns), optional
        A sample of what it was fitted on, which tells the columns: numbers, and categories with
        the values it may be asked about. Its medians stand for missing numbers where the
        estimator takes none. Without it all columns are numbers, by the names the estimator
        was fitted with, and an explanation starts from a row of zeros.
    classes : sequence, optional
        Labels of all classes in code order, where there are more than the estimator knows;
        those it lacks get no probability. Its own by default.

    Returns
    -------
    FittedStack
        It is stored by skops; whoever loads it names the types in ``trusted=``.

    Raises
    ------
    ParameterError
        If it is no fitted classifier or regressor of one target.
    DataError
        If the rows hold columns it cannot be given (dates, free text), lack some it reads, or it
        would answer otherwise than when it is asked directly.
    """
    held = getattr(estimator, "fitted_", None)
    if isinstance(held, FittedStack):
        return held
    regresses = _checked(estimator)
    frame = None if rows is None else _columns_of(estimator, to_frame(rows))
    schema = _numbers_only(estimator) if frame is None else _schema(frame)
    labels = np.empty(0) if regresses else _labels(estimator, classes)
    problem = _problem(regresses, len(labels))
    named = hasattr(estimator, "feature_names_in_") or bool(schema.categories)
    own = [] if regresses else np.asarray(estimator.classes_).tolist()
    codes = tuple(labels.tolist().index(label) for label in own)
    numbers = [column for column in schema.read if column.kind == "number"]
    fill = np.full(len(numbers), np.nan)
    if frame is None:
        zeros = pd.DataFrame({column.name: [0.0] for column in numbers})
        typical = encode(zeros, schema)
    else:
        table = encode(frame, schema)
        typical = typical_row(table)
        values = joined_parts(table)
        known = ~np.isnan(values)
        fill = np.array([np.median(v[k]) if k.any() else 0.0 for v, k in zip(values.T, known.T, strict=True)])
    model = FittedForeign(schema, estimator, problem, codes, named, fill, allows_nan(estimator))
    if frame is not None:
        _prove(model, frame.head(_PROOF_ROWS))
    name = type(estimator).__name__.lower()
    kind = type(estimator)
    return FittedStack(
        schema=schema,
        problem=problem,
        classes=tuple(labels.tolist()),
        layers=(
            Layer((Member(name, "value" if regresses else "probability", problem.n_outputs, (model,)),)),
        ),
        combiner=FittedSingle((name,), (1.0,)),
        calibrator=FittedIdentity(),
        typical=typical,
        label_dtype="" if regresses else dtype_name(labels),
        card={
            "metric": default_metric(problem.kind).name,
            "origin": f"{kind.__module__}.{kind.__qualname__}",
        },
    )


def _checked(estimator: Any) -> bool:
    """Return whether it is a regressor, or refuse it."""
    from sklearn.base import is_classifier, is_regressor
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    name = type(estimator).__name__
    if isinstance(estimator, type) or not hasattr(estimator, "predict"):
        raise ParameterError(f"{estimator!r:.80} is no fitted estimator; give an object that predicts")
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise ParameterError(
            f"{name} is neither a classifier nor a regressor; give one that predicts a target"
        )
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise ParameterError(
            f"{name} is not fitted; fit it first, or give it to learners= to be fitted"
        ) from None
    if is_regressor(estimator):
        return True
    labels = getattr(estimator, "classes_", None)
    if not isinstance(labels, np.ndarray) or labels.ndim != 1:
        raise ParameterError(
            f"{name} has no list of classes (several targets, perhaps); give one of one target"
        )
    return False


def _columns_of(estimator: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns the estimator was fitted on, in its order."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        lacking = [str(name) for name in names if name not in frame.columns]
        if lacking:
            raise DataError(f"rows lack columns the estimator was fitted on: {', '.join(lacking[:10])}")
        return frame[list(names)]
    wanted = getattr(estimator, "n_features_in_", frame.shape[1])
    if wanted != frame.shape[1]:
        raise DataError(f"rows have {frame.shape[1]} columns, the estimator was fitted on {wanted}")
    return frame


def _schema(frame: pd.DataFrame) -> Schema:
    # The estimator reads every column, also one that is constant or missing in these rows.
    return Schema(tuple(_column(frame[name], str(name)) for name in frame.columns))


def _column(series: pd.Series, name: str) -> Column:
    kind = kind_of(series)
    if kind in ("datetime", "text"):
        what = "dates" if kind == "datetime" else "free text"
        raise DataError(
            f"column '{name}' holds {what}, which a foreign estimator cannot be given back as it was; "
            "make numbers or categories of it before the estimator"
        )
    if kind == "number":
        return Column(name, "number", parts=EXACT_PARTS)
    codes, words = factorized(series)
    return Column(
        name, "category", vocabulary=tuple(sorted({words[code] for code in set(codes) if code >= 0}))
    )


def _numbers_only(estimator: Any) -> Schema:
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        n_columns = getattr(estimator, "n_features_in_", None)
        if n_columns is None:
            raise ParameterError(
                f"{type(estimator).__name__} does not say what columns it reads; give some of them as rows="
            )
        names = [f"x{i}" for i in range(int(n_columns))]
    return Schema(tuple(Column(str(name), "number", parts=EXACT_PARTS) for name in names))


def _labels(estimator: Any, classes: Sequence[Any] | None) -> npt.NDArray[Any]:
    own = np.asarray(estimator.classes_)
    if classes is None:
        return own
    labels = np.asarray(list(classes))
    strange = [label for label in own.tolist() if label not in labels.tolist()]
    if strange or len(set(labels.tolist())) != len(labels):
        raise ParameterError(
            f"classes={labels.tolist()} must hold each label once, and all of the estimator's: {own.tolist()}"
        )
    return labels


def _problem(regresses: bool, n_classes: int) -> Problem:
    if regresses:
        return Problem("regression")
    if n_classes < 2:
        raise ParameterError("the estimator knows one class only; there is nothing to tell apart")
    return Problem("binary" if n_classes == 2 else "multiclass", n_classes)


def _prove(model: FittedForeign, frame: pd.DataFrame) -> None:
    """Refuse an estimator that says otherwise through the table than when it is asked directly."""
    estimator = model.estimator
    table = encode(frame, model.schema)
    if not model.takes_missing:
        whole = ~np.isnan(table.numbers).any(axis=1)
        frame, table = frame.iloc[np.flatnonzero(whole)], table.take(np.flatnonzero(whole))
        if not len(frame):
            return
    direct = frame if hasattr(estimator, "feature_names_in_") else frame.to_numpy()
    try:
        found = model.predict(table)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{type(estimator).__name__} does not read the columns as a table holds them, "
            f"numbers as float64 and categories as text ({reason})"
        ) from error
    if model.problem.is_regression:
        wanted = np.asarray(estimator.predict(direct), np.float64).reshape(len(frame), -1)[:, 0]
        allowed = _TOLERANCE * max(float(wanted.std()), 1e-3 * float(np.abs(wanted).max()), 1e-12)
        gap = float(np.abs(found[:, 0] - wanted).max())
    else:
        shares = class_shares(estimator, direct, np.asarray(estimator.classes_))
        full = np.zeros((len(frame), model.problem.n_classes))
        full[:, list(model.codes)] = shares
        wanted = full[:, 1:2] if model.problem.kind == "binary" else full
        allowed, gap = _TOLERANCE, float(np.abs(found - wanted).max())
    if not gap <= allowed:
        raise DataError(
            f"{type(estimator).__name__} answers otherwise when its rows come from a table (by up to "
            f"{gap:.3g}): it reads values a table does not keep, such as whole numbers as categories; "
            "give columns of text or numbers"
        )
