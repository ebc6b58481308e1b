"""The main job: from a pipeline to a stored, tracked stack and plain words on how good it is."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from stackml.foundation.digest import digest
from stackml.foundation.errors import StackmlError, StackmlWarning
from stackml.foundation.progress import Event, Listener, silent
from stackml.learners.catalog import LEARNERS, PRESETS
from stackml.splitting.base import Folds
from stackml.stack import StackClassifier, StackRegressor
from stackml.workflow.deciding import decision_table, plain_rows
from stackml.workflow.held_out import STACK, HeldOut, Stack, predict_held_out
from stackml.workflow.judging import Scored, judge, metrics_of
from stackml.workflow.models import PipelineSpec
from stackml.workflow.recording import HELD_OUT_FILE, Recorded, record
from stackml.workflow.rows import Rows, divide, load_rows
from stackml.workflow.spec import apply_sets
from stackml.workflow.verdicts import Versus, verdicts


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training left behind.

    Attributes
    ----------
    spec : PipelineSpec
        As it ran: preset and time limit given on the call are in it.
    dataset : str
    leaderboard : DataFrame
        Out-of-fold scores, one row a learner and one for the stack.
    held_out : list of Scored
        Metrics on rows nothing was learned from.
    versus : list of Versus
        The stack against its best learner and the plain mean, paired, in every metric.
    verdicts : list of str
        The same in sentences, in the primary metric.
    decisions : DataFrame
        Thresholds and their effect on held-out rows; empty unless the target is binary.
    predictions : DataFrame
        Held-out rows with every prediction.
    stack : StackClassifier or StackRegressor
        Compacted.
    stack_path : Path
        The stored stack.
    run_id, model_uri, registered_name, alias, tracking_uri : str or None
    version : int or None
        Where it is tracked; None without tracking. `alias` is "champion" or "challenger".
    seconds : float
    fits_done, fits_cached : int
        Fits that ran, and fits taken from an interrupted run.
    notes : list of str
        What a person should know.
    """

    spec: PipelineSpec
    dataset: str
    leaderboard: pd.DataFrame
    held_out: list[Scored]
    versus: list[Versus]
    verdicts: list[str]
    decisions: pd.DataFrame
    predictions: pd.DataFrame
    stack: Stack
    stack_path: Path
    n_train: int
    n_held_out: int
    run_id: str | None = None
    model_uri: str | None = None
    registered_name: str | None = None
    version: int | None = None
    alias: str | None = None
    tracking_uri: str | None = None
    seconds: float = 0.0
    fits_done: int = 0
    fits_cached: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass
class _Tally:
    """Passes events on and counts fits."""

    listener: Listener
    done: int = 0
    cached: int = 0

    def __call__(self, event: Event) -> None:
        self.done += event.kind == "task_done"
        self.cached += event.kind == "task_cached"
        self.listener(event)

    def stage(self, message: str) -> None:
        self.listener(Event("stage", message))


