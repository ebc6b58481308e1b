"""How many of the trees that vote out of the bag have to predict afterwards.

    STACKML_DATA=... python experiments/0020-voters/run.py adult wine_quality ... > result.csv
"""

import sys
import warnings
from pathlib import Path

import numpy as np

from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric

sys.path.insert(0, str(Path(__file__).parents[1]))
from sampled_tables import METRICS, sampled_table  # noqa: E402

warnings.simplefilter("ignore")
SEEDS = 2
MOST_ROWS = 60_000  # a fifth of them held out
KEPT = (1.0, 0.6, 0.4, 0.25)


def judge(name, kind, seed):
    """Return the scores of the first trees of one and the same forest, all of them first."""
    table, target, asked, truth = sampled_table(name, MOST_ROWS, seed)
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
