"""One booster that learned what a whole stack says, from rows without labels.

A student model is fitted to the predictions of its teacher (Bucila, Caruana and Niculescu-Mizil
2006, https://doi.org/10.1145/1150402.1150464; Hinton, Vinyals and Dean 2015,
https://arxiv.org/abs/1503.02531). Probabilities are taught as they are: each row stands once for
every class, weighted by the class's probability, which gives the cross-entropy to the teacher
and its gradient exactly, by any learner that supports weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.combiners.inputs import FloatArray, Rows
from stackml.combiners.single import FittedSingle
from stackml.decision.identity import FittedIdentity
from stackml.foundation.errors import DataError, FitError, ParameterError, SplitError
from stackml.foundation.randomness import stream
from stackml.foundation.timing import microseconds_per_row
from stackml.learners.base import Learner
from stackml.learners.lightgbm import LightGBMLearner
from stackml.oof.engine import Engine
from stackml.oof.plan import ALL_ROWS, Job
from stackml.oof.result import LearnerRun
from stackml.splitting.base import Fold, Folds
from stackml.splitting.holdout import holdout_split
from stackml.stack.building import Built
from stackml.stack.fitted import FittedStack, Layer, Member
from stackml.stack.leaderboard import STACK
from stackml.stack.pricing import Price, price_of
from stackml.stack.replay import PLAN_VERSION
from stackml.stack.shrinking.inventing import invented_rows
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

NAME = "distilled"
# Large steps and few rounds: the target has no noise of its own to average out, and rounds cost who predicts.
DEFAULT_STUDENT = LightGBMLearner(learning_rate=0.2, max_rounds=300)
_LEAST_ROWS = 20
_ENOUGH = 60_000  # rows, real and invented
_MOST_INVENTED = 4  # a real row
_HELD_OUT = 0.15
_LEAST_SHARE = 0.005  # of a row: a class less probable is not taught, where there are many
_TIMED_ROWS = 2000


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a student is taught.

    Attributes
    ----------
    table : Table
    taught : float64 ndarray of shape (n_rows, n_outputs)
        The teacher's predictions; rows with NaN are left out.
    honest : bool
        Whether they are out of fold, of rows the teacher was fitted on.
    invented : float, optional
        Rows to invent for each real one; by default 4, or fewer where that makes above 60,000,
        and none for three or more classes, whose rounds are dear already.
    target : Target, optional
        With groups and time, which the rows kept aside honour. Its values are not read.
    metric : str
    """

    table: Table
    taught: FloatArray
    honest: bool = False
    invented: float | None = None
    target: Target | None = None
    metric: str = ""


def lesson_of(
    teacher: FittedStack,
    table: Table,
    oof: pd.DataFrame | None,
    built: Built | None,
    invented: float | None = None,
    n_jobs: int = 1,
) -> Lesson:
    """Return what a stack teaches about a table.

    Parameters
    ----------
    teacher : FittedStack
    table : Table
    oof : DataFrame, optional
        The stack's out-of-fold predictions, where the table is the one it was fitted on.
    built : Built, optional
        That fit, while its rows are still there.
    invented : float, optional
        See `Lesson`.
    n_jobs : int

    Raises
    ------
    ParameterError
        If `invented` has no meaning.
    """
    if invented is not None and (
        isinstance(invented, bool) or not isinstance(invented, int | float) or not 0 <= invented <= 100
    ):
        raise ParameterError(
            f"distill: invented={invented!r} must be rows to invent for each real one, "
            "within 0 and 100, or None"
        )
    metric = str(teacher.card.get("metric", ""))
    if oof is None:
        return Lesson(table, teacher.predict(table, n_jobs=n_jobs), False, invented, metric=metric)
    taught = oof.iloc[:, -teacher.problem.n_outputs :].to_numpy(np.float64)
    return Lesson(table, taught, True, invented, None if built is None else built.target, metric)


