"""Writing to a run: in few calls, within MLflow's limits, and always ended."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from typing import Any

from stackml.foundation.errors import TrackingError
from stackml.tracking.client import asking
from stackml.tracking.redaction import without_credentials, without_secrets
from stackml.tracking.store import Store

PARENT = "mlflow.parentRunId"
ERROR = "error"
_PAIRS_A_CALL = 100
_METRICS_A_CALL = 1000
_PARAM_LENGTH = 6000
_TAG_LENGTH = 8000
_KEY_LENGTH = 250
_NOT_IN_KEYS = re.compile(r"[^\w\-. /:]+")


@dataclass(frozen=True)
class Measure:
    """A number to log.

    Attributes
    ----------
    name : str
    value : float
        What is not finite is not logged.
    step : int
        The fold, where the number belongs to one.
    """

    name: str
    value: float
    step: int = 0


@contextmanager
def running(store: Store, name: str, tags: Mapping[str, Any], parent: str | None = None) -> Iterator[str]:
    """Open a run and give its id; it ends FINISHED, or FAILED if anything is raised."""
    if store.experiment_id is None:
        raise TrackingError("the store was opened without an experiment; connect(..., experiment=NAME)")
    shown = _tags(tags) | ({PARENT: parent} if parent else {})
    with asking(f"cannot start the run '{name}'", store.tracking_uri):
        run_id = str(store.client.create_run(store.experiment_id, run_name=name, tags=shown).info.run_id)
    try:
        yield run_id
    except BaseException as error:
        with suppress(Exception):  # the store may be what failed; the first error counts
            store.client.set_tag(run_id, ERROR, error_line(error))
            end_run(store, run_id, "FAILED")
        raise
    # A run whose learner failed was ended so by whoever found out.
    with asking(f"cannot end the run '{name}'", store.tracking_uri):
        if store.client.get_run(run_id).info.status == "RUNNING":
            end_run(store, run_id, "FINISHED")


def end_run(store: Store, run_id: str, status: str) -> None:
    """End a run without a word: MLflow prints a server's address as it was given, password and all."""
    with redirect_stdout(StringIO()):
        store.client.set_terminated(run_id, status)


def error_line(error: BaseException | str) -> str:
    """Return the first line of an error, without credentials."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    lines = text.strip().splitlines() or [type(error).__name__]
    return without_credentials(lines[0])[:_TAG_LENGTH]


def write_params(store: Store, run_id: str, params: Mapping[str, Any]) -> None:
    """Log parameters as flat text; keys that look like secrets are left out."""
    from mlflow.entities import Param

    pairs = [Param(_key(k), v[:_PARAM_LENGTH]) for k, v in without_secrets(params).items()]
    for chunk in _chunks(pairs, _PAIRS_A_CALL):
        store.client.log_batch(run_id, params=chunk)


def write_metrics(store: Store, run_id: str, measures: Sequence[Measure], **of: str) -> None:
    """Log numbers, skipping those that are not finite.

    Parameters
    ----------
    store : Store
    run_id : str
    measures : sequence of Measure
    **of : str
        ``model_id``, ``dataset_name`` and ``dataset_digest`` the numbers belong to.
    """
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [
        Metric(_key(m.name), float(m.value), now, m.step, run_id=run_id, **of)
        for m in measures
        if math.isfinite(m.value)
    ]
    for chunk in _chunks(metrics, _METRICS_A_CALL):
        store.client.log_batch(run_id, metrics=chunk)


def _tags(tags: Mapping[str, Any]) -> dict[str, str]:
    return {_key(k): v[:_TAG_LENGTH] for k, v in without_secrets(tags).items()}


def _key(name: str) -> str:
    return _NOT_IN_KEYS.sub("_", name).strip("_/ ")[:_KEY_LENGTH] or "unnamed"


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
