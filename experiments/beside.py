"""What a learner adds beside others: alone and in the ensemble, out of fold and on rows held out."""

import sys
import warnings
from dataclasses import replace

import numpy as np
from sampled_tables import METRICS, any_table

from stackml.combiners import Context, LogisticCombiner
from stackml.combiners.nested import nested_predictions
from stackml.foundation.threads import one_thread_each
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.oof import Engine
from stackml.oof.plan import Job
from stackml.splitting import choose_splitter

_FOLDS = 5


def main(most_rows, beside, ways):
    """Write each way's losses on the tables named, of at most so many rows, a fifth of them held out."""
    warnings.simplefilter("ignore")
    print("table,way,what,nested,test")
    with one_thread_each():
        for name in sys.argv[1:]:
            for way, what, nested, test in judge(name, most_rows, beside, ways):
                print(f"{name},{way},{what},{nested:.6g},{test:.6g}", flush=True)


def judge(name, most_rows, beside, ways):
    """Return each way's loss alone and in the ensemble, out of fold (nested) and of rows held out."""
    table, target, asked, truth = any_table(name, most_rows, 0)
    metric = get_metric(METRICS[target.problem.kind], target.problem.kind)
    folds = choose_splitter(_FOLDS, groups_given=False, time_given=False).split(
        n_rows=target.n_rows, y_codes=target.values, groups=None, time=None, seed=0
    )
    job = Job(table, target, folds, 0)
    context = Context(0, METRICS[target.problem.kind], folds)

    def loss(of, values):
        shaped = values if of.problem.kind == "multiclass" else values[:, 0]
        score = metric.kernel(of.values, np.asarray(shaped, np.float64), None)
        return 1 - score if metric.greater_is_better else score

    learners = [(kind, make_learner(kind)) for kind in beside]
    learners = [(kind, learner) for kind, learner in learners if target.problem.kind in learner.problems]
    result = Engine(2).run([*learners, *ways.items()], job)
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
    for way in ways:
        yield way, "alone", loss(target, meta.of(way)), loss(truth, said[way])
        yield way, "ensemble", *ensemble([*base, way])
