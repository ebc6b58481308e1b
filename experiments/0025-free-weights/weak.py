"""Do free weights flatter themselves where there is little to know?

    python experiments/0025-free-weights/weak.py > weak.csv
"""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from stackml.combiners import Context, LogisticCombiner
from stackml.combiners.nested import nested_splits
from stackml.foundation.threads import one_thread_each
from stackml.learners.catalog import make_learner
from stackml.oof import Engine
from stackml.oof.plan import Job
from stackml.splitting import choose_splitter
from stackml.tables import Overrides, Problem, Table, Target

warnings.simplefilter("ignore")
LEARNERS = (
    "lightgbm", "xgboost_shallow", "extra_trees", "random_forest", "neighbors", "logistic", "mlp", "lightgbm_extra",
)  # fmt: skip
WAYS = {"bounded": LogisticCombiner(nonnegative=True, prune=0.0), "free": LogisticCombiner()}
N_TEST, SEEDS = 20_000, 16


def judge(n, strength, seed):
    """Return each way's AUC on rows the combiner did not see, and on test rows."""
    rng = np.random.default_rng(1000 * seed + n + int(100 * strength))
    X = rng.normal(size=(n + N_TEST, 15))
    X[:, 0] = np.abs(X[:, 0])
    z = strength * (X[:, 1] + X[:, 2] * X[:, 3] + (X[:, 0] > 1))
    y = (rng.random(len(X)) < 1 / (1 + np.exp(z.mean() - z))).astype(np.int64)
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(15)])
    table = Table.learn(frame[:n], Overrides())
    asked, target = Table.of(frame[n:], table.schema), Target(Problem("binary", 2), y[:n])
    folds = choose_splitter(5, groups_given=False, time_given=False).split(
        n_rows=n, y_codes=target.values, groups=None, time=None, seed=seed
    )
    result = Engine(1).run([(kind, make_learner(kind)) for kind in LEARNERS], Job(table, target, folds, seed))
    meta, context = result.meta_features(), Context(seed, "roc_auc", folds)
    means = [np.mean([model.predict(asked) for model in run.models], axis=0) for run in result.fitted]
    test = replace(meta, values=np.concatenate(means, axis=1))
    for way, combiner in WAYS.items():
        scores = [
            roc_auc_score(
                target.values[part.held_out],
                combiner.fit(meta.take(part.train), target.take(part.train), part.context).predict(
                    meta.take(part.held_out)
                ),
            )
            for part in nested_splits(target, context)
        ]
        yield way, np.mean(scores), roc_auc_score(y[n:], combiner.fit(meta, target, context).predict(test))


print("rows,strength,seed,way,nested,test")
with one_thread_each():
    for n in (600, 2500):
        for strength in (0.0, 0.15, 0.5):
            for seed in range(SEEDS):
                for way, nested, test in judge(n, strength, seed):
                    print(f"{n},{strength},{seed},{way},{nested:.5f},{test:.5f}", flush=True)
