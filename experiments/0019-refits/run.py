"""Who predicts: the models of the folds, or one, two or four models of all rows.

    STACKML_DATA=... python experiments/0019-refits/run.py adult wine_quality ... > result.csv
"""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from stackml.combiners import Context, SimplexCombiner
from stackml.learners.catalog import make_learner
from stackml.metrics import get_metric
from stackml.oof import Engine
from stackml.oof.plan import Job
from stackml.splitting import choose_splitter

sys.path.insert(0, str(Path(__file__).parents[1]))
from sampled_tables import METRICS, sampled_table  # noqa: E402

warnings.simplefilter("ignore")
SEEDS = 3
MOST_ROWS = 8_000  # a fifth of them held out
FOLDS = 8
LEARNERS = ("lightgbm", "lightgbm_extra", "xgboost_shallow", "catboost", "realmlp_large", "extra_trees")
REFITS = (1, 2, 4)


def judge(name, seed):
    """Return each way's score for each learner and for the ensemble of all."""
    table, target, asked, truth = sampled_table(name, MOST_ROWS, seed)
    metric = get_metric(METRICS[target.problem.kind], target.problem.kind)
    splitter = choose_splitter(FOLDS, groups_given=False, time_given=False)
    folds = splitter.split(
        n_rows=target.n_rows, y_codes=target.values, groups=None, time=None, seed=seed
    )
    job, engine = Job(table, target, folds, seed), Engine(2)
    result = engine.run([(kind, make_learner(kind)) for kind in LEARNERS], job)
    meta = result.meta_features()
    weights = SimplexCombiner().fit(meta, target, Context(seed))
    said = {run.name: {"folds": [m.predict(asked) for m in run.models]} for run in result.fitted}
    for at in range(max(REFITS)):
        for run in engine.refit(result, replace(job, seed=seed + 1000 * at)).fitted:
            said[run.name].setdefault("all", []).append(run.models[0].predict(asked))
    ways = {"folds": lambda of: np.mean(of["folds"], axis=0)}
    for n in REFITS:
        ways[f"refits {n}"] = lambda of, n=n: np.mean(of.get("all", of["folds"])[:n], axis=0)
    ways["both"] = lambda of: (ways["folds"](of) + ways["refits 1"](of)) / 2

    def score(values):
        shaped = values if truth.problem.kind == "multiclass" else values[:, 0]
        return metric.kernel(truth.values, shaped, None)

    for way, predict in ways.items():
        parts = {kind: predict(of) for kind, of in said.items()}
        for kind, values in parts.items():
            yield way, kind, score(values)
        whole = np.concatenate([parts[kind] for kind in meta.learners], axis=1)
        yield way, "ensemble", score(weights.predict(replace(meta, values=whole)))


print("table,seed,way,learner,score")
for name in sys.argv[1:]:
    for seed in range(SEEDS):
        for way, kind, score in judge(name, seed):
            print(f"{name},{seed},{way},{kind},{score:.6g}", flush=True)
