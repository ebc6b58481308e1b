"""One training as one MLflow run: what was asked for, what was seen, what came out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from stackml.foundation.errors import TrackingError
from stackml.tracking.client import asking
from stackml.tracking.flavor import log_model
from stackml.tracking.learner_runs import learner_records, log_learner
from stackml.tracking.redaction import scrubbed, without_credentials
from stackml.tracking.registry import register
from stackml.tracking.store import Store
from stackml.tracking.writing import Measure, running, write_metrics, write_params

if TYPE_CHECKING:
    from stackml.stack.estimators import StackClassifier, StackRegressor

Score = tuple[float, float | None, float | None]
MODEL = "stack"
_DIGEST_LENGTH = 36


@dataclass(frozen=True)
class DatasetUse:
    """Rows a training used.

    Attributes
    ----------
    name : str
    digest : str
        Content digest; its first 36 characters are kept.
    rows : int
    context : {"training", "held_out"}
    source : str
        Path or address; credentials are removed.
    columns : int, optional
    """

    name: str
    digest: str
    rows: int
    context: Literal["training", "held_out"]
    source: str = ""
    columns: int | None = None


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """Everything there is to say about one training.

    Attributes
    ----------
    pipeline : str
        Name of the pipeline, and of the run unless `run_name` is given.
    stack : StackClassifier or StackRegressor
        Fitted; its leaderboard, plan and out-of-fold predictions are logged.
    params : mapping
        The resolved specification; nested keys are joined by dots, secrets left out.
    metrics : mapping of str to (value, low, high)
        Scores on rows never seen; None where there is no interval.
    datasets : sequence of DatasetUse
    oof : DataFrame, optional
        In place of the stack's own, for instance with row ids and the target beside it.
    texts : mapping of str to str
        Artifact path to its text: the pipeline file, the report.
    figures : sequence of Path
        Files copied to ``figures/``.
    input_example : DataFrame, optional
    tags : mapping
    run_name : str, optional
    register_as : str, optional
        Register the model under this name.
    """

    pipeline: str
    stack: StackClassifier | StackRegressor
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Score] = field(default_factory=dict)
    datasets: Sequence[DatasetUse] = ()
    oof: pd.DataFrame | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    figures: Sequence[Path] = ()
    input_example: pd.DataFrame | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)
    run_name: str | None = None
    register_as: str | None = None


@dataclass(frozen=True)
class LoggedRun:
    """Where a training was written.

    Attributes
    ----------
    run_id : str
    model_uri : str
        ``models:/m-...``, the logged model.
    version : int, optional
        In the registry, where it was registered.
    children : dict of str to str
        Run ids of the learners; ``name (layer 2)`` above the first layer.
    """

    run_id: str
    model_uri: str
    version: int | None
    children: dict[str, str]


def log_training(store: Store, record: TrainingRecord) -> LoggedRun:
    """Write a training: a parent run, a child run for each learner, the model.

    Raises
    ------
    TrackingError
        If the store cannot take it. The run is FAILED then, never left RUNNING.
    """
    tags = {"stackml.pipeline": record.pipeline, **record.tags}
    with (
        running(store, record.run_name or record.pipeline, tags) as run_id,
        asking("cannot write the run", store.tracking_uri, "check the store and its disk"),
    ):
        write_params(store, run_id, record.params)
        _write_datasets(store, run_id, record.datasets)
        children = _write_learners(store, run_id, record)
        _write_artifacts(store, run_id, record)
        info = log_model(
            record.stack,
            MODEL,
            input_example=record.input_example,
            metadata={"pipeline": record.pipeline},
            params=record.params,
            run_id=run_id,
            store=store,
        )
        _write_scores(store, run_id, record, info.model_id)
        version = None
        if record.register_as is not None:
            version = register(store, record.register_as, info, run_id, record.tags)
    return LoggedRun(run_id, info.model_uri, version, children)


def _write_learners(store: Store, run_id: str, record: TrainingRecord) -> dict[str, str]:
    children = {}
    for one in learner_records(record.stack):
        name = one.name if one.layer == 1 else f"{one.name} (layer {one.layer})"
        children[name] = log_learner(store, one, run_id)
    return children


def _write_datasets(store: Store, run_id: str, datasets: Sequence[DatasetUse]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(
                name=use.name,
                digest=use.digest[:_DIGEST_LENGTH],
                source_type="local",
                source=json.dumps({"uri": without_credentials(use.source)}),
                profile=json.dumps({"num_rows": use.rows, "num_columns": use.columns}),
            ),
            [InputTag("mlflow.data.context", use.context)],
        )
        for use in datasets
    ]
    if inputs:
        store.client.log_inputs(run_id, inputs)


def _write_scores(store: Store, run_id: str, record: TrainingRecord, model_id: str) -> None:
    of = {"model_id": model_id}
    held_out = [use for use in record.datasets if use.context == "held_out"]
    if len(held_out) == 1:
        of |= {"dataset_name": held_out[0].name, "dataset_digest": held_out[0].digest[:_DIGEST_LENGTH]}
    measures = []
    for name, (value, low, high) in record.metrics.items():
        ends = {name: value, f"{name}_low": low, f"{name}_high": high}
        measures += [Measure(key, float(number)) for key, number in ends.items() if number is not None]
    write_metrics(store, run_id, measures, **of)


def _write_artifacts(store: Store, run_id: str, record: TrainingRecord) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        stack = record.stack
        (folder / "plan.json").write_text(json.dumps(stack.plan_, indent=1), encoding="utf-8")
        stack.leaderboard_.to_csv(folder / "leaderboard.csv", index=False)
        oof = getattr(stack, "oof_", None) if record.oof is None else record.oof
        if oof is not None:
            oof.to_parquet(folder / "oof.parquet")
        for path, text in record.texts.items():
            target = _inside(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(scrubbed(text, path), encoding="utf-8")
        for figure in record.figures:
            (folder / "figures").mkdir(exist_ok=True)
            shutil.copy(figure, folder / "figures" / Path(figure).name)
        store.client.log_artifacts(run_id, str(folder))


def _inside(folder: Path, path: str) -> Path:
    target = (folder / path).resolve()
    if not target.is_relative_to(folder.resolve()) or target == folder.resolve():
        raise TrackingError(f"the artifact path '{path}' leads out of the run; give a relative path")
    return target
