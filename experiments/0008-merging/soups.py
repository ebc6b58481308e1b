"""Soups of perceptrons with six settings from one start, beside the best of them and their ensemble.

STACKML_DATA=... python experiments/0008-merging/soups.py > experiments/0008-merging/soups.csv
"""

import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from tables import TABLES, interval, losses, parts

import stackml
from stackml.learners.neural import MLPLearner

warnings.simplefilter("ignore")
SETTINGS = [(rate, decay) for rate in (2e-3, 4e-3, 8e-3) for decay in (0.03, 0.1)]

print("table,what,loss,from_best_on_validation,low,high,members")
for table in TABLES:
    each, gaps, kept = {}, {}, {}
    for seed in range(3):
        (X, y), (X_val, y_val), (X_held, y_held) = parts(table, seed, (3000, 1500, 4000))
        make = stackml.StackRegressor if table == "california_housing" else stackml.StackClassifier
        stacks = [
            make(
                [("mlp", MLPLearner(learning_rate=rate, decay=decay, start=1))],
                metric="rmse" if make is stackml.StackRegressor else "log_loss",
                folds=3,
                calibration="none",
                refit=True,
                random_state=seed,
                n_jobs=1,
            ).fit(X, y)
            for rate, decay in SETTINGS
        ]
        on_validation = [losses(stack, X_val, y_val).mean() for stack in stacks]
        greedy = stackml.merge(stacks, "greedy_soup", X=X_val, y=y_val)
        held = [losses(stack, X_held, y_held) for stack in stacks]
        best = held[int(np.argmin(on_validation))]
        ensemble = np.mean([stack.fitted_.predict(stack._table(X_held)) for stack in stacks], axis=0)

        class Ensemble:
            fitted_ = type(
                "F",
                (),
                {
                    "predict": staticmethod(lambda table, said=ensemble: said),
                    "problem": stacks[0].fitted_.problem,
                    "classes": stacks[0].fitted_.classes,
                },
            )
            _table = staticmethod(lambda X: X)

        found = {
            "best on validation": best,
            "a setting": np.mean(held, axis=0),
            "uniform soup": losses(stackml.merge(stacks, "soup"), X_held, y_held),
            "greedy soup": losses(greedy, X_held, y_held),
            "ensemble": losses(Ensemble, X_held, y_held),
        }
        weights = greedy.fitted_.card["merge"]["learners"][0]["weights"]
        for what, loss in found.items():
            each.setdefault(what, []).append(loss.mean())
            gaps.setdefault(what, []).append(best - loss)
            n = sum(w > 0 for w in weights) if what == "greedy soup" else ""
            kept.setdefault(what, []).append(str(n))
    for what in each:
        numbers = (np.mean(each[what]), *interval(gaps[what]))
        print(
            f"{table},{what},{','.join(f'{n:.5f}' for n in numbers)},{'/'.join(kept[what]).strip('/')}",
            flush=True,
        )
