"""A small boosted model that starts from a linear one and mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from stackml.combiners.base import Combiner, Context, FittedCombiner, MetaFeatures
from stackml.combiners.inputs import CLIP, FloatArray, Rows, checked, sampled
from stackml.combiners.logistic import FittedLogistic, LogisticCombiner
from stackml.combiners.nested import own_folds, restricted
from stackml.combiners.passthrough import features_of
from stackml.combiners.simplex import FittedSimplex
from stackml.foundation.errors import ParameterError, StorageError
from stackml.foundation.randomness import derive_seed
from stackml.metrics.arrays import weighted_mean
from stackml.storage.fields import finite_array, names, one_of
from stackml.storage.lightgbm_text import END, OBJECTIVES, check_model_text, shape_of
from stackml.storage.state import State
from stackml.tables.target import Problem, Target

_LEAST_ROWS = 100

Start: TypeAlias = FittedLogistic | FittedSimplex
_STARTS: dict[str, type[FittedLogistic | FittedSimplex]] = {
    start.kind: start for start in (FittedSimplex, FittedLogistic)
}


@final
@dataclass(frozen=True)
class BoostedCombiner(Combiner):
    """LightGBM on predictions, scores and passed-through features, few leaves and small steps.

    It starts from the weights of `LogisticCombiner` and is those alone without any round
    (docs/decisions/0023); the trees read the learners that have a weight. The number of rounds is the
    one of least loss on folds held out; 0 unless that gains more than one standard error.

    Attributes
    ----------
    leaves : int
    rate : float
        Step size, within (0, 1].
    most_rounds : int
    patience : int
        Rounds without gain after which a fold stops.
    shrinkage : float
        L2 penalty of leaf values, in rows.
    most_rows : int
        Beyond this many rows (fewer where there are many classes) a stratified sample stands
        for all.
    """

    kind: ClassVar[str] = "boosted"
    complexity: ClassVar[int] = 4
    leaves: int = 6
    rate: float = 0.08
    most_rounds: int = 120
    patience: int = 15
    shrinkage: float = 10.0
    most_rows: int = 30_000

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name, least in (("leaves", 2), ("most_rounds", 0), ("patience", 1), ("most_rows", 1)):
            if getattr(self, name) < least:
                raise ParameterError(
                    f"combiner 'boosted': {name}={getattr(self, name)} must be {least} or more"
                )
        if not 0 < self.rate <= 1:
            raise ParameterError(f"combiner 'boosted': rate={self.rate} must lie above 0 and at most 1")

    def cost(self, n_rows: int, n_learners: int, n_outputs: int) -> float:
        """Return about the seconds of one core that judging it takes: a tree an output and round."""
        trees = float(1.3e-5 * n_rows * n_outputs * (n_learners * n_outputs) ** 0.5)
        return LogisticCombiner().cost(n_rows, n_learners, n_outputs) + trees

    def fit(self, meta: MetaFeatures, target: Target, context: Context) -> FittedBoosted:
        """Return the linear model with as many trees as help on folds held out."""
        meta, target = checked(meta, target)
        base = LogisticCombiner().fit(meta, target, context)
        meta = meta.select(base.learners)
        folds = own_folds(target, context)
        most = max(_LEAST_ROWS, self.most_rows * 2 // max(2, target.problem.n_classes))
        rows, weight = sampled(target, most, context.seed, self.kind)
        folds = None if folds is None else restricted(folds, rows)
        meta, target = meta.take(rows), target.take(rows)
        data = _Data(
            columns(meta, meta.learners), start_margin(meta, base), target.values, weight, _categorical(meta)
        )
        parameters = self._parameters(target.problem, context.seed)
        splits = [] if folds is None else [(fold.train, fold.held_out) for fold in folds.folds[-3:]]
        enough = len(rows) >= _LEAST_ROWS and self.most_rounds > 0
        rounds = self._rounds(data, splits, parameters) if enough else 0
        if not rounds:
            return FittedBoosted(base, (), "", base.shares)
        booster = _train(data, np.arange(len(rows)), parameters, rounds)
        added = np.asarray(booster.predict(data.X, raw_score=True, num_threads=1)).reshape(data.start.shape)
        trees = float(added.std() / max(float(added.std() + data.start.std()), 1e-300))
        gains = booster.feature_importance("gain")[: meta.values.shape[1]]
        text = _trees_of(booster.model_to_string())
        return FittedBoosted(base, meta.learners, text, _shares(meta, base, gains, trees))

    def _parameters(self, problem: Problem, seed: int) -> dict[str, Any]:
        parameters = {
            "objective": OBJECTIVES[problem.kind],
            "num_leaves": self.leaves,
            "learning_rate": self.rate,
            "lambda_l2": self.shrinkage,
            "min_data_in_leaf": 20,
            "min_data_per_group": 50,
            "max_bin": 63,
            "feature_fraction": 0.8,
            "boost_from_average": False,
            "feature_pre_filter": False,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "seed": derive_seed(seed, "boosted combiner"),
            "verbosity": -1,
        }
        if problem.kind == "multiclass":
            parameters["num_class"] = problem.n_classes
        return parameters

    def _rounds(
        self,
        data: _Data,
        splits: list[tuple[Rows, Rows]],
        parameters: dict[str, Any],
    ) -> int:
        """Return the number of rounds of least loss over the splits; 0 where no round helps."""
        curves, weights = [], []
        for train, held_out in splits:
            if (data.y[train] == data.y[train[0]]).all():
                continue
            curve = self._curve(data, train, held_out, parameters)
            # A fold that stopped early keeps its last loss, which is above its best.
            curves.append(np.append(curve, np.full(self.most_rounds + 1 - len(curve), curve[-1])))
            weights.append(float(data.weight[held_out].sum()))
        if not curves or sum(weights) <= 0:
            return 0
        best = int(np.argmin(np.average(curves, axis=0, weights=weights)))
        gains = np.array([curve[0] - curve[best] for curve in curves])
        error = float(gains.std(ddof=1)) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
        return best if gains.mean() > error else 0

    def _curve(
        self,
        data: _Data,
        train: Rows,
        held_out: Rows,
        parameters: dict[str, Any],
    ) -> FloatArray:
        import lightgbm

        record: dict[str, dict[str, list[float]]] = {}
        pool = data.dataset(train, parameters)
        judge = data.dataset(held_out, parameters, pool)
        callbacks = [
            lightgbm.record_evaluation(record),
            lightgbm.early_stopping(self.patience, verbose=False),
        ]
        lightgbm.train(parameters, pool, self.most_rounds, valid_sets=[judge], callbacks=callbacks)
        (curve,) = record["valid_0"].values()
        before = data.loss(held_out, str(parameters["objective"]))
        return np.array([before, *curve])


@dataclass(frozen=True, eq=False)
class _Data:
    X: FloatArray
    start: FloatArray
    y: NDArray[Any]
    weight: FloatArray
    categorical: list[int]

    def dataset(self, rows: Rows, parameters: dict[str, Any], reference: Any = None) -> Any:
        import lightgbm

        return lightgbm.Dataset(
            self.X[rows],
            self.y[rows],
            weight=self.weight[rows],
            init_score=self.start[rows].ravel(order="F"),
            categorical_feature=self.categorical,
            reference=reference,
            params=parameters,
        )

    def loss(self, rows: Rows, objective: str) -> float:
        """Return LightGBM's own measure of the start."""
        start, y = self.start[rows], self.y[rows]
        if objective == "regression":
            losses = (start[:, 0] - y) ** 2
        elif objective == "binary":
            losses = np.logaddexp(0.0, np.where(y == 1, -start[:, 0], start[:, 0]))
        else:
            losses = -np.log(softmax(start, axis=1)[np.arange(len(y)), np.asarray(y, dtype=np.int64)])
        return weighted_mean(losses, self.weight[rows])


