import pytest

from stackml.datasets import load_dataset
from stackml.foundation.errors import DataError, ParameterError, SchemaError, TrackingError
from stackml.metrics import get_metric
from stackml.workflow.evaluation import evaluate


@pytest.fixture(scope="module")
def fresh():
    return load_dataset("credit_sim", n_rows=600, seed=11).frame


def test_file_and_registry_give_the_scores_of_the_predictions(first, project, fresh, tmp_path):
    path = tmp_path / "fresh.csv"
    fresh.to_csv(path, index=False)
    found = evaluate(first.stack_path, path)
    assert (found.target, found.rows, found.problem) == ("default", 600, "binary")
    assert [s.metric for s in found.scores] == list(first.spec.metrics)
    truth = fresh["default"].to_numpy()
    p = first.stack.predict_proba(fresh.drop(columns="default"))[:, 1]
    assert found.scores[0].value == pytest.approx(get_metric("roc_auc").value(truth, p), abs=1e-6)
    assert found.scores[0].low < found.scores[0].value < found.scores[0].high
    registered = evaluate("models:/credit/1", path, folder=project, metrics=["brier"])
    assert registered.scores[0].value == next(s.value for s in found.scores if s.metric == "brier")


def test_words_for_the_classes_are_understood(first, fresh):
    worded = fresh.assign(default=fresh["default"].map({0: "no", 1: "yes"}))
    found = evaluate(first.stack, worded, positive="yes", metrics=["roc_auc"])
    assert found.scores[0].value == evaluate(first.stack, fresh, metrics=["roc_auc"]).scores[0].value
    with pytest.raises(DataError, match="never is 'maybe'"):
        evaluate(first.stack, worded, positive="maybe")
    with pytest.raises(DataError, match=r"row 0: 'no' is no class of the stack; it knows: 0, 1; say which"):
        evaluate(first.stack, fresh.assign(default=["no"] * 600), positive=None)


def test_a_table_of_the_catalog_is_noted_to_hold_training_rows(first):
    found = evaluate(first.stack, dataset="credit_sim", metrics=["roc_auc"])
    assert found.rows == 30_000
    assert "trained on 1,200 rows of 'credit_sim'" in found.notes[0]


def test_mistakes_are_told(first, fresh, project):
    with pytest.raises(SchemaError, match=r"no column 'defualt'.*did you mean 'default'"):
        evaluate(first.stack, fresh, target="defualt")
    with pytest.raises(SchemaError, match="no column 'default' to compare predictions with"):
        evaluate(first.stack, fresh.drop(columns="default"))
    with pytest.raises(DataError, match="is missing in 1 row"):
        evaluate(first.stack, fresh.assign(default=fresh["default"].where(fresh.index != 3)))
    with pytest.raises(ParameterError, match="either labelled rows"):
        evaluate(first.stack)
    with pytest.raises(ParameterError, match="unknown metric 'roc_ac'; did you mean 'roc_auc'"):
        evaluate(first.stack, fresh, metrics=["roc_ac"])
    with pytest.raises(SchemaError, match="no column 'aeg' for groups; did you mean 'age'"):
        evaluate(first.stack, fresh, groups="aeg")
    with pytest.raises(TrackingError, match="did you mean 'credit'"):
        evaluate("models:/credt@champion", fresh, folder=project)
