"""Every combiner, nested and on test rows, on what `run.py` kept; then every rule of choice.

python experiments/0003-portfolio/combiners.py SCRATCH fit 3    # samples of rows; slow, resumes
python experiments/0003-portfolio/combiners.py SCRATCH rules
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from kept import load
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax

from stackml.combiners.boosted import BoostedCombiner
from stackml.combiners.greedy import GreedyCombiner
from stackml.combiners.logistic import LogisticCombiner
from stackml.combiners.mean import MeanCombiner
from stackml.combiners.nested import nested_splits
from stackml.combiners.simplex import SimplexCombiner
from stackml.combiners.simplex_solver import minimise_on_simplex
from stackml.combiners.single import SingleCombiner
from stackml.decision.base import loss_rows
from stackml.decision.calibration import choose_calibrator

SETS = {
    "balanced": ("lightgbm", "xgboost", "lightgbm_extra", "extra_trees", "logistic", "ridge", "mlp"),
    "best": (
        "lightgbm", "lightgbm_large", "lightgbm_extra", "xgboost", "catboost", "random_forest", "extra_trees",
        "logistic", "ridge", "neighbors", "mlp", "isolation_forest", "hbos",
    ),
    "no_scores": (
        "lightgbm", "lightgbm_large", "lightgbm_extra", "xgboost", "catboost", "random_forest", "extra_trees",
        "logistic", "ridge", "neighbors", "mlp",
    ),
}  # fmt: skip


class Pool:
    """Convex weights on logits or log probabilities (a logarithmic opinion pool)."""

    kind = "pool"

    def __init__(self, pull=5.0):
        self.pull = pull

    def fit(self, meta, target, context):
        if target.problem.is_regression:
            return SimplexCombiner().fit(meta, target, context)
        links = _links(meta)
        n = target.n_rows
        y = np.asarray(target.values, np.int64)
        even, strength = 1 / len(links), self.pull / n

        def objective(w, with_slopes):
            z = np.tensordot(w, links, axes=1)
            top = z.max(axis=1, keepdims=True)
            log_sum = top[:, 0] + np.log(np.exp(z - top).sum(axis=1))
            value = float((log_sum - z[np.arange(n), y]).mean()) + 0.5 * strength * float(
                ((w - even) ** 2).sum()
            )
            if not with_slopes:
                return value, w, w
            p = softmax(z, axis=1)
            expected = np.einsum("inc,nc->in", links, p)
            gradient = (expected - links[:, np.arange(n), y]).mean(axis=1) + strength * (w - even)
            flat = (links * np.sqrt(p)).reshape(len(links), -1)
            hessian = flat @ flat.T / n - expected @ expected.T / n + strength * np.eye(len(w))
            return value, gradient, hessian

        return FittedPool(meta.predictors, minimise_on_simplex(objective, len(links), 1e-7))


@dataclass
class FittedPool:
    names: tuple
    w: np.ndarray

    def predict(self, meta):
        z = np.tensordot(self.w, _links(meta.select(self.names)), axes=1)
        p = softmax(z, axis=1)
        return p[:, 1:] if meta.problem.kind == "binary" else p


class Pairs:
    """Weights of 0 or more on logits of least pairwise logistic loss: a smooth 1 - AUC."""

    kind = "pairs"

    def fit(self, meta, target, context):
        if target.problem.kind != "binary":
            return SimplexCombiner().fit(meta, target, context)
        z = _links(meta)[:, :, 1]
        rng = np.random.default_rng(0)
        positive, negative = np.flatnonzero(target.values == 1), np.flatnonzero(target.values == 0)
        draws = max(1, min(20_000 // len(positive), len(negative)))
        gap = np.concatenate(
            [z[:, positive] - z[:, rng.choice(negative, len(positive))] for _ in range(draws)], axis=1
        )
        even, pull = 1 / len(z), 5.0 / target.n_rows

        def objective(w):
            m = w @ gap
            p = expit(-m)
            return np.logaddexp(0, -m).mean() + 0.5 * pull * ((w - even) ** 2).sum(), -(gap @ p) / len(
                m
            ) + pull * (w - even)

        w = minimize(
            objective, np.full(len(z), even), jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(z)
        ).x
        return FittedPool(meta.predictors, w)


def _links(meta):
    p = np.clip(meta.predictions(), 1e-7, 1 - 1e-7)
    if meta.problem.kind == "binary":
        z = logit(p)
        return np.concatenate([np.zeros_like(z), z], axis=2)
    return np.log(p)


COMBINERS = {
    "single": SingleCombiner(), "mean": MeanCombiner(), "greedy": GreedyCombiner(), "simplex": SimplexCombiner(),
    "logistic": LogisticCombiner(), "boosted": BoostedCombiner(), "simplex_50": SimplexCombiner(pull=50.0),
    "simplex_500": SimplexCombiner(pull=500.0), "pool": Pool(), "pairs": Pairs(),
}  # fmt: skip


def fit(scratch):
    """Keep nested and test predictions of every combiner, on all rows and on two halves of them."""
    for table in load(scratch):
        for label, wanted in SETS.items():
            names = [n for n in wanted if n in table.oof]
            ready = all(n in table.oof or n in table.skipped or n in ("logistic", "ridge") for n in wanted)
            for sample in range(int(sys.argv[3]) if label != "no_scores" else 1):
                path = scratch / "combined" / f"{table.name}.{label}.{sample}.npz"
                if path.exists() or not ready:
                    continue
                began = time.process_time()
                n = table.target.n_rows
                rows = np.arange(n)
                if sample:
                    rows = np.sort(np.random.default_rng(sample).choice(n, n // 2, replace=False))
                meta, target, context = (
                    table.meta(names, rows=rows),
                    table.target.take(rows),
                    table.context(rows),
                )
                unseen, found = table.meta(names, "test"), {"rows": rows}
                for name, combiner in COMBINERS.items():
                    nested = np.full((len(rows), table.problem.n_outputs), np.nan)
                    try:
                        for split in nested_splits(target, context):
                            fitted = combiner.fit(
                                meta.take(split.train), target.take(split.train), split.context
                            )
                            nested[split.held_out] = fitted.predict(meta.take(split.held_out))
                        found[f"{name}.test"] = (
                            combiner.fit(meta, target, context).predict(unseen).astype(np.float32)
                        )
                        found[f"{name}.nested"] = nested.astype(np.float32)
                    except Exception as error:
                        print(table.name, label, name, repr(error)[:100])
                np.savez(path, **found)
                print(path.name, f"{time.process_time() - began:.1f}", flush=True)


# Rules: from {combiner: nested}, {combiner: test}, fold scores and row losses to a test prediction.
BASE = ("single", "mean", "simplex", "greedy", "logistic", "boosted")
ORDER = ("mean", "simplex", "greedy", "logistic", "boosted", "single")


@dataclass
class Case:
    table: object
    fold: np.ndarray
    y: np.ndarray
    nested: dict
    test: dict

    def scores(self, names):
        out = []
        for n in names:
            out.append(
                [
                    -self.table.loss(self.nested[n][self.fold == k], self.y[self.fold == k])
                    for k in np.unique(self.fold)
                ]
            )
        return np.array(out)

    def losses(self, names):
        return np.stack([loss_rows(self.nested[n].astype(float), self.y, self.table.problem) for n in names])


def one_se(case, names=ORDER, width=1.0, single=1 / 3):
    scores = case.scores(names)
    gaps = scores[scores.mean(axis=1).argmax()] - scores
    mean, error = gaps.mean(axis=1), gaps.std(axis=1, ddof=1) / np.sqrt(gaps.shape[1])
    if single is not None and "single" in names:
        i = names.index("single")
        if mean[i] <= single * error[i] + 1e-12:
            return "single"
    near = [n for n, m, e in zip(names, mean, error, strict=True) if m <= width * e + 1e-12]
    return next((n for n in near if n != "single"), near[0])


def outright(case, names=ORDER):
    return names[int(case.scores(names).mean(axis=1).argmax())]


def pooled_best(case, names=ORDER):
    return names[int(np.argmin([case.table.loss(case.nested[n], case.y) for n in names]))]


def by_losses(case, names=ORDER, width=1.0):
    losses = case.losses(names)
    gaps = losses - losses[losses.mean(axis=1).argmin()]
    error = gaps.std(axis=1, ddof=1) / np.sqrt(gaps.shape[1])
    return next(n for n, m, e in zip(names, gaps.mean(axis=1), error, strict=True) if m <= width * e + 1e-12)


def averaged(case, names):
    return tuple(names)


def good_ones(case, names=ORDER, width=1.0):
    scores = case.scores(names)
    gaps = scores[scores.mean(axis=1).argmax()] - scores
    mean, error = gaps.mean(axis=1), gaps.std(axis=1, ddof=1) / np.sqrt(gaps.shape[1])
    return tuple(n for n, m, e in zip(names, mean, error, strict=True) if m <= width * e + 1e-12)


NO_SINGLE = ORDER[:-1]
NO_MEAN = ("simplex", "greedy", "logistic", "boosted")
RULES = {
    "auto (one SE)": lambda c: one_se(c),
    "one SE, no single": lambda c: one_se(c, NO_SINGLE),
    "one SE, simplex first": lambda c: one_se(c, NO_MEAN),
    "half SE, no single": lambda c: one_se(c, NO_SINGLE, 0.5),
    "half SE, simplex first": lambda c: one_se(c, NO_MEAN, 0.5),
    "one SE, single last": lambda c: one_se(c, single=None),
    "half SE, single last": lambda c: one_se(c, width=0.5, single=None),
    "third SE, single last": lambda c: one_se(c, width=1 / 3, single=None),
    "quarter SE, single last": lambda c: one_se(c, width=0.25, single=None),
    "one SE, single if best": lambda c: one_se(c, single=0.0),
    "half SE, single if best": lambda c: one_se(c, width=0.5, single=0.0),
    "third SE, single if best": lambda c: one_se(c, width=1 / 3, single=0.0),
    "quarter SE, single if best": lambda c: one_se(c, width=0.25, single=0.0),
    "quarter SE, no single": lambda c: one_se(c, NO_SINGLE, 0.25),
    "half SE, single within third": lambda c: one_se(c, width=0.5),
    "best nested, single too": lambda c: outright(c),
    "one SE of rows' losses": lambda c: by_losses(c, NO_SINGLE),
    "best nested": lambda c: outright(c, NO_SINGLE),
    "best nested, pooled": lambda c: pooled_best(c, NO_SINGLE),
    "best nested, no mean": lambda c: outright(c, NO_MEAN),
    "best nested of simplex, logistic": lambda c: outright(c, ("simplex", "logistic")),
    "best nested of all ten": lambda c: outright(c, tuple(COMBINERS)),
    "mean of those within one SE": lambda c: good_ones(c),
    "mean of those within one SE, no mean": lambda c: good_ones(c, NO_MEAN),
    "mean of simplex, logistic": lambda c: averaged(c, ("simplex", "logistic")),
    "mean of simplex, greedy, logistic, boosted": lambda c: averaged(c, NO_MEAN),
    "mean of simplex, logistic, boosted": lambda c: averaged(c, ("simplex", "logistic", "boosted")),
    "mean of simplex, pool": lambda c: averaged(c, ("simplex", "pool")),
    "mean of simplex, logistic, pool": lambda c: averaged(c, ("simplex", "logistic", "pool")),
} | {f"always {n}": (lambda n: lambda c: n)(n) for n in COMBINERS}  # fmt: skip


def finished(case, pick):
    """Return the test loss of a choice; calibrated as a stack would be where the metric is a loss."""
    names = (pick,) if isinstance(pick, str) else pick
    test = np.mean([case.test[n] for n in names], axis=0).astype(float)
    if case.table.metric == "log_loss":
        nested = np.mean([case.nested[n] for n in names], axis=0).astype(float)
        nested /= nested.sum(axis=1, keepdims=True)
        test /= test.sum(axis=1, keepdims=True)
        found, _ = choose_calibrator(nested, case.y, case.table.problem, fold_of_row=case.fold, seed=0)
        test = found.apply(test)
    return case.table.loss(test)


def rules(scratch):
    """Print the mean normalised loss of each rule, paired with the present one over tables."""
    tables = {t.name: t for t in load(scratch)}
    rows = []
    for path in sorted((scratch / "combined").glob("*.npz")):
        name, label, sample = path.name.split(".")[:3]
        z, table = np.load(path), tables[name]
        parts = {
            p: {k.rsplit(".", 1)[0]: z[k] for k in z.files if k.endswith("." + p)} for p in ("nested", "test")
        }
        if set(parts["test"]) != set(COMBINERS):
            continue
        case = Case(
            table, table.fold[z["rows"]], table.target.values[z["rows"]], parts["nested"], parts["test"]
        )
        for rule, pick in RULES.items():
            chosen = pick(case)
            rows.append((name, label, int(sample), rule, str(chosen), finished(case, chosen)))
    frame = pd.DataFrame(rows, columns=["table", "set", "sample", "rule", "chosen", "loss"])
    frame.to_csv(scratch / "rules.csv", index=False)
    report(frame, tables)


def report(frame, tables):
    """Normalise by table: the unit is what the best learner alone loses to the best rule there."""
    for label, part in frame.groupby("set"):
        wide = part.pivot_table(index=["table", "sample"], columns="rule", values="loss")
        unit = wide["always single"].groupby("table").mean() - wide.groupby("table").mean().min(axis=1)
        floor = 2e-3 * wide.min(axis=1).groupby("table").mean()
        unit = np.maximum(unit, floor)
        gap = wide.sub(wide["auto (one SE)"], axis=0)
        gap = gap.div(unit.reindex(gap.index.get_level_values("table")).to_numpy(), axis=0).clip(-3, 3)
        per_table = gap.groupby("table").mean()
        rank = wide.groupby("table").mean().rank(axis=1).mean()
        n = len(per_table)
        rng = np.random.default_rng(0)
        draws = rng.integers(0, n, (2000, n))
        boot = per_table.to_numpy()[draws].mean(axis=1)
        low, high = np.quantile(boot, [0.05, 0.95], axis=0)
        print(f"\nset {label}: {n} tables; loss minus auto's, in units of what one learner alone loses")
        out = pd.DataFrame({
            "mean": per_table.mean(), "5%": low, "95%": high, "better on": (per_table < -1e-9).sum(),
            "worse on": (per_table > 1e-9).sum(), "rank": rank,
            "relative %": (100 * (wide / wide["auto (one SE)"].to_numpy()[:, None] - 1)).groupby("table").mean().mean(),
        })  # fmt: skip
        print(out.sort_values("mean").round(3).to_string())
        # Many rules were looked at: what is the best worth on a table that did not help to pick it?
        picked = [per_table.drop(t).mean().idxmin() for t in per_table.index]
        gained = np.array([per_table.loc[t, rule] for t, rule in zip(per_table.index, picked, strict=True)])
        low, high = np.quantile(rng.choice(gained, (4000, n)).mean(axis=1), [0.05, 0.95])
        print(
            f"picked without the table: {gained.mean():.3f} [{low:.3f}, {high:.3f}], {pd.Series(picked).value_counts().to_dict()}"
        )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "combined").mkdir(exist_ok=True)
    fit(folder) if sys.argv[2] == "fit" else rules(folder)
