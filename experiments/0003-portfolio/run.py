"""Fit every candidate out of fold on every table; keep predictions and core-seconds.

    STACKML_DATA=... python experiments/0003-portfolio/run.py SCRATCH [TABLE ...]

Every file that is already there is left alone, so that the run can be stopped and resumed.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from candidates import CANDIDATES
from tables import TABLES, load

import stackml
from stackml.foundation.randomness import derive_seed
from stackml.foundation.threads import one_thread_each
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.tables import Table

warnings.simplefilter("ignore")
MOST_SECONDS = 40.0  # of one core, for the five folds of a learner
FOLDS = 5


def sources(name):
    """Return table, target, folds, test table, codes of the test target, metric, kind."""
    X, y, unseen, truth, metric, kind = load(name)
    make = stackml.StackRegressor if kind == "regression" else stackml.StackClassifier
    quick = (
        ["ridge"]
        if kind == "regression"
        else [("quick", make_learner("lightgbm", max_rounds=2, num_leaves=4))]
    )
    settings = {} if kind == "regression" else {"calibration": "none"}
    stack = make(quick, "mean", folds=FOLDS, n_jobs=1, metric=metric, random_state=0, **settings).fit(X, y)
    built = stack._built.sources
    if kind != "regression":
        order = {label: i for i, label in enumerate(stack.classes_)}
        truth = np.array([order[v] for v in truth])
    return built.table, built.target, built.folds, Table.of(unseen, stack.fitted_.schema), truth, metric, kind


def size_of(value):
    """Return the bytes of a model's state, uncompressed."""
    if isinstance(value, dict):
        return sum(size_of(v) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(size_of(v) for v in value)
    return getattr(value, "nbytes", len(value) if isinstance(value, bytes | str) else 8)


def fit(learner, seed, prepared, data):
    """Return out-of-fold and test predictions, seconds a fold, seconds of test, of one row, bytes."""
    table, target, folds, unseen, *_ = data
    oof, test, seconds, scoring = None, 0.0, [], 0.0
    for number, fold in enumerate(folds.folds):
        began = time.process_time()
        stop = fold.held_out if learner.stops_early else None
        model = learner.fit(
            prepared, target, fold.train, stop, Budget(), derive_seed(seed, "fit", learner.digest, number)
        )
        held = model.predict(table.take(fold.held_out))
        seconds.append(time.process_time() - began)
        if seconds[0] * len(folds.folds) > MOST_SECONDS:
            return None
        oof = np.full((target.n_rows, held.shape[1]), np.nan, np.float32) if oof is None else oof
        oof[fold.held_out] = held
        began = time.process_time()
        test = test + model.predict(unseen) / len(folds.folds)
        scoring += time.process_time() - began
    row = unseen.take(np.arange(1))
    times = []
    for _ in range(5):
        began = time.process_time()
        model.predict(row)
        times.append(time.process_time() - began)
    return {
        "oof": oof, "test": np.asarray(test, np.float32), "seconds": seconds, "scoring": scoring,
        "one_row": min(times), "bytes": size_of(model.to_state()) * len(folds.folds),
    }  # fmt: skip


def main(scratch, names):
    """Fit learner by learner, so that analysis can begin with the first."""
    scratch.mkdir(parents=True, exist_ok=True)
    data = {}
    for label, learner, seed in CANDIDATES:
        for name in names:
            path = scratch / f"{name}.{label}.npz"
            if path.exists() or is_hopeless(scratch, name, label):
                continue
            if name not in data:
                data[name] = sources(name)
                keep_truth(scratch, name, data[name])
            table, target = data[name][:2]
            if target.problem.kind not in learner.problems:
                continue
            began = time.process_time()
            found = fit(learner, seed, learner.prepare(table), data[name])
            np.savez_compressed(path, **(found or {"skipped": time.process_time() - began}))
            print(f"{name:20s}{label:18s}{time.process_time() - began:7.1f} core s", flush=True)


def is_hopeless(scratch, name, label):
    """Return whether boosting of many classes, which took too long before, would do so again."""
    first = scratch / f"{name}.lightgbm.npz"
    costly = label.startswith(("lgb", "xgb", "cat"))
    return costly and first.exists() and ("skipped" in np.load(first) or np.load(first)["seconds"].sum() > 25)


def keep_truth(scratch, name, sources):
    """Keep what the predictions are judged by."""
    _, target, folds, _, truth, metric, kind = sources
    meta = {"metric": metric, "kind": kind, "n_classes": target.problem.n_classes, "rows": target.n_rows}
    np.savez_compressed(
        scratch / f"{name}.truth.npz",
        y=target.values,
        fold=folds.fold_of_row,
        truth=truth,
        meta=json.dumps(meta),
    )


if __name__ == "__main__":
    with one_thread_each():
        main(Path(sys.argv[1]), sys.argv[2:] or TABLES)
