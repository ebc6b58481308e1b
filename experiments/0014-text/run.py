"""What texts and embeddings add: tables with them, without them, and read in other ways.

    STACKML_DATA=... python experiments/0014-text/run.py [case ...] > result.csv
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from corpus import docstrings
from stackml import StackClassifier, StackRegressor
from stackml.metrics import get_metric
from stackml.metrics.intervals import paired_difference

warnings.simplefilter("ignore")
SEEDS = (0, 1)
Ways = dict[str, tuple[pd.DataFrame, dict[str, object]]]  # the first way is what others are compared with


def _docs() -> pd.DataFrame:
    stored = Path(os.environ.get("DOCSTRINGS", "docstrings.parquet"))
    if not stored.is_file():
        docstrings().to_parquet(stored)
    return pd.read_parquet(stored)


def docs_package() -> tuple[Ways, np.ndarray, str]:
    """Which of three libraries a function belongs to."""
    rows = _docs()
    rows = rows[rows.package.isin(["numpy", "scipy", "sklearn"])].reset_index(drop=True)
    return _with_text(rows), pd.factorize(rows.package, sort=True)[0], "log_loss"


def docs_scipy() -> tuple[Ways, np.ndarray, str]:
    """Whether a function is one of SciPy's, against numpy and scikit-learn."""
    rows = _docs()
    rows = rows[rows.package.isin(["numpy", "scipy", "sklearn"])].reset_index(drop=True)
    return _with_text(rows), (rows.package == "scipy").to_numpy().astype(int), "roc_auc"


def docs_lines() -> tuple[Ways, np.ndarray, str]:
    """How long the code is: a number to predict."""
    rows = _docs().sample(3000, random_state=0).reset_index(drop=True)
    ways = _with_text(rows)
    return {k: (f.drop(columns="lines"), o) for k, (f, o) in ways.items()}, np.log1p(rows.lines), "rmse"


def _with_text(rows: pd.DataFrame) -> Ways:
    columns = ["lines", "arguments", "deep", "what"]
    shuffled = rows.assign(text=np.random.default_rng(9).permutation(rows.text.to_numpy()))
    return {
        "without": (rows[columns], {}),
        "text": (rows[[*columns, "text"]], {}),
        "text of other rows": (shuffled[[*columns, "text"]], {}),
    }


def diabetes130() -> tuple[Ways, np.ndarray, str]:
    """Three codes of diagnoses as categories, as texts, and both."""
    rows = _table("diabetes130").sample(12_000, random_state=0).reset_index(drop=True)
    y = (rows.pop("readmitted") == "<30").to_numpy().astype(int)
    rows = rows.drop(columns=[c for c in ("encounter_id", "patient_nbr") if c in rows])
    codes = ["diag_1", "diag_2", "diag_3"]
    joined = rows[codes].fillna("none").astype(str).agg(" ".join, axis=1)
    as_text: dict[str, object] = {"kinds": {"diagnoses": "text"}}
    return {
        "categories": (rows, {}),
        "one text": (rows.drop(columns=codes).assign(diagnoses=joined), as_text),
        "both": (rows.assign(diagnoses=joined), as_text),
    }, y, "roc_auc"


def vehicle_claims() -> tuple[Ways, np.ndarray, str]:
    """Words of a claim as categories, and beside them as one text."""
    rows = _table("vehicle_claims")
    y = rows.pop("FraudFound_P").to_numpy().astype(int)
    rows = rows.drop(columns="PolicyNumber")
    words = ["Make", "VehicleCategory", "PolicyType", "BasePolicy", "VehiclePrice", "AgeOfVehicle", "PastNumberOfClaims"]
    joined = rows[words].astype(str).agg(" ".join, axis=1)
    as_text: dict[str, object] = {"kinds": {"claim": "text"}}
    return {
        "categories": (rows, {}),
        "one text": (rows.drop(columns=words).assign(claim=joined), as_text),
        "both": (rows.assign(claim=joined), as_text),
    }, y, "roc_auc"


