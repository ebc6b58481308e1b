"""Every combiner on the same out-of-fold matrix, scored nested and on held-out rows.

    STACKML_DATA=... python experiments/0001-combiner-choice/run.py german_credit telco_churn ... > result.csv
"""

import sys
import warnings

import pandas as pd

import stackml
from stackml.combiners.auto import choose_combiner
from stackml.combiners.base import Context
from stackml.combiners.catalog import default_candidates
from stackml.datasets import load_dataset
from stackml.metrics import get_metric
from stackml.splitting import holdout_split
from stackml.stack.building import folds_among
from stackml.tables import Table

warnings.simplefilter("ignore")
ROWS, SEEDS = 15_000, (0, 1, 2)
print("table,seed,metric,combiner,nested,held_out")
for name in sys.argv[1:]:
    for seed in SEEDS:
        data = load_dataset(name)
        frame = data.frame
        if len(frame) > ROWS:
            frame = frame.sample(ROWS, random_state=seed).sort_index().reset_index(drop=True)
        y, X = frame[data.target], frame.drop(columns=[data.target, *data.drop])
        regression = data.card.task == "regression"
        codes = y.to_numpy(float) if regression else pd.factorize(y, sort=True)[0]
        fold = holdout_split(
            n_rows=len(X), y_codes=codes, seed=seed, share=0.4,
            groups=X[data.group] if data.group else None, time=X[data.time] if data.time else None,
        ).folds[0]
        linear = "ridge" if regression else "logistic"
        stack = (stackml.StackRegressor if regression else stackml.StackClassifier)(
            ["lightgbm", "xgboost", "extra_trees", linear, "mlp"], "mean", calibration="none", random_state=seed,
            schema={"categories": [c for c in data.category_codes if c in X]},
        ).fit(X.iloc[fold.train], y.iloc[fold.train], groups=data.group, time=data.time)
        built = stack._built
        oof = built.layers[-1]
        meta, target = oof.meta_features().take(oof.rows), built.target.take(oof.rows)
        context = Context(0, built.recipe.metric, folds_among(oof.folds, oof.rows))
        unseen = stack.fitted_.meta_features(Table.of(X.iloc[fold.held_out], stack.fitted_.schema))
        metric = get_metric(built.recipe.metric)
        choice = choose_combiner(default_candidates(), meta, target, context)[1]
        for combiner in default_candidates():
            predicted = combiner.fit(meta, target, context).predict(unseen)
            shown = predicted if data.card.task == "multiclass" else predicted[:, 0]
            nested = next(row.score for row in choice.rows if row.candidate == combiner.kind)
            held_out = metric.value(codes[fold.held_out], shown)
            print(f"{name},{seed},{metric.name},{combiner.kind},{nested:.5f},{held_out:.5f}", flush=True)
