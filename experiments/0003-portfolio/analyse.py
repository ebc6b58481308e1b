"""Singles, orders of learners and what a seed is worth, from what `run.py` kept.

python experiments/0003-portfolio/analyse.py SCRATCH
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from kept import load
from tables import REAL

from stackml.combiners.mean import MeanCombiner
from stackml.combiners.simplex import SimplexCombiner
from stackml.foundation.errors import FitError

CLIP = (-1.0, 2.0)
SIMPLEX = SimplexCombiner()


class Scores:
    """Normalised losses: 0 is the stack of all learners, 1 the median of the better half of them alone."""

    def __init__(self, table, learners):
        self.table = table
        self.learners = [n for n in learners if n in table.oof and n not in ("isolation_forest", "hbos")]
        self._known = {}
        self.scale = {}
        alone = sorted(table.loss(table.test[n]) for n in self.learners)
        self.zero = self.raw(self.learners)
        middle = float(np.median(alone[: max(1, len(alone) // 2)]))
        self.unit = max(middle - self.zero, 1e-3 * self.zero)

    def raw(self, names):
        """Return the test loss of the simplex stack of some learners."""
        key = frozenset(names) & frozenset(self.learners)
        if not key:
            return None
        if key not in self._known:
            t, ordered = self.table, sorted(key)
            try:
                fitted = SIMPLEX.fit(t.meta(ordered), t.target, t.context())
            except FitError as error:
                print("FitError", t.name, ordered, str(error)[:80])
                fitted = MeanCombiner().fit(t.meta(ordered), t.target, t.context())
            self._known[key] = t.loss(fitted.predict(t.meta(ordered, "test")))
        return self._known[key]

    def of(self, names):
        """Return the normalised test loss of a stack; 2 where none of its learners could be fitted."""
        raw = self.raw(names)
        return CLIP[1] if raw is None else float(np.clip((raw - self.zero) / self.unit, *CLIP))

    def cost(self, name):
        """Return seconds in units of plain LightGBM's."""
        return self.scale.get(name, 1.0) * self.table.seconds.get(name, 0.0) / self.table.seconds["lightgbm"]


def order(scores, pool, most, power):
    """Return names in greedy order of gain in mean normalised loss per cost to some power."""
    chosen, path = [], []
    now = float(np.mean([CLIP[1]] * len(scores)))
    while len(chosen) < most:
        best = None
        for name in pool:
            if name in chosen:
                continue
            mean = float(np.mean([s.of([*chosen, name]) for s in scores]))
            cost = float(np.mean([s.cost(name) for s in scores])) + 0.1
            gain = (now - mean) / cost**power if now > mean else (now - mean) * cost**power
            if best is None or gain > best[0]:
                best = (gain, name, mean)
        chosen.append(best[1])
        now = best[2]
        path.append(now)
    return chosen, path


def linear_as_one(tables):
    """Logistic and ridge are one place in the order: each suits other problems."""
    for t in tables:
        for part in (t.oof, t.test, t.seconds, t.one_row, t.bytes):
            for name in ("logistic", "ridge"):
                if name in part:
                    part["linear"] = part.pop(name)
        t.skipped = {"linear" if n in ("logistic", "ridge") else n for n in t.skipped}


