"""From the question "why?" about a fitted stack to its answer: the stack as one function of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.combiners.base import MetaFeatures
from stackml.explain.attribution import attribute
from stackml.explain.explanation import Explanation, Scale
from stackml.explain.reasons import reason_codes
from stackml.explain.typical import typical_row
from stackml.explain.words import Words
from stackml.foundation.errors import ParameterError, near_miss
from stackml.foundation.randomness import stream
from stackml.stack.fitted import FittedStack
from stackml.tables.reading import to_frame
from stackml.tables.table import Table

BACKGROUND_ROWS: Final = 64
SURE: Final = 1e-6  # log odds of a probability nearer to 0 or 1 count as those here


def explained(
    stack: FittedStack,
    X: Any,
    *,
    k: int = 3,
    n_permutations: int = 8,
    scale: str | None = None,
    output: Any = None,
    background: Any = None,
    n_jobs: int = 1,
) -> Explanation:
    """Explain rows; parameters and errors as `StackClassifier.explain` documents them."""
    question = Question.of(stack, scale, output)
    beside = _background(stack, background)
    frame = to_frame(X)
    table = Table.of(frame, stack.schema)

    def predict(rows: Table) -> npt.NDArray[np.float64]:
        return question.asked(stack.predict(rows, n_jobs=n_jobs))

    found = attribute(predict, table, beside, n_permutations=n_permutations)
    classes = question.classes_of(found.outputs)
    names = [column.name for column in stack.schema.read]
    words = Words(frame, table, typical_row(beside))
    return Explanation(
        scale=question.scale,
        contributions=pd.DataFrame(found.contributions, index=frame.index, columns=names),
        baseline=pd.Series(found.baseline, index=frame.index, name="baseline"),
        prediction=pd.Series(found.prediction, index=frame.index, name="prediction"),
        output=pd.Series(question.labels(classes), index=frame.index, name="output"),
        reasons=reason_codes(
            found.contributions,
            words,
            question.subjects(classes),
            k=k,
            both_ways=stack.problem.kind == "regression",
        ),
        by_learner=by_learner(stack, table, frame.index, classes, n_jobs),
    )


def leading_rows(
    stack: FittedStack, X: Any, n_rows: int, *, output: Any = None, n_jobs: int = 1
) -> npt.NDArray[np.intp]:
    """Return the places of the rows with the highest prediction of what `explained` would explain."""
    question = Question.of(stack, None, output)
    found = question.asked(stack.predict(Table.of(X, stack.schema), n_jobs=n_jobs)).max(axis=1)
    return np.argsort(-found, kind="stable")[:n_rows]


@dataclass(frozen=True)
class Question:
    """What is asked about a prediction: which class of it, on which scale.

    Attributes
    ----------
    stack : FittedStack
    scale : {"probability", "logit", "value"}
    code : int, optional
        Of the class asked about; None asks about the value, or about each row's most probable class.
    named : bool
        Whether the class is to be named in sentences.
    """

    stack: FittedStack
    scale: Scale
    code: int | None
    named: bool

    @staticmethod
    def of(stack: FittedStack, scale: str | None, output: Any) -> Question:
        """Return the question a user means.

        Raises
        ------
        ParameterError
            If the scale is unknown or the stack has no such class.
        """
        kind = stack.problem.kind
        scales = ("value",) if kind == "regression" else ("probability", "logit")
        chosen = scales[0] if scale is None else scale
        if chosen not in scales:
            told = ", ".join(f"'{s}'" for s in scales)
            raise ParameterError(f"scale={scale!r}{near_miss(str(scale), scales)}; for {kind}: {told}")
        code = _code(stack, output) if output is not None else 1 if kind == "binary" else None
        return Question(stack, cast("Scale", chosen), code, kind == "multiclass" or output is not None)

    def asked(self, prediction: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the part of a stack's prediction that is asked about, shape (n_rows, n_outputs)."""
        if self.code is not None:
            prediction = _of_class(prediction, np.full(len(prediction), self.code))[:, None]
        if self.scale != "logit":
            return prediction
        held = np.clip(prediction, SURE, 1.0 - SURE)
        logits: npt.NDArray[np.float64] = np.log(held / (1.0 - held))
        return logits

    def classes_of(self, outputs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the class each row was asked about; zeros for a number."""
        return outputs if self.code is None else np.full_like(outputs, self.code)

    def labels(self, classes: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return the label of the class asked about, row by row."""
        if not self.stack.classes:
            return np.full(len(classes), "value", dtype=object)
        return np.asarray(list(self.stack.classes))[classes]

    def subjects(self, classes: npt.NDArray[np.int64]) -> list[str]:
        """Return what contributions raise or lower, row by row."""
        nouns = {"probability": "the probability", "logit": "the log odds", "value": "the prediction"}
        noun = nouns[self.scale]
        if not self.named:
            return [noun] * len(classes)
        return [f"{noun} of {self.stack.classes[code]!r}" for code in classes]


def _code(stack: FittedStack, output: Any) -> int:
    known = list(stack.classes)
    if not known:
        raise ParameterError(f"output={output!r}: a regressor has one output; leave output= out")
    if output in known:
        return known.index(output)
    texts = [str(label) for label in known]  # a command line knows labels as text alone
    if str(output) not in texts:
        listed = ", ".join(repr(label) for label in known[:10])
        raise ParameterError(
            f"output={output!r} is no class of the stack{near_miss(str(output), texts)}; it knows: {listed}"
        )
    return texts.index(str(output))


def _background(stack: FittedStack, background: Any) -> Table:
    if background is not None:
        table = Table.of(background, stack.schema)
        if table.n_rows <= BACKGROUND_ROWS:
            return table
        drawn = stream(0, "explain", "background").choice(table.n_rows, BACKGROUND_ROWS, replace=False)
        return table.take(np.sort(drawn))
    if stack.typical is None:
        raise ParameterError(
            "the stack comes from a file that holds no typical row to compare with; "
            "give rows to compare with as background=, such as some of the training rows"
        )
    return stack.typical


def by_learner(
    stack: FittedStack, table: Table, index: pd.Index, classes: npt.NDArray[np.int64], n_jobs: int = 1
) -> pd.DataFrame:
    """Return what each learner of the combiner predicts for the class asked about.

    Parameters
    ----------
    stack : FittedStack
    table : Table of n_rows rows
    index : Index of length n_rows
    classes : int64 ndarray of shape (n_rows,)
    n_jobs : int

    Returns
    -------
    DataFrame of n_rows x n_learners lines
        ``row``, ``learner``, ``weight`` (in this row), ``kind``, ``prediction`` (NaN where the
        learner was not called for the row); the learner of most weight over all rows first.
    """
    meta = stack.meta_features(table, needed_only=True, n_jobs=n_jobs)
    members = [member.name for member in stack.layers[-1].members]
    weights = dict(zip(members, stack.member_weights(table, n_jobs=n_jobs).T, strict=True))
    shares = stack.combiner.weights()
    order = sorted(meta.learners, key=lambda name: -shares.get(name, 0.0))
    predictions = np.stack([_own(meta, name, classes) for name in order], axis=1)
    n_rows, n_learners = predictions.shape
    return pd.DataFrame(
        {
            "row": np.repeat(index.to_numpy(), n_learners),
            "learner": order * n_rows,
            "weight": np.stack([weights[name] for name in order], axis=1).ravel(),
            "kind": [meta.kinds[meta.learners.index(name)] for name in order] * n_rows,
            "prediction": predictions.ravel(),
        }
    )


def _own(meta: MetaFeatures, name: str, classes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    values = meta.of(name).astype(np.float64)
    if meta.kinds[meta.learners.index(name)] != "probability":
        return values[:, 0]
    return _of_class(values, classes)


def _of_class(
    probability: npt.NDArray[np.float64], classes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return each row's probability of its class; one column is the probability of class 1."""
    if probability.shape[1] == 1:
        return np.where(classes == 1, probability[:, 0], 1.0 - probability[:, 0])
    return probability[np.arange(len(classes)), classes]
