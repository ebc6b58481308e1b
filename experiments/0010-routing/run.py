"""Routers and cascades between weak and strong models: gap recovered on held-out rows, and cost a row.

STACKML_DATA=... python experiments/0010-routing/run.py gmsc banksim diabetes130 > result.csv
"""

import sys
import warnings

import numpy as np

import stackml
from stackml.assembly.curves import SHARES, curve_of, share_above, threshold_for
from stackml.assembly.uncertainty import entropy
from stackml.datasets import load_dataset
from stackml.metrics import get_metric
from stackml.splitting import holdout_split
from stackml.tables.target import Problem, Target

warnings.simplefilter("ignore")
ROWS = {"gmsc": 40_000, "banksim": 60_000, "diabetes130": 24_000}
WEAK = {"logistic": ["logistic"], "lightgbm": ["lightgbm"]}
METRICS = ("log_loss", "roc_auc")
SEEDS = (0, 1, 2)


def line(*cells):
    """Print a row of the table."""
    print(",".join(f"{c:.4f}" if isinstance(c, float) else str(c) for c in cells), flush=True)


def at_shares(worth, weak, strong, target, metric):
    """Return the curve over all shares of strong calls, by how much a row is thought worth one."""
    thresholds = [threshold_for(worth, share) for share in SHARES]
    answers = [np.where((worth > t)[:, None], strong, weak) for t in thresholds]
    at = [share_above(worth, t) for t in thresholds]
    return curve_of(metric, target, answers, at, weak=weak, strong=strong)


def at_one(answers, share, weak, strong, target, metric):
    """Return gap recovered with its interval by one set of answers."""
    curve = curve_of(metric, target, [answers], [share], weak=weak, strong=strong)
    low, high = curve.range
    return float(curve.recovered[0]), float(low[0]), float(high[0])


print(
    "table,seed,weak,way,metric,weak_value,strong_value,at_10,at_10_low,at_10_high,at_20,at_20_low,at_20_high,"
    "at_40,at_40_low,at_40_high,apgr,cpt50,cpt80,share_set,recovered_set,recovered_set_low,recovered_set_high,"
    "us_weak,us_strong,us_router,us_set"
)
for table in sys.argv[1:]:
    for seed in SEEDS:
        data = load_dataset(table, n_rows=ROWS[table], seed=seed)
        frame = data.frame.drop(columns=list(data.drop))
        y = frame.pop(data.target).to_numpy()
        groups = None if data.group is None else frame[data.group]
        moment = None if data.time is None else frame[data.time]
        fold = holdout_split(
            n_rows=len(y), y_codes=y, groups=groups, time=moment, seed=seed, share=0.33
        ).folds[0]
        train, unseen = frame.iloc[fold.train], frame.iloc[fold.held_out]
        known, hidden = y[fold.train], y[fold.held_out]
        codes = None if groups is None else np.unique(groups.iloc[fold.held_out], return_inverse=True)[1]
        target = Target(Problem("binary", 2), hidden.astype(np.int64), groups=codes)

        def fitted(learners):
            """Return a stack of the learners on the training rows."""
            stack = stackml.StackClassifier(
                learners, schema={"categories": list(data.category_codes)}, n_jobs=1, random_state=seed
            )
            return stack.fit(train, known, groups=data.group, time=data.time)

        strong = fitted("balanced")
        said = strong.predict_proba(unseen)[:, 1:]
        weak = {name: fitted(learners) for name, learners in WEAK.items()}
        for name, model in weak.items():
            own = model.predict_proba(unseen)[:, 1:]
            for aim in ("expected", "observed"):
                router = stackml.Router(
                    model, strong, strong_share=0.4, target=aim, metric="log_loss", n_jobs=1
                )
                router.fit(train, known, groups=data.group, time=data.time)
                report, prices = router.report_, router.report_["us_per_row"]
                worth = router.fitted_.gains(unseen, own) if router.fitted_.gain else np.zeros(len(own))
                found = router.fitted_.answers(unseen)
                share = float(found.calls[1] / len(unseen))
                for metric in map(get_metric, METRICS):
                    curve = at_shares(worth, own, said, target, metric)
                    low, high = curve.range
                    points = [
                        float(a[SHARES.index(s)])
                        for s in (0.1, 0.2, 0.4)
                        for a in (curve.recovered, low, high)
                    ]
                    line(
                        *(table, seed, name, f"router {aim}", metric.name),
                        *(metric.value(hidden, own[:, 0]), metric.value(hidden, said[:, 0]), *points),
                        *(curve.apgr, curve.least_for(0.5), curve.least_for(0.8), share),
                        *at_one(found.values, share, own, said, target, metric),
                        *(prices["weak"], prices["strong"], prices["router"]),
                        prices["weak"] + prices["router"] + share * prices["strong"],
                    )
        for models in (("logistic",), ("lightgbm",), ("logistic", "lightgbm")):
            chain = [*((m, weak[m]) for m in models), ("strong", strong)]
            cascade = stackml.Cascade(chain, quality=0.95, metric="log_loss", n_jobs=1)
            cascade.fit(train, known, groups=data.group)
            costs = [stage["cost"] for stage in cascade.report_["stages"]]
            found = cascade.fitted_.answers(unseen)
            asked = found.calls / len(unseen)
            own = weak[models[0]].predict_proba(unseen)[:, 1:]
            for metric in map(get_metric, METRICS):
                points, summary = [float("nan")] * 9, [float("nan")] * 3
                if len(models) == 1:  # the share of rows that are least sure, at every share
                    curve = at_shares(entropy(own), own, said, target, metric)
                    low, high = curve.range
                    points = [
                        float(a[SHARES.index(s)])
                        for s in (0.1, 0.2, 0.4)
                        for a in (curve.recovered, low, high)
                    ]
                    summary = [curve.apgr, curve.least_for(0.5), curve.least_for(0.8)]
                line(
                    *(
                        table,
                        seed,
                        models[0],
                        "cascade" + (" of three" if len(models) > 1 else ""),
                        metric.name,
                    ),
                    *(metric.value(hidden, own[:, 0]), metric.value(hidden, said[:, 0]), *points),
                    *(*summary, float(asked[-1])),
                    *at_one(found.values, float(asked[-1]), own, said, target, metric),
                    *(costs[0], costs[-1], 0.0, float(np.dot(asked, costs))),
                )
