"""A stored stack takes up new rows, and goes live only where it beats the old one on later rows."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stackml.foundation.errors import DataError, ParameterError
from stackml.metrics import default_metric, get_metric, paired_difference
from stackml.stack.estimator import BaseStack
from stackml.tracking.client import asking
from stackml.tracking.flavor import log_model
from stackml.tracking.store import Store
from stackml.workflow.held_out import STACK, HeldOut, Stack, codes_of, shown
from stackml.workflow.judging import RESAMPLES
from stackml.workflow.labelled import labelled_rows, labels_of
from stackml.workflow.promotion import Standing, decide
from stackml.workflow.verdicts import SAME_ROWS, spoken

LATER_SHARE = 0.3  # of the rows, the last ones, on which the two are compared
_LEAST_ROWS = 20


@dataclass(frozen=True, eq=False)
class Challenge:
    """An updated stack and where it stands.

    Attributes
    ----------
    stack : StackClassifier or StackRegressor
        Updated with the earlier rows; the one given is left as it was.
    record : dict
        What the update tried and took.
    standing : Standing
        "champion" where it beats the old one on the later rows.
    learned, compared : int
        Rows it was updated with, and rows both were scored on.
    """

    stack: Stack
    record: dict[str, Any]
    standing: Standing
    learned: int
    compared: int


def challenge(
    stack: Stack,
    data: str | Path | pd.DataFrame | None = None,
    *,
    dataset: str | None = None,
    target: str | None = None,
    time: str | None = None,
    ways: str | Sequence[str] = "auto",
    share: float = LATER_SHARE,
    name: str | None = None,
    store: Store | None = None,
    seed: int = 0,
) -> Challenge:
    """Update a copy of a stack with the earlier rows and hold it against the stack on the later ones.

    Parameters
    ----------
    stack : StackClassifier or StackRegressor
        The champion.
    data, dataset, target
        Labelled rows, as `evaluate` takes them.
    time : str, optional
        Column of the order of rows; by default they are in order.
    ways : str or sequence of str
        As in `stack.update`.
    share : float
        Of the rows, the last ones, that nothing is learned from; within (0, 1).
    name : str, optional
        Registered model: the updated stack becomes its next version, and its champion or challenger.
    store : Store, optional
        Where `name` is registered.
    seed : int

    Raises
    ------
    ParameterError
        If `share` has no meaning, or the model is no stack.
    DataError, SchemaError
        If rows cannot be used, or are too few to be compared on.
    """
    if not 0 < share < 1:
        raise ParameterError(f"share={share!r}: give a share of the rows between 0 and 1")
    if not isinstance(stack, BaseStack):
        raise ParameterError(
            f"a {type(stack).__name__} takes up no new rows itself; update the stacks it is made of"
        )
    about: Mapping[str, Any] = stack.fitted_.card.get("training", {})
    rows = labelled_rows(data, dataset, target, about)
    frame, labels = rows.features, labels_of(rows, stack, None, about.get("positive"))
    if time is not None:
        if time not in frame.columns:
            raise ParameterError(f"the rows have no column '{time}' for time")
        order = np.argsort(frame[time].to_numpy(), kind="stable")
        frame, labels = frame.iloc[order], labels[order]
    n_later = round(share * len(frame))
    if min(n_later, len(frame) - n_later) < _LEAST_ROWS:
        raise DataError(
            f"{len(frame)} rows are too few: {_LEAST_ROWS} or more are needed to learn from, and as "
            "many later ones to compare on"
        )
    cut = len(frame) - n_later
    updated = copy.deepcopy(stack)
    updated.update(frame[:cut], labels[:cut], time=time, ways=ways)
    record = updated.fitted_.card["updates"][-1]
    problem = stack.fitted_.problem.kind
    y, _ = codes_of(stack, labels[cut:], problem)
    later = frame[cut:].reset_index(drop=True)
    said = {STACK: shown(updated, later)}
    held_out = HeldOut(problem, np.arange(cut, len(frame)), y, None, said, None)
    metric = get_metric(str(stack.fitted_.card.get("metric") or default_metric(problem).name), problem)
    if name is not None and store is not None:
        version = _registered(store, name, updated)
        standing = decide(store, name, version, updated, held_out, later, metric, seed=seed)
    else:
        found = paired_difference(
            metric, y, said[STACK], shown(stack, later), n_resamples=RESAMPLES, seed=seed
        )
        alias = "champion" if found.a_is_better else "challenger"
        verdict = spoken("the updated stack", "the old one", SAME_ROWS, metric.name, found)
        standing = Standing(alias, verdict, None, found)
    return Challenge(updated, record, standing, cut, n_later)


def _registered(store: Store, name: str, stack: Stack) -> int:
    """Log a stack in a run of its own and return its version of a registered name."""
    with asking(f"cannot log an update of '{name}'", store.tracking_uri, "check the store and its disk"):
        run_id = store.client.create_run(store.experiment_id or "0", run_name="update").info.run_id
        info = log_model(stack, registered_model_name=name, run_id=run_id, store=store)
        store.client.set_terminated(run_id)
    return int(info.registered_model_version or 0)
