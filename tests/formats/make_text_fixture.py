"""Writes a stored stack that reads a text and two embeddings: run once, never again.

python tests/formats/make_text_fixture.py
"""

from pathlib import Path

import numpy as np
import pandas as pd

from stackml.stack import StackClassifier

FIXTURES = Path(__file__).parent / "fixtures"
NAME = "text-and-embeddings"
WORDS = ["paid", "late", "called", "again", "from", "Oslo", "about", "fees", "and", "left"]


def rows() -> pd.DataFrame:
    """Return the rows the stored stack was fitted on and is asked about."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": rng.lognormal(size=120).round(3)})
    frame["note"] = [" ".join(rng.choice(WORDS, 6)) for _ in range(120)]
    frame["short"] = list(rng.integers(-8, 9, size=(120, 3)) / 4)
    frame["long"] = list(rng.integers(-8, 9, size=(120, 70)) / 4)
    frame.loc[[3, 50], "note"] = None
    frame.loc[[4, 51], "long"] = None
    return frame


def main() -> None:
    """Fit a small stack and write it beside its predictions."""
    X = rows()
    y = X["note"].fillna("").str.contains("late").to_numpy() ^ (X["amount"] > 2).to_numpy()
    learners = ["lightgbm", "extra_trees", "logistic", "neighbors"]
    given = {"folds": 2, "schema": {"kinds": {"note": "text"}}, "n_jobs": 1}
    stack = StackClassifier(learners, "mean", **given).fit(X, y.astype(int))
    stack.save(FIXTURES / f"{NAME}.stack")
    np.save(FIXTURES / f"{NAME}.npy", stack.predict_proba(X))


if __name__ == "__main__":
    main()
