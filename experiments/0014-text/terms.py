"""How a linear model should read a text: by its terms, by its coordinates, or as scikit-learn does.

    python experiments/0014-text/terms.py > terms.csv
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from corpus import docstrings
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from stackml.features.dense import DenseChoice
from stackml.features.dense_rows import prepare_dense
from stackml.learners.base import Budget
from stackml.learners.linear import LogisticLearner
from stackml.tables import Problem, Table, Target

stored = Path(os.environ.get("DOCSTRINGS", "docstrings.parquet"))
if not stored.is_file():
    docstrings().to_parquet(stored)
rows = pd.read_parquet(stored)
rows = rows[rows.package.isin(["numpy", "scipy", "sklearn"])].reset_index(drop=True)
y = pd.factorize(rows.package, sort=True)[0].astype(np.int64)
beside = ["lines", "arguments", "deep", "what"]
learner, target = LogisticLearner(), Target(Problem("multiclass", 3), y)

print("seed,way,log_loss,accuracy")
for seed in (0, 1, 2):
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = np.sort(order[: len(y) * 2 // 3]), np.sort(order[len(y) * 2 // 3 :])
    shuffled = rows.assign(text=np.random.default_rng(seed).permutation(rows.text.to_numpy()))
    found = {}
    for name, frame in (("text", rows[[*beside, "text"]]), ("text of other rows", shuffled[[*beside, "text"]])):
        table = Table.learn(frame)
        bare = Table(table.schema, table.numbers, table.codes)  # no text has a term
        for way, seen, texts in (
            ("terms", table, False),
            ("coordinates", bare, True),
            ("terms and coordinates", table, True),
        ):
            prepared = prepare_dense(seen, train, DenseChoice(hinges=learner.hinges, texts=texts))
            model = learner.fit(prepared, target, train, None, Budget(), seed)
            found[f"{name}: {way}"] = model.predict(seen.take(test)).astype(np.float64)
    without = Table.learn(rows[beside])
    model = learner.fit(learner.prepare(without, train), target, train, None, Budget(), seed)
    found["without text"] = model.predict(without.take(test)).astype(np.float64)
    tfidf = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    words = tfidf.fit_transform(rows.text.iloc[train])
    for C in (1.0, 10.0, 100.0):
        plain = LogisticRegression(C=C, max_iter=500).fit(words, y[train])
        found[f"scikit-learn: TF-IDF alone C={C:g}"] = plain.predict_proba(tfidf.transform(rows.text.iloc[test]))
    for way, p in found.items():
        p = p / p.sum(axis=1, keepdims=True)
        print(f"{seed},{way},{log_loss(y[test], p):.4f},{(p.argmax(axis=1) == y[test]).mean():.4f}", flush=True)
