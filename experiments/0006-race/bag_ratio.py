"""A bag of eight LightGBM models by our engine against its eight fits alone, on bins made once."""

import time

import machine
import numpy as np
from fit_ratio import fitting_names
from options import say
from process import measured
from sampling import Sampler
from splits import load_split

KEY = ("table", "rows", "way", "seed")
FOLDS = 8
ROWS = 60_000
TARGET = 1.3
WAYS = {
    "estimator": "StackClassifier of one learner, whole fit",
    "engine": "the engine alone, a loss of held-out rows each round",
    "engine, rounds given": "the engine alone, no loss of held-out rows",
}


def measure(options, ledger):
    """Compare three ways to ask for the bag with the same fits alone."""
    rows = min(ROWS, options.max_rows or ROWS)
    for name in fitting_names(options):
        for way in WAYS:
            key = {"table": name, "rows": rows, "way": way, "seed": options.seeds[0]}
            if options.skips(ledger, **key):
                continue
            spec = key | {"rounds": options.rounds, "repeats": options.repeats, "jobs": options.jobs}
            row = key | measured("bag_ratio", spec)
            ledger.add(row)
            say(
                f"  {name} {way}: "
                + (row.get("error") or f"ratio {row['ratio']:.2f} (CPU {row['cpu_ratio']:.2f})")
            )


def work(spec):
    """Run bag and bare fits alternately in this process; return the least of each and a profile."""
    split = load_split(spec["table"], spec["seed"], int(spec["rows"] / 0.8))
    X = split.train.drop(columns=split.target)
    y = split.train[split.target].map({label: i for i, label in enumerate(split.classes)}).to_numpy(int)
    runs = {"bag": lambda: bag(X, y, spec), "alone": lambda: alone(X, y, spec)}
    seconds, cpu = {kind: [] for kind in runs}, {kind: [] for kind in runs}
    for number in range(spec["repeats"] + 1):
        for kind, run in runs.items():
            before, started = machine.cpu_seconds(), time.perf_counter()
            run()
            if number:  # the first round warms both
                seconds[kind].append(time.perf_counter() - started)
                cpu[kind].append(machine.cpu_seconds() - before)
    with Sampler() as sampler:
        bag(X, y, spec)
    return {
        "bag_s": round(min(seconds["bag"]), 3),
        "alone_s": round(min(seconds["alone"]), 3),
        "ratio": round(min(seconds["bag"]) / min(seconds["alone"]), 3),
        "cpu_ratio": round(min(cpu["bag"]) / min(cpu["alone"]), 3),
        "all_seconds": " ".join(f"{a:.2f}/{b:.2f}" for a, b in zip(*seconds.values(), strict=True)),
        "profile": sampler.top(),
        "versions": machine.versions(),
    }


def bag(X, y, spec):
    """Fit the bag through stackml."""
    import stackml

    learner, jobs = _learner(spec["rounds"]), spec["jobs"]
    if spec["way"] == "estimator":
        stackml.StackClassifier([("lightgbm", learner)], folds=FOLDS, n_jobs=jobs).fit(X, y)
        return
    from stackml.oof import Engine
    from stackml.oof.plan import Job
    from stackml.tables import Problem, Table, Target

    target = Target(Problem("binary", 2), y)
    rounds = {("lightgbm", fold): spec["rounds"] for fold in range(FOLDS)} if "given" in spec["way"] else {}
    job = Job(Table.learn(X), target, _folds(y), rounds=rounds)
    Engine(n_jobs=jobs).run([("lightgbm", learner)], job)


def alone(X, y, spec):
    """Bin once, then fit eight models one after the other with all threads; no prediction, no loss."""
    import lightgbm as lgb

    from stackml.features.native import CATEGORY, learn_native_view
    from stackml.tables import Table

    table, learner = Table.learn(X), _learner(spec["rounds"])
    view = learn_native_view(table, None, learner.most_levels)
    categories = [i for i, kind in enumerate(view.types(table.schema)) if kind == CATEGORY]
    settings = {
        "objective": "binary", "learning_rate": learner.learning_rate, "num_leaves": learner.num_leaves,
        "min_data_in_leaf": learner.min_child_samples, "feature_fraction": learner.feature_fraction,
        "bagging_fraction": learner.bagging_fraction, "bagging_freq": 1, "lambda_l2": learner.lambda_l2,
        "cat_smooth": learner.cat_smooth, "cat_l2": learner.cat_l2,
        "max_cat_to_onehot": learner.max_cat_to_onehot, "min_data_per_group": learner.min_data_per_group,
        "deterministic": True, "force_col_wise": True,
        "feature_pre_filter": False, "num_threads": spec["jobs"], "verbosity": -1,
    }  # fmt: skip
    bins = lgb.Dataset(
        view.matrix(table), label=y, categorical_feature=categories, params=settings, free_raw_data=False
    ).construct()
    for fold in _folds(y).folds:
        booster = lgb.Booster(settings, bins.subset(np.sort(fold.train).tolist()).construct())
        for _ in range(spec["rounds"]):
            booster.update()


def _learner(rounds):
    from stackml.learners.lightgbm import LightGBMLearner

    return LightGBMLearner(max_rounds=rounds, patience=rounds, num_leaves=31, min_child_samples=20, max_cat_to_onehot=4)


def _folds(y):
    from stackml.splitting import choose_splitter

    splitter = choose_splitter(FOLDS, groups_given=False, time_given=False)
    return splitter.split(n_rows=len(y), y_codes=y, groups=None, time=None, seed=0)


def tables(frame, folder):
    """Return ratios and where the bag's time goes."""
    shown = [*KEY, "bag_s", "alone_s", "ratio", "cpu_ratio", "error", "profile"]
    yield (
        f"A bag of {FOLDS} against its fits alone (wanted: {TARGET})",
        frame[[c for c in shown if c in frame]],
    )