def main(scratch):
    """Print the tables of the README."""
    tables = load(scratch)
    linear_as_one(tables)
    counts = pd.Series([n for t in tables for n in (*t.oof, *t.skipped)]).value_counts()
    tables = [t for t in tables if "lightgbm" in t.oof]
    wanted = [n for n in counts.index if counts[n] >= 0.8 * len(tables)]
    tables = [t for t in tables if sum(n in t.oof or n in t.skipped for n in wanted) >= 0.9 * len(wanted)]
    print(f"{len(tables)} tables, {len(wanted)} learners")
    scores = [Scores(t, wanted) for t in tables]
    pool = sorted({n for s in scores for n in s.learners})

    rows = []
    for name in pool:
        own = [s.of([name]) for s in scores]
        without = [s.of([n for n in s.learners if n != name]) for s in scores]
        rows.append({
            "learner": name, "alone": np.mean(own), "lost if left out": np.mean(without),
            "t": np.mean(without) / max(np.std(without, ddof=1) / np.sqrt(len(without)), 1e-9),
            "fitted on": sum(name in s.learners for s in scores),
            "cost": np.median([s.cost(name) for s in scores if name in s.learners]),
            "one row ms": 1e3 * np.median([s.table.one_row[name] for s in scores if name in s.learners]),
            "MB": 1e-6 * np.median([s.table.bytes[name] for s in scores if name in s.learners]),
        })  # fmt: skip
    print(pd.DataFrame(rows).sort_values("alone").round(3).to_string(index=False))

    for power in (0.0, 0.5, 1.0):
        chosen, path = order(scores, pool, min(18, len(pool)), power)
        print(f"\norder, gain per cost^{power}")
        print("  ".join(f"{n} {p:.3f}" for n, p in zip(chosen, path, strict=True)))
    pairs(tables)
    keep(scores, Path(__file__).with_name("result.csv"))
    one_more(scores, pool)
    same_members(scores)
    same_members(scores, cheaper=0.25)
    print("\nreal tables alone")
    same_members([s for s in scores if s.table.name in REAL])
    if "--loo" in sys.argv:
        left_out(scores, pool)


PRESETS = {
    "fast": ("lightgbm", "extra_trees", "linear"),
    "balanced": ("lightgbm", "xgboost", "lightgbm_extra", "extra_trees", "linear", "mlp"),
    "best": ("lightgbm", "lightgbm_large", "lightgbm_extra", "xgboost", "catboost", "random_forest",
             "extra_trees", "linear", "neighbors", "mlp"),
}  # fmt: skip


