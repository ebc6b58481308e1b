"""How well a time limit is kept."""

import tempfile
import time
from itertools import product

import machine
import pandas as pd
from options import say
from process import measured
from splits import load_split

KEY = ("table", "preset", "limit", "seed")
TABLES = ("gmsc", "letter", "wine_quality")
PRESETS = ("balanced", "best")
TARGET = 0.03


def measure(options, ledger):
    """Fit each preset under each limit; a process each."""
    names = [name for name in TABLES if name in options.names] or options.names[:1]
    presets = ("fast",) if options.quick else PRESETS
    for name, seed in product(names, options.seeds[:1]):
        split = load_split(name, seed, options.max_rows)
        with tempfile.TemporaryDirectory(prefix="bench-split-") as folder:
            split.train.to_parquet(f"{folder}/train.parquet")
            for preset, limit in product(presets, options.limits):
                key = {"table": name, "preset": preset, "limit": f"{limit:g}", "seed": seed}
                if options.skips(ledger, **key):
                    continue
                spec = key | {
                    "train": f"{folder}/train.parquet",
                    "target": split.target,
                    "jobs": options.jobs,
                }
                row = key | measured(
                    "limit", spec | {"limit": limit, "regression": split.problem == "regression"}
                )
                ledger.add(row)
                say(f"  {name} {preset} {limit:g} s: " + (row.get("error") or f"{row['overrun']:+.1%}"))


def work(spec):
    """Fit once; the import of the library is timed apart, as a process pays it once."""
    train = pd.read_parquet(spec["train"])
    X, y = train.drop(columns=spec["target"]), train[spec["target"]]
    started = time.perf_counter()
    import stackml

    make = stackml.StackRegressor if spec["regression"] else stackml.StackClassifier
    import_s = time.perf_counter() - started
    stack = make(spec["preset"], time_limit=spec["limit"], n_jobs=spec["jobs"])
    started = time.perf_counter()
    stack.fit(X, y)
    fit_s = time.perf_counter() - started
    return {
        "fit_s": round(fit_s, 3),
        "import_s": round(import_s, 3),
        "overrun": round(fit_s / spec["limit"] - 1, 4),
        "overrun_with_import": round((fit_s + import_s) / spec["limit"] - 1, 4),
        "learners": int((stack.leaderboard_["status"] == "fitted").sum()) - 1,
        "versions": machine.versions(),
    }


def tables(frame, folder):
    """Return overruns."""
    yield f"Seconds of fit over the limit (wanted: at most {TARGET:.0%})", frame.drop(columns=["versions"])
