"""What every learner of the catalog must do where columns hold text and embeddings beside the usual ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from learner_cases import PROBLEMS, Case, every_case, title

from stackml.learners.base import Budget, FittedLearner
from stackml.learners.catalog import restore_learner
from stackml.storage.archive import read_archive, write_archive
from stackml.tables.schema import Overrides, Schema
from stackml.tables.table import Table
from stackml.tables.target import Target

N_ROWS = 240
TRAIN, STOP = np.arange(180), np.arange(180, 210)
WORDS = ["late", "early", "paid", "owed", "lost", "found", "card", "cash", "bank", "shop", "street", "night"]


CASES = every_case(n_trees=20, max_rounds=30, epochs=8)
each_case = pytest.mark.parametrize("case", CASES, ids=title)


def frame_of(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    notes = [" ".join(rng.choice(WORDS, 5)) for _ in range(n_rows)]
    images = rng.normal(size=(n_rows, 80)).astype(np.float32)  # longer than what is read as it is
    frame = pd.DataFrame(
        {
            "plain": np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(size=n_rows)),
            "four": rng.choice(["a", "b", "c", None], n_rows),
            "note": notes,
            "image": list(images),
        }
    )
    frame.loc[rng.random(n_rows) < 0.1, "note"] = None
    frame.loc[rng.random(n_rows) < 0.1, "image"] = None
    return frame


@cache
def table() -> Table:
    return Table.learn(frame_of(N_ROWS, seed=1), Overrides(kinds={"note": "text"}))


@cache
def scored() -> Table:
    """Rows of unseen words, no words, nothing at all, and vectors far from those known."""
    frame = frame_of(30, seed=3)
    frame.loc[:4, "note"] = ["zebra quartz", "", "?!", "late zebra", "PAID Late"]
    frame.loc[5:9, "note"] = None
    frame.at[10, "image"] = np.full(80, 1e6)
    frame.loc[11:14, "image"] = None
    frame.loc[12, ["plain", "four", "note", "image"]] = [np.nan, None, None, None]
    return Table.of(frame, table().schema)


@cache
def target(problem: str) -> Target:
    frame = frame_of(N_ROWS, seed=1)
    signal = frame["note"].fillna("").str.contains("late") + frame["plain"].fillna(0.0).clip(-1, 1)
    values = signal.to_numpy(dtype=np.float64)
    if problem == "regression":
        return Target(PROBLEMS[problem], values)
    edges = [0.5] if problem == "binary" else [0.2, 0.8]
    return Target(PROBLEMS[problem], np.searchsorted(edges, values).astype(np.int64))


@cache
def fitted(case: Case) -> FittedLearner:
    learner = case.learner
    return learner.fit(learner.prepare(table(), None), target(case.problem), TRAIN, STOP, Budget(), 7)


@each_case
def test_any_text_and_any_vector_is_scored_in_any_order_and_alone(case: Case) -> None:
    model, rows = fitted(case), scored()
    found = model.predict(rows)
    assert found.shape == (rows.n_rows, case.learner.n_outputs(PROBLEMS[case.problem]))
    assert np.isfinite(found).all()
    order = np.random.default_rng(0).permutation(rows.n_rows)
    np.testing.assert_allclose(model.predict(rows.take(order)), found[order], **case.rounding)
    for row in (0, 5, 10, 12):
        alone = model.predict(rows.take(np.array([row])))
        np.testing.assert_allclose(alone[0], found[row], rtol=1e-6, atol=1e-6)


@each_case
def test_a_stored_model_and_schema_predict_the_same_bit_for_bit(case: Case, tmp_path: Any) -> None:
    model, path = fitted(case), tmp_path / "model.stack"
    state = {"model": model.to_state(), "schema": table().schema.to_state()}
    write_archive(path, kind="learner", state=state, manifest={})
    read = read_archive(path, kind="learner")[1]
    again = restore_learner(model.kind, read["model"])
    frame = frame_of(40, seed=4)
    rows = Table.of(frame, Schema.from_state(read["schema"]))
    np.testing.assert_array_equal(again.predict(rows), model.predict(Table.of(frame, table().schema)))


@each_case
def test_what_is_prepared_from_the_past_knows_no_later_text(case: Case) -> None:
    past, learner, y = table(), case.learner, target(case.problem)
    rows = np.concatenate([TRAIN, TRAIN[: N_ROWS - len(TRAIN)]])
    other = past.take(rows)  # the last rows are other ones
    models = [learner.fit(learner.prepare(t, TRAIN), y, TRAIN, None, Budget(), 7) for t in (past, other)]
    np.testing.assert_array_equal(*(model.predict(scored()) for model in models))