def interval(values):
    """Return mean and a 90 % interval over tables, by bootstrap."""
    values = np.asarray(values)
    draws = np.random.default_rng(0).choice(values, (4000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [0.05, 0.95])
    return f"{values.mean():7.3f} [{low:6.3f}, {high:6.3f}]  better on {(values < -1e-9).sum()}, worse on {(values > 1e-9).sum()}"


def pairs(tables):
    """One learner against its variant, alone: relative loss in percent, and time."""
    print("\nvariant against its origin: relative test loss in %, mean [90 %]; median ratio of core-seconds")
    for origin, variant in (
        ("lightgbm", "lgb_lr10"), ("lightgbm", "lgb_small"), ("lightgbm", "lightgbm_large"), ("xgboost", "xgb_d4"),
        ("lightgbm_extra", "lgb_extra_40"), ("catboost", "cat_lr10"), ("mlp", "mlp_wide"), ("extra_trees", "xt_full"),
    ):  # fmt: skip
        both = [t for t in tables if origin in t.oof and variant in t.oof]
        if len(both) < 5:
            continue
        change = [100 * np.log(t.loss(t.test[variant]) / t.loss(t.test[origin])) for t in both]
        ratio = np.median([t.seconds[variant] / t.seconds[origin] for t in both])
        print(f"{variant:14s} / {origin:14s} {len(both):3d} tables {interval(change)}  time x {ratio:.2f}")


def left_out(scores, pool):
    """Score the order learned without a table on that table, against the presets as they are."""
    powers = (0.0, 0.5, 1.0)
    found = {power: [] for power in powers}
    for left in scores:
        for power in powers:
            chosen, _ = order([s for s in scores if s is not left], pool, min(12, len(pool)), power)
            found[power].append(chosen)
    for power in powers:
        places = {n: [c.index(n) + 1 if n in c else 13 for c in found[power]] for n in pool}
        ranked = sorted(pool, key=lambda n: np.mean(places[n]))
        print(f"\nplace without one table, gain per cost^{power}: mean (least to most)")
        print(
            "  ".join(
                f"{n} {np.mean(places[n]):.1f} ({min(places[n])}-{max(places[n])})" for n in ranked[:14]
            )
        )
    print(
        "\non the table left out: loss of the first k minus the preset's, mean [90 %]; cost / preset's cost"
    )
    for preset, names in PRESETS.items():
        for power in powers:
            k = len(names)
            gaps = [s.of(c[:k]) - s.of(names) for s, c in zip(scores, found[power], strict=True)]
            cost = [
                sum(map(s.cost, c[:k])) / sum(map(s.cost, names))
                for s, c in zip(scores, found[power], strict=True)
            ]
            print(f"{preset:9s} k={k:2d} cost^{power} {interval(gaps)}  cost x {np.median(cost):.2f}")

    print(
        "\non the table left out, under a limit: loss of the learned order minus that of the preset 'best' as it is"
    )
    for limit in (3.0, 6.0, 12.0, 24.0):
        for power in powers:
            gaps = [s.of(within(s, c, limit)) - s.of(within(s, PRESETS["best"], limit))
                    for s, c in zip(scores, found[power], strict=True)]  # fmt: skip
            print(f"limit {limit:4.0f} x LightGBM cost^{power} {interval(gaps)}")


def same_members(scores, cheaper=1.0):
    """Order the members of "best" and one more, without a table, and score that table under limits.

    Parameters
    ----------
    cheaper : float
        What the cost of forests is multiplied by: fitted once instead of once a fold, they cost less.
    """
    for s in scores:
        for name in ("extra_trees", "random_forest"):
            s.scale[name] = cheaper
    pool = [*PRESETS["best"], "xgb_d4"]
    found = {
        p: [order([s for s in scores if s is not left], pool, len(pool), p)[0] for left in scores]
        for p in (0.5, 1.0)
    }
    print(f"\nmembers of best and xgb_d4 alone, forests at {cheaper} of their cost")
    for power, orders in found.items():
        places = {n: np.mean([c.index(n) + 1 for c in orders]) for n in pool}
        print(f"cost^{power}", "  ".join(f"{n} {places[n]:.1f}" for n in sorted(pool, key=places.get)))
        for limit in (3.0, 6.0, 12.0, 24.0, 1e9):
            gaps = [s.of(within(s, c, limit)) - s.of(within(s, PRESETS["best"], limit))
                    for s, c in zip(scores, orders, strict=True)]  # fmt: skip
            print(f"  limit {limit:10.0f} x LightGBM {interval(gaps)}")
    for s in scores:
        s.scale.clear()


def keep(scores, path):
    """Write what every learner lost and cost on every table."""
    rows = [
        (s.table.name, s.table.metric, n, f"{s.table.loss(s.table.test[n]):.6g}", f"{s.table.seconds[n]:.2f}",
         f"{1e3 * s.table.one_row[n]:.3f}", f"{1e-6 * s.table.bytes[n]:.2f}")
        for s in scores for n in s.learners
    ]  # fmt: skip
    head = ["table", "metric", "learner", "test_loss", "core_seconds", "one_row_ms", "MB"]
    pd.DataFrame(rows, columns=head).to_csv(path, index=False)


def one_more(scores, pool):
    """Print what one learner more adds to the preset "balanced"."""
    print("\none more learner beside balanced: change of normalised loss, mean [90 %]")
    base = PRESETS["balanced"]
    rows = [(np.mean([s.of([*base, n]) - s.of(base) for s in scores]), n) for n in pool if n not in base]
    for _, name in sorted(rows):
        print(f"{name:16s}{interval([s.of([*base, name]) - s.of(base) for s in scores])}")


def within(scores, names, limit):
    """Return the learners that fit into a limit, in order; one that does not fit is passed over."""
    kept, left = [], limit
    for name in names:
        if name in scores.learners and scores.cost(name) <= left:
            kept.append(name)
            left -= scores.cost(name)
    return kept


if __name__ == "__main__":
    main(Path(sys.argv[1]))
