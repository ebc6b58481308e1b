"""The same rows, metric and seconds for every system, one after the other."""

import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from ledger import Ledger
from options import say
from peers import python_of, why_absent
from process import measured
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from splits import load_split

from stackml.metrics import get_metric, paired_difference

KEY = ("table", "system", "limit", "seed")
PAIR_KEY = ("table", "ours", "peer", "limit", "seed")
PATIENCE = 900.0  # seconds a system may take beyond four times its limit before it is stopped


def measure(options, ledger):
    """Race every system on every split; then compare ours with each peer on the same rows."""
    pairs = Ledger(options.out / "race-pairs.csv", PAIR_KEY, ledger.facts)
    there = []
    for system in options.systems:
        reason = why_absent(system)
        if reason:
            say(f"  {system} is skipped: {reason}")
            ledger.add(
                {"table": "-", "system": system, "limit": "-", "seed": "-", "error": f"skipped: {reason}"}
            )
        else:
            there.append(system)
    for name, seed in product(options.names, options.seeds):
        split = load_split(name, seed, options.max_rows)
        with tempfile.TemporaryDirectory(prefix="bench-split-") as folder:
            split.train.to_parquet(f"{folder}/train.parquet")
            split.test.to_parquet(f"{folder}/test.parquet")
            for system in there:
                key = {"table": name, "system": system, "limit": f"{options.limit:g}", "seed": seed}
                if not options.skips(ledger, **key):
                    row = key | one_run(split, system, seed, options, folder)
                    ledger.add(row)
                    say(f"  {name} seed {seed} {system}: {_shown(row)}")
        for ours, peer in product(there, there):
            if ours.startswith("stackml") and ours != peer:
                _compare(split, ours, peer, seed, options, pairs)


def one_run(split, system, seed, options, folder):
    """Return what one system made of one split."""
    prediction = prediction_file(options, split.name, system, seed)
    prediction.unlink(missing_ok=True)
    spec = {
        "system": system, "train": f"{folder}/train.parquet", "test": f"{folder}/test.parquet",
        "target": split.target, "problem": split.problem, "metric": split.metric, "limit": options.limit,
        "jobs": options.jobs, "seed": seed, "prediction": str(prediction),
    }  # fmt: skip
    row = {"problem": split.problem, "metric": split.metric, "train_rows": len(split.train)}
    row |= measured("systems", spec, python_of(system), 4 * options.limit + PATIENCE)
    if "error" in row:
        return row
    row["overrun"] = round(row["fit_s"] / options.limit - 1, 4)
    return row | scores(split, np.load(prediction))


def scores(split, prediction):
    """Return every score the problem has; `score` is that of the split's metric."""
    truth = split.codes()
    if split.problem == "regression":
        rmse = float(np.sqrt(np.mean((prediction - truth) ** 2)))
        return {"score": rmse, "rmse": rmse}
    shares = np.clip(prediction, 1e-15, 1)
    shares /= shares.sum(axis=1, keepdims=True)
    found = {"log_loss": float(log_loss(truth, shares, labels=range(len(split.classes))))}
    if split.problem == "binary":
        found["roc_auc"] = float(roc_auc_score(truth, shares[:, 1]))
        found["average_precision"] = float(average_precision_score(truth, shares[:, 1]))
    else:
        found["accuracy"] = float((shares.argmax(axis=1) == truth).mean())
    return {"score": found[split.metric]} | found


def prediction_file(options, name, system, seed):
    """Return where predictions of the test rows are kept until they have been compared."""
    options.scratch.mkdir(parents=True, exist_ok=True)
    return (
        options.scratch / f"{name}-{options.max_rows}-{options.limit:g}-{seed}-{system.replace(':', '_')}.npy"
    )


def _compare(split, ours, peer, seed, options, pairs):
    key = {"table": split.name, "ours": ours, "peer": peer, "limit": f"{options.limit:g}", "seed": seed}
    files = [prediction_file(options, split.name, system, seed) for system in (ours, peer)]
    if options.skips(pairs, **key) or not all(file.is_file() for file in files):
        return
    a, b = (_for_metric(split, np.load(file)) for file in files)
    found = paired_difference(get_metric(split.metric), split.codes(), a, b, groups=split.groups, seed=seed)
    pairs.add(key | {"metric": split.metric, "better_by": found.value, "low": found.low, "high": found.high})


def _for_metric(split, prediction):
    if split.problem == "regression":
        return prediction
    shares = np.clip(prediction, 1e-15, 1)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares[:, 1] if split.problem == "binary" else shares


def _shown(row):
    if "error" in row:
        return row["error"]
    return (
        f"{row['metric']} {row['score']:.5g}, fit {row['fit_s']:.0f} s ({row['overrun']:+.0%} of the limit), "
        f"{row['rows_per_s']:,} rows/s, {row['disk_mb']:.1f} MB, peak {row['peak_rss_mb']:.0f} MB"
    )


def judged(pairs):
    """Return one row for ours, peer, limit and table: better by how much, within what, win or not.

    Over several seeds the interval is Student's, of the mean of the differences; with one seed it is the
    paired bootstrap's over the test rows. It is a tie where the interval holds 0.
    """
    rows = []
    for (ours, peer, limit, table), group in pairs.groupby(["ours", "peer", "limit", "table"], sort=False):
        value, low, high = group["better_by"].mean(), group["low"].iloc[0], group["high"].iloc[0]
        n = len(group)
        if n > 1:
            half = student.ppf(0.975, n - 1) * group["better_by"].std() / np.sqrt(n)
            low, high = value - half, value + half
        verdict = "win" if low > 0 else "loss" if high < 0 else "tie"
        rows.append((ours, peer, limit, table, n, group["metric"].iloc[0], value, low, high, verdict))
    names = ["ours", "peer", "limit", "table", "seeds", "metric", "better by", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=names)


def tables(frame, folder):
    """Return the race as titled frames."""
    shown = frame[frame["table"] != "-"].copy()
    yield "Every run (mean over seeds)", _means(shown) if "score" in shown else shown
    path = Path(folder) / "race-pairs.csv"
    if path.is_file():
        verdicts = judged(pd.read_csv(path))
        counts = verdicts.groupby(["ours", "peer", "limit"])["verdict"].value_counts().unstack(fill_value=0)
        counts = counts.reindex(columns=["win", "tie", "loss"], fill_value=0).reset_index()
        yield "Wins, ties and losses", counts
        yield "Ours against each peer, greater is better for ours", verdicts
    failed = frame[frame["error"].notna()] if "error" in frame else frame.iloc[:0]
    if len(failed):
        yield "Skipped or failed", failed[[*KEY, "error"]]


def _means(frame):
    columns = [
        "score",
        "log_loss",
        "fit_s",
        "overrun",
        "rows_per_s",
        "disk_mb",
        "peak_rss_mb",
        "peak_tree_mb",
    ]
    known = [name for name in columns if name in frame]
    groups = frame[frame["score"].notna()].groupby(["table", "metric", "limit", "system"], sort=False)
    return groups[known].mean().assign(seeds=groups.size()).reset_index()
