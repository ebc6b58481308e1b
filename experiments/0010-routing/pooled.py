"""The tables of the README: gap recovered over all seeds together, from result.csv.

python experiments/0010-routing/pooled.py
"""

from pathlib import Path

import pandas as pd

found = pd.read_csv(Path(__file__).with_name("result.csv"))
sign = found["metric"].map({"log_loss": 1.0, "roc_auc": -1.0})
found["gap"] = sign * (found["weak_value"] - found["strong_value"])  # above 0 where the strong one is better
by = ["table", "weak", "way", "metric"]


def pooled(rows):
    """Return the gain of all seeds over the gap of all seeds: a seed of a small gap counts little."""
    told = {"seeds": len(rows), "gap": rows["gap"].mean()}
    for name in ("at_10", "at_20", "at_40", "recovered_set"):
        told[name] = (rows[name] * rows["gap"]).sum(min_count=1) / rows["gap"].sum()
    told |= {f"least_{name}": rows[name].min() for name in ("at_40", "recovered_set")}
    told["low_set"], told["high_set"] = rows["recovered_set_low"].min(), rows["recovered_set_high"].max()
    told |= {name: rows[name].median() for name in ("apgr", "cpt50", "cpt80")} | {
        "share": rows["share_set"].mean()
    }
    told["price"] = (rows["us_set"] / rows["us_strong"]).median()
    return pd.Series(told)


print(found.groupby(by).apply(pooled, include_groups=False).round(4).to_string())
