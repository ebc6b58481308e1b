"""Models of different, overlapping or nested labels as one model of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.base import Answers, FittedAssembly, Part
from stackml.assembly.coupling import LEAST_PULL
from stackml.assembly.decoding import Decoded, decoded
from stackml.assembly.estimator import Assembly
from stackml.assembly.label_texts import labels_of_texts, same_texts, text_of
from stackml.assembly.learned_weights import weights_of_least_loss
from stackml.assembly.parts import named_models, parts_of
from stackml.assembly.prefix_tree import PrefixTree, prefix_tree
from stackml.assembly.seen import among_its_own, too_good_leaf, warn_of_seen
from stackml.assembly.weights import checked_weights, stored_weights
from stackml.foundation.errors import DataError, ParameterError, near_miss
from stackml.stack.arguments import checked_jobs, is_number
from stackml.stack.fitted import FittedStack
from stackml.stack.inputs import as_column, checked_weight, refuse_missing
from stackml.storage.fields import finite_number, refuse
from stackml.storage.state import State
from stackml.tables.reading import to_frame
from stackml.tables.target import Problem

FloatArray = npt.NDArray[np.float64]

_CELLS = 250_000  # labels times rows decoded at once, so that they stay in a core's cache
_FLOOR = 1e-15  # of a probability whose logarithm is taken


@dataclass(frozen=True, eq=False)
class FittedLabelUnion(FittedAssembly):
    """Models whose labels are read as strings and put together on one tree of prefixes.

    Attributes
    ----------
    weights : float64 ndarray of shape (n_parts,)
        Sum to 1.
    nested : bool or str
        As in `LabelUnion`.
    other : tuple of str or None
        The string of each part's label for all it does not know.
    pull : float
        As in `LabelUnion`.
    """

    kind: ClassVar[str] = "label_union"

    weights: FloatArray = None  # type: ignore[assignment]  # fields of the base have defaults
    nested: bool | str = False
    other: tuple[str | None, ...] = ()
    pull: float = 0.001

    @cached_property
    def tree(self) -> PrefixTree:
        """Prefixes at which the parts' labels go different ways."""
        return prefix_tree(_vocabularies(self.parts, self.other), self.nested)

    def answers(self, rows: pd.DataFrame, *, n_jobs: int = 1) -> Answers:
        """Return the distribution over all labels, and each part's share in it (see `Decoded`)."""
        outputs = [part.predict(rows, n_jobs=n_jobs) for part in self.parts]
        n_rows, n_labels = len(rows), len(self.classes)
        values, shares = np.empty((n_rows, n_labels)), np.empty((n_rows, len(self.parts)))
        leaves = self.tree.leaves[self._order]
        for chunk in self.chunks(n_rows):
            found = self.decode([of_part[chunk] for of_part in outputs], self.weights)
            values[chunk], shares[chunk] = found.nodes[leaves].T, found.shares.T
        calls = np.full(len(self.parts), n_rows, dtype=np.int64)
        return Answers(values if n_labels > 2 else values[:, 1:], shares, calls)

    def chunks(self, n_rows: int) -> list[slice]:
        """Return the rows to decode at once, part by part."""
        size = max(_CELLS // self.tree.n_nodes, 64)
        return [slice(begin, begin + size) for begin in range(0, n_rows, size)]

    def decode(self, outputs: Sequence[FloatArray], weights: FloatArray) -> Decoded:
        """Return the probability of every prefix of the tree, by these weights, from the parts' answers."""
        if len(outputs[0]) == 1:  # NumPy adds up a lone column in another order than columns side by side
            twice = self.decode([np.repeat(of_part, 2, axis=0) for of_part in outputs], weights)
            return Decoded(twice.nodes[:, :1], twice.shares[:, :1])
        known, rest = [], []
        for part, of_part, other in zip(self.parts, outputs, self.other, strict=True):
            values = _all_classes(of_part)
            at = None if other is None else _texts(part).index(other)
            known.append(values if at is None else np.delete(values, at, axis=0))
            rest.append(None if at is None else values[at])
        return decoded(self.tree, known, rest, weights, self.pull)

    @cached_property
    def _order(self) -> npt.NDArray[np.int64]:
        place = {text: at for at, text in enumerate(self.tree.labels)}
        return np.asarray([place[text_of(label)] for label in self.classes], dtype=np.int64)

    def rule_to_state(self) -> State:
        """Return the weights and how labels are read."""
        return {
            "weights": self.weights,
            "nested": self.nested,
            "other": list(self.other),
            "pull": self.pull if np.isfinite(self.pull) else None,
        }

    @classmethod
    def from_rule(cls, common: Mapping[str, Any], rule: Mapping[str, Any]) -> Self:
        """Rebuild from a stored rule; labels and problem must be what the parts make of it."""
        parts = common["parts"]
        nested, other, pull = rule["nested"], rule["other"], rule["pull"]
        if not isinstance(nested, bool | str) or nested == "":
            refuse("'nested' of the union", f"is {nested!r:.40}")
        if not isinstance(other, list) or len(other) != len(parts):
            refuse("'other' of the union", "does not name one label a part")
        pull = np.inf if pull is None else finite_number(pull, "'pull' of the union")
        if pull < LEAST_PULL:
            refuse("'pull' of the union", f"is below {LEAST_PULL}")
        weights = stored_weights(rule["weights"], len(parts))
        try:
            union = _union(parts, weights, nested, tuple(other), pull)
        except ParameterError as error:
            refuse("the union", f"is of parts that make none ({error})")
        said = common["problem"], common["classes"], common["label_dtype"]
        if said != (union.problem, union.classes, union.label_dtype):
            refuse("the labels of the union", "are not those of its parts")
        return cls(**common, weights=weights, nested=nested, other=tuple(other), pull=pull)


class LabelUnion(Assembly):
    """Fitted models of different, overlapping or nested labels as one model of all; nothing is retrained.

    Labels are read as strings, character by character, and the models averaged at every step, as
    `stackml.assembly.decoding` derives. Probabilities sum to 1. With one vocabulary they are the weighted
    mean of the models' own. Each model reads its own columns.

    Parameters
    ----------
    models : mapping of name to model, or sequence of models or (name, model) pairs
        Fitted classifiers.
    weights : sequence of float, or mapping of name to float, optional
        One a model, 0 or more; equal by default. `fit` learns them.
    nested : bool or str
        Whether a label from which another model's labels go on stands for all of those: '250' for '250.01'
        and '250.02'. Its model then abstains from there on. A text such as "." lets labels go on only with
        this text; True with any, so that '42' stands for '428' too.
    other : mapping of name to label, optional
        Label by which a model means whatever it does not know. Its probability goes to those labels, as the
        other models see them; it is no label of the union.
    pull : float
        From 1e-6. How far it counts against a label that a model does not know it. Near 0 such a model
        abstains about the label; with `numpy.inf` it gives the label probability 0, and the union is the
        plain mean.
    n_jobs : int, optional

    Raises
    ------
    ParameterError
        If a model predicts numbers, two labels are spelled alike and differ in type, or a parameter has no
        meaning.
    """

    fitted_: FittedLabelUnion

    def __init__(
        self,
        models: Any,
        weights: Any = None,
        nested: bool | str = False,
        *,
        other: Mapping[str, Any] | None = None,
        pull: float = 0.001,
        n_jobs: int | None = None,
    ) -> None:
        self.models = models
        self.weights = weights
        self.nested = nested
        self.other = other
        self.pull = pull
        self.n_jobs = n_jobs
        self.fitted_ = self._made()

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and make the union anew of them; weights that `fit` learned are lost.

        Raises
        ------
        ParameterError
            As the constructor.
        """
        super().set_params(**params)
        if set(params) - {"n_jobs"}:
            self.fitted_ = self._made()
        return self

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the weights: those of least log loss on these rows.

        Parameters
        ----------
        X : rows that none of the models was fitted on
            A model looks better than it is on its own.
        y : array-like of shape (n_rows,)
            Labels of the union, or prefixes of some ('250').
        sample_weight : array-like of shape (n_rows,), optional

        Raises
        ------
        DataError
            If a label is missing or unknown to all models, or there are no rows.

        Warns
        -----
        StackmlWarning
            If a model seems to have learned from these rows.
        """
        union, frame = self.fitted_, to_frame(X)
        texts = _texts_of(y, len(frame))
        nodes = _nodes_of(union.tree, texts)
        weight = checked_weight(sample_weight, len(frame))
        weight = np.ones(len(frame)) if weight is None else weight
        n_jobs = checked_jobs(self.n_jobs)
        outputs = [part.predict(frame, n_jobs=n_jobs) for part in union.parts]
        _warn_if_seen([model for _, model in named_models(self.models)], union, frame, texts, n_jobs)
        rows = np.arange(len(frame))

        def loss(weights: FloatArray) -> float:
            happened = np.empty(len(frame))
            for chunk in union.chunks(len(frame)):
                found = union.decode([of_part[chunk] for of_part in outputs], weights).nodes
                happened[chunk] = found[nodes[chunk], rows[: found.shape[1]]]
            return -float(weight @ np.log(np.maximum(happened, _FLOOR))) / float(weight.sum())

        weights = weights_of_least_loss(loss, len(union.parts))
        even = np.full(len(weights), 1.0 / len(weights))
        card = {
            "weights": {"rows": len(frame), "log_loss": loss(weights), "log_loss_of_equal": loss(even)},
        }
        self.fitted_ = replace(union, weights=weights, card={**union.card, **card})
        return self

    @classmethod
    def of(cls, fitted: FittedLabelUnion) -> Self:
        """Return the public union around a fitted one."""
        other = {
            part.name: next(label for label in part.model.classes if text_of(label) == text)
            for part, text in zip(fitted.parts, fitted.other, strict=True)
            if text is not None
        }
        made = cls(
            {part.name: part.model for part in fitted.parts},
            fitted.weights.tolist(),
            fitted.nested,
            other=other or None,
            pull=fitted.pull,
        )
        made.fitted_ = fitted
        return made

    def _made(self) -> FittedLabelUnion:
        parts = parts_of(self.models)
        if not isinstance(self.nested, bool | str) or self.nested == "":
            raise ParameterError(
                f"nested={self.nested!r:.40}: give False, True, or the text with which labels go on"
            )
        if not is_number(self.pull) or not self.pull >= LEAST_PULL:
            raise ParameterError(f"pull={self.pull!r:.40}: give a number from {LEAST_PULL}, or numpy.inf")
        weights = checked_weights(self.weights, [part.name for part in parts])
        return _union(parts, weights, self.nested, _others(parts, self.other), float(self.pull))


def _union(
    parts: tuple[Part, ...],
    weights: FloatArray,
    nested: bool | str,
    other: tuple[str | None, ...],
    pull: float,
) -> FittedLabelUnion:
    for part in parts:
        if part.model.problem.is_regression:
            raise ParameterError(f"model '{part.name}' predicts numbers; labels alone can be united")
    for part, text in zip(parts, other, strict=True):
        if text is not None and text not in _texts(part):
            raise ParameterError(
                f"other: model '{part.name}' has no label {text!r}{near_miss(str(text), _texts(part))}; "
                f"its labels: {', '.join(_texts(part)[:20])}"
            )
    labels = same_texts({part.name: part.model.classes for part in parts})
    tree = prefix_tree(_vocabularies(parts, other), nested)
    top = tree.knows[:, tree.first_steps]
    for part, text, known in zip(parts, other, top, strict=True):
        if text is not None and known.all():
            raise ParameterError(
                f"other: model '{part.name}' knows every label that the others know, so {text!r} stands for "
                "none; leave it out of 'other'"
            )
    classes, dtype = labels_of_texts(tree.labels, labels, [part.model.label_dtype for part in parts])
    problem = Problem("binary" if len(classes) == 2 else "multiclass", len(classes))
    return FittedLabelUnion(
        parts, problem, classes, dtype, weights=weights, nested=nested, other=other, pull=pull
    )


def _others(parts: tuple[Part, ...], other: Any) -> tuple[str | None, ...]:
    if other is None:
        return (None,) * len(parts)
    names = [part.name for part in parts]
    if not isinstance(other, Mapping):
        raise ParameterError(
            f"other={other!r:.60}: give a mapping of a model's name to its label for the rest"
        )
    for name in other:
        if name not in names:
            raise ParameterError(f"other: there is no model '{name}'{near_miss(name, names)}")
    return tuple(text_of(other[name]) if name in other else None for name in names)


def _texts(part: Part) -> list[str]:
    return [text_of(label) for label in part.model.classes]


def _vocabularies(parts: tuple[Part, ...], other: tuple[str | None, ...]) -> list[list[str]]:
    return [[text for text in _texts(part) if text != rest] for part, rest in zip(parts, other, strict=True)]


def _all_classes(outputs: FloatArray) -> FloatArray:
    """Return a part's probabilities, one row a class; columns sum to 1 to the precision of float64."""
    values = outputs.T.astype(np.float64)
    if len(values) == 1:
        return np.concatenate([1.0 - values, values])
    return values / values.sum(axis=0)


def _texts_of(y: Any, n_rows: int) -> list[str]:
    labels = as_column(y, "y", n_rows)
    refuse_missing(labels, "y", "a row without a label tells nothing; drop it")
    return [text_of(label) for label in labels.tolist()]


def _nodes_of(tree: PrefixTree, texts: Sequence[str]) -> npt.NDArray[np.int64]:
    # A prefix that also is a label of its own means that label.
    nodes = {**tree.prefixes, **dict(zip(tree.labels, tree.leaves.tolist(), strict=True))}
    strange = [text for text in texts if text not in nodes]
    if strange:
        raise DataError(
            f"y: no model knows the label {strange[0]!r}{near_miss(strange[0], nodes)}; {len(strange)} of "
            f"{len(texts)} rows have such labels; leave those rows out"
        )
    return np.asarray([nodes[text] for text in texts], dtype=np.int64)


def _warn_if_seen(
    models: Sequence[Any], union: FittedLabelUnion, rows: pd.DataFrame, texts: Sequence[str], n_jobs: int
) -> None:
    for model, part, other in zip(models, union.parts, union.other, strict=True):
        why = None
        if isinstance(part.model, FittedStack):
            why = among_its_own(model, part.read(rows))
        if why is None and other is None:  # rows of the rest have other labels here than in its fit
            why = too_good_leaf(part.model, rows, texts, n_jobs)
        if why is not None:
            warn_of_seen(part.name, why, out_of_fold=False, stacklevel=3)
