"""Writes the stored stack of the present format: run once when a format is born, never again.

python tests/formats/make_stack_fixture.py
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from stackml.stack import StackClassifier
from stackml.storage.upgrades import FORMAT_VERSION

FIXTURES = Path(__file__).parent / "fixtures"
LEARNERS = ["lightgbm", "xgboost", "extra_trees", "logistic", "neighbors", "mlp", "isolation_forest", "hbos"]


def rows() -> pd.DataFrame:
    """Return the rows the stored stack was fitted on and is asked about."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(160) < 0.1, np.nan, rng.lognormal(size=160)).round(3),
            "city": rng.choice(["Rome", "Oslo", "Lima"], 160),
            "day": pd.date_range("2024-01-01", periods=160, freq="7h"),
        }
    )


def main() -> None:
    """Fit a small stack of every kind of learner and write it beside its predictions."""
    X = rows()
    y = np.where((X["amount"].fillna(0) > 1) ^ (X["city"] == "Oslo"), "bad", "good")
    stack = StackClassifier(LEARNERS, "logistic", folds=2, calibration="temperature").fit(X, y)
    name = f"format-{FORMAT_VERSION}-classifier"
    stack.save(FIXTURES / f"{name}.stack")
    np.save(FIXTURES / f"{name}.npy", stack.predict_proba(X))
    print(f"{name} by stackml {version('stackml')}")


if __name__ == "__main__":
    main()