def distil(teacher: FittedStack, lesson: Lesson, learner: Learner, engine: Engine, seed: int) -> FittedStack:
    """Return a stack of one learner that was fitted to the teacher's predictions.

    The student is fitted twice: without 15 % of the rows, to find its rounds and to say how well it
    agrees with the teacher on rows it has not seen, and then on all of them.

    Parameters
    ----------
    teacher : FittedStack
    lesson : Lesson
    learner : Learner
        It must support weights, if classes are predicted.
    engine : Engine
    seed : int

    Returns
    -------
    FittedStack
        Its card has the entry "distilled": rows, the share of the teacher's variance explained (r2)
        and of its classes agreed on, and microseconds a row of both.

    Raises
    ------
    DataError
        If there are fewer than 20 rows.
    ParameterError
        If the learner cannot be taught.
    FitError
        If it cannot be fitted.
    """
    problem = teacher.problem
    _check_learner(learner, problem)
    rows = np.flatnonzero(np.isfinite(lesson.taught).all(axis=1))
    if len(rows) < _LEAST_ROWS:
        raise DataError(
            f"distill: {len(rows)} row(s) with a prediction of the stack to learn from; give at least "
            f"{_LEAST_ROWS}, and better some thousands"
        )
    held_out = _held_out(lesson, rows, problem, seed)
    table, taught = _widened(teacher, lesson, np.setdiff1d(rows, held_out), engine.n_jobs, seed)
    rows = np.concatenate([rows, np.arange(lesson.table.n_rows, table.n_rows)])
    copies = _copies(taught, rows, problem)
    run = _fitted(_job(table, copies, held_out, problem, seed), learner, engine)
    asked = copies.first_of(held_out)
    student = FittedStack(
        schema=teacher.schema,
        problem=problem,
        classes=teacher.classes,
        layers=(Layer((Member(NAME, run.output_kind, run.oof.shape[1], run.models),)),),
        combiner=FittedSingle((NAME,), (1.0,)),
        calibrator=FittedIdentity(),
        typical=teacher.typical,
        label_dtype=teacher.label_dtype,
    )
    said = run.oof[asked].astype(np.float64)
    return student.with_card(
        _card(teacher, student, lesson, run, said, held_out, table.n_rows - lesson.table.n_rows, seed)
    )


def _widened(
    teacher: FittedStack, lesson: Lesson, rows: Rows, n_jobs: int, seed: int
) -> tuple[Table, FloatArray]:
    """Return the table with rows invented from the given ones below it, and what is taught of all."""
    if lesson.invented is not None:
        n_invented = round(lesson.invented * len(rows))
    elif teacher.problem.kind == "multiclass":
        n_invented = 0
    else:
        n_invented = min(_MOST_INVENTED * len(rows), max(0, _ENOUGH - len(rows)))
    if not n_invented:
        return lesson.table, lesson.taught
    real = lesson.table
    extra = invented_rows(real.take(rows), n_invented, stream(seed, "distill", "invented"))
    table = real.joined(extra)
    return table, np.concatenate([lesson.taught, teacher.predict(extra, n_jobs=n_jobs)])


@dataclass(frozen=True, eq=False)
class _Copies:
    """Rows as they are taught: which row each copy is of, its class or value, and its weight."""

    row: Rows
    values: npt.NDArray[Any]
    weight: FloatArray | None

    def first_of(self, rows: Rows) -> Rows:
        """Return the place of each row's first copy."""
        found, places = np.unique(self.row, return_index=True)
        return places[np.searchsorted(found, rows)].astype(np.int64)


def _copies(taught: FloatArray, rows: Rows, problem: Problem) -> _Copies:
    soft = taught[rows]
    if problem.is_regression:
        return _Copies(rows, soft[:, 0].copy(), None)
    if problem.kind == "binary":
        soft = np.hstack([1 - soft, soft])
    else:
        rare = soft < np.minimum(_LEAST_SHARE, soft.max(axis=1, keepdims=True))
        soft = np.where(rare, 0.0, soft)
        soft /= soft.sum(axis=1, keepdims=True)
    at, codes = np.nonzero(soft > 0)
    return _Copies(rows[at], codes.astype(np.int64), soft[at, codes])


def _held_out(lesson: Lesson, rows: Rows, problem: Problem, seed: int) -> Rows:
    """Return rows to keep aside, whole groups and the latest where these are known."""
    taught = lesson.taught[rows]
    width = taught.shape[1]
    codes = taught.argmax(axis=1) if width > 1 else (taught[:, 0] > 0.5).astype(np.int64)
    known = None if lesson.target is None else lesson.target.take(rows)
    try:
        folds = holdout_split(
            n_rows=len(rows),
            y_codes=taught[:, 0] if problem.is_regression else codes,
            groups=None if known is None else known.groups,
            time=None if known is None else known.time,
            seed=seed,
            share=_HELD_OUT,
        )
    except SplitError:  # one group, or one time
        folds = holdout_split(n_rows=len(rows), y_codes=None, seed=seed, share=_HELD_OUT)
    return rows[np.sort(folds.folds[0].held_out)]


