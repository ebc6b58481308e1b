"""What a stack costs once it is fitted: rows a second, one row, megabytes."""

import statistics
import tempfile
import time
from pathlib import Path

import machine
import numpy as np
import pandas as pd
from options import say
from process import measured
from splits import load_split

KEY = ("table", "model", "limit", "seed")
CALLS = 200
MODELS = ("balanced", "balanced, compacted", "balanced, distilled", "best")
FOLLOWS = {"balanced, compacted": "compact", "balanced, distilled": "distill"}


def measure(options, ledger):
    """Fit and score on each table; what a later version can do besides is measured where it can."""
    import stackml

    models = [m for m in MODELS if m not in FOLLOWS or hasattr(stackml.StackClassifier, FOLLOWS[m])]
    models = ["fast"] if options.quick else models
    seed = options.seeds[0]
    for name in options.names:
        split = load_split(name, seed, options.max_rows)
        with tempfile.TemporaryDirectory(prefix="bench-split-") as folder:
            split.train.to_parquet(f"{folder}/train.parquet")
            split.test.to_parquet(f"{folder}/test.parquet")
            for model in models:
                key = {"table": name, "model": model, "limit": f"{options.limit:g}", "seed": seed}
                if options.skips(ledger, **key):
                    continue
                spec = key | {
                    "folder": folder, "target": split.target, "jobs": options.jobs, "limit": options.limit,
                    "regression": split.problem == "regression",
                }  # fmt: skip
                row = key | measured("scoring", spec)
                ledger.add(row)
                say(f"  {name} {model}: {_shown(row)}")


def work(spec):
    """Fit, change, save, load from the file and score."""
    import stackml

    train, test = (pd.read_parquet(f"{spec['folder']}/{part}.parquet") for part in ("train", "test"))
    X, y, test = train.drop(columns=spec["target"]), train[spec["target"]], test.drop(columns=spec["target"])
    preset, _, change = spec["model"].partition(", ")
    make = stackml.StackRegressor if spec["regression"] else stackml.StackClassifier
    stack = make(preset, time_limit=spec["limit"], n_jobs=spec["jobs"]).fit(X, y)
    started = time.perf_counter()
    if change == "compacted":
        stack = stack.compact() or stack
    elif change == "distilled":
        stack = stack.distill(X) or stack
    change_s = time.perf_counter() - started
    with tempfile.TemporaryDirectory(prefix="bench-stack-") as folder:
        path = Path(folder) / "a.stack"
        stack.save(path)
        size = path.stat().st_size
        started = time.perf_counter()
        loaded = stackml.load(path)
        load_s = time.perf_counter() - started
    call = loaded.predict if spec["regression"] else loaded.predict_proba
    seconds = [_seconds(call, test) for _ in range(4)]
    rows = [test.iloc[[i]] for i in np.random.default_rng(0).integers(0, len(test), CALLS)]
    one_row = [_seconds(call, row) for row in rows]
    return {
        "test_rows": len(test),
        "first_rows_per_s": round(len(test) / seconds[0]),
        "rows_per_s": round(len(test) / min(seconds[1:])),
        "one_row_ms": round(1e3 * statistics.median(one_row), 3),
        "disk_mb": round(size / 1e6, 3),
        "load_s": round(load_s, 3),
        "change_s": round(change_s, 2),
        "learners": len(stack.leaderboard_) - 1 if hasattr(stack, "leaderboard_") else "",
        "versions": machine.versions(),
    }


def _seconds(call, rows):
    started = time.perf_counter()
    call(rows)
    return time.perf_counter() - started


def _shown(row):
    return row.get("error") or (
        f"{row['rows_per_s']:,} rows/s (first {row['first_rows_per_s']:,}), "
        f"one row {row['one_row_ms']:.2f} ms, {row['disk_mb']:.2f} MB"
    )


def tables(frame, folder):
    """Return what was measured, AutoGluon's rows a second beside it where it raced on the same table."""
    frame = frame.drop(columns=["versions", "commit", "cores"], errors="ignore")
    race = Path(folder) / "race.csv"
    if race.is_file():
        raced = pd.read_csv(race)
        theirs = raced[raced["system"].str.startswith("autogluon") & (raced["table"] != "-")]
        if len(theirs) and "rows_per_s" in theirs:
            found = theirs.groupby("table")["rows_per_s"].mean()
            frame = frame.assign(autogluon_rows_per_s=frame["table"].map(found))
    yield "Scoring a fitted stack", frame