def _train(data: _Data, rows: Rows, parameters: dict[str, Any], rounds: int) -> Any:
    import lightgbm

    return lightgbm.train(parameters, data.dataset(rows, parameters), rounds)


def start_margin(meta: MetaFeatures, base: Start) -> FloatArray:
    """Return where the trees start, on the link's scale, float64 of shape (n_rows, n_outputs)."""
    first = base.predict(meta)
    if meta.problem.is_regression:
        return first
    first = np.clip(first, CLIP, 1 - CLIP)
    return np.asarray(logit(first) if meta.problem.kind == "binary" else np.log(first))


def columns(meta: MetaFeatures, learners: tuple[str, ...]) -> FloatArray:
    """Return predictions, then numbers and codes passed through (missing and unseen codes as NaN)."""
    block = [meta.of(name).astype(np.float64) for name in learners]
    if meta.features is not None:
        codes = meta.features.codes.astype(np.float64)
        block += [meta.features.tree_numbers.astype(np.float64), np.where(codes < 0, np.nan, codes)]
    return np.ascontiguousarray(np.column_stack(block))


def _categorical(meta: MetaFeatures) -> list[int]:
    if meta.features is None:
        return []
    first = meta.values.shape[1] + meta.features.tree_numbers.shape[1]
    return list(range(first, first + meta.features.codes.shape[1]))