def _job(table: Table, copies: _Copies, held_out: Rows, problem: Problem, seed: int) -> Job:
    aside = np.isin(copies.row, held_out)
    fold = Fold(np.flatnonzero(~aside), np.flatnonzero(aside))
    target = Target(problem, copies.values, copies.weight)
    folds = Folds((fold,), len(copies.row), "plain")
    # A bag would part the copies of a row.
    return Job(table.take(copies.row), target, folds, seed, deals_rows=False)


def _fitted(job: Job, learner: Learner, engine: Engine) -> LearnerRun:
    (run,) = engine.refit(engine.run([(NAME, learner)], job), job).runs
    if not run.knows_all_rows:
        raise FitError(f"distill: the student could not be fitted: {run.message}")
    return run


def _check_learner(learner: Learner, problem: Problem) -> None:
    if problem.kind not in learner.problems or learner.output_kind(problem) == "score":
        raise ParameterError(
            f"distill: learner '{learner.kind}' does not predict a {problem.kind} target; use 'lightgbm'"
        )
    if not problem.is_regression and not learner.supports_weight:
        raise ParameterError(
            f"distill: learner '{learner.kind}' does not support weights, by which probabilities are "
            "taught; use 'lightgbm'"
        )


def _card(
    teacher: FittedStack,
    student: FittedStack,
    lesson: Lesson,
    run: LearnerRun,
    said: FloatArray,
    held_out: Rows,
    n_invented: int,
    seed: int,
) -> dict[str, Any]:
    taught = lesson.taught[held_out]
    sample = lesson.table.take(held_out[:_TIMED_ROWS])
    ask = [partial(stack.predict, sample) for stack in (teacher, student)]
    for once in ask:
        once()  # builds what later calls have
    slow, fast = microseconds_per_row(ask, sample.n_rows)
    record = {
        "of": [m.name for m in teacher.compacted().layers[-1].members],
        "learner": run.learner.kind,
        "rows": int(np.isfinite(lesson.taught).all(axis=1).sum()),
        "held_out": len(held_out),
        "invented": n_invented,
        "taught": "out of fold" if lesson.honest else "predictions",
        "r2": _explained(said, taught),
        "agreement": _agreed(said, taught, teacher.problem),
        "us_per_row": {"teacher": slow, "student": fast},
    }
    return {
        "leaderboard": _board(run, price_of(run)),
        "plan": _plan(run, seed),
        "metric": lesson.metric,
        NAME: record,
    }


def _explained(said: FloatArray, taught: FloatArray) -> float | None:
    spread = float(((taught - taught.mean(axis=0)) ** 2).sum())
    return 1 - float(((said - taught) ** 2).sum()) / spread if spread > 0 else None


def _class(prediction: FloatArray) -> npt.NDArray[np.int64]:
    found = prediction.argmax(axis=1) if prediction.shape[1] > 1 else prediction[:, 0] > 0.5
    return found.astype(np.int64)


def _agreed(said: FloatArray, taught: FloatArray, problem: Problem) -> float | None:
    return None if problem.is_regression else float((_class(said) == _class(taught)).mean())


def _board(run: LearnerRun, price: Price) -> list[dict[str, Any]]:
    row = {
        "name": NAME,
        "kind": run.learner.kind,
        "layer": 1,
        "status": "fitted",
        # Through the out-of-fold predictions of other rows the student knows the label of any row
        # of that table, so its score there would say nothing.
        "score": None,
        "loss": None,
        "weight": 1.0,
        "fit_seconds": round(sum(run.seconds), 3),
        "models": 1,
        "rounds": None if run.refit_rounds[0] is None else float(run.refit_rounds[0]),
        "us_per_row": _known(round(price.us_per_row, 3)),
        "megabytes": _known(round(price.megabytes, 4)),
        "pareto": False,
        "message": "",
    }
    return [{**row, "name": STACK, "kind": "single", "layer": 2, "weight": None, "rounds": None}, row]


def _plan(run: LearnerRun, seed: int) -> dict[str, Any]:
    shown = {"layer": 1, "learner": NAME, "kind": run.learner.kind, "status": "fitted"}
    fits = zip((0, ALL_ROWS), (run.fold_rounds[0], run.refit_rounds[0]), run.seconds, strict=True)
    return {
        "version": PLAN_VERSION,
        "folds": "plain",
        "n_folds": 1,
        "notes": [],
        "seed": seed,
        "strict": False,
        "combiner": "single",
        "fits": [{**shown, "fold": f, "rounds": r, "seconds": round(s, 4)} for f, r, s in fits],
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
