"""Models side by side on the same rows: single or combined, who is better, and which to take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stackml.assembly.base import FittedModel
from stackml.assembly.loading import public
from stackml.foundation.errors import DataError, ParameterError, near_miss
from stackml.metrics import Metric, Together, default_metric, get_metric, score_together
from stackml.metrics.simultaneous import simultaneous_intervals
from stackml.stack.arguments import checked_jobs, is_number
from stackml.stack.inputs import checked_weight
from stackml.tracking.store import connect
from stackml.workflow.answering import Answered, answered, seen_notes, us_per_row
from stackml.workflow.candidates import PART, Candidate, check_alike, named_candidates, with_singles
from stackml.workflow.held_out import MEAN
from stackml.workflow.labelled import coded_target, labelled_rows, units_of
from stackml.workflow.recommending import Cost, cheapest, lags_behind_best
from stackml.workflow.side_by_side_words import Against, recommended_because, verdict_on, verdict_word

RESAMPLES = 500  # a tail of several differences at once needs more than one interval does
REPEATS = 3
FEW_UNITS = (
    30  # the bootstrap's spread of a mean is too small by a share of about 1 / (2 n), and its tails are
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models side by side on the same rows.

    Attributes
    ----------
    table : DataFrame
        One row a model and metric, the best model in the first metric first: ``model``, ``kind``,
        ``of`` (what a learner or part belongs to), ``metric``, ``value`` with ``low`` and ``high``
        (95 % interval); ``difference`` to the baseline, above 0 for better, with
        ``difference_low`` and ``difference_high`` (this one difference), ``together_low`` and
        ``together_high`` (all differences of the table together) and ``p_value`` (this one);
        ``verdict`` (better, worse, level, baseline, unknown; by the interval of all together);
        ``lag``, ``lag_low``, ``lag_high`` behind the best (all pairs of models together);
        ``us_per_row``, ``megabytes``; ``calls_per_row`` and ``asked`` (how many parts of an
        assembly were asked about a row, and which share of rows each); ``recommended``.
    verdicts : list of str
        One sentence a model other than the baseline.
    recommended : str
        Name of the cheapest model that is not worse than the best in the first metric.
    recommendation : str
        The same as a sentence, with what it may lose.
    baseline : str
    metrics : tuple of str
        The first one decides.
    data, target : str
    rows : int
    units : int
        Groups that were resampled; the rows where there are none.
    comparisons : int
        Differences to the baseline: models times metrics.
    level : float
    notes : list of str
    """

    table: pd.DataFrame = field(repr=False)
    verdicts: list[str]
    recommended: str
    recommendation: str
    baseline: str
    metrics: tuple[str, ...]
    data: str
    target: str
    rows: int
    units: int
    comparisons: int
    level: float
    notes: list[str] = field(default_factory=list)


