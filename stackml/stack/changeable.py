"""What changes a fitted stack: learners come and go, it shrinks, it teaches, it meets new rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from stackml.foundation.errors import ParameterError
from stackml.foundation.progress import Listener
from stackml.foundation.progress_bar import listening
from stackml.learners.catalog import resolve_learners
from stackml.metrics.catalog import default_metric, get_metric
from stackml.oof.engine import Engine
from stackml.stack.adopting import adopted
from stackml.stack.arguments import checked_jobs, checked_seed
from stackml.stack.building import Built
from stackml.stack.changing import with_learner, with_replacement, without_learner
from stackml.stack.fitted import FittedStack
from stackml.stack.outside.freezing import check_sources
from stackml.stack.recipe import Recipe
from stackml.stack.shrinking.compacting import compact
from stackml.stack.shrinking.distilling import DEFAULT_STUDENT, NAME, distil, lesson_of
from stackml.stack.updating.receiving import Received, received, recipe_of
from stackml.stack.updating.update import FROZEN, checked_ways, update
from stackml.stack.updating.ways import REFIT_NEW, News
from stackml.tables.table import Table


class Changeable:
    """The changes of a fitted stack; the estimators inherit them."""

    fitted_: FittedStack
    oof_: pd.DataFrame
    n_jobs: int | None
    random_state: Any
    verbose: int | Listener
    _built: Built | None
    _table_digest = ""  # of the rows let go of
    _classes: npt.NDArray[Any]
    _index: pd.Index
    _group_labels: npt.NDArray[Any] | None = None  # of the rows of the fit, as they were given
    _past: Received | None = None  # rows of the fit and of updates since
    _recipe_kept: Recipe | None = None

    def add_learner(self, learner: Any, name: str | None = None) -> Self:
        """Fit one more learner; no other is fitted again, the combiner is chosen anew.

        Parameters
        ----------
        learner : str, (name, estimator) pair, or Learner
        name : str, optional
            Name in the stack; the catalog name by default.

        Raises
        ------
        ParameterError
            If the name is taken, or the stack was loaded from a file and has no training rows.
        """
        built = self._changeable("add_learner")
        spec = (name, learner) if name is not None else learner
        (found,) = resolve_learners([spec], built.target.problem)
        check_sources([found], built.target.problem, self._classes)
        with listening(self.verbose) as listener:
            self._take(with_learner(built, self._classes.tolist(), found, self._engine(listener)))
        return self

    def replace_learner(self, name: str, learner: Any) -> Self:
        """Fit another learner in the place of one; no other is fitted again, the combiner is chosen anew.

        Parameters
        ----------
        name : str
            Of the learner to replace; the new one takes its name.
        learner : str, estimator, or Learner

        Raises
        ------
        ParameterError
            If there is no such learner, or the stack was loaded from a file and has no training rows.
        FitError
            If the new one cannot be fitted; the stack then stays as it was.
        """
        built = self._changeable("replace_learner")
        (found,) = resolve_learners([(name, learner)], built.target.problem)
        check_sources([found], built.target.problem, self._classes)
        with listening(self.verbose) as listener:
            self._take(with_replacement(built, self._classes.tolist(), found, self._engine(listener)))
        return self

    def drop_learner(self, name: str) -> Self:
        """Remove a learner; nothing is fitted again but the combiner.

        Raises
        ------
        ParameterError
            If there is no such learner, it is the last one, or the stack was loaded from a file.
        """
        built = self._changeable("drop_learner")
        with listening(self.verbose) as listener:
            self._take(without_learner(built, self._classes.tolist(), name, self._engine(listener)))
        return self

    def update(
        self,
        X: Any,
        y: Any,
        groups: Any = None,
        time: Any = None,
        sample_weight: Any = None,
        *,
        ways: str | Sequence[str] = "auto",
    ) -> Self:
        """Take up new rows in the way that would have predicted them best, or stay as it is.

        The stack as it is and each way are compared prequentially: each learns from earlier blocks of the
        new rows and predicts the next. The stack changes where a way gains more than one standard
        error by the metric; that way is then gone with all new rows. What was tried is in
        ``fitted_.card["updates"]``. A stack that was loaded can be updated too; it has no old rows.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_columns)
            New rows, in the order in which they came, or with `time`.
        y : array-like of shape (n_rows,)
        groups, time, sample_weight : array-like of shape (n_rows,) or str, optional
            As in `fit`; a column that had the role there is taken by itself.
        ways : "auto", str or sequence of str
            "recalibrate", "reweight" (learners, with forgetting), "continue" (boosters), "refit" (old and
            new rows) and "refit_new" (new rows alone). "auto" tries all; a single name is gone
            without comparing.

        Returns
        -------
        self
            `plan_`, ``oof_`` and ``leaderboard_`` are of the last fit of all learners.

        Raises
        ------
        SchemaError, DataError
            As `predict`; also if `y` holds a class the stack does not know.
        ParameterError
            If there is no such way, or the one named cannot be gone.
        """
        check_is_fitted(self, "fitted_")
        found = checked_ways(ways)
        stack, built, seed = self.fitted_, self._built, checked_seed(self.random_state)
        rows = received(stack, self._classes, X, y, {"group": groups, "time": time, "weight": sample_weight})
        past, recipe = self._past, self._recipe_kept
        if built is not None:
            recipe = built.recipe.of_its_own()
            table = built.sources.table
            past = past or Received(table, table, built.target, self._group_labels, self._index)
        metric = str(stack.card.get("metric") or default_metric(stack.problem.kind).name)
        recipe = recipe or recipe_of(stack, metric, seed)
        judge = get_metric(metric, stack.problem.kind)
        with listening(self.verbose) as listener:
            jobs = checked_jobs(self.n_jobs)
            news = News(stack, rows, past, recipe, lambda: self._engine(listener), seed, jobs)
            done = update(news, found, judge, forced=isinstance(ways, str) and ways != "auto")
        chosen = done.record["chosen"]
        forgets = past is None or chosen == REFIT_NEW
        self._past = rows if past is None or forgets else past.followed_by(rows)
        self._recipe_kept = recipe
        updates = [*stack.card.get("updates", []), done.record]
        if done.built is not None:
            self._index = self._past.index
            self._group_labels = self._past.labels
            self._take(done.built)
        elif chosen != FROZEN:
            self._built = None
            self.fitted_ = done.stack
        self.fitted_ = self.fitted_.with_card({**self.fitted_.card, "updates": updates})
        return self

    def compact(self, *, smallest: bool = True, refit: bool = True) -> Self:
        """Keep the smallest stack that is as good, fit it once on all rows, let go of the rows.

        As good: its nested score is within one standard error of the whole stack's. What was
        done is in ``fitted_.card["compact"]``: score, models, microseconds a row and megabytes
        before and after. A stack that was loaded has no rows: it only lets go of learners that
        its combiner ignores, and predicts as before.

        Parameters
        ----------
        smallest : bool
            False keeps every learner the combiner uses.
        refit : bool
            Fit what remains once on all rows, for the rounds its folds needed: one model a
            learner in place of one a fold. The scores stay those of the fold models. With both
            False predictions do not change by a bit.

        Returns
        -------
        self
            `transform`, ``leaderboard_``, ``plan_`` and ``oof_`` are of the learners that are left;
            with both False the last three stay as they were. The plan repeats these learners
            exactly; its combiner is fitted on them alone, which may weigh them a little otherwise.
        """
        check_is_fitted(self, "fitted_")
        if self._built is None:
            self.fitted_ = self.fitted_.compacted()
            return self
        self._table_digest = self._built.sources.table.digest
        if not (smallest or refit):
            self.fitted_, self._built = self.fitted_.compacted(), None
            return self
        with listening(self.verbose) as listener:
            engine = self._engine(listener)
            built, record = compact(
                self._built, self._classes.tolist(), engine, smallest=smallest, refit=refit
            )
        self._take(built)
        self.fitted_ = self.fitted_.with_card({**self.fitted_.card, "compact": record})
        self._built = None
        return self

    def distill(self, X: Any, *, learner: Any = DEFAULT_STUDENT, invented: float | None = None) -> Self:
        """Return a new stack of one learner, fitted to this one's predictions of `X`.

        No labels are needed. The table of the fit, whole and in its order, is taught by its
        out-of-fold predictions: those of models that saw a row are too sharp. How far the two
        agree and how fast each is stands in ``fitted_.card["distilled"]``.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_columns)
        learner : str or Learner, default="lightgbm" in large steps
        invented : float, optional
            Rows to invent for each real one, by mixing columns of two; the stack is asked about
            them too. By default 4, up to 60,000 rows in all, and 0 for three or more classes.

        Raises
        ------
        ParameterError, FitError, DataError
            If the learner cannot be taught, or by these rows.
        """
        table = self._table(X)
        ((_, found),) = resolve_learners([learner], self.fitted_.problem)
        rows = self._table_digest if self._built is None else self._built.sources.table.digest
        honest = self.oof_ if rows == table.digest else None
        lesson = lesson_of(self.fitted_, table, honest, self._built, invented, checked_jobs(self.n_jobs))
        with listening(self.verbose) as listener:
            engine, seed = self._engine(listener), checked_seed(self.random_state)
            student = distil(self.fitted_, lesson, found, engine, seed)
        made = cast(Any, type(self))([(NAME, found)], "single", calibration="none", n_jobs=self.n_jobs)
        return cast(Self, adopted(made, student))

    # What follows is the estimator's own.

    def _changeable(self, what: str) -> Built:
        check_is_fitted(self, "fitted_")
        if self._built is None:
            raise ParameterError(
                f"{what} needs the rows the stack was fitted on, and a stack that was loaded, compacted, "
                "distilled, merged or updated keeps none; fit it again in this process"
            )
        return self._built

    def _engine(self, listener: Listener, started: float | None = None) -> Engine:
        raise NotImplementedError

    def _take(self, built: Built) -> None:
        raise NotImplementedError

    def _table(self, X: Any) -> Table:
        raise NotImplementedError
