"""Cost per row as tables grow: seconds of fit and of scoring, memory against the table's own bytes."""

import time

import machine
import numpy as np
import pandas as pd
from options import say
from process import measured

KEY = ("rows", "seed")
NUMBERS, CATEGORIES = 30, 20
ROUNDS = 60
MOST_GB = 20


def measure(options, ledger):
    """Fit a fixed amount of work on tables of rising size, each in a process of its own."""
    for rows in options.sizes:
        key = {"rows": rows, "seed": options.seeds[0]}
        if options.skips(ledger, **key):
            continue
        spec = key | {"rounds": min(ROUNDS, options.rounds), "jobs": options.jobs}
        row = key | measured("scale", spec)
        ledger.add(row)
        found = row.get("error") or (
            f"fit {row['fit_us_per_row']:.0f} us a row, scoring {row['score_us_per_row']:.1f} us a row, "
            f"peak {row['peak_rss_mb']:.0f} MB for a table of {row['table_mb']:.0f} MB"
        )
        say(f"  {rows:,} rows: {found}")


def made(rows, seed=0):
    """Return a table of 30 numbers and 20 categories, and a target of about 5 % with bends in it."""
    rng = np.random.default_rng(seed)
    columns = {f"n{i}": rng.normal(size=rows).astype(np.float32) for i in range(NUMBERS)}
    for i in range(CATEGORIES):
        levels = np.array([f"level {k}" for k in range(2 + 3 * i)])
        columns[f"c{i}"] = pd.Categorical.from_codes(rng.integers(0, len(levels), rows), levels)
    X = pd.DataFrame(columns)
    pull = np.sin(2 * X["n0"]) + X["n1"] * X["n2"] + np.abs(X["n3"]) + 0.5 * X["n4"]
    pull += 0.1 * X["c5"].cat.codes * (X["c1"].cat.codes % 2)
    pull += rng.logistic(size=rows)
    return X, (pull > np.quantile(pull, 0.95)).to_numpy(int)


def work(spec):
    """Make, fit and score one table."""
    import stackml
    from stackml.learners.catalog import make_learner

    X, y = made(spec["rows"], spec["seed"])
    test, truth = made(min(50_000, spec["rows"]), spec["seed"] + 1)
    table_bytes, before = int(X.memory_usage(deep=True).sum()), machine.own_peak_bytes()
    fixed = {"max_rounds": spec["rounds"], "patience": spec["rounds"]}
    learners = [make_learner("lightgbm", **fixed), make_learner("xgboost", **fixed)]
    learners += [make_learner("extra_trees", n_trees=40), make_learner("logistic", C=1.0)]
    stack = stackml.StackClassifier(learners, n_jobs=spec["jobs"])
    cpu, started = machine.cpu_seconds(), time.perf_counter()
    stack.fit(X, y)
    fit_s, fit_cpu = time.perf_counter() - started, machine.cpu_seconds() - cpu
    peak = machine.own_peak_bytes()
    started = time.perf_counter()
    shares = stack.predict_proba(test)
    score_s = time.perf_counter() - started
    from sklearn.metrics import roc_auc_score

    board = stack.leaderboard_
    return {
        "fit_s": round(fit_s, 2),
        "fit_us_per_row": round(1e6 * fit_s / spec["rows"], 2),
        "fit_cpu_us_per_row": round(1e6 * fit_cpu / spec["rows"], 2),
        "score_us_per_row": round(1e6 * score_s / len(test), 3),
        "table_mb": round(table_bytes / 1e6, 1),
        "before_fit_mb": round(before / 1e6, 1),
        "peak_rss_mb": round(peak / 1e6, 1),
        "peak_over_table": round((peak - before) / table_bytes, 2),
        "auc": round(float(roc_auc_score(truth, shares[:, 1])), 5),
        "learner_seconds": "; ".join(
            f"{n} {s:.1f}" for n, s in zip(board["name"], board["fit_seconds"], strict=True)
        ),
        "versions": machine.versions(),
    }


def tables(frame, folder):
    """Return costs by size."""
    frame = frame.sort_values("rows", key=lambda rows: rows.astype(int))
    yield f"Cost as tables grow (wanted: flat per row, below {MOST_GB} GB)", frame.drop(columns=["versions"])
