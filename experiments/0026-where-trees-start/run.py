"""Where should the small boosted combiner start: from convex weights, or from the linear combiner?

    STACKML_DATA=... python experiments/0025-free-weights/run.py SCRATCH collect diamonds adult ...
    python experiments/0026-where-trees-start/run.py SCRATCH > result.csv
    python experiments/0026-where-trees-start/run.py SCRATCH choose > choices.csv

Reads what `collect` of experiment 0025 kept: out-of-fold predictions of a `best` stack, and those of the test rows by
the models that answer for them afterwards. `choose` lets nested cross-validation pick among the candidates of `combiner="auto"`, with the boosted one
(from either start) and without.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import stackml.combiners.boosted as boosted
from stackml.combiners import BoostedCombiner, Context, LogisticCombiner, MetaFeatures, SimplexCombiner
from stackml.combiners.auto import DEFAULT_CANDIDATES, choose_combiner
from stackml.combiners.nested import nested_splits
from stackml.foundation.threads import one_thread_each
from stackml.metrics import get_metric
from stackml.splitting import Folds
from stackml.splitting.base import Fold
from stackml.tables import Problem, Target

warnings.simplefilter("ignore")
# The start of the trees is looked up in the module of the combiner.
WAYS = {
    "linear, no trees": (LogisticCombiner(), LogisticCombiner),
    "convex, trees": (BoostedCombiner(), SimplexCombiner),
    "linear, trees": (BoostedCombiner(), LogisticCombiner),
}


PLAIN = tuple(candidate for candidate in DEFAULT_CANDIDATES if candidate.kind != "boosted")
CHOICES = {
    "boosted from convex": ((*PLAIN, BoostedCombiner()), SimplexCombiner),
    "boosted from linear": ((*PLAIN, BoostedCombiner()), LogisticCombiner),
    "without": (PLAIN, LogisticCombiner),
}


def read(path):
    """Return what was said of a table, predictions of train and test rows, targets, context and the metric's loss."""
    kept = np.load(path)
    said = json.loads(str(kept["said"]))
    problem = Problem(said["problem"], said["n_classes"])
    shape = tuple(said["learners"]), tuple(said["widths"]), tuple(said["kinds"]), problem
    meta, asked = MetaFeatures(kept["oof"], *shape), MetaFeatures(kept["test"], *shape)
    target, fold = Target(problem, kept["y"]), kept["fold"]
    before = said["kind"].startswith("temporal")
    folds = tuple(
        Fold(np.flatnonzero((fold < k) & (fold >= 0) if before else fold != k), np.flatnonzero(fold == k))
        for k in range(int(fold.max()) + 1)
    )
    context = Context(0, said["metric"], Folds(folds, len(fold), said["kind"]))
    metric = get_metric(said["metric"], problem.kind)

    def loss(truth, predicted):
        shaped = predicted if problem.kind == "multiclass" else predicted[:, 0]
        score = metric.kernel(truth, np.asarray(shaped, np.float64), None)
        return 1 - score if metric.greater_is_better else score

    return said, meta, asked, target, kept["truth"], context, loss


def cost(said, fitted):
    """Return the microseconds a row of the learners that are asked."""
    return sum(said["us"].get(name, 0.0) for name in fitted.learners)


def compare(path):
    """Return each way's loss on rows not seen, nested and of the test rows, and what it costs."""
    said, meta, asked, target, truth, context, loss = read(path)
    for way, (combiner, start) in WAYS.items():
        boosted.LogisticCombiner = start
        began, losses = time.process_time(), []
        for part in nested_splits(target, context):
            fitted = combiner.fit(meta.take(part.train), target.take(part.train), part.context)
            losses.append(loss(target.values[part.held_out], fitted.predict(meta.take(part.held_out))))
        seconds = time.process_time() - began
        fitted = combiner.fit(meta, target, context)
        trees = getattr(fitted, "text", "").count("Tree=")
        test = loss(truth, fitted.predict(asked))
        yield way, np.mean(losses), test, trees, len(fitted.learners), cost(said, fitted), seconds


def choose(path):
    """Return the loss of what is chosen, nested and of the test rows, and what it costs."""
    said, meta, asked, target, truth, context, loss = read(path)
    for way, (candidates, start) in CHOICES.items():
        boosted.LogisticCombiner = start
        began = time.process_time()
        fitted, choice = choose_combiner(candidates, meta, target, context)
        seconds = time.process_time() - began
        nested = [
            loss(target.values[part.held_out], choice.nested[part.held_out])
            for part in nested_splits(target, context)
        ]
        test = loss(truth, fitted.predict(asked))
        yield way, choice.chosen, np.mean(nested), test, cost(said, fitted), seconds


part = choose if sys.argv[2:] == ["choose"] else compare
print(f"table,way,{'chosen,' * (part is choose)}nested,test,{'trees,learners,' * (part is compare)}us_per_row,seconds")
with one_thread_each():
    for path in sorted(Path(sys.argv[1]).glob("*.npz")):
        for way, *found in part(path):
            row = [f"{value:.6g}" if not isinstance(value, str) else value for value in found]
            print(f'{path.stem},"{way}",' + ",".join(row), flush=True)
