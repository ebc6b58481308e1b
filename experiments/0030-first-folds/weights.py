"""What is lost where a combiner learns from the out-of-fold rows of fewer folds, learners and models the same?

    STACKML_DATA=... python experiments/0025-free-weights/run.py SCRATCH collect diamonds adult ...
    python experiments/0030-first-folds/weights.py SCRATCH > weights.csv
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

from stackml.combiners import Context, MetaFeatures
from stackml.combiners.auto import DEFAULT_CANDIDATES, choose_combiner
from stackml.decision.base import mean_loss
from stackml.foundation.threads import one_thread_each
from stackml.splitting import Folds
from stackml.splitting.base import Fold
from stackml.tables import Problem, Target

warnings.simplefilter("ignore")
print("table,folds,rows,chosen,learners,test_loss")
for path in sorted(Path(sys.argv[1]).glob("*.npz")):
    kept = np.load(path)
    said = json.loads(str(kept["said"]))
    if said["kind"].startswith("temporal"):
        continue
    problem = Problem(said["problem"], said["n_classes"])
    shape = tuple(said["learners"]), tuple(said["widths"]), tuple(said["kinds"]), problem
    meta, asked = MetaFeatures(kept["oof"], *shape), MetaFeatures(kept["test"], *shape)
    for n_folds in (int(kept["fold"].max()) + 1, 3, 2):
        rows = np.flatnonzero(kept["fold"] < n_folds)
        fold = kept["fold"][rows]
        folds = tuple(Fold(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(n_folds))
        context = Context(0, said["metric"], Folds(folds, len(rows), said["kind"]))
        with one_thread_each():
            target = Target(problem, kept["y"][rows])
            fitted, _ = choose_combiner(DEFAULT_CANDIDATES, meta.take(rows), target, context)
        loss = mean_loss(fitted.predict(asked), kept["truth"], problem)
        print(f"{path.stem},{n_folds},{len(rows)},{fitted.kind},{len(fitted.learners)},{loss:.6g}", flush=True)