def compare_models(  # noqa: PLR0913  # what a user may choose, by name
    models: Any,
    data: str | Path | pd.DataFrame | None = None,
    *,
    dataset: str | None = None,
    target: str | None = None,
    positive: Any = None,
    metrics: Sequence[str] | str | None = None,
    baseline: str | None = None,
    learners: bool = False,
    groups: str | None = None,
    weight: str | None = None,
    n_rows: int | None = None,
    margin: float | None = None,
    level: float = 0.95,
    n_resamples: int = RESAMPLES,
    repeats: int = REPEATS,
    n_jobs: int | None = None,
    trusted: Sequence[str] = (),
    tracking_uri: str | None = None,
    folder: Path | None = None,
    seed: int = 0,
) -> Comparison:
    """Put models side by side on the same labelled rows.

    Every difference is paired: each resample of the rows scores all models. Verdicts use intervals
    that hold for all differences to the baseline together, the recommendation intervals that
    hold for all pairs of models together, because the best is picked on these same rows.

    Parameters
    ----------
    models : mapping of name to model, sequence of models, (name, model) pairs or places, or one alone
        Fitted stacks and assemblies, or where they are kept: a ``.stack`` file, a folder,
        ``models:/name@alias``, ``runs:/ID/stack``; ``"small=a.stack"`` names it.
    data : str, Path or DataFrame, optional
        Labelled rows that no model has seen. Give either these or `dataset`.
    dataset : str, optional
        A table of the catalog, all rows of it.
    target : str, optional
        Column with the truth; by default the one the models were trained on.
    positive : object, optional
        Value of the target that is class 1, where the models were trained on 0 and 1.
    metrics : sequence of str, or str, optional
        The first one decides. By default those of the first model's pipeline, else the problem's.
    baseline : str, optional
        Name of the model the others are compared with: by default the best single learner or
        part, else the first model.
    learners : bool
        Also compare each learner of a stack, or part of an assembly, and their plain mean.
    groups : str, optional
        Column of rows that are resampled together.
    weight : str, optional
        Column of row weights, 0 or more.
    n_rows : int, optional
        Draw so many rows by chance.
    margin : float, optional
        Largest lag behind the best, in units of the first metric, that is accepted: a model is
        recommended only if more is ruled out. By default one that is not shown to be worse may be.
    level : float
        Of all intervals, within (0, 1).
    n_resamples : int
    repeats : int
        Times each model is timed; 0 leaves times out, and megabytes alone say what is cheap.
    n_jobs : int, optional
        Workers for predicting; the times are those of one thread.
    trusted : sequence of str
        Full names of types outside the catalog that a file may build.
    tracking_uri, folder : optional
        The store that ``models:`` and ``runs:`` are looked up in, as `train` takes them.
    seed : int
        The same seed gives the same scores and intervals; times are measured anew.

    Returns
    -------
    Comparison

    Raises
    ------
    ParameterError
        If there is one model only, two predict different things, or a name is unknown.
    SchemaError, DataError
        If a column is missing, a label is missing or unknown to the models, a group is missing, weights are
        none, or there is one row or group alone.
    TrackingError, StorageError
        If a model cannot be found or read.
    """
    if margin is not None and not (is_number(margin) and margin >= 0):
        raise ParameterError(f"margin={margin!r}: give 0 or more, in units of the first metric")
    named = _found(models, trusted, tracking_uri, folder)
    candidates = with_singles(named) if learners else named
    if len(candidates) < 2:
        raise ParameterError(_too_few(candidates, learners))
    check_alike(named)
    about = _about(named, stated=target is not None or dataset is not None)
    rows = labelled_rows(data, dataset, target, about).drawn(n_rows, seed)
    first = named[0].part.model
    y = coded_target(rows, public(first), positive, about.get("positive"))
    weights, units = checked_weight(rows.column(weight, "weights"), len(y)), units_of(rows, groups, about)
    n_units = len(y) if units is None else int(pd.Series(units).nunique())
    _check_resampled(n_units, grouped=units is not None)
    wanted = _metrics(metrics or about.get("metrics"), first)

    features, jobs = rows.features, checked_jobs(n_jobs)
    said = {one.name: answered(one, features, first.classes, jobs) for one in candidates}
    seen = seen_notes(named, said, features, y, first.classes)
    candidates, repeated = _without_repeated_means(candidates, said)
    by_name = {one.name: one for one in candidates}
    times = dict(zip(by_name, us_per_row(candidates, features, repeats), strict=True))
    against = _baseline(baseline, candidates, said, y, weights, wanted[0])
    found = score_together(
        y,
        {name: said[name].prediction for name in by_name},
        wanted,
        pairs=[(name, against) for name in by_name if name != against],
        weight=weights,
        groups=units,
        n_resamples=n_resamples,
        level=level,
        seed=seed,
    )
    values = {name: found.intervals[name, wanted[0].name].value for name in by_name}
    _check_decidable(values, wanted[0])
    versus = _versus(found, against, wanted, level)
    best, lags = lags_behind_best(
        values, {name: found.draws[name, wanted[0].name] for name in by_name}, wanted[0], level
    )
    costs = {one.name: Cost(times[one.name], one.megabytes) for one in candidates}
    allowed = [name for name, lag in lags.items() if lag.is_allowed(margin)]
    taken = cheapest(allowed, costs, lags)
    order = sorted(by_name, key=lambda name: (lags[name].value, name != best))
    table = pd.DataFrame(
        {
            **_who(by_name[name], metric.name),
            **_scores(found, versus, name, metric.name),
            **_lag(lags[name] if metric is wanted[0] else None),
            **_price(costs[name], said[name]),
            "recommended": name == taken,
        }
        for metric in wanted
        for name in order
    )
    numbers = table.columns[table.dtypes == np.float64]
    table[numbers] += 0.0  # no -0.0
    return Comparison(
        table=table,
        verdicts=[verdict_on(name, against, versus, wanted) for name in order if name != against],
        recommended=taken,
        recommendation=recommended_because(taken, best, allowed, lags, costs, wanted[0].name, margin, level),
        baseline=against,
        metrics=tuple(metric.name for metric in wanted),
        data=rows.name,
        target=rows.target,
        rows=len(y),
        units=n_units,
        comparisons=len(versus),
        level=level,
        notes=[*rows.notes, *seen, *repeated, *_noted(baseline, by_name[against]), *_few(n_units, len(y))],
    )


