"""What `StackClassifier` and `StackRegressor` share: parameters, fit, explain and save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from stackml.combiners.catalog import make_combiner
from stackml.explain.explanation import Explanation
from stackml.foundation.errors import DataError
from stackml.foundation.progress import Listener
from stackml.foundation.progress_bar import listening
from stackml.learners.catalog import resolve_learners
from stackml.metrics.catalog import default_metric, get_metric
from stackml.oof.budget import Clock
from stackml.oof.engine import Engine
from stackml.stack.arguments import (
    checked_jobs,
    checked_limit,
    checked_plan,
    checked_seed,
    checked_work,
    has_names,
    is_lean,
    named_columns,
    opened_cache,
    refits,
)
from stackml.stack.building import Built, build
from stackml.stack.changeable import Changeable
from stackml.stack.explaining import explained
from stackml.stack.file import write_stack
from stackml.stack.fitted import Member
from stackml.stack.inputs import EncodedTarget, assemble_target, plain_labels
from stackml.stack.labels import dtype_name
from stackml.stack.leaderboard import leaderboard, oof_frame, plain_rows
from stackml.stack.outside.freezing import check_sources
from stackml.stack.recipe import Recipe, checked_folds
from stackml.stack.replay import plan_record, replayed
from stackml.stack.weighing import Weighing
from stackml.tables.reading import to_frame
from stackml.tables.schema import Overrides
from stackml.tables.table import Table
from stackml.tables.target import Problem


class BaseStack(Changeable, Weighing, TransformerMixin, BaseEstimator):
    """What both estimators share; the public classes say what is predicted."""

    def __init__(  # noqa: PLR0913  # scikit-learn: every parameter is an argument of its own
        self,
        learners: str | Sequence[Any] = "balanced",
        combiner: Any = "auto",
        *,
        metric: str | None = None,
        layers: int | str = 1,
        folds: Any = "auto",
        passthrough: bool = False,
        calibration: str = "auto",
        schema: Overrides | Mapping[str, Any] | None = None,
        embargo: float = 0.0,
        strict: bool = False,
        time_limit: float | None = None,
        work_limit: float | None = None,
        refit: bool | int | str = "auto",
        cache_dir: str | Path | None = None,
        trusted: Sequence[str] = (),
        plan: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
        random_state: Any = 0,
        verbose: int | Listener = 0,
    ) -> None:
        self.learners = learners
        self.combiner = combiner
        self.metric = metric
        self.layers = layers
        self.folds = folds
        self.passthrough = passthrough
        self.calibration = calibration
        self.schema = schema
        self.embargo = embargo
        self.strict = strict
        self.time_limit = time_limit
        self.work_limit = work_limit
        self.refit = refit
        self.cache_dir = cache_dir
        self.trusted = trusted
        self.plan = plan
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []  # meta-features are float32 whatever came in
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None, time: Any = None, sample_weight: Any = None) -> Self:
        """Fit learners out of fold, then combiner and calibrator on what they predicted.

        Parameters
        ----------
        X : pandas, polars or Arrow table, or array-like, of shape (n_rows, n_columns)
            Numbers, categories, dates; missing values are welcome.
        y : array-like of shape (n_rows,)
        groups : array-like of shape (n_rows,) or str, optional
            Rows of one group never stand on both sides of a fold. A name takes that column of
            `X`, which learners then do not read.
        time : array-like of shape (n_rows,) or str, optional
            Numbers or dates; folds learn from the past alone. A name takes that column of `X`,
            which learners then do not read.
        sample_weight : array-like of shape (n_rows,) or str, optional
            Non-negative weights, used in every fold, in the combiner and in scores. A name takes
            that column of `X`, which learners then do not read.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If rows, columns or target cannot be used; the message says where and what to do.
        SplitError
            If the rows cannot be divided into folds.
        FitError
            If every learner failed.
        ParameterError
            If a parameter has no meaning.
        """
        started = perf_counter()
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None"
            )
        frame = to_frame(X)
        if len(frame) < 2:
            raise DataError(
                "X has 1 sample (n_samples = 1); folds need at least 2 rows, and learning many more"
            )
        overrides, beside = named_columns(
            frame, Overrides.of(self.schema), {"group": groups, "time": time, "weight": sample_weight}
        )
        encoded = self._encode_target(y, len(frame))
        recipe = self._recipe(encoded.problem)
        check_sources(recipe.learners, encoded.problem, encoded.classes)
        target = assemble_target(encoded, len(frame), beside["group"], beside["time"], beside["weight"])
        table = Table.learn(frame, overrides)
        with listening(self.verbose) as listener:
            engine = self._engine(listener, started)
            built = build(
                table,
                target,
                encoded.classes.tolist(),
                recipe,
                engine,
                lambda rows: Table.of_past(frame, rows, overrides, table.schema),
            )
        self.n_features_in_ = frame.shape[1]
        if has_names(X):
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._classes = encoded.classes
        self._index = frame.index
        self._group_labels = plain_labels(beside["group"])
        self._past = self._recipe_kept = None
        self.__dict__.pop("fitted_", None)  # its updates end with it
        self._take(built)
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the meta-features: every learner's prediction.

        For the rows a stack was fitted on these are predictions of models that saw them; the
        honest ones are in ``oof_``. So do not feed ``fit_transform`` to a further model.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_columns)

        Returns
        -------
        float32 ndarray of shape (n_rows, n_meta_features)
            Columns as in ``get_feature_names_out``.
        """
        table = self._table(X)
        return self.fitted_.meta_features(table, n_jobs=checked_jobs(self.n_jobs)).values

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the meta-features that `transform` returns."""
        check_is_fitted(self, "fitted_")
        members = self.fitted_.layers[-1].members
        names = [m.name if m.width == 1 else f"{m.name}_{i}" for m in members for i in range(m.width)]
        return np.asarray(names, dtype=object)

    @property
    def learners_(self) -> dict[str, Member]:
        """Fitted learners of the last layer by name."""
        check_is_fitted(self, "fitted_")
        return {member.name: member for member in self.fitted_.layers[-1].members}

    def explain(
        self,
        X: Any,
        *,
        k: int = 3,
        n_permutations: int = 8,
        scale: str | None = None,
        output: Any = None,
        background: Any = None,
    ) -> Explanation:
        """Say why rows are predicted as they are.

        Each column gets a contribution to the whole stack's prediction (Shapley values by sampled
        orders of columns); a row's contributions sum to its prediction minus the baseline. They
        say what moved this model, not what would change the world. Cost: at most ``n_rows x
        (n_columns - 1) x n_permutations`` predictions, times the rows of a background given.

        Parameters
        ----------
        X : table or array-like of shape (n_rows, n_columns)
        k : int
            Reasons a row: the columns that raise the prediction most; for a regressor those that
            move it most, up or down.
        n_permutations : int
            Orders sampled; more give steadier contributions where three or more columns interact.
        scale : {"probability", "logit"}, optional
            Unit of a classifier's contributions, "probability" by default; "logit" is natural log
            odds, of probabilities held within [1e-6, 1 - 1e-6]. A regressor has "value" alone.
        output : class label, optional
            The class explained, of two the second by default, of more each row's most probable.
        background : table or array-like, optional
            Rows to compare with, of which at most 64 are drawn and averaged over; by default the
            typical row of the training table.

        Returns
        -------
        Explanation

        Raises
        ------
        ParameterError
            If a parameter has no meaning, or the stack comes from a file without a typical row.
        SchemaError, DataError
            As `predict`.
        """
        check_is_fitted(self, "fitted_")
        return explained(
            self.fitted_,
            X,
            k=k,
            n_permutations=n_permutations,
            scale=scale,
            output=output,
            background=background,
            n_jobs=checked_jobs(self.n_jobs),
        )

    def save(self, path: str | Path) -> Path:
        """Write the stack to one file, without pickle and without the training rows.

        Returns
        -------
        Path
            Of the file written.
        """
        check_is_fitted(self, "fitted_")
        return write_stack(path, self.fitted_, estimator=type(self).__name__)

    # What follows is between the estimator and the rooms below.

    def _encode_target(self, y: Any, n_rows: int) -> EncodedTarget:
        raise NotImplementedError

    def _recipe(self, problem: Problem) -> Recipe:
        metric = default_metric(problem.kind).name if self.metric is None else self.metric
        get_metric(metric, problem.kind)
        plan = checked_plan(self.plan)
        recipe = Recipe(
            learners=tuple(resolve_learners(self.learners, problem)),
            combiner=None if self.combiner == "auto" else make_combiner(self.combiner),
            metric=metric,
            layers=self.layers,
            folds=checked_folds(self.folds),
            passthrough=bool(self.passthrough),
            calibration=self.calibration,
            strict=bool(self.strict),
            embargo=self.embargo,
            seed=checked_seed(self.random_state),
            refits=refits(self.refit, self.learners),
            lean=is_lean(self.learners),
        )
        return recipe if plan is None else replayed(recipe, plan)

    def _engine(self, listener: Listener, started: float | None = None) -> Engine:
        limit, work = checked_limit(self.time_limit), checked_work(self.work_limit, self.time_limit)
        clock = Clock(None if self.plan is not None else limit, started)
        cache = opened_cache(self.cache_dir, self.trusted)
        return Engine(
            checked_jobs(self.n_jobs), clock, cache, listener, None if self.plan is not None else work
        )

    def _take(self, built: Built) -> None:
        self._built = built
        self.leaderboard_ = leaderboard(built)
        self.plan_ = plan_record(built)
        self.oof_ = oof_frame(built, self._index)
        card = {"leaderboard": plain_rows(self.leaderboard_), "plan": self.plan_}
        card["combiners"] = built.combined.combiner_card()
        card["calibration"] = built.combined.calibration.to_state()
        card["metric"] = built.recipe.metric
        if hasattr(self, "fitted_") and "updates" in self.fitted_.card:
            card["updates"] = self.fitted_.card["updates"]
        self.fitted_ = replace(built.stack, card=card, label_dtype=dtype_name(self._classes))

    def _table(self, X: Any) -> Table:
        check_is_fitted(self, "fitted_")
        return Table.of(X, self.fitted_.schema)

    def _predict_outputs(self, X: Any) -> npt.NDArray[np.float64]:
        table = self._table(X)
        return self.fitted_.predict(table, n_jobs=checked_jobs(self.n_jobs))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")
