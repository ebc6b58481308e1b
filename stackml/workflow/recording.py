"""A training written to MLflow: run, model, registry, and what a later comparison needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from stackml.foundation.digest import digest
from stackml.metrics import get_metric
from stackml.tracking.client import asking
from stackml.tracking.runs import DatasetUse, LoggedRun, TrainingRecord, log_training
from stackml.tracking.store import Store, connect
from stackml.workflow.held_out import MEAN, STACK, HeldOut
from stackml.workflow.promotion import TABLE_TAG, Standing, decide
from stackml.workflow.rows import Rows

if TYPE_CHECKING:
    from stackml.workflow.training import TrainingResult

HELD_OUT_FILE = "held_out.parquet"
METRIC_TAG = "stackml.metric"
DATASET_TAG = "stackml.dataset"
EXAMPLE_ROWS = 5

Score = tuple[float, float | None, float | None]


@dataclass(frozen=True)
class Recorded:
    """Where a training was written, and how its model stands."""

    run_id: str
    model_uri: str
    registered_name: str
    version: int
    alias: str
    tracking_uri: str
    notes: tuple[str, ...]


def record(
    result: TrainingResult,
    rows: Rows,
    train: npt.NDArray[np.int64],
    held_out: HeldOut,
    tracking_uri: str | None,
    folder: Path,
) -> Recorded:
    """Write a training to its tracking store, register its model and decide on its alias.

    Raises
    ------
    TrackingError
        If the store or the registry cannot take it.
    """
    spec = result.spec
    store = connect(tracking_uri or spec.tracking.uri, folder=folder, experiment=spec.experiment)
    frame, _ = rows.take(held_out.row)
    uses = _uses(rows, train, held_out.row)
    table = digest(*(use.digest for use in uses))[:16]
    logged = log_training(store, _record(result, rows, train, frame, uses, table))
    with asking("cannot write the held-out predictions", store.tracking_uri, "check the store's disk"):
        store.client.log_artifact(logged.run_id, str(result.stack_path.parent / HELD_OUT_FILE))
    assert logged.version is not None
    metric = get_metric(spec.primary_metric)
    name = spec.registered_as(result.dataset)
    standing = decide(
        store,
        name,
        logged.version,
        result.stack,
        held_out,
        frame,
        metric,
        table=table,
        seed=spec.seed,
    )
    _tell(store, logged, standing)
    return Recorded(
        run_id=logged.run_id,
        model_uri=logged.model_uri,
        registered_name=name,
        version=logged.version,
        alias=standing.alias,
        tracking_uri=store.tracking_uri,
        notes=(standing.reason,),
    )


def _record(
    result: TrainingResult,
    rows: Rows,
    train: npt.NDArray[np.int64],
    frame: pd.DataFrame,
    uses: list[DatasetUse],
    table: str,
) -> TrainingRecord:
    spec = result.spec
    oof = result.stack.oof_.reset_index(drop=True)
    oof.insert(0, "row", train)
    oof.insert(1, "y", rows.y[train])
    texts = {
        "pipeline.yaml": yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False),
        "verdicts.txt": "\n".join([*result.verdicts, *result.notes]) + "\n",
    }
    if len(result.decisions):
        texts["decisions.csv"] = result.decisions.to_csv(index=False)
    return TrainingRecord(
        pipeline=spec.name,
        stack=result.stack,
        params=_params(result),
        metrics=dict(_scores(result)),
        datasets=uses,
        oof=oof,
        texts=texts,
        input_example=frame.head(EXAMPLE_ROWS),
        tags={TABLE_TAG: table, METRIC_TAG: spec.primary_metric, DATASET_TAG: result.dataset},
        run_name=f"{spec.name}-{result.stack_path.parent.name}",
        register_as=spec.registered_as(result.dataset),
    )


def _params(result: TrainingResult) -> dict[str, Any]:
    spec = result.spec
    params = spec.model_dump(mode="json", exclude={"datasets", "dataset"})
    params["stack"]["metric"] = spec.primary_metric  # null in the spec stands for the first of `metrics`
    return {"dataset": result.dataset, **params}


def _scores(result: TrainingResult) -> Iterator[tuple[str, Score]]:
    """Give the stack's metrics by their own name, others under who they belong to."""
    best = next((v.other for v in result.versus if v.other != MEAN), None)
    who = {STACK: "", best: "best_learner/", MEAN: "plain_mean/"}
    for scored in result.held_out:
        if scored.name in who:
            yield (
                f"{who[scored.name]}{scored.metric}",
                (scored.value, _known(scored.low), _known(scored.high)),
            )
    for versus in result.versus:
        name = f"gain_over_{who[versus.other].rstrip('/')}/{versus.metric}"
        yield name, (versus.difference.value, _known(versus.difference.low), _known(versus.difference.high))
    board = result.leaderboard
    oof = float(board.loc[board["name"] == STACK, "score"].iloc[0])
    yield f"out_of_fold/{result.spec.primary_metric}", (oof, None, None)
    for row in result.decisions.to_dict(orient="records"):
        rule = str(row["rule"]).replace(" ", "_").replace("%", "percent")
        for key in ("cost", "precision", "recall"):
            if math.isfinite(row[key]):
                yield f"decision/{rule}/{key}", (float(row[key]), None, None)


def _uses(rows: Rows, train: npt.NDArray[np.int64], held_out: npt.NDArray[np.int64]) -> list[DatasetUse]:
    hashes = pd.util.hash_pandas_object(rows.frame, index=False).to_numpy()
    labels = pd.util.hash_pandas_object(pd.Series(rows.y), index=False).to_numpy()

    def use(context: Literal["training", "held_out"], part: npt.NDArray[np.int64]) -> DatasetUse:
        content = digest(hashes[part], labels[part])
        return DatasetUse(rows.name, content, len(part), context, rows.name, rows.frame.shape[1])

    return [use("training", train), use("held_out", held_out)]


def _tell(store: Store, logged: LoggedRun, standing: Standing) -> None:
    with asking("cannot tag the run", store.tracking_uri):
        store.client.set_tag(logged.run_id, "stackml.alias", standing.alias)
        store.client.set_tag(logged.run_id, "stackml.standing", standing.reason)


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def held_out_of(store: Store, run_id: str) -> pd.DataFrame | None:
    """Return the held-out predictions a run logged, or None where it has none."""
    from tempfile import TemporaryDirectory

    with asking("cannot read the held-out predictions", store.tracking_uri), TemporaryDirectory() as folder:
        listed: list[Any] = store.client.list_artifacts(run_id)
        if HELD_OUT_FILE not in [item.path for item in listed]:
            return None
        return pd.read_parquet(store.client.download_artifacts(run_id, HELD_OUT_FILE, folder))
