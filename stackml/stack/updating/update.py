"""How a stack takes up new rows, on one page: compare the ways prequentially, take one, fit it to all.

The stack as it is (`frozen`) is the first candidate. Each way learns from earlier blocks of the new
rows and predicts the next; a way is taken where it gains more than one standard error by the user's
metric, and then fitted to all new rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from stackml.foundation.digest import digest
from stackml.foundation.errors import ParameterError, StackmlError, near_miss
from stackml.foundation.threads import one_thread_each
from stackml.metrics.catalog import Metric
from stackml.stack.building import Built
from stackml.stack.fitted import FittedStack
from stackml.stack.updating.prequential import Floats, Judged, Rows, Step, choice, compare, predicted, steps
from stackml.stack.updating.ways import WAYS, News, Way, named

FROZEN = "frozen"
BLOCKS = 5
_LEAST_ROWS = 50


@dataclass(frozen=True, eq=False)
class Updated:
    """What an update made.

    Attributes
    ----------
    stack : FittedStack
    record : dict
        What was tried and taken, as JSON values.
    built : Built, optional
        Where the stack was fitted again, what it was fitted from.
    """

    stack: FittedStack
    record: dict[str, Any]
    built: Built | None


def checked_ways(ways: str | Sequence[str]) -> tuple[Way, ...]:
    """Return the ways to try.

    Raises
    ------
    ParameterError
        If there is no such way.
    """
    known = [way.name for way in WAYS]
    if isinstance(ways, str):
        if ways == "auto":
            return WAYS
        ways = [ways]
    for name in ways:
        if name not in known:
            raise ParameterError(
                f"unknown way '{name}' to update{near_miss(name, known)}; known: auto, {', '.join(known)}"
            )
    if not ways:
        raise ParameterError(f"ways is empty; give 'auto' or some of: {', '.join(known)}")
    return named(ways)


def update(news: News, ways: Sequence[Way], metric: Metric, forced: bool = False) -> Updated:
    """Return the stack as the new rows leave it.

    Parameters
    ----------
    news : News
        Rows in the order of time.
    ways : sequence of Way
    metric : Metric
        By which they are compared.
    forced : bool
        Take the one way given without comparing.

    Raises
    ------
    ParameterError
        If the one way that is forced cannot be gone.
    """
    if forced:
        (way,) = ways
        reason = way.refusal(news)
        if reason:
            raise ParameterError(f"the stack cannot be updated by '{way.name}': {reason}")
        return _taken(news, way, [], (), metric)
    path = steps(news.target, BLOCKS) if news.target.n_rows >= _LEAST_ROWS else ()
    said, candidates = _tried(news, ways, path)
    judged = _judged(said, news, metric)
    chosen = choice(judged).name
    for found in judged:
        candidates[found.name] |= {k: _plain(v) for k, v in asdict(found).items()}
    table = list(candidates.values())
    taken = next((way for way in ways if way.name == chosen), None)
    return _taken(news, taken, table, path, metric)


def _tried(
    news: News, ways: Sequence[Way], path: Sequence[Step]
) -> tuple[dict[str, Floats], dict[str, dict[str, Any]]]:
    n, outputs = news.target.n_rows, news.target.problem.n_outputs
    said: dict[str, Floats] = {}
    candidates: dict[str, dict[str, Any]] = {FROZEN: {"name": FROZEN, "seconds": 0.0, "reason": ""}}
    if path:
        with one_thread_each():
            said[FROZEN] = predicted(path, n, outputs, lambda _: lambda rows: _says(news.stack, news, rows))
    for way in ways:
        started = perf_counter()
        reason = way.refusal(news)
        if not reason and (not path or n < way.least_rows):
            reason = f"not tried: {n} new rows are too few, it is compared on {way.least_rows} or more"
        if not reason:
            try:
                said[way.name] = _walk(news, way, path)
            except StackmlError as error:
                reason = f"failed: {str(error).splitlines()[0]}"
        seconds = round(perf_counter() - started, 3)
        candidates[way.name] = {"name": way.name, "seconds": seconds, "reason": reason}
    return said, candidates


def _walk(news: News, way: Way, path: Sequence[Step]) -> Floats:
    def learn(rows: Rows) -> Any:
        stack = way.fit(news, rows)
        return lambda judged: _says(stack, news, judged)

    return predicted(path, news.target.n_rows, news.target.problem.n_outputs, learn)


def _says(stack: FittedStack, news: News, rows: Rows) -> Floats:
    if stack.layers is news.stack.layers:  # the same learners: what they say is known
        return stack.calibrator.apply(stack.combiner.predict(news.meta.take(rows)))
    fitted_anew = stack.schema is not news.stack.schema
    table = news.rows.grown if fitted_anew else news.table
    return stack.predict(table.take(rows), n_jobs=news.n_jobs)


def _judged(said: dict[str, Floats], news: News, metric: Metric) -> list[Judged]:
    nan = float("nan")
    if not said:
        return [Judged(FROZEN, nan, 0.0, 0.0, 0.0, 0.0)]
    return compare(said, news.target, metric, news.seed)


def _taken(
    news: News, way: Way | None, candidates: list[dict[str, Any]], path: Sequence[Step], metric: Metric
) -> Updated:
    stack, built = news.stack, None
    if way is not None:
        stack = way.fit(news, np.arange(news.target.n_rows))
        built = news.built.get(way.name)
    record = {
        "rows": news.target.n_rows,
        "digest": digest(news.table.digest, news.target.digest),
        "metric": metric.name,
        "blocks": len(path) + 1 if path else 0,
        "chosen": FROZEN if way is None else way.name,
        "candidates": candidates,
    }
    return Updated(stack, record, built)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
