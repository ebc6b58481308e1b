"""What the run kept: predictions of every learner on a table, and how a prediction is scored."""

import json
from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from stackml.combiners.base import Context, MetaFeatures
from stackml.splitting.base import folds_from_assignment
from stackml.tables.target import Problem, Target


@dataclass(eq=False)
class Kept:
    """One table: everything fitted on it."""

    name: str
    metric: str
    problem: Problem
    target: Target
    fold: np.ndarray
    truth: np.ndarray
    oof: dict = field(default_factory=dict)
    test: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)
    one_row: dict = field(default_factory=dict)
    bytes: dict = field(default_factory=dict)
    skipped: set = field(default_factory=set)

    def meta(self, names, part="oof", rows=None):
        """Return the predictions of some learners side by side."""
        values = [getattr(self, part)[n] for n in names]
        values = [v if rows is None else v[rows] for v in values]
        kinds = [_kind(n, self.problem) for n in names]
        return MetaFeatures(
            np.concatenate(values, axis=1), tuple(names), tuple(v.shape[1] for v in values), tuple(kinds), self.problem
        )  # fmt: skip

    def context(self, rows=None):
        """Return the folds, of all rows or of some."""
        fold = self.fold if rows is None else self.fold[rows]
        folds = folds_from_assignment(fold, int(self.fold.max()) + 1, "stratified", ())
        return Context(0, self.metric, folds)

    def loss(self, predicted, truth=None):
        """Return what is to be small: 1 - AUC, 1 - average precision, log loss, RMSE."""
        truth = self.truth if truth is None else truth
        predicted = np.asarray(predicted, np.float64)
        if self.metric == "rmse":
            return float(np.sqrt(np.mean((predicted[:, 0] - truth) ** 2)))
        if self.metric == "log_loss":
            p = np.clip(predicted, 1e-7, 1)
            p /= p.sum(axis=1, keepdims=True)
            return float(-np.log(p[np.arange(len(truth)), truth]).mean())
        score = roc_auc_score if self.metric == "roc_auc" else average_precision_score
        return float(1 - score(truth, predicted[:, 0]))


def _kind(name, problem):
    if name in ("isolation_forest", "hbos"):
        return "score"
    return "value" if problem.is_regression else "probability"


def load(scratch):
    """Return every table kept so far."""
    tables = []
    for path in sorted(scratch.glob("*.truth.npz")):
        name = path.name.split(".")[0]
        z = np.load(path)
        meta = json.loads(str(z["meta"]))
        problem = (
            Problem(meta["kind"], int(meta["n_classes"] or 0))
            if meta["kind"] != "regression"
            else Problem("regression")
        )
        table = Kept(name, meta["metric"], problem, Target(problem, z["y"]), z["fold"], z["truth"])
        for file in sorted(scratch.glob(f"{name}.*.npz")):
            label = file.name.split(".")[1]
            if label == "truth":
                continue
            try:
                z = np.load(file)
            except (EOFError, OSError, ValueError):
                continue
            if "oof" not in z:
                table.skipped.add(label)
                continue
            table.oof[label], table.test[label] = z["oof"], z["test"]
            table.seconds[label] = float(z["seconds"].sum())
            table.one_row[label], table.bytes[label] = float(z["one_row"]), float(z["bytes"])
        tables.append(table)
    return tables
