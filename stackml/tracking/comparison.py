"""Runs side by side: what they scored and in which parameters they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from stackml.foundation.errors import TrackingError, near_miss
from stackml.tracking.client import asking
from stackml.tracking.store import Store

SHORT = 8
_LISTED = 10


def runs_table(store: Store, run_ids: Sequence[str]) -> pd.DataFrame:
    """Return one row for each run.

    Parameters
    ----------
    store : Store
    run_ids : sequence of str
        Run ids, or their first characters where these are enough.

    Returns
    -------
    DataFrame, indexed by the first characters of the run ids
        ``name``, ``status``, ``started`` (UTC), every metric (with ``<metric>_low`` and
        ``<metric>_high`` beside it), and ``param:<name>`` for each parameter that differs.

    Raises
    ------
    TrackingError
        If a run is unknown or its beginning fits more than one.
    """
    runs = [find_run(store, run_id) for run_id in dict.fromkeys(run_ids)]
    if not runs:
        raise TrackingError("no runs to compare; give their ids, or the first characters of them")
    rows = [_row(run) for run in runs]
    params = pd.DataFrame([{f"param:{k}": v for k, v in run.data.params.items()} for run in runs])
    differing = [name for name in sorted(params.columns) if params[name].nunique(dropna=False) > 1]
    metrics = pd.DataFrame([run.data.metrics for run in runs])
    table = pd.concat(
        [pd.DataFrame(rows), metrics[_in_order(list(metrics.columns))], params[differing]], axis=1
    )
    table.index = pd.Index([run.info.run_id[:SHORT] for run in runs], name="run")
    return table


def find_run(store: Store, run_id: str) -> Any:
    """Return the run with an id, or whose id begins so.

    Raises
    ------
    TrackingError
        If there is none or more than one.
    """
    wanted = run_id.strip()
    if not wanted.isalnum():
        raise TrackingError(
            f"'{run_id}' is not a run id; ids are letters and digits, as the MLflow UI shows them"
        )
    with asking(f"cannot look up the run '{wanted}'", store.tracking_uri):
        everywhere = [one.experiment_id for one in store.client.search_experiments()]
        found = store.client.search_runs(
            everywhere, f"attributes.run_id LIKE '{wanted}%'", max_results=_LISTED
        )
        if not found:
            recent = store.client.search_runs(everywhere, max_results=_LISTED)
    exact = [run for run in found if run.info.run_id == wanted]
    if exact or len(found) == 1:
        return (exact or found)[0]
    if found:
        listed = ", ".join(f"{run.info.run_id[: len(wanted) + 4]} ({run.info.run_name})" for run in found)
        raise TrackingError(f"more than one run begins with '{wanted}': {listed}; give more of the id")
    known = [run.info.run_id[: max(SHORT, len(wanted))] for run in recent]
    listed = ", ".join(f"{run.info.run_id[:SHORT]} ({run.info.run_name})" for run in recent) or "none"
    raise TrackingError(
        f"no run begins with '{wanted}' at {store.shown}{near_miss(wanted, known)}; latest runs: {listed}"
    )


def _row(run: Any) -> dict[str, Any]:
    started = pd.to_datetime(run.info.start_time, unit="ms", utc=True)
    return {"name": run.info.run_name, "status": run.info.status, "started": started}


def _in_order(names: list[str]) -> list[str]:
    """Sort metrics by name, each followed by its own interval."""
    ends = {"_low": 1, "_high": 2}

    def place(name: str) -> tuple[str, int]:
        for end, rank in ends.items():
            if name.endswith(end) and name.removesuffix(end) in names:
                return name.removesuffix(end), rank
        return name, 0

    return sorted(names, key=place)
