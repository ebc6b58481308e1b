"""Fixed rules over three fitted models against the best of them, on held-out rows.

STACKML_DATA=... python experiments/0010-routing/rules.py gmsc banksim diabetes130 > rules.csv
"""

import sys
import warnings

import stackml
from stackml.datasets import load_dataset
from stackml.metrics import get_metric, paired_difference
from stackml.splitting import holdout_split

warnings.simplefilter("ignore")
ROWS = 15_000
LEARNERS = ("logistic", "lightgbm", "extra_trees")
METHODS = ("mean", "median", "geometric", "vote", "rank_mean")

print("table,metric,method,value,over_best,low,high")
for table in sys.argv[1:]:
    data = load_dataset(table, n_rows=ROWS)
    frame = data.frame.drop(columns=list(data.drop))
    y = frame.pop(data.target).to_numpy()
    groups = None if data.group is None else frame[data.group]
    moment = None if data.time is None else frame[data.time]
    (fold,) = holdout_split(n_rows=len(y), y_codes=y, groups=groups, time=moment, share=0.33).folds
    train, unseen, known, hidden = (
        frame.iloc[fold.train],
        frame.iloc[fold.held_out],
        y[fold.train],
        y[fold.held_out],
    )
    kept = None if groups is None else groups.iloc[fold.held_out].to_numpy()
    models = {}
    for learner in LEARNERS:
        stack = stackml.StackClassifier([learner], schema={"categories": list(data.category_codes)}, n_jobs=1)
        models[learner] = stack.fit(train, known, groups=data.group, time=data.time)
    said = {name: model.predict_proba(unseen)[:, 1] for name, model in models.items()}
    for metric in map(get_metric, ("roc_auc", "log_loss")):
        best = max(said, key=lambda name: metric.score(hidden, said[name]))
        print(f"{table},{metric.name},{best} alone,{metric.value(hidden, said[best]):.5f},,,", flush=True)
        for method in METHODS:
            rows = train if method == "rank_mean" else None
            found = stackml.Ensemble(models, method, rows=rows).predict_proba(unseen)[:, 1]
            gain = paired_difference(metric, hidden, found, said[best], groups=kept)
            value = metric.value(hidden, found)
            print(
                f"{table},{metric.name},{method},{value:.5f},{gain.value:.5f},{gain.low:.5f},{gain.high:.5f}",
                flush=True,
            )