def digits() -> tuple[Ways, np.ndarray, str]:
    """Images as vectors of 64, of 300 numbers, and as columns; the answer needs a number beside them."""
    data, rng = load_digits(), np.random.default_rng(0)
    beside = pd.DataFrame({"shift": rng.integers(0, 10, len(data.target)), "shop": rng.choice(["a", "b"], len(data.target))})
    y = (data.target + beside["shift"] + 2 * (beside["shop"] == "a") > 9).to_numpy().astype(int)
    y = np.where(rng.random(len(y)) < 0.05, 1 - y, y)
    wide = np.maximum(data.data @ rng.normal(size=(64, 300)) / 30.0, 0.0)
    pixels = pd.DataFrame(data.data, columns=[f"p{i}" for i in range(64)])
    columns = pd.DataFrame(wide, columns=[f"w{i}" for i in range(300)])
    return {
        "without": (beside, {}),
        "64 columns": (pd.concat([beside, pixels], axis=1), {}),
        "vector of 64": (beside.assign(image=list(data.data)), {}),
        "300 columns": (pd.concat([beside, columns], axis=1), {}),
        "vector of 300": (beside.assign(image=list(wide)), {}),
        "vector of other rows": (beside.assign(image=list(data.data[rng.permutation(len(y))])), {}),
    }, y, "roc_auc"


def _table(name: str) -> pd.DataFrame:
    return pd.read_parquet(Path(os.environ["STACKML_DATA"]) / f"{name}.parquet")


CASES: dict[str, Callable[[], tuple[Ways, np.ndarray, str]]] = {
    f.__name__: f
    for f in (docs_scipy, docs_package, docs_lines, diabetes130, vehicle_claims, digits)
}


def main() -> None:
    """Print one line a case, a seed, a way and a learner."""
    print("case,seed,way,learner,metric,score,gain,low,high,seconds,megabytes")
    for case in sys.argv[1:] or CASES:
        ways, y, metric_name = CASES[case]()
        for seed in SEEDS:
            order = np.random.default_rng(seed).permutation(len(y))
            train, test = np.sort(order[: len(y) * 2 // 3]), np.sort(order[len(y) * 2 // 3 :])
            first: dict[str, np.ndarray] = {}
            for way, (rows, schema) in ways.items():
                for line in _scores(rows, schema, np.asarray(y), train, test, metric_name, seed, first):
                    print(f"{case},{seed},{way},{line}", flush=True)


def _scores(rows, schema, y, train, test, metric_name, seed, first):  # noqa: ANN001, ANN202
    regression = metric_name == "rmse"
    kind = StackRegressor if regression else StackClassifier
    learners = ["lightgbm", "ridge" if regression else "logistic", "extra_trees"]
    begin = time.perf_counter()
    stack = kind(learners, metric=metric_name, folds=4, schema=schema, n_jobs=1, random_state=seed)
    stack.fit(rows.iloc[train], y[train])
    seconds = time.perf_counter() - begin
    stored = Path(f"/tmp/0014-{os.getpid()}.stack")  # noqa: S108
    stack.save(stored)
    size = stored.stat().st_size / 1e6
    stored.unlink()
    metric, part = get_metric(metric_name), rows.iloc[test]
    meta = stack.transform(part)
    whole = stack.predict(part) if regression else stack.predict_proba(part)
    found = {"stack": whole if regression or whole.shape[1] > 2 else whole[:, 1]}
    parts = np.split(meta.astype(np.float64), len(learners), axis=1)
    found |= {learner: part.squeeze() for learner, part in zip(learners, parts, strict=True)}
    for learner, prediction in found.items():
        base = first.setdefault(learner, prediction)
        d = paired_difference(metric, y[test], prediction, base, n_resamples=300)
        value = metric.value(y[test], prediction)
        yield f"{learner},{metric_name},{value:.5f},{d.value:.5f},{d.low:.5f},{d.high:.5f},{seconds:.1f},{size:.3f}"


if __name__ == "__main__":
    main()