def _shares(meta: MetaFeatures, base: Start, gains: NDArray[Any], trees: float) -> tuple[float, ...]:
    """Return each learner's weight and its part in the gain, the latter counting `trees` of the whole."""
    weights = base.weights()
    part = np.array([weights.get(name, 0.0) for name in meta.learners])
    ends = np.cumsum(meta.widths)
    gain = np.array([gains[end - width : end].sum() for end, width in zip(ends, meta.widths, strict=True)])
    if gain.sum() > 0:
        part = (1 - trees) * part + trees * gain / gain.sum()
    return tuple(float(p) for p in part)


@final
@dataclass(frozen=True, eq=False)
class FittedBoosted(FittedCombiner):
    """A linear model on the link's scale, and trees that mend it.

    Attributes
    ----------
    base : FittedLogistic or FittedSimplex
        Where the trees start; files of before hold a weighted mean.
    read : tuple of str
        Learners the trees read, in column order; empty without trees.
    text : str
        LightGBM's own text form up to the end of its trees; "" without trees.
    shares : tuple of float
        Share of each of `learners`.
    """

    kind: ClassVar[str] = "boosted"
    base: Start
    read: tuple[str, ...]
    text: str
    shares: tuple[float, ...]

    @property
    def learners(self) -> tuple[str, ...]:
        """Learners read by the trees or, where there are none, by the linear model."""
        return self.read or self.base.learners

    @property
    def subtracts(self) -> bool:
        """Whether a learner counts against others where the trees start."""
        return self.base.subtracts

    @cached_property
    def _shape(self) -> tuple[int, int, str]:
        return shape_of(self.text)

    @cached_property
    def _booster(self) -> Any:
        import lightgbm

        try:
            return lightgbm.Booster(model_str=self.text)
        except lightgbm.basic.LightGBMError as error:
            raise StorageError(f"combiner 'boosted': the stored trees cannot be read ({error})") from error

    def predict(self, meta: MetaFeatures) -> FloatArray:
        """Return probabilities, or values."""
        margin = start_margin(meta, self.base)
        if self.text:
            X = columns(self._complete(meta), self.read)
            self._check_fits(X.shape[1], meta.problem)
            added = self._booster.predict(X, raw_score=True, num_threads=1)
            margin = margin + np.asarray(added, dtype=np.float64).reshape(margin.shape)
        if meta.problem.is_regression:
            return margin
        return np.asarray(expit(margin) if meta.problem.kind == "binary" else softmax(margin, axis=1))

    def _check_fits(self, width: int, problem: Problem) -> None:
        # The library reads past a matrix that is too narrow.
        if self._shape != (width, problem.n_outputs, OBJECTIVES[problem.kind]):
            n_columns, n_outputs, objective = self._shape
            raise StorageError(
                f"combiner 'boosted': its trees read {n_columns} columns for {n_outputs} outputs of a "
                f"{objective} problem, but there are {width} for {problem.n_outputs} of a {problem.kind} "
                "problem; the file is damaged"
            )

    def _complete(self, meta: MetaFeatures) -> MetaFeatures:
        width = sum(meta.of(name).shape[1] for name in self.read)
        if self._shape[0] > width:
            features_of(meta)
            return meta
        return MetaFeatures(meta.values, meta.learners, meta.widths, meta.kinds, meta.problem)

    def weights(self) -> dict[str, float]:
        """Return each learner's share: its weight and its part in the trees' gain, by their spread."""
        return dict(zip(self.learners, self.shares, strict=True))

    def to_state(self) -> State:
        """Return all that is needed to rebuild the combiner."""
        return {
            "start": self.base.kind,
            "base": self.base.to_state(),
            "read": list(self.read),
            "text": self.text,
            "shares": np.array(self.shares),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the combiner, its trees included.

        Raises
        ------
        StorageError
            If the text is not that of a LightGBM model, what it starts from is of no known kind, or
            there is not one share a learner.
        """
        start = one_of(
            state.get("start", FittedSimplex.kind), tuple(_STARTS), "combiner 'boosted': what it starts from"
        )
        found = cls(
            _STARTS[start].from_state(state["base"]),
            names(state["read"], "combiner 'boosted': read"),
            _trees_of(state["text"]),
            tuple(float(s) for s in finite_array(state["shares"], "combiner 'boosted': shares", (None,))),
        )
        if bool(found.text) != bool(found.read):
            raise StorageError("combiner 'boosted': it has trees or reads learners, not both; it is damaged")
        finite_array(state["shares"], "combiner 'boosted': shares", (len(found.learners),))
        if found.text:
            check_model_text(found.text, *found._shape)
            _ = found._booster
        return found


def _trees_of(text: object) -> str:
    """Return a model's text up to the end of its trees; what follows says how it was trained."""
    if not isinstance(text, str) or (text and END not in text):
        raise StorageError("combiner 'boosted': the stored trees are not whole; the file is damaged")
    return text[: text.index(END)] + END if text else ""
