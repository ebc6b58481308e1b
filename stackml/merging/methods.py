"""The ways of merging: which kernel goes over which arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from stackml.foundation.errors import ParameterError
from stackml.foundation.randomness import stream
from stackml.merging.base import Array, Arrays, Context, Floats, Merge, Merged, Score
from stackml.merging.kernels import dropped, elected, mean, slerp, trimmed

Kernel = Callable[[Floats, Floats], Floats]


@final
@dataclass(frozen=True)
class LinearMerge(Merge):
    """The weighted mean of the weights."""

    kind: ClassVar[str] = "linear"

    def _merged(self, models: Sequence[Arrays], weights: Floats, context: Context) -> Merged:
        return _each(models, weights, mean)


@final
@dataclass(frozen=True)
class SlerpMerge(Merge):
    """Each array turned along the arc between the models (Shoemake 1985), its length kept."""

    kind: ClassVar[str] = "slerp"

    def _merged(self, models: Sequence[Arrays], weights: Floats, context: Context) -> Merged:
        return _each(models, weights, slerp)


@final
@dataclass(frozen=True)
class SoupMerge(Merge):
    """The plain mean of all models (Wortsman et al. 2022, "Model soups"), each counting alike."""

    kind: ClassVar[str] = "soup"
    takes_weights: ClassVar[bool] = False

    def _merged(self, models: Sequence[Arrays], weights: Floats, context: Context) -> Merged:
        return _each(models, weights, mean)


@final
@dataclass(frozen=True)
class GreedySoupMerge(Merge):
    """The plain mean of the models that make it no worse, the best first (Wortsman et al. 2022).

    Models are tried by their own score, of equal ones the first given; one stays where the mean with it
    scores at least as well as the mean without.
    """

    kind: ClassVar[str] = "greedy_soup"
    takes_weights: ClassVar[bool] = False
    needs_score: ClassVar[bool] = True

    def _merged(self, models: Sequence[Arrays], weights: Floats, context: Context) -> Merged:
        score = context.score
        assert score is not None
        alone = [_judged(score, model, _even([i], len(models))) for i, model in enumerate(models)]
        order = sorted(range(len(models)), key=lambda i: (-alone[i], i))
        chosen, best = order[:1], alone[order[0]]
        for number in order[1:]:
            tried = sorted([*chosen, number])
            shares = _even(tried, len(models))
            found = _judged(score, _each([models[i] for i in tried], shares[tried], mean).arrays, shares)
            if found >= best:
                chosen, best = tried, found
        shares = _even(chosen, len(models))
        made = _each([models[i] for i in chosen], shares[chosen], mean)
        return Merged(made.arrays, tuple(shares.tolist()))


@dataclass(frozen=True)
class _SparseMerge(Merge):
    """What merges of sparse differences from a base share.

    Attributes
    ----------
    density : float
        Share of each difference that is kept, in (0, 1].
    scale : float
        What the merged difference is multiplied by before it is added to the base.
    """

    density: float = 0.9
    scale: float = 1.0
    reads_base: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse parameters without a meaning."""
        for name, most in (("density", 1.0), ("scale", math.inf)):
            value = getattr(self, name)
            is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or not 0 < value <= most:
                wanted = "in (0, 1]" if most == 1 else "above 0"
                raise ParameterError(f"method '{self.kind}': {name} must be {wanted}, not {value!r}")

    def _sparse(self, delta: Floats, rng: np.random.Generator) -> Floats:
        raise NotImplementedError

    def _joined(self, deltas: Floats, weights: Floats) -> Floats:
        raise NotImplementedError

    def _merged(self, models: Sequence[Arrays], weights: Floats, context: Context) -> Merged:
        arrays: dict[str, Array] = {}
        for name, first in models[0].items():
            stack = np.stack([np.asarray(model[name], np.float64) for model in models])
            base = mean(stack, weights) if context.base is None else context.base[name].astype(np.float64)
            rngs = [stream(context.seed, self.kind, name, number) for number in range(len(models))]
            sparse = [self._sparse(delta, rng) for delta, rng in zip(stack - base, rngs, strict=True)]
            arrays[name] = (base + self.scale * self._joined(np.stack(sparse), weights)).astype(first.dtype)
        return Merged(arrays, tuple(weights.tolist()))


@final
@dataclass(frozen=True)
class TiesMerge(_SparseMerge):
    """Trim, elect a sign, mean of those that agree (Yadav et al. 2023), array by array."""

    kind: ClassVar[str] = "ties"

    def _sparse(self, delta: Floats, rng: np.random.Generator) -> Floats:
        return trimmed(delta, self.density)

    def _joined(self, deltas: Floats, weights: Floats) -> Floats:
        return elected(deltas, weights)


@final
@dataclass(frozen=True)
class DareLinearMerge(_SparseMerge):
    """Drop differences by chance and rescale the rest (Yu et al. 2023), then the weighted mean."""

    kind: ClassVar[str] = "dare_linear"
    order_matters: ClassVar[bool] = True

    def _sparse(self, delta: Floats, rng: np.random.Generator) -> Floats:
        return dropped(delta, self.density, rng)

    def _joined(self, deltas: Floats, weights: Floats) -> Floats:
        return np.asarray(np.tensordot(weights, deltas, axes=1))


@final
@dataclass(frozen=True)
class DareTiesMerge(_SparseMerge):
    """Drop differences by chance and rescale the rest, elect a sign, mean of those that agree."""

    kind: ClassVar[str] = "dare_ties"
    order_matters: ClassVar[bool] = True

    def _sparse(self, delta: Floats, rng: np.random.Generator) -> Floats:
        return dropped(delta, self.density, rng)

    def _joined(self, deltas: Floats, weights: Floats) -> Floats:
        return elected(deltas, weights)


def _each(models: Sequence[Arrays], weights: Floats, kernel: Kernel) -> Merged:
    arrays = {
        name: kernel(np.stack([np.asarray(m[name], np.float64) for m in models]), weights).astype(first.dtype)
        for name, first in models[0].items()
    }
    return Merged(arrays, tuple(weights.tolist()))


def _even(chosen: Sequence[int], n: int) -> Floats:
    """Return the weights of n models of which some count alike and the others nothing."""
    shares = np.zeros(n)
    shares[list(chosen)] = 1 / len(chosen)
    return shares


def _judged(score: Score, arrays: Arrays, weights: Floats) -> float:
    found = float(score(arrays, weights))
    return found if math.isfinite(found) else -math.inf
