"""Meta-features with a known truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from stackml.combiners.base import Context, MetaFeatures
from stackml.splitting.stratified import StratifiedSplitter
from stackml.tables.target import Problem, Target


@dataclass(frozen=True, eq=False)
class World:
    meta: MetaFeatures
    target: Target
    context: Context


def predictions(kind: str, n: int, noises: tuple[float, ...], rng: Any) -> tuple[Problem, Any, list[Any]]:
    """Targets drawn from a latent score, and learners that see it through noise."""
    if kind == "regression":
        z = rng.normal(size=n)
        made = [z + rng.normal(size=n) * s for s in noises]
        return Problem("regression"), z + 0.3 * rng.normal(size=n), [p[:, None] for p in made]
    if kind == "binary":
        z = 1.5 * rng.normal(size=n) - 0.5
        y = (rng.random(n) < expit(z)).astype(np.int64)
        return Problem("binary", 2), y, [expit(z + rng.normal(size=n) * s)[:, None] for s in noises]
    z = 1.5 * rng.normal(size=(n, 3))
    p = softmax(z, axis=1)
    y = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1).astype(np.int64)
    return Problem("multiclass", 3), y, [softmax(z + rng.normal(size=z.shape) * s, axis=1) for s in noises]


@pytest.fixture
def world() -> Callable[..., World]:
    """Return a maker of worlds."""

    def make(
        kind: str = "binary",
        n: int = 600,
        noises: tuple[float, ...] = (0.5, 0.8, 1.1, 1.4),
        seed: int = 0,
        metric: str = "",
        folds: int = 5,
        extra: dict[str, Any] | None = None,
    ) -> World:
        rng = np.random.default_rng(seed)
        problem, y, made = predictions(kind, n, noises, rng)
        names = [f"l{i}" for i in range(len(made))]
        kinds = ["value" if problem.is_regression else "probability"] * len(made)
        for name, values in (extra or {}).items():
            names.append(name)
            made.append(values)
            kinds.append("score" if name.startswith("score") else kinds[0])
        values = np.hstack(made).astype(np.float32)
        widths = tuple(v.shape[1] for v in made)
        meta = MetaFeatures(values, tuple(names), widths, tuple(kinds), problem)
        split = StratifiedSplitter(folds).split(n_rows=n, y_codes=y, groups=None, time=None, seed=seed)
        return World(meta, Target(problem, y), Context(seed, metric, split))

    return make
