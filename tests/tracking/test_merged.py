"""A merged stack is a model like any other: logged without pickle, loaded, scored in batches."""

import numpy as np
import pandas as pd

import stackml
from stackml.learners.catalog import make_learner
from stackml.scoring.batch import score_file
from stackml.tracking import load_model, save_model
from stackml.tracking.learner_runs import learner_records


def test_a_merged_stack_is_logged_and_scores_files(rows, target, tmp_path):
    learners = [
        ("lightgbm", make_learner("lightgbm", max_rounds=20)),
        ("mlp", make_learner("mlp", epochs=3, hidden=(8,), start=1)),
    ]
    stack = stackml.StackClassifier(learners, "mean", folds=3, n_jobs=1).fit(rows, target)
    merged = stackml.merge(stack, X=rows, y=target)
    said = merged.predict_proba(rows)
    save_model(merged, tmp_path / "model", input_example=rows)
    back = load_model(tmp_path / "model")
    np.testing.assert_array_equal(back.predict_proba(rows), said)
    assert back.fitted_.card["merge"] == merged.fitted_.card["merge"]
    records = learner_records(back)
    assert [(one.name, one.status, one.message) for one in records] == [
        ("lightgbm", "fitted", "merged"),
        ("mlp", "fitted", "merged"),
    ]
    merged.save(tmp_path / "merged.stack")
    rows.to_parquet(tmp_path / "rows.parquet")
    score_file(stackml.load(tmp_path / "merged.stack"), tmp_path / "rows.parquet", tmp_path / "out.parquet")
    scored = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(scored["probability_1"], said[:, 1])
