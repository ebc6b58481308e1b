"""The same learners with the same parameters under 5 folds: ours against scikit-learn's stacking."""

import time
from itertools import product

import machine
import numpy as np
from options import say
from process import measured
from sampling import Sampler
from splits import load_split

from stackml.datasets.catalog import dataset_card

KEY = ("table", "rows", "learners", "which", "seed")
ROWS = 30_000
TARGET = 0.6
LEARNERS = ("lightgbm", "xgboost", "random_forest", "extra_trees", "logistic")
WARM_ROWS = 400
LEAF = 2  # least rows in a leaf of the forests


def measure(options, ledger):
    """Run all learners in one stack, then each in a stack of its own to see where the ratio comes from."""
    rows = min(ROWS, options.max_rows or ROWS)
    wholes = [("catalog", "all"), ("estimators", "all")]
    alone = [] if options.quick else [("catalog", name) for name in LEARNERS]
    for name in fitting_names(options):
        for learners, which in wholes + alone:
            key = {
                "table": name,
                "rows": rows,
                "learners": learners,
                "which": which,
                "seed": options.seeds[0],
            }
            if options.skips(ledger, **key):
                continue
            spec = key | {"rounds": options.rounds, "repeats": options.repeats, "jobs": options.jobs}
            row = key | measured("fit_ratio", spec)
            ledger.add(row)
            found = row.get("error") or f"ratio {row['ratio']:.2f} (CPU {row['cpu_ratio']:.2f})"
            say(f"  {name} {learners} {which}: {found}")


def fitting_names(options):
    """Return tables with a target of two classes: one of numbers and one with categories, or the first."""
    wanted = [name for name in ("gmsc", "adult") if name in options.names]
    return wanted or [name for name in options.names if dataset_card(name).task == "binary"][:1]


def work(spec):
    """Fit both alternately in this process and return the least seconds of each, scores and a profile.

    Both are fitted once on a few rows before, so that imports and the start of workers count for neither.
    """
    split = load_split(spec["table"], spec["seed"], int(spec["rows"] / 0.8))
    X, y, test = _frames(split, spec["learners"])
    names = LEARNERS if spec["which"] == "all" else (spec["which"],)
    makers = {"ours": lambda: our_stack(names, X, spec), "theirs": lambda: their_stack(names, X, spec)}
    for make in makers.values():
        make().fit(X.iloc[:WARM_ROWS], y[:WARM_ROWS])
    seconds, cpu, fitted, profile = {k: [] for k in makers}, {k: [] for k in makers}, {}, ""
    for _, (kind, make) in product(range(spec["repeats"]), makers.items()):
        stack, before, started = make(), machine.cpu_seconds(), time.perf_counter()
        fitted[kind] = stack.fit(X, y)
        seconds[kind].append(time.perf_counter() - started)
        cpu[kind].append(machine.cpu_seconds() - before)
    with Sampler() as sampler:  # in a run of its own, since looking costs something
        stages = _stages(names, X, y, spec)
        profile = sampler.top()
    least = {kind: min(values) for kind, values in seconds.items()}
    score = {kind: _auc(split, model, test) for kind, model in fitted.items()}
    return {
        "ours_s": round(least["ours"], 2),
        "theirs_s": round(least["theirs"], 2),
        "ratio": round(least["ours"] / least["theirs"], 3),
        "cpu_ratio": round(min(cpu["ours"]) / min(cpu["theirs"]), 3),
        "ours_auc": round(score["ours"], 5),
        "theirs_auc": round(score["theirs"], 5),
        "all_seconds": " ".join(f"{a:.1f}/{b:.1f}" for a, b in zip(*seconds.values(), strict=True)),
        **stages,
        "learner_seconds": _learner_seconds(fitted["ours"]),
        "profile": profile,
        "versions": machine.versions(),
    }


