"""What a caller passes around the rows: names of columns, seeds, limits, plans; checked before a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stackml.foundation.errors import ParameterError, SchemaError, near_miss
from stackml.foundation.threads import resolve_jobs
from stackml.oof.cache import TaskCache
from stackml.tables.schema import Overrides


def has_names(X: Any) -> bool:
    """Return whether the columns of `X` have names of their own."""
    if isinstance(X, pd.DataFrame):
        return all(isinstance(name, str) for name in X.columns)
    return any(hasattr(X, at) for at in ("collect_schema", "columns", "column_names"))


def named_columns(
    frame: pd.DataFrame, overrides: Overrides, given: Mapping[str, Any]
) -> tuple[Overrides, dict[str, Any]]:
    """Take groups, time and weights out of the frame where they are given by name.

    Parameters
    ----------
    frame : DataFrame
    overrides : Overrides
        A role stated there counts as a name, where nothing else is given.
    given : mapping of role ("group", "time", "weight") to array, column name or None

    Returns
    -------
    Overrides
        In which the named columns have their role, so that learners do not read them.
    dict of role to array or None

    Raises
    ------
    SchemaError
        If the frame has no such column.
    """
    roles = dict(overrides.roles)
    found = dict(given)
    for role, value in given.items():
        stated = [name for name, r in roles.items() if r == role]
        name = value if isinstance(value, str) else (stated[0] if stated and value is None else None)
        if name is None:
            continue
        if name not in frame.columns:
            raise SchemaError(f"X has no column '{name}' for {role}s{near_miss(name, frame.columns)}")
        roles[name] = role
        found[role] = frame[name]
    changed = Overrides(overrides.kinds, roles, overrides.ordered, overrides.categories, overrides.protected)
    return changed, found


def checked_seed(random_state: Any) -> int:
    """Return an integer seed; None draws one."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31 - 1))
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    if hasattr(random_state, "randint"):
        return int(random_state.randint(2**31 - 1))
    raise ParameterError(f"random_state={random_state!r}: give an integer, None or a RandomState")


def checked_limit(time_limit: Any) -> float | None:
    """Return a time limit in seconds."""
    if time_limit is None:
        return None
    if (
        isinstance(time_limit, bool)
        or not isinstance(time_limit, int | float | np.number)
        or not time_limit > 0
    ):
        raise ParameterError(f"time_limit={time_limit!r}: give seconds above 0, or None for no limit")
    return float(time_limit) if np.isfinite(time_limit) else None


def checked_work(work_limit: Any, time_limit: Any) -> float | None:
    """Return a limit of work in nominal core-seconds."""
    if work_limit is None:
        return None
    if time_limit is not None:
        raise ParameterError(
            "time_limit and work_limit are both given; take the clock (time_limit), or work that any machine "
            "repeats alike (work_limit)"
        )
    if not is_number(work_limit) or not work_limit > 0:
        raise ParameterError(f"work_limit={work_limit!r}: give nominal core-seconds above 0, or None")
    return float(work_limit) if np.isfinite(work_limit) else None


PRESET_REFITS = {"fast": 1, "balanced": 1, "best": 4}
LEAN_PRESETS = ("fast", "balanced")  # made to be called often: their combiner asks few learners
MOST_REFITS = 100


def refits(refit: Any, learners: Any) -> int:
    """Return how many models of all rows a learner gets at most: as asked, or as its preset has it."""
    if isinstance(refit, str) and refit == "auto":
        return PRESET_REFITS.get(learners, 0) if isinstance(learners, str) else 0
    return checked_refits(refit)


def is_lean(learners: Any) -> bool:
    """Return whether "auto" chooses among combiners that ask few learners: as the preset has it."""
    return isinstance(learners, str) and learners in LEAN_PRESETS


def checked_refits(refit: Any) -> int:
    """Return a number of models of all rows."""
    if not isinstance(refit, bool | np.bool_ | int | np.integer) or not 0 <= refit <= MOST_REFITS:
        raise ParameterError(
            f"refit={refit!r}: give True, False, 'auto', or how many models of all rows there may be, "
            f"a whole number from 0 to {MOST_REFITS}"
        )
    return int(refit)


def is_number(value: Any) -> bool:
    """Return whether a value is a number, of Python or NumPy, and no truth value."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def checked_jobs(n_jobs: Any) -> int:
    """Return the number of fits that run at once."""
    whole = isinstance(n_jobs, int | np.integer) and not isinstance(n_jobs, bool)
    if n_jobs is not None and (not whole or n_jobs == 0):
        raise ParameterError(
            f"n_jobs={n_jobs!r}: give a whole number of fits to run at once, -1 or None for all cores"
        )
    return resolve_jobs(None if n_jobs is None else int(n_jobs))


def opened_cache(folder: str | Path | None, trusted: Sequence[str] = ()) -> TaskCache | None:
    """Return the cache in a folder, which is made where it is absent."""
    if folder is None:
        return None
    try:
        return TaskCache(Path(folder), tuple(trusted))
    except OSError as error:
        raise ParameterError(
            f"cache_dir='{folder}' cannot be used as a folder ({error.strerror}); give one you can write to"
        ) from error


def checked_plan(plan: Any) -> Mapping[str, Any] | None:
    """Return a recorded plan, or None."""
    if plan is None:
        return None
    if not isinstance(plan, Mapping) or not {"fits", "seed", "strict"} <= plan.keys():
        found = f"a mapping of {sorted(plan)}" if isinstance(plan, Mapping) else type(plan).__name__
        raise ParameterError(f"plan is {found}; give the `plan_` of a fitted stack, or None")
    return plan
