"""Unions of models of different labels against the best model alone and other ways to put them together.

    STACKML_DATA=... python experiments/0011-label-union/run.py letter extra_trees
    STACKML_DATA=... python experiments/0011-label-union/run.py codes extra_trees

Rows of one seed are split at random (diabetes130: one stay a patient); each model has rows of its own, and of
those the ones whose label it knows. Every rule is given the same answers of the same models. Writes TABLE-LEARNER.csv
(means over seeds) and TABLE-LEARNER-differences.csv (paired, with 95 % intervals, rows resampled whole over seeds).
"""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import stackml
from stackml.datasets import load_dataset
from stackml.metrics import get_metric
from stackml.metrics.intervals import paired_difference

warnings.simplefilter("ignore")
FLOOR = 1e-6  # of a probability; for single models that do not know a label it decides their log loss
PULLS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)
DEFAULT = "union, pull 0.001"  # what LabelUnion does unless told otherwise
HERE = Path(__file__).parent
SEEDS = range(5)
A_TO_Z = [chr(65 + i) for i in range(26)]


def spelled(vocabularies, outputs, weights, labels, nested=False):
    """Average next characters with the given weights alone, among the models that gave the prefix anything."""
    masses = [dict(zip(v, p, strict=True)) for v, p in zip(vocabularies, outputs, strict=True)]
    found = {label: np.zeros(outputs[0].shape[1]) for label in labels}

    def follow(s, probability, voters):
        beneath = [{x: p for x, p in mass.items() if x.startswith(s)} for mass in masses]
        goes_on = [any(x != s for x in one) for one in beneath]
        if nested and any(goes_on):
            voters = [m for m in voters if goes_on[m]]
        steps, total = {}, 0.0
        for m in voters:
            if not beneath[m]:
                continue
            of_prefix = np.sum(list(beneath[m].values()), axis=0)
            total = total + weights[m] * (of_prefix > 0)
            for x, p in beneath[m].items():
                step = x[len(s)] if len(x) > len(s) else "$"
                share = np.divide(p, of_prefix, out=np.zeros_like(p), where=of_prefix > 0)
                steps[step] = steps.get(step, 0.0) + weights[m] * share
        for step, vote in steps.items():
            onward = probability * np.divide(vote, total, out=np.zeros_like(vote), where=total > 0)
            if step == "$":
                if s in found:
                    found[s] = onward
            else:
                follow(s + step, onward, voters)

    follow("", np.ones(outputs[0].shape[1]), list(range(len(masses))))
    return normal(np.stack([found[label] for label in labels], axis=1))


def normal(values):
    total = values.sum(axis=1, keepdims=True)
    return np.where(total > 0, values / np.where(total > 0, total, 1), 1 / values.shape[1])


def known_alone(vocabularies, outputs, weights, labels, logs):
    """Mean, or mean of logarithms, over the models that know a label; then made to sum to 1."""
    total, weight = np.zeros((outputs[0].shape[1], len(labels))), np.zeros(len(labels))
    for v, p, w in zip(vocabularies, outputs, weights, strict=True):
        for x, values in zip(v, p, strict=True):
            if x in labels:
                at = labels.index(x)
                total[:, at] += w * (np.log(np.maximum(values, FLOOR)) if logs else values)
                weight[at] += w
    mean = total / np.where(weight > 0, weight, 1)
    return normal(np.where(weight > 0, np.exp(mean) if logs else mean, 0.0))


def rules(models, X, learn, nested):
    """Return (labels, probabilities by each rule) for rows."""
    union = stackml.LabelUnion(models, nested=nested, n_jobs=1).fitted_
    labels = list(union.tree.labels)
    answers = [part.predict(X) for part in union.parts]
    wide = [np.vstack([1 - a.T, a.T]) if a.shape[1] == 1 else a.T.astype(float) for a in answers]
    own = [list(part.model.classes) for part in union.parts]
    found = {}
    for part, v, p in zip(union.parts, own, wide, strict=True):
        found[f"alone: {part.name}"] = np.stack(
            [p[v.index(x)] if x in v else np.zeros(len(X)) for x in labels], axis=1
        )
    for pull in (*PULLS, np.inf):
        out = replace(union, pull=pull).decode(answers, union.weights)
        name = "mean, unknown is 0" if np.isinf(pull) else f"union, pull {pull}"
        found[name] = out.nodes[union.tree.leaves].T
    learned = stackml.LabelUnion(models, nested=nested, n_jobs=1).fit(*learn)
    out = learned.fitted_.decode(answers, learned.fitted_.weights)
    found["union, weights learned"] = out.nodes[union.tree.leaves].T
    found["mean of who knows it"] = known_alone(own, wide, union.weights, labels, False)
    found["log pool of who knows it"] = known_alone(own, wide, union.weights, labels, True)
    found["characters, fixed weights"] = spelled(own, wide, union.weights, labels, nested)
    return labels, found


def letter(seed):
    """Cases of overlapping alphabets."""
    data = load_dataset("letter").frame
    y, X = data["lettr"].astype(str), data.drop(columns="lettr")
    order = np.random.default_rng(seed).permutation(len(X))
    cases = {
        "A-P and K-Z": (A_TO_Z[:16], A_TO_Z[10:]),
        "A-N and M-Z": (A_TO_Z[:14], A_TO_Z[12:]),
        "A-K, I-S and Q-Z": (A_TO_Z[:11], A_TO_Z[8:19], A_TO_Z[16:]),
        "A-Z and A-J": (A_TO_Z, A_TO_Z[:10]),
        "A-M and N-Z": (A_TO_Z[:13], A_TO_Z[13:]),
        "A-Z and A-Z": (A_TO_Z, A_TO_Z),
    }
    unseen, extra = order[-2000:], order[-3000:-2000]
    learn = X.iloc[extra], y.iloc[extra]
    for name, vocabularies in cases.items():
        parts = {}
        for i, vocabulary in enumerate(vocabularies):
            rows = order[2500 * i : 2500 * (i + 1)]
            rows = rows[y.iloc[rows].isin(vocabulary)]
            parts[f"model {i + 1}"] = (X.iloc[rows], y.iloc[rows])
        yield name, parts, X.iloc[unseen], y.iloc[unseen], unseen, learn, False


