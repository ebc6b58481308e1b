"""More of the same for the learners an ensemble leans on, paid for by what is left of a limit.

A further round of cross-validation with other folds takes the luck of one division out of the
out-of-fold predictions and gives the bag more models; a further model of all rows, with another
seed, takes the luck of the seed out of who predicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from stackml.combiners.base import Context
from stackml.combiners.inputs import sampled
from stackml.combiners.simplex import SimplexCombiner
from stackml.foundation.errors import StackmlError
from stackml.oof.plan import Job, plan_learner, plan_refit
from stackml.oof.result import LearnerRun, OofResult
from stackml.tables.target import Target

MOST_MODELS = 24  # of one learner: more are slow to call and change little
LEAST_SHARE = 0.02  # of the ensemble
MOST_ROWS = 20_000
SAFETY = 1.15  # a fit may take longer than it did


def most_repeats(n_folds: int) -> int:
    """Return the most rounds of cross-validation in all: 3 of eight folds, 4 of five."""
    return max(1, MOST_MODELS // n_folds)


def worth_repeating(result: OofResult, target: Target, seed: int) -> tuple[str, ...]:
    """Return the learners with a share in a convex ensemble, the largest share first.

    Learners with out-of-bag predictions are left out: more trees are what they would ask for. So are
    those that do not learn.
    """
    meta, rows = result.meta_features(), result.rows
    meta, known = meta.take(rows), target.take(rows)
    drawn, weight = sampled(known, MOST_ROWS, seed, "repeats")
    known = replace(known.take(drawn), weight=weight)
    try:
        shares = SimplexCombiner(prune=0.0).fit(meta.take(drawn), known, Context(seed)).weights()
    except StackmlError:
        return ()
    bagged = {run.name for run in result.fitted if run.out_of_bag or not run.learner.learns}
    found = [name for name, share in shares.items() if share >= LEAST_SHARE and name not in bagged]
    return tuple(sorted(found, key=lambda name: -shares[name]))


def round_needs(result: OofResult, job: Job, *, by_clock: bool) -> dict[str, float]:
    """Return the core-seconds that one more round of each learner needs: what the last took, or nominal."""
    return {
        run.name: SAFETY * float(sum(run.seconds[-job.folds.n_folds :]))
        if by_clock
        else sum(task.cost for task in plan_learner(run.name, run.learner, job))
        for run in result.fitted
    }


def fold_needs(result: OofResult, job: Job, *, by_clock: bool) -> dict[str, float]:
    """Return the core-seconds that one more fold of each learner that has folds needs."""
    runs = [run for run in result.fitted if not run.out_of_bag]
    if by_clock:
        return {run.name: SAFETY * float(np.mean(run.seconds)) for run in runs}
    return {run.name: plan_learner(run.name, run.learner, job)[0].cost for run in runs}


def refit_needs(result: OofResult, job: Job, *, by_clock: bool) -> dict[str, float]:
    """Return the core-seconds that one more model of all rows needs, of learners that chance decides.

    Only those take part that have had all models before it: how many there are then tells their seeds.
    """
    runs = [run for run in result.fitted if len(run.refit_rounds) == job.number and run.learner.seeded]
    if by_clock:
        return {run.name: SAFETY * run.seconds[-1] for run in runs}
    return refit_costs(runs, job)


def refit_costs(runs: Sequence[LearnerRun], job: Job) -> dict[str, float]:
    """Return the nominal core-seconds of one model of all rows of each learner."""
    return {run.name: plan_refit(run.name, run.learner, run.fold_rounds, job).cost for run in runs}


def affordable(
    names: Sequence[str], needs: Mapping[str, float], left: float, longest: float = float("inf")
) -> tuple[str, ...]:
    """Return the learners whose need still fits into what is left, taken in order.

    Parameters
    ----------
    names : sequence of str
        Those that `needs` does not know are passed over.
    needs : mapping of str to float
        Core-seconds.
    left : float
        Core-seconds for all of them.
    longest : float
        Core-seconds for any one.
    """
    taken = []
    for name in names:
        if name in needs and needs[name] <= min(left, longest):
            left -= needs[name]
            taken.append(name)
    return tuple(taken)


def averaged(run: LearnerRun, further: LearnerRun) -> LearnerRun:
    """Return a learner with one more round: predictions averaged over rounds, models side by side."""
    n = len(run.repeats)
    oof = (run.oof.astype(np.float64) * n + further.oof) / (n + 1)
    both = _side_by_side(run, further)
    return replace(both, oof=oof.astype(np.float32), repeats=(*run.repeats, *further.repeats))


def extended(run: LearnerRun, further: LearnerRun) -> LearnerRun:
    """Return a learner with one more fold of the same round, whose rows had no predictions yet."""
    oof = np.where(np.isnan(further.oof), run.oof, further.oof)
    both = _side_by_side(run, further)
    return replace(both, oof=oof, models=both.models if run.learner.learns else run.models)


def _side_by_side(run: LearnerRun, further: LearnerRun) -> LearnerRun:
    return replace(
        run,
        models=(*run.models, *further.models),
        seconds=(*run.seconds, *further.seconds),
        fold_rounds=(*run.fold_rounds, *further.fold_rounds),
        n_fitted=run.n_fitted + further.n_fitted,
        us_per_row=(*run.us_per_row, *further.us_per_row),
    )