def train(
    spec: PipelineSpec,
    *,
    dataset: str | None = None,
    preset: str | None = None,
    time_limit: float | None = None,
    tracking_uri: str | None = None,
    resume: bool = False,
    folder: Path | None = None,
    n_jobs: int | None = None,
    listener: Listener = silent,
) -> TrainingResult:
    """Train a pipeline.

    Rows are held out first and never learned from. The stack is fitted on the others, scored on
    the held-out ones beside its best learner and the plain mean, stored under
    ``runs/PIPELINE/``, and tracked in MLflow unless the spec says otherwise.

    Parameters
    ----------
    spec : PipelineSpec
    dataset : str, optional
        A table of the pipeline; its default one without.
    preset : str, optional
        Learners in place of the spec's.
    time_limit : float, optional
        Seconds of the fit, in place of the spec's.
    tracking_uri : str, optional
        In place of the spec's.
    resume : bool
        Take finished fits from an interrupted run of the same pipeline and rows.
    folder : Path, optional
        The project's folder; the working folder by default.
    n_jobs : int, optional
        Fits at once; all cores by default. Changes no result.
    listener : callable
        Hears progress events.

    Raises
    ------
    SpecError
        If spec, dataset and split do not go together.
    DataError, SplitError, FitError, ParameterError, TrackingError
        From the rooms below, each with what to do.
    """
    started = perf_counter()
    folder = (Path.cwd() if folder is None else Path(folder)).resolve()
    spec = _with_call(spec, preset, time_limit)
    _check_writable(folder / "runs" / spec.name)
    tally = _Tally(listener)
    tally.stage("loading rows")
    rows = load_rows(spec, dataset, folder)
    metrics = metrics_of((spec.primary_metric, *spec.metrics), rows.problem, spec.name)
    outer = divide(rows, spec)
    with _noted() as heard:
        stack = _fit(rows, outer, spec, _cache(spec, rows, folder, resume), n_jobs, tally)
        tally.stage("scoring held-out rows")
        held_out = predict_held_out(stack, rows, outer.folds[0].held_out)
    judged = judge(held_out, metrics, spec.seed)
    result = TrainingResult(
        spec=spec,
        dataset=rows.name,
        leaderboard=stack.leaderboard_,
        held_out=judged.scores,
        versus=judged.versus,
        verdicts=verdicts([v for v in judged.versus if v.metric == spec.primary_metric], held_out.makeup),
        decisions=_decisions(stack, rows, outer, held_out, spec),
        predictions=held_out.to_frame(),
        stack=stack,
        stack_path=_new_run(folder, spec) / f"{spec.name}.stack",
        n_train=len(outer.folds[0].train),
        n_held_out=len(held_out.row),
        fits_done=tally.done,
        fits_cached=tally.cached,
        notes=[*_notes(stack, rows, outer, spec), *held_out.notes, *heard],
    )
    return _kept(result, rows, outer, held_out, tracking_uri, folder, tally, started)


def _kept(
    result: TrainingResult,
    rows: Rows,
    outer: Folds,
    held_out: HeldOut,
    tracking_uri: str | None,
    folder: Path,
    tally: _Tally,
    started: float,
) -> TrainingResult:
    """Store and track; a stack that is stored is not lost when tracking fails."""
    tally.stage("storing the stack")
    stack = result.stack
    # Smaller already, but with its training rows until each learner's folds are tracked.
    stack.fitted_ = stack.fitted_.compacted().with_card(_card(result, rows))
    stack.save(result.stack_path)
    result.predictions.to_parquet(result.stack_path.parent / HELD_OUT_FILE, index=False)
    result = replace(result, seconds=perf_counter() - started)
    if not result.spec.tracking.enabled:
        stack.compact(smallest=False, refit=False)  # lets go of the rows alone
        return result
    tally.stage("writing to MLflow")
    try:
        kept: Recorded = record(result, rows, outer.folds[0].train, held_out, tracking_uri, folder)
    except StackmlError as error:
        raise type(error)(f"{error} (the stack itself is stored: {result.stack_path})") from error
    stack.compact(smallest=False, refit=False)  # lets go of the rows alone
    return replace(
        result,
        run_id=kept.run_id,
        model_uri=kept.model_uri,
        registered_name=kept.registered_name,
        version=kept.version,
        alias=kept.alias,
        tracking_uri=kept.tracking_uri,
        seconds=perf_counter() - started,
        notes=[*result.notes, *kept.notes],
    )


def _card(result: TrainingResult, rows: Rows) -> dict[str, Any]:
    """Return the stack's card with what evaluating it on other rows needs."""
    training = {
        "pipeline": result.spec.name,
        "dataset": rows.name,
        "target": rows.target,
        "positive": rows.positive,
        "unit": rows.unit,
        "metrics": list(dict.fromkeys((result.spec.primary_metric, *result.spec.metrics))),
        "n_train": result.n_train,
        "n_held_out": result.n_held_out,
        "verdicts": result.verdicts,
        "decisions": plain_rows(result.decisions),
    }
    return {**result.stack.fitted_.card, "training": training}


def _with_call(spec: PipelineSpec, preset: str | None, time_limit: float | None) -> PipelineSpec:
    given = {"preset": ("stack.learners", preset), "time_limit": ("stack.time_limit", time_limit)}
    options = {
        f"{path}={value}": f"{name}={value!r}" for name, (path, value) in given.items() if value is not None
    }
    return apply_sets(spec, list(options), options=options)


