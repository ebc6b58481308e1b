"""Boosters alone, with small trees and large, few rows and many, and categories read in several ways.

    STACKML_DATA=... python experiments/0018-tree-sizes/run.py adult wine_quality ... > result.csv
"""

import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from stackml.datasets import load_dataset
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.tables import Overrides, Problem, Table, Target

warnings.simplefilter("ignore")
SEEDS = 3
SIZES = (3_000, 12_000, 40_000)  # rows, a fifth of them held out
METRICS = {"regression": "rmse", "multiclass": "log_loss", "binary": "roc_auc"}
SORTED = {"max_cat_to_onehot": 4}
LESS = {"cat_smooth": 10.0, "cat_l2": 1.0, "min_data_per_group": 20}
VARIANTS = (
    *(("lightgbm", {"num_leaves": n, "min_child_samples": m}) for n in (7, 15, 31, 63, 127) for m in (5, 20)),
    ("lightgbm", {}),
    ("lightgbm", SORTED),
    ("lightgbm", SORTED | LESS),
    ("lightgbm", {"feature_fraction": 0.6}),
    *(("xgboost", {"max_depth": depth}) for depth in (3, 4, 5, 6, 7, 8)),
    ("xgboost", {"max_cat_to_onehot": 30}),
    *(("xgboost_shallow", {"max_depth": depth}) for depth in (3, 4, 5, 6)),
)


def read(name, size, seed):
    """Return table, target and the positions of rows to learn from, to stop on and to judge by."""
    data = load_dataset(name)
    frame = data.frame.sample(min(size, len(data.frame)), random_state=seed)
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    y = frame[data.target].to_numpy()
    problem = Problem("regression", 0)
    if data.card.use != "regression":
        classes, y = np.unique(y, return_inverse=True)
        problem = Problem("binary" if len(classes) == 2 else "multiclass", len(classes))
    table = Table.learn(X, Overrides(categories=[c for c in data.category_codes if c in X]))
    ends = (np.array([0.68, 0.8]) * len(X)).astype(int)
    return table, Target(problem, y), np.split(np.arange(len(X)), ends)


def judge(name, size, seed):
    """Return score and seconds of every variant."""
    table, target, (rows, stop_rows, held_out) = read(name, size, seed)
    metric = get_metric(METRICS[target.problem.kind], target.problem.kind)
    shown = table.take(held_out)

    def one(variant):
        kind, given = variant
        learner, started = make_learner(kind, **given), time.perf_counter()
        said = learner.fit(learner.prepare(table), target, rows, stop_rows, Budget(), seed).predict(shown)
        shaped = said if target.problem.kind == "multiclass" else said[:, 0]
        return metric.kernel(target.values[held_out], shaped, None), time.perf_counter() - started

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, VARIANTS))


print("table,rows,learner,parameters,scores,seconds")
for name in sys.argv[1:]:
    n_rows = len(load_dataset(name).frame)
    for size in (s for i, s in enumerate(SIZES) if i == 0 or SIZES[i - 1] < n_rows):
        found = [judge(name, size, seed) for seed in range(SEEDS)]
        for (kind, given), of_seeds in zip(VARIANTS, zip(*found, strict=True), strict=True):
            scores = " ".join(f"{score:.6g}" for score, _ in of_seeds)
            seconds = np.mean([seconds for _, seconds in of_seeds])
            print(f'{name},{min(size, n_rows)},{kind},"{given}",{scores},{seconds:.2f}', flush=True)
