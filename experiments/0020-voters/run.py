"""How many of the trees that vote out of the bag have to predict afterwards.

    STACKML_DATA=... python experiments/0020-voters/run.py adult wine_quality ... > result.csv
"""

import sys
import warnings

import numpy as np

from stackml.datasets import load_dataset
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.tables import Overrides, Problem, Table, Target

warnings.simplefilter("ignore")
SEEDS = 2
MOST_ROWS = 60_000  # a fifth of them held out
KEPT = (1.0, 0.6, 0.4, 0.25)
METRICS = {"regression": "rmse", "multiclass": "log_loss", "binary": "roc_auc"}


def read(name, seed):
    """Return table and target of rows to learn from, and of rows to judge by."""
    data = load_dataset(name)
    frame = data.frame.sample(min(MOST_ROWS, len(data.frame)), random_state=seed)
    X = frame.drop(columns=[c for c in (data.target, *data.drop, data.group, data.time) if c])
    y = frame[data.target].to_numpy()
    problem = Problem("regression", 0)
    if data.card.use != "regression":
        classes, y = np.unique(y, return_inverse=True)
        problem = Problem("binary" if len(classes) == 2 else "multiclass", len(classes))
    n = int(0.8 * len(X))
    table = Table.learn(X[:n], Overrides(categories=[c for c in data.category_codes if c in X]))
    return table, Target(problem, y[:n]), Table.of(X[n:], table.schema), Target(problem, y[n:])


def judge(name, kind, seed):
    """Return the scores of the first trees of one and the same forest, all of them first."""
    table, target, asked, truth = read(name, seed)
    metric = get_metric(METRICS[target.problem.kind], target.problem.kind)
    learner = make_learner(kind)
    if target.problem.kind not in learner.out_of_bag:
        return None
    n_trees = round(2.5 * learner.usual_rounds(target.n_rows))
    scores = []
    for share in KEPT:
        part = make_learner(kind, n_trees=round(share * n_trees))  # trees are grown in the same order
        rows = np.arange(target.n_rows)
        model, _ = part.fit_out_of_bag(part.prepare(table), target, rows, Budget(), seed)
        said = model.predict(asked)
        shaped = said if target.problem.kind == "multiclass" else said[:, 0]
        scores.append(metric.kernel(truth.values, shaped, None))
    return scores


print("table,learner," + ",".join(f"kept {share}" for share in KEPT))
for name in sys.argv[1:]:
    for kind in ("extra_trees", "random_forest"):
        found = [judge(name, kind, seed) for seed in range(SEEDS)]
        if found[0] is not None:
            print(f"{name},{kind}," + ",".join(f"{score:.6g}" for score in np.mean(found, axis=0)), flush=True)
