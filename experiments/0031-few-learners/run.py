"""How many learners does a combiner need, and what is lost where it keeps few of them?

    STACKML_DATA=... python experiments/0025-free-weights/run.py SCRATCH collect diamonds adult ...
    python experiments/0031-few-learners/run.py SCRATCH > result.csv

Reads what `collect` of experiment 0025 kept, of the learners that the preset "balanced" has too (for its
net the larger one of "best"). A learner is left out where the loss without it rises by less than a part of it, `prune`.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

from stackml.combiners import Context, LogisticCombiner, MeanCombiner, MetaFeatures, SimplexCombiner
from stackml.combiners.auto import DEFAULT_CANDIDATES, LEAN_CANDIDATES, choose_combiner
from stackml.foundation.threads import one_thread_each
from stackml.metrics import get_metric
from stackml.splitting import Folds
from stackml.splitting.base import Fold
from stackml.tables import Problem, Target

BALANCED = ("xgboost_shallow", "lightgbm", "logistic", "ridge", "extra_trees", "lightgbm_extra", "realmlp_large")
WAYS = {
    "mean": (MeanCombiner(),),
    "convex": (SimplexCombiner(),),
    "linear": (LogisticCombiner(),),
    "linear, prune=2e-4": (LogisticCombiner(prune=2e-4),),
    "linear, prune=5e-4": (LogisticCombiner(prune=5e-4),),
    "linear, prune=1e-3": (LogisticCombiner(prune=1e-3),),
    "linear, prune=3e-3": (LogisticCombiner(prune=3e-3),),
    "linear, prune=1e-2": (LogisticCombiner(prune=1e-2),),
    "auto": DEFAULT_CANDIDATES,
    "auto, lean": LEAN_CANDIDATES,
}


def compare(path):
    """Return each way's choice, how many learners it asks, their microseconds a row and the loss on test rows."""
    kept = np.load(path)
    said = json.loads(str(kept["said"]))
    problem = Problem(said["problem"], said["n_classes"])
    shape = tuple(said["learners"]), tuple(said["widths"]), tuple(said["kinds"]), problem
    names = [name for name in said["learners"] if name in BALANCED]
    meta = MetaFeatures(kept["oof"], *shape).select(names)
    asked = MetaFeatures(kept["test"], *shape).select(names)
    fold, before = kept["fold"], said["kind"].startswith("temporal")
    folds = tuple(
        Fold(np.flatnonzero((fold < k) & (fold >= 0) if before else fold != k), np.flatnonzero(fold == k))
        for k in range(int(fold.max()) + 1)
    )
    context = Context(0, said["metric"], Folds(folds, len(fold), said["kind"]))
    metric = get_metric(said["metric"], problem.kind)
    for way, candidates in WAYS.items():
        fitted, _ = choose_combiner(candidates, meta, Target(problem, kept["y"]), context)
        predicted = fitted.predict(asked)
        shaped = predicted if problem.kind == "multiclass" else predicted[:, 0]
        score = metric.kernel(kept["truth"], np.asarray(shaped, np.float64), None)
        loss = 1 - score if metric.greater_is_better else score
        cost = sum(said["us"].get(name, 0.0) for name in fitted.learners)
        yield way, fitted.kind, len(fitted.learners), cost, loss


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print("table,way,chosen,learners,us_per_row,test")
    with one_thread_each():
        for path in sorted(Path(sys.argv[1]).glob("*.npz")):
            for way, kind, n, cost, loss in compare(path):
                print(f'{path.stem},"{way}",{kind},{n},{cost:.2f},{loss:.6g}', flush=True)
