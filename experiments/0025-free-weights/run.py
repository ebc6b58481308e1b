"""Weights of 0 or more, and free ones, on what the combiner of a `best` stack chooses from.

    STACKML_DATA=... python experiments/0025-free-weights/run.py SCRATCH collect diamonds adult ...
    python experiments/0025-free-weights/run.py SCRATCH compare > result.csv

`collect` fits each table's train rows for 120 s and keeps the out-of-fold predictions, those of the test rows (by the
models that answer for them afterwards) and what each learner costs a row. `compare` fits combiners to them.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import stackml.stack.building as building
from stackml import StackClassifier, StackRegressor
from stackml.combiners import Context, LogisticCombiner, MetaFeatures
from stackml.combiners.nested import nested_splits
from stackml.foundation.threads import one_thread_each
from stackml.metrics import get_metric
from stackml.splitting import Folds
from stackml.splitting.base import Fold
from stackml.tables import Problem, Table, Target

sys.path.insert(0, str(Path(__file__).parents[1] / "0006-race"))
from splits import load_split  # noqa: E402

warnings.simplefilter("ignore")
WAYS = {
    "bounded": LogisticCombiner(nonnegative=True, prune=0.0),
    "bounded, pruned": LogisticCombiner(nonnegative=True),
    "free": LogisticCombiner(prune=0.0),
    "free, pruned": LogisticCombiner(),
    "free, pruned at 0.001": LogisticCombiner(prune=1e-3),
}


def collect(name, scratch):
    """Fit one table and keep what `compare` reads."""
    split = load_split(name)
    seen, choose = {}, building.choose_combiner

    def watched(candidates, meta, target, context, deadline=None):
        seen.update(meta=meta, target=target, folds=context.folds)
        return choose(candidates, meta, target, context, deadline=deadline)

    building.choose_combiner = watched
    X, y = split.train.drop(columns=split.target), split.train[split.target]
    make = StackRegressor if split.problem == "regression" else StackClassifier
    stack = make("best", metric=split.metric, time_limit=120, n_jobs=2, random_state=0).fit(X, y)
    building.choose_combiner = choose
    meta, folds = seen["meta"], seen["folds"]
    asked = stack.fitted_.meta_features(Table.of(split.test[X.columns], stack.fitted_.schema))
    truth = split.test[split.target].to_numpy()
    if split.problem != "regression":
        places = {label: i for i, label in enumerate(stack.classes_.tolist())}
        truth = np.array([places[label] for label in truth.tolist()])
    board = stack.leaderboard_.set_index("name")["us_per_row"].fillna(0.0)
    said = {
        "learners": meta.learners, "widths": meta.widths, "kinds": meta.kinds, "problem": split.problem,
        "n_classes": seen["target"].problem.n_classes, "metric": split.metric, "kind": folds.kind,
        "us": {name: float(us) for name, us in board.items()},
    }  # fmt: skip
    np.savez(
        scratch / f"{name}.npz", oof=meta.values, test=asked.values, y=seen["target"].values, truth=truth,
        fold=folds.fold_of_row, said=json.dumps(said),
    )  # fmt: skip


def compare(path):
    """Return each way's loss on rows not seen, nested and of the test rows, and what it costs."""
    kept = np.load(path)
    said = json.loads(str(kept["said"]))
    problem = Problem(said["problem"], said["n_classes"])
    shape = tuple(said["learners"]), tuple(said["widths"]), tuple(said["kinds"]), problem
    meta, asked = MetaFeatures(kept["oof"], *shape), MetaFeatures(kept["test"], *shape)
    target, fold = Target(problem, kept["y"]), kept["fold"]
    numbers = range(int(fold.max()) + 1)
    before = said["kind"].startswith("temporal")
    folds = tuple(
        Fold(np.flatnonzero((fold < k) & (fold >= 0) if before else fold != k), np.flatnonzero(fold == k))
        for k in numbers
    )
    context = Context(0, said["metric"], Folds(folds, len(fold), said["kind"]))
    metric = get_metric(said["metric"], problem.kind)

    def loss(truth, predicted):
        shaped = predicted if problem.kind == "multiclass" else predicted[:, 0]
        score = metric.kernel(truth, np.asarray(shaped, np.float64), None)
        return 1 - score if metric.greater_is_better else score

    for way, combiner in WAYS.items():
        began, losses = time.process_time(), []
        for part in nested_splits(target, context):
            fitted = combiner.fit(meta.take(part.train), target.take(part.train), part.context)
            losses.append(loss(target.values[part.held_out], fitted.predict(meta.take(part.held_out))))
        seconds = time.process_time() - began
        fitted = combiner.fit(meta, target, context)
        us = sum(said["us"].get(name, 0.0) for name in fitted.learners)
        yield way, np.mean(losses), loss(kept["truth"], fitted.predict(asked)), len(fitted.learners), us, seconds


scratch, part, *names = Path(sys.argv[1]), *sys.argv[2:]
if part == "collect":
    for name in names:
        collect(name, scratch)
else:
    print("table,way,nested,test,learners,us_per_row,seconds")
    with one_thread_each():
        for path in sorted(scratch.glob("*.npz")):
            for way, *found in compare(path):
                print(f'{path.stem},"{way}",' + ",".join(f"{value:.6g}" for value in found), flush=True)