def codes(seed):
    """Cases of ICD-9 categories and codes as the first diagnosis of a stay; one stay a patient."""
    data = load_dataset("diabetes130").frame.drop_duplicates("patient_nbr")
    data = data[data["diag_1"].notna()].reset_index(drop=True)
    code = data["diag_1"].astype(str)
    X = data.drop(columns=["diag_1", "encounter_id", "patient_nbr"], errors="ignore")
    refined = code.str.startswith("250.")
    kept = [c for c, n in code[refined].value_counts().items() if n >= 150]
    kept += code[~refined].value_counts().index[:16].tolist()
    rows = np.flatnonzero(code.isin(kept).to_numpy())
    X, code = X.iloc[rows].reset_index(drop=True), code.iloc[rows].reset_index(drop=True)
    category = code.str.split(".").str[0]
    order = np.random.default_rng(seed).permutation(len(X))
    unseen, a, b, extra = order[:3000], order[3000:11000], order[11000:14000], order[14000:15000]
    few = ["race", "gender", "age", "medical_specialty", "time_in_hospital", "diag_2", "insulin", "number_diagnoses"]
    clinic = b[code.iloc[b].str.startswith("250.")]
    rest = X.iloc[unseen], code.iloc[unseen], unseen, (X.iloc[extra], code.iloc[extra])
    coarse = (X.iloc[a], category.iloc[a])
    yield "categories and codes", {"categories": coarse, "codes": (X[few].iloc[b], code.iloc[b])}, *rest, "."
    yield "categories and a clinic's codes", {"categories": coarse, "clinic": (X.iloc[clinic], code.iloc[clinic])}, *rest, "."
    ranked = code.value_counts().index.tolist()
    sets = [ranked[0::3] + ranked[1::3], ranked[1::3] + ranked[2::3]]
    pair = {}
    for i, (known, part) in enumerate(zip(sets, (a[:4000], a[4000:]), strict=True)):
        part = part[code.iloc[part].isin(known)]
        pair[f"model {i + 1}"] = (X.iloc[part], code.iloc[part])
    yield "codes that overlap by a third", pair, *rest, False


def by_category(labels, truth, found, models, X):
    """Return truth and probabilities of categories, those of the model of categories among them."""
    of_label = [label.split(".")[0] for label in labels]
    names = list(dict.fromkeys(of_label))
    here = np.array([names.index(name) for name in of_label])
    sums = {
        rule: np.stack([p[:, here == k].sum(axis=1) for k in range(len(names))], axis=1)
        for rule, p in found.items()
    }
    coarse = models["categories"]
    places = [list(coarse.classes_).index(name) for name in names]
    sums["alone: categories"] = normal(np.maximum(coarse.predict_proba(X)[:, places], FLOOR))
    return here[truth], sums


def main(table, learner):
    scores, kept = [], {}

    def keep(case, seed, truth, found, ids):
        for rule, p in found.items():
            loss = -np.log(p[np.arange(len(truth)), truth]).mean()
            scores.append((case, rule, seed, loss, (p.argmax(axis=1) == truth).mean()))
            kept.setdefault(case, {}).setdefault(rule, []).append((truth, p, ids))

    for seed in SEEDS:
        for case, parts, X, y, ids, learn, nested in {"letter": letter, "codes": codes}[table](seed):
            models = {
                name: stackml.StackClassifier([learner], folds=3, n_jobs=1, random_state=seed).fit(*rows)
                for name, rows in parts.items()
            }
            labels, found = rules(models, X, learn, nested)
            found = {rule: normal(np.maximum(p, FLOOR)) for rule, p in found.items()}
            truth = np.array([labels.index(c) for c in y])
            keep(case, seed, truth, found, ids)
            if nested:
                keep(f"{case}: categories", seed, *by_category(labels, truth, found, models, X), ids)
    table_ = pd.DataFrame(scores, columns=["case", "rule", "seed", "log_loss", "accuracy"])
    means = table_.groupby(["case", "rule"], sort=False)[["log_loss", "accuracy"]].mean().round(4)
    means.to_csv(HERE / f"{table}-{learner}.csv")
    differences = []
    for case, of_case in kept.items():
        joined = {r: [np.concatenate(x) for x in zip(*rows, strict=True)] for r, rows in of_case.items()}
        truth, union, ids = joined[DEFAULT]
        for rule, (_, p, _) in joined.items():
            if rule.startswith("union, pull"):
                continue
            for metric in ("log_loss", "accuracy"):
                d = paired_difference(get_metric(metric), truth, union, p, groups=ids)
                differences.append((case, rule, metric, *(round(x, 4) for x in (d.value, d.low, d.high))))
    columns = ["case", "against", "metric", "union_is_better_by", "low", "high"]
    pd.DataFrame(differences, columns=columns).to_csv(HERE / f"{table}-{learner}-differences.csv", index=False)
    print(means.to_string())


main(*sys.argv[1:])
