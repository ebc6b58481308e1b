"""Champion or challenger: a paired test on the same held-out rows, and promotion by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stackml.foundation.errors import StackmlError
from stackml.metrics import Difference, Metric, paired_difference
from stackml.tracking.flavor import load_model
from stackml.tracking.registry import CHALLENGER, CHAMPION, ModelVersion, champion, set_alias
from stackml.tracking.registry import promote as promote_version
from stackml.tracking.store import Store, connect
from stackml.workflow.held_out import STACK, HeldOut, Model, shown
from stackml.workflow.judging import RESAMPLES
from stackml.workflow.verdicts import SAME_ROWS, spoken

TABLE_TAG = "stackml.table"


@dataclass(frozen=True)
class Standing:
    """Where a new version stands.

    Attributes
    ----------
    alias : {"champion", "challenger"}
    reason : str
        A sentence.
    before : int or None
        Version of the champion it was held against.
    difference : Difference or None
        Above 0 where the new version is better; None where the two could not be compared.
    """

    alias: str
    reason: str
    before: int | None = None
    difference: Difference | None = None


def decide(
    store: Store,
    name: str,
    version: int,
    stack: Model,
    held_out: HeldOut,
    frame: pd.DataFrame,
    metric: Metric,
    *,
    table: str = "",
    seed: int = 0,
) -> Standing:
    """Hold a new version against the present champion and give it its alias.

    Parameters
    ----------
    store : Store
    name : str
        Registered model.
    version : int
        The new one.
    stack : StackClassifier, StackRegressor or Assembly
        The new one, fitted.
    held_out : HeldOut
        Rows the new version never saw, and its predictions.
    frame : DataFrame
        The features of those rows.
    metric : Metric
    table : str
        Digest of the rows and their division; a champion of another one may have seen these rows.
    seed : int

    Raises
    ------
    TrackingError
        If the registry cannot be asked or changed. A champion that cannot be loaded or scored
        raises nothing: the new version is its challenger, and the reason says why.
    """
    present = champion(store, name)
    standing = (
        Standing(CHAMPION, f"version {version} of '{name}' is the champion: there was none before")
        if present is None
        else _against(store, present, version, stack, held_out, frame, metric, table, seed)
    )
    if standing.alias == CHAMPION:
        promote_version(store, name, version)
    else:
        set_alias(store, name, "challenger", version)
    return standing


def promote(
    name: str, version: int, *, tracking_uri: str | None = None, folder: Path | None = None
) -> ModelVersion:
    """Make a version the champion by hand; the one before keeps the alias ``previous``.

    Raises
    ------
    TrackingError
        If store, name or version is unknown; the message lists what there is.
    """
    return promote_version(connect(tracking_uri, folder=folder, create=False), name, version)


def _against(
    store: Store,
    present: ModelVersion,
    version: int,
    stack: Model,
    held_out: HeldOut,
    frame: pd.DataFrame,
    metric: Metric,
    table: str,
    seed: int,
) -> Standing:
    who = f"the champion (version {present.version})"
    try:
        theirs = load_model(f"models:/{present.name}/{present.version}", store=store)
        _same_target(theirs, stack)
        prediction = shown(theirs, frame)
    except StackmlError as error:
        reason = str(error).splitlines()[0].split("; ")[0]
        return Standing(
            CHALLENGER,
            f"version {version} is a challenger: {who} cannot be scored on these rows ({reason}); "
            f"to prefer the new one: stackml promote {present.name} {version}",
            present.version,
        )
    found = paired_difference(
        metric,
        held_out.y,
        held_out.predictions[STACK],
        prediction,
        groups=held_out.unit,
        n_resamples=RESAMPLES,
        seed=seed,
    )
    clean = bool(table) and present.tags.get(TABLE_TAG) == table
    seen = (
        ""
        if clean
        else f"; version {present.version} was trained on other rows and may have seen some of these"
    )
    alias = CHAMPION if found.a_is_better else CHALLENGER
    said = "the champion" if found.a_is_better else "a challenger"
    whom = f"version {present.version}" if found.a_is_better else who
    verdict = spoken("it", whom, SAME_ROWS, metric.name, found)
    reason = f"version {version} is {said}: {verdict}{seen}"
    return Standing(alias, reason, present.version, found)


def _same_target(theirs: Model, ours: Model) -> None:
    regresses, wanted_too = (model.fitted_.problem.is_regression for model in (theirs, ours))
    if regresses != wanted_too:
        raise StackmlError(f"it predicts {'numbers' if regresses else 'classes'}")
    if regresses:
        return
    found, wanted = theirs.classes_.tolist(), ours.classes_.tolist()
    if found != wanted:
        raise StackmlError(f"its classes are {found}, not {wanted}")