def _fit(
    rows: Rows, outer: Folds, spec: PipelineSpec, cache: Path, n_jobs: int | None, tally: _Tally
) -> Stack:
    frame, y = rows.take(outer.folds[0].train)
    of = StackRegressor if rows.problem == "regression" else StackClassifier
    stack = of(
        learners=spec.stack.wanted(),
        combiner=spec.stack.combiner,
        metric=spec.primary_metric,
        layers=spec.stack.layers,
        folds=spec.split.folds,
        passthrough=spec.stack.passthrough,
        calibration=spec.stack.calibration,
        schema=rows.schema,
        embargo=spec.split.embargo if rows.time is not None else 0.0,
        strict=spec.stack.strict,
        time_limit=spec.stack.time_limit,
        cache_dir=cache,
        n_jobs=n_jobs,
        random_state=spec.seed,
        verbose=tally,
    )
    fitted: Stack = stack.fit(frame, y, groups=rows.group, time=rows.time)
    return fitted


def _cache(spec: PipelineSpec, rows: Rows, folder: Path, resume: bool) -> Path:
    """Return the folder of finished fits; entries are found by content, so an old one cannot mislead."""
    key = digest(spec.name, rows.name, spec.seed, spec.n_rows, spec.split.model_dump(mode="json"))[:12]
    cache = folder / "runs" / spec.name / "cache" / f"{rows.name}-{key}"
    if not resume:
        shutil.rmtree(cache, ignore_errors=True)
    return cache


def _check_writable(runs: Path) -> None:
    """Raise before the work begins where its result could not be stored."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        writable = os.access(runs, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise StackmlError(
            f"the stack could not be stored: '{runs}' cannot be written to; work in another folder"
        )


def _new_run(folder: Path, spec: PipelineSpec) -> Path:
    """Make the folder of this run, named by its time; a second one in a second gets a number."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        run = folder / "runs" / spec.name / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            run.mkdir(parents=True)
        except FileExistsError:
            continue
        return run
    raise StackmlError(f"no folder for the run could be made under {folder / 'runs' / spec.name}")


def _decisions(stack: Stack, rows: Rows, outer: Folds, held_out: HeldOut, spec: PipelineSpec) -> pd.DataFrame:
    if rows.problem != "binary" or STACK not in stack.oof_:
        return pd.DataFrame()
    y = rows.y[outer.folds[0].train]
    event = (y == np.unique(y)[-1]).astype(np.int64)
    return decision_table(stack.oof_[STACK].to_numpy(), event, held_out, spec.decision)


def _absent_from_preset(spec: PipelineSpec) -> list[str]:
    preset = spec.stack.learners
    absent = (
        [n for n in PRESETS.get(preset, ()) if not LEARNERS[n].is_installed]
        if isinstance(preset, str)
        else []
    )
    return [
        f"preset '{preset}' goes without '{name}', which is not installed: "
        f"make setup EXTRAS={LEARNERS[name].extra}, or pip install 'stackml[{LEARNERS[name].extra}]'"
        for name in absent
    ]


def _notes(stack: Stack, rows: Rows, outer: Folds, spec: PipelineSpec) -> list[str]:
    notes = list(outer.notes)
    notes += [str(note) for note in stack.plan_.get("notes", [])]
    notes += stack.fitted_.schema.notes()
    board = stack.leaderboard_
    notes += _absent_from_preset(spec)
    for status in ("failed", "skipped"):
        for _, row in board[board["status"] == status].iterrows():
            notes.append(f"learner '{row['name']}' {status}: {row['message']}")
    aside = {rows.group: "group", rows.time: "time"}
    notes += [
        f"column '{name}' divides the rows ({role}); learners do not read it"
        for name, role in aside.items()
        if name
    ]
    return list(dict.fromkeys(notes))


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Collect the package's own warnings as notes; others pass."""
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", StackmlWarning)
        yield heard
    for item in caught:
        if issubclass(item.category, StackmlWarning):
            heard += [str(item.message)] if str(item.message) not in heard else []
        else:
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)
