"""Fold networks made one: with and without alignment, from one start or from five.

STACKML_DATA=... python experiments/0008-merging/nets.py > experiments/0008-merging/nets.csv
"""

import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from tables import TABLES, interval, losses, parts

import stackml
from stackml.learners.catalog import make_learner

warnings.simplefilter("ignore")
SEEDS = range(3)
WAYS = {
    "linear unaligned": {"align": False},
    "linear": {},
    "slerp": {"method": "slerp"},
    "ties 0.5": {"method": "ties", "density": 0.5},
    "ties 0.9": {"method": "ties"},
    "dare_linear 0.9": {"method": "dare_linear"},
    "dare_ties 0.9": {"method": "dare_ties"},
}


def alone(stack, number):
    """Return a stack of one of its fold models."""
    return stackml.merge(stack, weights=[float(i == number) for i in range(5)], align=False)


def barrier(stack, X, y, align):
    """Return how far the loss between two networks rises above the line between their own."""
    at = np.linspace(0, 1, 5)
    found = [losses(stackml.merge(stack, weights=(1 - t, t, 0, 0, 0), align=align), X, y).mean() for t in at]
    return max(loss - (1 - t) * found[0] - t * found[-1] for loss, t in zip(found, at, strict=True))


print("table,learner,start,what,loss,from_ensemble,low,high,from_mean_parent,parent_low,parent_high")
for table in sys.argv[1:] or TABLES:
    for learner in ("mlp", "realmlp", "tabm"):
        for start in ("own", "shared"):
            each, gaps, gains, barriers = {}, {}, {}, {True: [], False: []}
            for seed in SEEDS:
                (X, y), (X_held, y_held) = parts(table, seed, (4000, 4000))
                make = stackml.StackRegressor if table == "california_housing" else stackml.StackClassifier
                described = make_learner(learner, start=None if start == "own" else 1)
                stack = make(
                    [(learner, described)],
                    folds=5,
                    calibration="none",
                    refit=False,
                    random_state=seed,
                    n_jobs=1,
                ).fit(X, y)
                ensemble = losses(stack, X_held, y_held)
                models = [losses(alone(stack, i), X_held, y_held) for i in range(5)]
                parent = np.mean(models, axis=0)
                found = {
                    way: losses(stackml.merge(stack, **given), X_held, y_held) for way, given in WAYS.items()
                }
                found |= {"a parent": parent, "the ensemble": ensemble}
                for way, loss in found.items():
                    each.setdefault(way, []).append(loss.mean())
                    gaps.setdefault(way, []).append(ensemble - loss)
                    gains.setdefault(way, []).append(parent - loss)
                for align in barriers:
                    barriers[align].append(barrier(stack, X_held, y_held, align))
            for way in each:
                numbers = (np.mean(each[way]), *interval(gaps[way]), *interval(gains[way]))
                print(f"{table},{learner},{start},{way},{','.join(f'{n:.5f}' for n in numbers)}", flush=True)
            for align, values in barriers.items():
                what = "barrier aligned" if align else "barrier"
                print(f"{table},{learner},{start},{what},{np.mean(values):.5f},,,,,,", flush=True)
