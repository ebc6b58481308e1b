"""Named seed streams: each use of chance has a name, so adding one use never shifts another."""

from __future__ import annotations

import numpy as np

from stackml.foundation.digest import digest


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a seed in ``[0, 2**31 - 1)`` that depends on `seed` and the names alone."""
    return int(digest(int(seed), *names)[:15], 16) % (2**31 - 1)


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return an independent generator for the named use."""
    return np.random.default_rng(derive_seed(seed, *names))
