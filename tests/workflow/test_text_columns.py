import numpy as np
import pandas as pd

from stackml.stack.estimators import StackClassifier
from stackml.workflow.rows import load_rows
from stackml.workflow.spec import parse_spec

SPEC = """
name: calls
dataset: calls
metrics: [roc_auc]
datasets:
  calls: {path: calls.csv, target: angry, problem: binary, text: [note]}
"""


def test_a_pipeline_states_which_columns_are_text(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=80), "angry": np.arange(80) % 2})
    rows["note"] = np.where(rows["angry"], "wants the money back", "wants a new card")
    rows.to_csv(tmp_path / "calls.csv", index=False)
    found = load_rows(parse_spec(SPEC, "pipeline.yaml"), None, tmp_path)
    stack = StackClassifier(["logistic"], folds=2, schema=found.schema, n_jobs=1).fit(found.frame, found.y)
    assert stack.fitted_.schema.by_name["note"].kind == "text"
