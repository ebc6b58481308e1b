"""Forests out of the bag or on five folds, of many trees or few, with large leaves or small.

    STACKML_DATA=... python experiments/0017-forests/run.py wine_quality letter diamonds > result.csv
"""

import sys
import time
import warnings

import numpy as np

from stackml.datasets import load_dataset
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.splitting import holdout_split
from stackml.tables import Overrides, Problem, Table, Target

warnings.simplefilter("ignore")
FOLDS = 5
WAYS = (  # learner, whether out of the bag, trees of a fit, parameters
    ("random_forest", True, 100, {"min_samples_leaf": 2, "max_features": 0.5}),
    ("random_forest", True, 250, {"min_samples_leaf": 2, "max_features": 0.5}),
    ("random_forest", True, 250, {"min_samples_leaf": 2, "max_features": 0.7}),
    ("random_forest", True, 250, {"min_samples_leaf": 2}),
    ("random_forest", True, 250, {"min_samples_leaf": 1}),
    ("random_forest", True, 250, {}),
    ("random_forest", False, 50, {}),
    ("extra_trees", True, 100, {"min_samples_leaf": 2}),
    ("extra_trees", True, 250, {"min_samples_leaf": 2}),
    ("extra_trees", True, 250, {}),
    ("extra_trees", False, 50, {"min_samples_leaf": 4}),
    ("extra_trees", False, 50, {}),
    ("extra_trees", False, 100, {}),
)


def read(name):
    """Return table, target and the divided rows."""
    data = load_dataset(name)
    frame = data.frame
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    y = frame[data.target].to_numpy()
    problem = Problem("regression", 0)
    if data.card.use != "regression":
        classes, y = np.unique(y, return_inverse=True)
        problem = Problem("binary" if len(classes) == 2 else "multiclass", len(classes))
    outer = holdout_split(n_rows=len(X), y_codes=y, groups=None, time=None).folds[0]
    table = Table.learn(X, Overrides(categories=[c for c in data.category_codes if c in X]))
    return table, Target(problem, y), outer.train, outer.held_out


print("table,learner,way,trees,parameters,out_of_fold,held_out,seconds")
for name in sys.argv[1:]:
    table, target, rows, held_out = read(name)
    metric = get_metric(
        {"regression": "rmse", "multiclass": "log_loss", "binary": "roc_auc"}[target.problem.kind],
        target.problem.kind,
    )

    def score(rows, said, target=target, metric=metric):
        """Return the metric of predictions of some rows."""
        shaped = said if target.problem.kind == "multiclass" else said[:, 0]
        return metric.kernel(target.values[rows], shaped, None)

    fold = np.random.default_rng(0).integers(0, FOLDS, len(rows))
    for kind, out_of_bag, n_trees, given in WAYS:
        learner = make_learner(kind, n_trees=n_trees, **given)
        prepared, started = learner.prepare(table), time.perf_counter()
        if out_of_bag:
            model, own = learner.fit_out_of_bag(prepared, target, rows, Budget(), 0)
            said = model.predict(table.take(held_out))
        else:
            own = np.empty((len(rows), target.problem.n_outputs), np.float32)
            said = 0.0
            for k in range(FOLDS):
                model = learner.fit(prepared, target, rows[fold != k], None, Budget(), k)
                own[fold == k] = model.predict(table.take(rows[fold == k]))
                said = said + model.predict(table.take(held_out)) / FOLDS
        seconds = time.perf_counter() - started
        way = "out of the bag" if out_of_bag else "five folds"
        scores = f"{score(rows, own):.5g},{score(held_out, said):.5g}"
        print(f'{name},{kind},{way},{n_trees},"{given}",{scores},{seconds:.1f}', flush=True)