def _found(
    models: Any, trusted: Sequence[str], tracking_uri: str | None, folder: Path | None
) -> list[Candidate]:
    given = models.values() if isinstance(models, Mapping) else models
    bare = isinstance(given, str) or not isinstance(given, Iterable)
    listed = [given] if bare else list(given)
    tracked = any(isinstance(one, str) and ("models:/" in one or "runs:/" in one) for one in _bare(listed))
    store = connect(tracking_uri, folder=folder, create=False) if tracked else None
    return named_candidates(models, trusted, store)


def _bare(models: Any) -> list[Any]:
    return [one[1] if isinstance(one, tuple) and len(one) == 2 else one for one in models]


def _too_few(candidates: Sequence[Candidate], learners: bool) -> str:
    if not candidates:
        return "no models to compare; give two or more"
    name = candidates[0].name
    if learners:
        return f"'{name}' is made of nothing that predicts what it predicts; give a second model"
    return (
        f"'{name}' is one model alone; give a second one, or compare it with what it is made of: "
        "learners=True, on the command line --learners"
    )


def _about(named: Sequence[Candidate], *, stated: bool) -> Mapping[str, Any]:
    """Return what the first model that says so tells of its training."""
    known = [(one.name, one.part.model.card.get("training")) for one in named]
    told = [(name, about) for name, about in known if isinstance(about, Mapping)]
    targets = [(name, about["target"]) for name, about in told if about.get("target") is not None]
    for name, target in [] if stated else targets[1:]:
        first, wanted = targets[0]
        if target != wanted:
            raise ParameterError(
                f"model '{first}' was trained on the target '{wanted}' and '{name}' on '{target}'; "
                "say which column holds the truth with target="
            )
    return told[0][1] if told else {}


def _metrics(names: Sequence[str] | str | None, model: FittedModel) -> list[Metric]:
    problem = model.problem.kind
    names = [names] if isinstance(names, str) else names
    chosen = dict.fromkeys(names or [default_metric(problem).name])
    return [get_metric(name, problem) for name in chosen]


def _baseline(
    stated: str | None,
    candidates: Sequence[Candidate],
    said: Mapping[str, Answered],
    y: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None,
    metric: Metric,
) -> str:
    if stated is not None:
        if stated not in said:
            raise ParameterError(
                f"baseline '{stated}' is none of the models{near_miss(stated, said)}; "
                f"there are: {', '.join(said)}"
            )
        return stated
    if not any(one.of for one in candidates):
        return candidates[0].name
    single = [one.name for one in candidates if one.is_single]
    singles = single or [one.name for one in candidates if one.kind == PART]
    scores = {name: metric.score(y, said[name].prediction, weights) for name in singles}
    return max(singles, key=lambda name: -np.inf if np.isnan(scores[name]) else scores[name])


