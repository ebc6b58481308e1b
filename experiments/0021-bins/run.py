"""How many rows the bins of LightGBM have to be cut by.

    STACKML_DATA=... python experiments/0021-bins/run.py gmsc diabetes130 banksim > result.csv
"""

import sys
import warnings
from pathlib import Path

import numpy as np

from stackml.learners import lightgbm
from stackml.learners.base import Budget
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric

sys.path.insert(0, str(Path(__file__).parents[1]))
from sampled_tables import METRICS, sampled_table  # noqa: E402

warnings.simplefilter("ignore")
SEEDS = 3
MOST_ROWS = 250_000  # a fifth of them held out
SAMPLES = (200_000, 100_000, 50_000, 25_000)


def judge(name, seed):
    """Return (ranking score or RMSE, loss) of the learner on held-out rows, for each size of the sample."""
    table, target, asked, truth = sampled_table(name, MOST_ROWS, seed)
    kind = target.problem.kind
    metrics = [get_metric(METRICS[kind], kind), get_metric("rmse" if kind == "regression" else "log_loss", kind)]
    order = np.random.default_rng(seed).permutation(target.n_rows)
    cut = target.n_rows // 5
    learned, stop = np.sort(order[cut:]), np.sort(order[:cut])
    scores = []
    for size in SAMPLES:
        lightgbm._SAMPLED_ROWS = size
        learner = make_learner("lightgbm")
        said = learner.fit(learner.prepare(table), target, learned, stop, Budget(), seed).predict(asked)
        shaped = said if kind == "multiclass" else said[:, 0]
        scores.append([metric.kernel(truth.values, shaped, None) for metric in metrics])
    return np.array(scores)


print("table,seed,rows," + ",".join(f"{what} {size}" for size in SAMPLES for what in ("score", "loss")))
for name in sys.argv[1:]:
    for seed in range(SEEDS):
        found = judge(name, seed)
        print(f"{name},{seed},{MOST_ROWS}," + ",".join(f"{value:.6g}" for value in found.ravel()), flush=True)