def our_stack(names, X, spec, listener=0):
    """Return our stack of the learners; rounds are fixed, so early stopping never ends a fit."""
    import stackml
    from stackml.learners.catalog import make_learner

    if spec["learners"] == "estimators":
        chosen = [(name, estimator) for name, estimator in estimators(names, spec["rounds"], "estimators")]
        return stackml.StackClassifier(chosen, n_jobs=spec["jobs"], verbose=listener)
    rounds, root = spec["rounds"], X.shape[1] ** -0.5
    forest = {"n_trees": rounds, "min_samples_leaf": LEAF, "max_features": root, "max_rows_per_tree": 10**9}
    boosting = {"max_rounds": rounds, "patience": rounds, "learning_rate": 0.05}
    given = {
        "lightgbm": boosting | {
            "feature_fraction": 1.0, "bagging_fraction": 1.0, "lambda_l2": 0.0, "cat_smooth": 10.0,
            "cat_l2": 10.0, "num_leaves": 31, "min_child_samples": 20, "max_cat_to_onehot": 4,
            "min_data_per_group": 100,
        },
        "xgboost": {
            "max_rounds": rounds, "patience": rounds, "learning_rate": 0.05, "subsample": 1.0,
            "colsample_bytree": 1.0, "max_depth": 6, "most_levels": 10**9,
        },
        "random_forest": forest,
        "extra_trees": forest,
        "logistic": {"C": 1.0, "hinges": ()},
    }  # fmt: skip
    chosen = [(name, make_learner(name, **given[name])) for name in names]
    return stackml.StackClassifier(chosen, n_jobs=spec["jobs"], verbose=listener)


def their_stack(names, X, spec):
    """Return scikit-learn's stack: folds side by side, one thread a fit, as in ours."""
    from sklearn.ensemble import StackingClassifier

    chosen = estimators(names, spec["rounds"], spec["learners"])
    return StackingClassifier(chosen, cv=5, n_jobs=spec["jobs"])


def estimators(names, rounds, learners):
    """Return (name, estimator) pairs; the frames of "estimators" are numbers already."""
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from systems import _after_codes
    from xgboost import XGBClassifier

    coded = _after_codes if learners == "catalog" else (lambda estimator: estimator)
    linear = LogisticRegression(max_iter=1000)
    one_hot = _with_indicators(linear) if learners == "catalog" else make_pipeline(StandardScaler(), linear)
    made = {
        "lightgbm": LGBMClassifier(n_estimators=rounds, learning_rate=0.05, n_jobs=1, verbose=-1),
        "xgboost": XGBClassifier(
            n_estimators=rounds,
            learning_rate=0.05,
            max_depth=6,
            tree_method="hist",
            enable_categorical=True,
            n_jobs=1,
        ),
        "random_forest": coded(RandomForestClassifier(rounds, min_samples_leaf=LEAF, n_jobs=1)),
        "extra_trees": coded(ExtraTreesClassifier(rounds, min_samples_leaf=LEAF, n_jobs=1)),
        "logistic": one_hot,
    }
    return [(name, made[name]) for name in names]


def _with_indicators(estimator):
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
            (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
        ),
        estimator,
    )


def _frames(split, learners):
    from systems import with_categories

    X, test = (part.drop(columns=split.target) for part in (split.train, split.test))
    y = split.train[split.target].map({label: i for i, label in enumerate(split.classes)}).to_numpy(int)
    X, test = with_categories(X, X), with_categories(test, X)
    if learners == "estimators":  # both get the same numbers, without gaps
        for name in X.select_dtypes("category").columns:
            X[name], test[name] = X[name].cat.codes, test[name].cat.codes
        medians = X.median()
        X, test = X.fillna(medians), test.fillna(medians)
    return X, y, test


def _stages(names, X, y, spec):
    events = []
    stack = our_stack(names, X, spec, listener=events.append)
    started = time.perf_counter()
    stack.fit(X, y)
    whole = time.perf_counter() - started
    begun = next(event.seconds for event in events if event.kind == "started")
    combining = next(event.seconds for event in events if event.kind == "stage")
    return {
        "before_s": round(begun, 2),
        "learners_s": round(combining - begun, 2),
        "after_s": round(whole - combining, 2),
    }


def _learner_seconds(stack):
    board = stack.leaderboard_
    board = board[board["name"] != "stack"]
    return "; ".join(f"{name} {s:.1f}" for name, s in zip(board["name"], board["fit_seconds"], strict=True))


def _auc(split, model, test):
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(split.codes(), np.asarray(model.predict_proba(test))[:, 1]))


def tables(frame, folder):
    """Return ratios, then where our time goes."""
    shown = [*KEY, "ours_s", "theirs_s", "ratio", "cpu_ratio", "ours_auc", "theirs_auc", "error"]
    yield f"Seconds of fit, ours / theirs (wanted: {TARGET})", frame[[c for c in shown if c in frame]]
    shown = ["table", "learners", "which", "before_s", "learners_s", "after_s", "learner_seconds", "profile"]
    yield "Where our time goes", frame[[c for c in shown if c in frame]]
