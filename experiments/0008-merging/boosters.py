"""Boosters and forests joined: how exact, and how fast beside k calls and beside the stack of fold models.

    STACKML_DATA=... python experiments/0008-merging/boosters.py [TABLE ...] > experiments/0008-merging/boosters.csv
"""

import sys
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from tables import parts

import stackml
from stackml.features.shared import SharedViews
from stackml.foundation.threads import one_thread_each
from stackml.learners.trees.booster import Part, Sum
from stackml.stack.pricing import megabytes
from stackml.tables.table import Table

warnings.simplefilter("ignore")
K, TIMES, N_WALKED = 5, 3, 500
CASES = (
    ("gmsc", "lightgbm"),
    ("gmsc", "xgboost"),
    ("california_housing", "lightgbm"),
    ("california_housing", "xgboost"),
    ("letter", "lightgbm"),
    ("adult", "random_forest"),
)


def margins(model, table, few):
    """Return what the trees sum to: in float64 tree by tree, or as batches are scored, in float32.

    Forests of several classes have no such sum; their predictions stand for it.
    """
    if model.additive is None:
        return model.predict(table).astype(np.float64)
    additive, trees = model.additive, model.additive.trees
    total = Sum([Part(trees, 0, 1.0)], trees.n_groups)
    matrix = additive.view.shared(SharedViews(table))
    return ((total.of_few(matrix) if few else total.of(matrix)) + trees.base) * additive.scale + additive.offset


def times(calls, repeats):
    """Return the least seconds of each call, asked in turn."""
    best = dict.fromkeys(calls, np.inf)
    for call in calls.values():
        call()
    for _ in range(TIMES):
        for name, call in calls.items():
            began = perf_counter()
            for _ in range(repeats):
                call()
            best[name] = min(best[name], (perf_counter() - began) / repeats)
    return best


print("table,learner,models,trees,rows,k_calls_ms,fold_models_ms,merged_ms,k_calls_over_merged,"
      "fold_models_over_merged,worst_margin,worst_in_batches,mb_before,mb_after")
for name, learner in [case for case in CASES if case[0] in (sys.argv[1:] or case)]:
    (X, y), (X_new, _) = parts(name, 0, (4000, 5000))
    make = stackml.StackRegressor if name == "california_housing" else stackml.StackClassifier
    # A forest on grouped rows has fold models; elsewhere it predicts out of bag and has one already.
    groups = np.arange(len(y)) if learner == "random_forest" else None
    stack = make([learner], folds=K, calibration="none", refit=False, n_jobs=1).fit(X, y, groups=groups)
    merged = stackml.merge(stack, "trees")
    (member,), (joined,) = stack.fitted_.layers[0].members, merged.fitted_.layers[0].members
    apart = [stackml.merge(stack, "trees", weights=np.eye(K)[i]).fitted_ for i in range(K)]
    table = Table.of(X_new, stack.fitted_.schema)
    unit = y.std() if name == "california_housing" else 1.0
    worst = []
    for few in (True, False):
        some = table.take(np.arange(N_WALKED)) if few else table
        expected = np.mean([margins(model, some, few) for model in member.models], axis=0)
        worst.append(np.abs(margins(joined.models[0], some, few) - expected).max() / unit)
    n_trees = sum(model.rounds for model in member.models)
    for n_rows, repeats in ((1, 20), (1000, 1)) if name == "letter" else ((1, 20), (1000, 1), (5000, 1)):
        some = table.take(np.arange(n_rows))
        with one_thread_each():
            found = times(
                {
                    "k": lambda: [model.predict(some) for model in apart],
                    "fold": lambda: stack.fitted_.predict(some),
                    "merged": lambda: merged.fitted_.predict(some),
                },
                repeats,
            )
        k, fold, one = (1000 * found[what] for what in ("k", "fold", "merged"))
        sizes = f"{megabytes(member.models):.3f},{megabytes(joined.models):.3f}"
        print(
            f"{name},{learner},{K},{n_trees},{n_rows},{k:.3f},{fold:.3f},{one:.3f},{k / one:.2f},{fold / one:.2f},"
            f"{worst[0]:.1e},{worst[1]:.1e},{sizes}",
            flush=True,
        )
