"""What a linear combiner reads: each learner on the scale of the link, and extra columns beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, final

import numpy as np
from scipy.special import logit

from stackml.combiners.base import MetaFeatures
from stackml.combiners.inputs import CLIP, FloatArray
from stackml.combiners.passthrough import FittedColumns, features_of
from stackml.metrics.arrays import ones_like
from stackml.storage.fields import finite_array, names, refuse
from stackml.storage.state import State


@final
@dataclass(frozen=True, eq=False)
class LinearDesign:
    """How meta-features become the columns of a linear model.

    Attributes
    ----------
    predictors : tuple of str
        Learners that predict the target: logits, log probabilities or values.
    scores : tuple of str
        Learners that give a score: standardised.
    score_widths : tuple of int
        Columns of each.
    score_mean, score_scale : float64 ndarray of shape (n_score_columns,)
    columns : FittedColumns or None
        Features passed through.
    """

    predictors: tuple[str, ...]
    scores: tuple[str, ...]
    score_widths: tuple[int, ...]
    score_mean: FloatArray
    score_scale: FloatArray
    columns: FittedColumns | None

    @staticmethod
    def learn(meta: MetaFeatures, weight: FloatArray | None) -> LinearDesign:
        """Return the design of some meta-features; the target is not seen."""
        scores = tuple(name for name in meta.learners if name not in meta.predictors)
        w = ones_like(meta.values, weight)
        w = w / w.sum()
        block = [c for name in scores for c in meta.of(name).astype(np.float64).T]
        mean = np.array([float(w @ c) for c in block])
        spread = np.array([float(np.sqrt(w @ (c - m) ** 2)) for c, m in zip(block, mean, strict=True)])
        scale = np.where(spread > 1e-12 * (1 + np.abs(mean)), spread, np.inf)
        columns = None if meta.features is None else FittedColumns.learn(meta.features, weight)
        widths = tuple(meta.of(name).shape[1] for name in scores)
        return LinearDesign(meta.predictors, scores, widths, mean, scale, columns)

    def keeping(self, predictors: Sequence[str]) -> LinearDesign:
        """Return the design with some of its predictors."""
        return replace(self, predictors=tuple(predictors))

    def links(self, meta: MetaFeatures) -> list[FloatArray]:
        """Return each predictor on the link's scale, float64 of shape (n_rows, n_outputs)."""
        found = [meta.of(name).astype(np.float64) for name in self.predictors]
        if meta.problem.is_regression:
            return found
        found = [np.clip(values, CLIP, 1 - CLIP) for values in found]
        return [logit(p) if meta.problem.kind == "binary" else np.log(p) for p in found]

    def extras(self, meta: MetaFeatures) -> list[FloatArray]:
        """Return scores and passed-through features, each float64 of shape (n_rows,)."""
        block = [c for name in self.scores for c in meta.of(name).astype(np.float64).T]
        # A score far outside what was seen may not swing a linear model.
        scaled = [
            np.clip((c - m) / s, -10.0, 10.0)
            for c, m, s in zip(block, self.score_mean, self.score_scale, strict=True)
        ]
        return scaled if self.columns is None else scaled + self.columns.read(features_of(meta))

    def to_state(self) -> State:
        """Return all that is needed to rebuild the design."""
        return {
            "predictors": list(self.predictors),
            "scores": list(self.scores),
            "score_widths": list(self.score_widths),
            "score_mean": self.score_mean,
            "score_scale": self.score_scale,
            "columns": None if self.columns is None else self.columns.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild the design.

        Raises
        ------
        StorageError
            If its numbers have no meaning or other lengths.
        """
        columns, widths, scores = state["columns"], tuple(state["score_widths"]), tuple(state["scores"])
        predictors = tuple(state["predictors"])
        names([*predictors, *scores], "combiner: learners")
        if len(widths) != len(scores) or not all(type(w) is int and 0 < w < 1000 for w in widths):
            refuse("combiner: score_widths", "are not one a score")
        shape = (sum(widths),)
        scale = finite_array(state["score_scale"], "combiner: score_scale", shape, infinite=True)
        if not (scale > 0).all():
            refuse("combiner: score_scale", "is not above 0")
        return cls(
            predictors,
            scores,
            widths,
            finite_array(state["score_mean"], "combiner: score_mean", shape),
            scale,
            None if columns is None else FittedColumns.from_state(columns),
        )
