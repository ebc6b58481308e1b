"""Gates and fixed rules against convex weights, on the same learners, out-of-fold rows and held-out rows.

    STACKML_DATA=... python experiments/0009-mixtures/combiners.py 4000 2 bike_sharing adult > combiners.csv

Arguments: training rows, seeds, tables. One line a table, seed and combiner; `gain` is the loss of convex
weights minus that of the combiner on held-out rows, in percent of the former (above 0 is better), with
a paired bootstrap over rows or groups.
"""

import sys
import warnings
from collections import Counter
from dataclasses import replace
from time import process_time

import numpy as np

import stackml
from stackml.combiners.catalog import make_combiner
from stackml.datasets import load_dataset
from stackml.decision.base import loss_rows
from stackml.metrics import get_metric
from stackml.splitting import holdout_split
from stackml.stack.building import combine
from stackml.tables.table import Table

warnings.simplefilter("ignore")
LEARNERS = {
    True: ["lightgbm", "extra_trees", "ridge", "neighbors", "mlp"],
    False: ["lightgbm", "extra_trees", "logistic", "neighbors", "mlp"],
}
WAYS = {
    "simplex": make_combiner("simplex"),
    "single": make_combiner("single"),
    "mean": make_combiner("mean"),
    "median": make_combiner("median"),
    "geometric": make_combiner("geometric"),
    "vote": make_combiner("vote"),
    "rank_mean": make_combiner("rank_mean"),
    "boosted + features": make_combiner("boosted"),
    "gated": make_combiner("gated"),
    "gated, no way back": make_combiner("gated", falls_back=False),
    "gated hidden=8": make_combiner("gated", hidden=8),
    "gated top_k=2": make_combiner("gated", top_k=2),
    "gated top_k=1": make_combiner("gated", top_k=1),
    "gated top_k=1, no way back": make_combiner("gated", top_k=1, falls_back=False),
}
NUMBERS = ("bike_sharing", "california_housing", "diamonds", "wine_quality")
DRAWS = 400


def prepared(name, n_rows, seed):
    data = load_dataset(name)
    frame = data.frame
    y = frame[data.target].to_numpy()
    is_number = name in NUMBERS
    if is_number:
        y = y.astype(np.float64)
    groups = None if data.group is None else frame[data.group].to_numpy()
    fold = holdout_split(
        n_rows=len(y), y_codes=None if is_number else y, groups=groups, seed=seed, share=0.4
    ).folds[0]
    rng = np.random.default_rng(seed)
    train = np.sort(rng.permutation(fold.train)[:n_rows])
    test = np.sort(rng.permutation(fold.held_out)[: 3 * n_rows])
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    categories = [c for c in data.category_codes if c in X]
    parts = [(X.iloc[r].reset_index(drop=True), y[r], None if groups is None else groups[r]) for r in (train, test)]
    return is_number, categories, *parts


def interval(gain, units, rng):
    """Return a 95 % interval of the mean by a bootstrap over units (rows or groups)."""
    _, at = np.unique(units, return_inverse=True)
    sums, sizes = np.bincount(at, gain), np.bincount(at)
    draws = rng.integers(0, len(sums), size=(DRAWS, len(sums)))
    return np.percentile(sums[draws].sum(axis=1) / sizes[draws].sum(axis=1), [2.5, 97.5])


if __name__ == "__main__":
    print("table,seed,combiner,metric,score,loss,gain,low,high,gate,calls_a_row,seconds")
    for name in sys.argv[3:]:
        for seed in range(int(sys.argv[2])):
            is_number, categories, (X, y, groups), (X_new, y_new, groups_new) = prepared(name, int(sys.argv[1]), seed)
            made = stackml.StackRegressor if is_number else stackml.StackClassifier
            stack = made(
                LEARNERS[is_number], "simplex", schema={"categories": categories}, random_state=seed, n_jobs=1
            ).fit(X, y, groups=groups)
            built, fitted = stack._built, stack.fitted_
            codes = y_new if is_number else np.searchsorted(stack.classes_, y_new)
            table = Table.of(X_new, fitted.schema)
            meta = replace(fitted.meta_features(table), features=table)
            metric = get_metric(stack.fitted_.card["metric"])
            losses, units = {}, np.arange(len(y_new)) if groups_new is None else groups_new
            for way, combiner in WAYS.items():
                if is_number and way in ("geometric", "vote"):
                    continue
                recipe = replace(built.recipe, combiner=combiner, passthrough="features" in way)
                began = process_time()
                found = combine(built.layers[-1], built.sources.table, built.target, recipe)
                seconds = process_time() - began
                p = found.calibrator.apply(found.combiner.predict(meta))
                losses[way] = loss_rows(p, codes, built.target.problem)
                gain = (losses["simplex"] - losses[way]) / losses["simplex"].mean() * 100
                low, high = interval(gain, units, np.random.default_rng(0))
                score = metric.value(codes, p if p.shape[1] > 1 else p[:, 0])
                chosen, calls = "", float(len(found.combiner.learners))
                if combiner.kind == "gated":
                    chosen = found.combiner.verdict.chosen.split()[0]
                    one = replace(fitted, combiner=found.combiner, passthrough=True)
                    counted = Counter()
                    one.meta_features(table, needed_only=True, counted=counted)
                    calls = counted.total() / table.n_rows
                print(
                    f'{name},{seed},"{way}",{metric.name},{score:.5f},{losses[way].mean():.6g},{gain.mean():.3f},'
                    f"{low:.3f},{high:.3f},{chosen},{calls:.3f},{seconds:.2f}",
                    flush=True,
                )