def _check_decidable(values: Mapping[str, float], metric: Metric) -> None:
    unknown = [name for name, value in values.items() if np.isnan(value)]
    if unknown:
        raise DataError(
            f"{metric.name} has no value on these rows for '{unknown[0]}', so it cannot decide: the target "
            "may hold one class alone; give other rows, or another metric first"
        )


def _check_resampled(n_units: int, *, grouped: bool) -> None:
    if n_units < 2:
        what = "group" if grouped else "row"
        raise DataError(
            f"the rows are {n_units} {what}, and from one {what} nothing tells chance from a difference; "
            f"give two {what}s or more, and better some hundreds"
        )


def _few(n_units: int, n_rows: int) -> list[str]:
    if n_units >= FEW_UNITS:
        return []
    what = "rows" if n_units == n_rows else "groups"
    return [
        f"{n_units} {what} are few: intervals from fewer than {FEW_UNITS} are too narrow, and those of 95 % "
        "from 10 hold in about 90 % of cases"
    ]


def _noted(stated: str | None, against: Candidate) -> list[str]:
    if stated is not None or not against.of:
        return []
    return [
        f"the baseline, {against.name}, is the single model that scores best on these same rows, which "
        "favours it"
    ]


def _without_repeated_means(
    candidates: Sequence[Candidate], said: Mapping[str, Answered]
) -> tuple[list[Candidate], list[str]]:
    """Leave out plain means that are what their model is already."""
    repeated = {
        one.name: f"{one.of} is the plain mean of what it is made of"
        for one in candidates
        if one.kind == MEAN and np.array_equal(said[one.name].prediction, said[one.of].prediction)
    }
    return [one for one in candidates if one.name not in repeated], list(repeated.values())


def _versus(
    found: Together, against: str, metrics: Sequence[Metric], level: float
) -> dict[tuple[str, str], Against]:
    """Return every difference to the baseline with the interval of all together."""
    keys = [(name, metric) for name, other, metric in found.differences if other == against]
    signs = {metric.name: metric.signed(1.0) for metric in metrics}
    differences = [found.differences[name, against, metric] for name, metric in keys]
    draws = [(found.draws[name, m] - found.draws[against, m]) * signs[m] for name, m in keys]
    values = np.array([one.value for one in differences])
    low, high = simultaneous_intervals(values, np.stack(draws, axis=1), level)
    pairs = zip(differences, low.tolist(), high.tolist(), strict=True)
    # Never narrower than the interval of one difference alone.
    together = [Against(one, min(a, one.low), max(b, one.high)) for one, a, b in pairs]
    return dict(zip(keys, together, strict=True))


def _who(candidate: Candidate, metric: str) -> dict[str, Any]:
    return {"model": candidate.name, "kind": candidate.kind, "of": candidate.of, "metric": metric}


def _scores(
    found: Together, versus: Mapping[tuple[str, str], Against], name: str, metric: str
) -> dict[str, Any]:
    own = found.intervals[name, metric]
    against = versus.get((name, metric))
    nothing = float("nan")
    alone = None if against is None else against.alone
    return {
        "value": own.value,
        "low": own.low,
        "high": own.high,
        "difference": nothing if alone is None else alone.value,
        "difference_low": nothing if alone is None else alone.low,
        "difference_high": nothing if alone is None else alone.high,
        "together_low": nothing if against is None else against.low,
        "together_high": nothing if against is None else against.high,
        "p_value": nothing if alone is None else alone.p_value,
        "verdict": verdict_word(against),
    }


def _lag(lag: Any) -> dict[str, float]:
    ends = (float("nan"),) * 3 if lag is None else (lag.value, lag.low, lag.high)
    return dict(zip(("lag", "lag_low", "lag_high"), ends, strict=True))


def _asked(shares: Mapping[str, float]) -> str:
    if shares and all(share == 1 for share in shares.values()):
        return f"all {len(shares)}"
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())


def _price(cost: Cost, said: Answered) -> dict[str, Any]:
    return {
        "us_per_row": cost.us_per_row,
        "megabytes": cost.megabytes,
        "calls_per_row": said.calls_per_row,
        "asked": _asked(said.asked),
    }
