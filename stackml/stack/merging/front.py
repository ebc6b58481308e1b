"""The front door of merging: several fitted stacks, or the fold models of one, become one model a learner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stackml.foundation.errors import ParameterError, near_miss
from stackml.foundation.threads import one_thread_each
from stackml.learners.base import FittedLearner
from stackml.merging import MERGES, Merge, make_merge
from stackml.merging.base import Floats, checked_weights
from stackml.metrics.catalog import get_metric
from stackml.stack.adopting import adopted
from stackml.stack.arguments import checked_seed
from stackml.stack.bagging import Member
from stackml.stack.estimators import StackClassifier, StackRegressor
from stackml.stack.fitted import FittedStack, Layer, schema_of
from stackml.stack.merging.joining import Judge, Way, kind_of, one_of_many
from stackml.stack.merging.parents import JudgedRows, checked_parents, ending_of
from stackml.stack.merging.record import evaluation, leaderboard_of, metrics_of, plan_of, shown

NAME = "merge"
TREES = "trees"
Stack = StackClassifier | StackRegressor


def merge(
    models: Any,
    method: str | Merge = "linear",
    *,
    weights: Sequence[float] | None = None,
    align: bool = True,
    X: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    random_state: Any = 0,
    **parameters: Any,
) -> Stack:
    """Return one stack with the cost of one, made of several or of the fold models of one.

    Boosters and forests are joined exactly, whatever the method: the merged margin (log odds for classes)
    or forest prediction is the weighted mean of the parents'. Perceptrons and linear models are
    merged by their weights. Nothing is learned again but what `X` and `y` are asked for.

    Parameters
    ----------
    models : StackClassifier, StackRegressor, or list of them
        Fitted, with the same learners on the same columns; their fold models share the weight of their
        stack. Of one stack the fold models of each learner become one; learners of which one
        cannot be made (neighbours, anomaly scores, CatBoost, scikit-learn's) stay as they are.
    method : {"linear", "slerp", "ties", "dare_linear", "dare_ties", "soup", "greedy_soup", "trees"} or Merge
        For models made of weights; "trees" refuses whatever is not joined exactly.
    weights : list of float, optional
        One for each stack, or for each fold model of one stack; equal by default.
    align : bool, default=True
        Put hidden units in the first network's order before merging (Ainsworth et al. 2022). It changes no
        prediction of a parent.
    X, y : table and target, optional
        Rows that no parent learned from. A greedy soup chooses by them; the merged stack, its parents
        and their ensemble are scored on them; combiner and calibrator are fitted on them where those
        of the stacks differ (the combiner as the first stack was told to, a loaded one's with the usual
        parameters), and the record says that its scores are then flattering.
    sample_weight : array-like, optional
        Of those rows.
    random_state : int, default=0
        Of the methods that drop by chance.
    **parameters
        Of the method: ``density`` (share of each difference kept) and ``scale`` of "ties", "dare_linear"
        and "dare_ties".

    Returns
    -------
    StackClassifier or StackRegressor
        Fitted. ``fitted_.card["merge"]`` says what was done, what each parent weighs in every
        prediction, and how the merged stack compares.

    Raises
    ------
    ParameterError
        If models differ (the first difference is named), nothing can be merged, or a parameter has
        no meaning.
    DataError, SchemaError
        If `X` and `y` cannot be read.
    """
    parents = checked_parents(models)
    stacks = [parent.fitted_ for parent in parents]
    seed = checked_seed(random_state)
    way = _way(method, parameters, align, seed)
    _check_learners(stacks, way)
    rows = _rows(stacks[0], X, y, sample_weight)
    if way.merge is not None and way.merge.needs_score and rows is None:
        raise ParameterError(f"merge: method '{way.merge.kind}' judges models on rows; give X= and y=")
    if way.merge is not None and not way.merge.takes_weights and weights is not None:
        raise ParameterError(f"merge: method '{way.merge.kind}' finds its weights itself; leave out weights=")
    shares = checked_weights(weights, len(stacks)) if len(stacks) > 1 else None
    with one_thread_each():
        job = _Job(stacks, shares, weights, way, rows)
        layers, records = job.layers()
        made = replace(stacks[0], layers=layers)
        ending = ending_of(parents, made, rows, seed)
        made = replace(made, combiner=ending.combiner, calibrator=ending.calibrator)
        record: dict[str, Any] = {
            "method": TREES if way.merge is None else way.merge.kind,
            "parents": len(job.ensemble_of),
            "weights": job.parent_weights,
            "learners": records,
            "combiner_from": ending.combiner_from,
            "calibrator_from": ending.calibrator_from,
        }
        if rows is not None:
            together = stacks[0] if len(stacks) == 1 and weights is None else None
            record["evaluation"] = evaluation(made, job.ensemble_of, job.parent_weights, together, rows, seed)
            chosen = way.merge is not None and way.merge.needs_score
            fitted = "rows" in (ending.combiner_from, ending.calibrator_from)
            record["evaluation"]["chosen_on_same_rows"] = chosen or fitted
    card = {
        "metric": metrics_of(made)[0].name,
        "plan": plan_of([f"merged by '{record['method']}' from {record['parents']} parents"]),
        "leaderboard": leaderboard_of(made),
        NAME: record,
    }
    return adopted(type(parents[0])(**parents[0].get_params(deep=False)), made.with_card(card))


def _way(method: str | Merge, parameters: dict[str, Any], align: Any, seed: int) -> Way:
    if not isinstance(align, bool):
        raise ParameterError(f"merge: align={align!r} must be True or False")
    if method == TREES:
        if parameters:
            raise ParameterError(f"merge: method 'trees' has no parameter '{next(iter(parameters))}'")
        return Way(None, align, seed)
    if isinstance(method, str) and method not in MERGES:
        known = (*MERGES, TREES)
        raise ParameterError(
            f"merge: unknown method {method!r:.60}{near_miss(method, known)}; known: {', '.join(known)}"
        )
    return Way(make_merge(method, **parameters), align, seed)


def _rows(stack: FittedStack, X: Any, y: Any, sample_weight: Any) -> JudgedRows | None:
    if (X is None) != (y is None):
        raise ParameterError("merge: X and y go together; give both, or neither")
    if X is None and sample_weight is not None:
        raise ParameterError("merge: sample_weight is of the rows X and y, and there are none; give them")
    return None if X is None else JudgedRows.of(stack, X, y, sample_weight)


def _check_learners(stacks: Sequence[FittedStack], way: Way) -> None:
    """Refuse learners of which one model cannot be made, and stacks in which there is nothing to do."""
    several, something = len(stacks) > 1, False
    for number, layer in enumerate(stacks[0].layers, start=1):
        schema = schema_of(stacks[0], number)
        for member in layer.members:
            kind = kind_of(member.models, schema)
            if way.merge is None and kind != TREES:
                raise ParameterError(
                    f"merge: learner '{member.name}' ('{member.kind}') is no sum of trees; "
                    "choose another method"
                )
            if several and not kind:
                raise ParameterError(
                    f"merge: models of learner '{member.name}' ('{member.kind}') cannot be made one; "
                    "drop the learner from the stacks, or let them predict side by side"
                )
            something |= several or (bool(kind) and len(member.models) > 1)
    if not something:
        raise ParameterError(
            "merge: there is nothing to merge, each learner has one model already or is of a kind of which "
            "one cannot be made; give several stacks, or one of several models a learner (refit=False, or 3)"
        )


@dataclass(frozen=True, eq=False)
class _Job:
    """The stacks to merge and how.

    Attributes
    ----------
    stacks : sequence of FittedStack
    shares : float64 ndarray of shape (n_stacks,), optional
        None where there is one stack.
    weights : sequence of float, optional
        As given, of the fold models of one stack.
    way : Way
    rows : JudgedRows, optional
    """

    stacks: Sequence[FittedStack]
    shares: Floats | None
    weights: Sequence[float] | None
    way: Way
    rows: JudgedRows | None

    def layers(self) -> tuple[tuple[Layer, ...], list[dict[str, Any]]]:
        """Return the layers with one model a learner, and a record of each learner."""
        layers, records = [], []
        table = None if self.rows is None else self.rows.table
        for number, layer in enumerate(self.stacks[0].layers, start=1):
            members = []
            for place in range(len(layer.members)):
                versions = [stack.layers[number - 1].members[place] for stack in self.stacks]
                member, record = self._member(versions, number, table)
                members.append(member)
                records.append({"name": member.name, "layer": number, "kind": member.kind, **record})
            layers.append(Layer(tuple(members)))
        return tuple(layers), records

    def _member(self, versions: Sequence[Member], layer: int, table: Any) -> tuple[Member, dict[str, Any]]:
        first = versions[0]
        models = [model for version in versions for model in version.models]
        schema = schema_of(self.stacks[0], layer)
        if len(models) == 1 or not kind_of(models, schema):
            why = "one model already" if len(models) == 1 else "models of this kind cannot be made one"
            return first, {"method": "kept", "why": why, "models": len(models)}
        judge = self._judge(first) if layer == 1 and table is not None else None
        if judge is None and self.way.merge is not None and self.way.merge.needs_score:
            raise ParameterError(
                "merge: a greedy soup judges learners of the first layer alone; use layers=1"
            )
        shares = self._shares(versions)
        model, record = one_of_many(first.name, models, shares, schema, self.way, judge)
        return replace(first, models=(model,)), {"models": len(models), **record}

    def _shares(self, versions: Sequence[Member]) -> Floats:
        if self.shares is None:
            return checked_weights(self.weights, len(versions[0].models))
        counts = [len(version.models) for version in versions]
        return np.concatenate([np.full(n, s / n) for n, s in zip(counts, self.shares, strict=True)])

    def _judge(self, member: Member) -> Judge:
        rows, stack = self.rows, self.stacks[0]
        assert rows is not None
        named = metrics_of(stack)[0] if member.output_kind != "score" else get_metric("roc_auc")

        def judge(model: FittedLearner) -> float:
            said = shown(model.predict(rows.table).astype(np.float64), stack)
            return named.score(rows.target.values, said, rows.target.weight)

        return judge

    @property
    def ensemble_of(self) -> list[FittedStack]:
        """The parents: the stacks, or one stack's fold models as stacks."""
        if len(self.stacks) > 1:
            return list(self.stacks)
        (stack,) = self.stacks
        n_models = max(len(m.models) for layer in stack.layers for m in layer.members)
        return [
            replace(
                stack,
                layers=tuple(
                    Layer(tuple(replace(m, models=(m.models[i % len(m.models)],)) for m in layer.members))
                    for layer in stack.layers
                ),
            )
            for i in range(n_models)
        ]

    @property
    def parent_weights(self) -> list[float]:
        """What each parent weighs, summing to 1."""
        if self.shares is not None:
            return [float(share) for share in self.shares]
        return [float(share) for share in checked_weights(self.weights, len(self.ensemble_of))]
