import json

import numpy as np
import pandas as pd
import pytest
import yaml

from stackml.foundation.errors import ParameterError, StorageError, TrackingError
from stackml.stack.estimators import StackClassifier
from stackml.tracking import load_model, save_model
from stackml.tracking.pyfunc import TRUSTED

PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


@pytest.fixture(scope="module")
def folder(classifier, rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "fraud"
    save_model(classifier, path, input_example=rows, metadata={"owner": "risk"})
    return path


@pytest.fixture(scope="module")
def pyfunc(folder):
    import mlflow.pyfunc

    patch = pytest.MonkeyPatch()
    patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    yield mlflow.pyfunc.load_model(str(folder))
    patch.undo()


def test_what_comes_back_predicts_bit_for_bit(classifier, folder, rows):
    back = load_model(folder)
    assert isinstance(back, StackClassifier)
    np.testing.assert_array_equal(back.predict_proba(rows), classifier.predict_proba(rows))
    np.testing.assert_array_equal(back.predict(rows), classifier.predict(rows))


def test_pyfunc_gives_probabilities_and_prediction_bit_for_bit(classifier, pyfunc, rows):
    found = pyfunc.predict(rows)
    assert list(found.columns) == ["probability_0", "probability_1", "prediction"]
    np.testing.assert_array_equal(found[["probability_0", "probability_1"]], classifier.predict_proba(rows))
    np.testing.assert_array_equal(found["prediction"], classifier.predict(rows))


def test_pyfunc_keeps_the_index_of_the_rows(pyfunc, rows):
    some = rows.sample(7, random_state=0)
    assert pyfunc.predict(some).index.equals(some.index)


def test_params_choose_the_method(classifier, pyfunc, rows):
    found = pyfunc.predict(rows, params={"method": "predict"})
    assert list(found.columns) == ["prediction"]
    np.testing.assert_array_equal(found["prediction"], classifier.predict(rows))
    with pytest.raises(ParameterError, match="did you mean 'predict'"):
        pyfunc.predict(rows, params={"method": "predic"})


def test_regression_gives_one_column(regressor, rows, tmp_path):
    import mlflow.pyfunc

    save_model(regressor, tmp_path / "model", input_example=rows)
    found = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(rows)
    assert list(found.columns) == ["prediction"]
    np.testing.assert_array_equal(found["prediction"], regressor.predict(rows))


def test_text_labels_are_predicted_and_declared(rows, target, tmp_path):
    import mlflow.pyfunc

    labels = np.where(target == 1, "fraud", "fine")
    stack = StackClassifier(["logistic"], folds=2, n_jobs=1).fit(rows, labels)
    save_model(stack, tmp_path / "model")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    found = model.predict(rows)
    assert list(found.columns) == ["probability_fine", "probability_fraud", "prediction"]
    assert found["prediction"].tolist() == stack.predict(rows).tolist()
    assert model.metadata.get_output_schema().input_types()[-1].name == "string"


def test_a_stack_fitted_on_an_array_scores_arrays(rows, target, tmp_path):
    import mlflow.pyfunc

    X = rows[["amount", "visits"]].to_numpy()
    stack = StackClassifier(["logistic"], folds=2, n_jobs=1).fit(X, target)
    save_model(stack, tmp_path / "model")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    expected = stack.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(model.predict(X)["probability_1"], expected)
    named = pd.DataFrame(X, columns=["x0", "x1"])
    np.testing.assert_array_equal(model.predict(named)["probability_1"], expected)


# What people send: types that differ from those of the training rows but mean the same.


def test_whole_numbers_pass_for_a_number_column(classifier, pyfunc, rows):
    whole = rows.assign(amount=rows["amount"].round().astype("int64"))
    found = pyfunc.predict(whole)["probability_1"]
    np.testing.assert_array_equal(found, classifier.predict_proba(whole)[:, 1])


def test_fractions_pass_where_training_had_whole_numbers(classifier, pyfunc, rows):
    split = rows.assign(visits=rows["visits"] + 0.5)
    np.testing.assert_array_equal(
        pyfunc.predict(split)["probability_1"], classifier.predict_proba(split)[:, 1]
    )


@pytest.mark.parametrize("absent", [None, np.nan, pd.NA])
@pytest.mark.parametrize("column", ["amount", "visits", "channel", "region", "seen"])
def test_missing_values_pass(classifier, pyfunc, rows, column, absent):
    holed = rows.head(20).copy()
    holed[column] = holed[column].astype(object)
    holed.loc[[3, 7], column] = absent
    np.testing.assert_array_equal(
        pyfunc.predict(holed)["probability_1"], classifier.predict_proba(holed)[:, 1]
    )


def test_a_column_of_nothing_but_missing_values_passes(classifier, pyfunc, rows):
    empty = rows.head(5).assign(amount=None, channel=None)
    np.testing.assert_array_equal(
        pyfunc.predict(empty)["probability_1"], classifier.predict_proba(empty)[:, 1]
    )


def test_integers_pass_for_a_category_that_was_text(classifier, pyfunc, rows):
    coded = rows.assign(region=rows["region"].astype("int64"))
    np.testing.assert_array_equal(
        pyfunc.predict(coded)["probability_1"], classifier.predict_proba(rows)[:, 1]
    )


def test_dates_pass_as_text(classifier, pyfunc, rows):
    texts = rows.assign(seen=rows["seen"].dt.strftime("%Y-%m-%d"))
    np.testing.assert_array_equal(
        pyfunc.predict(texts)["probability_1"], classifier.predict_proba(rows)[:, 1]
    )


def test_categories_and_one_row_pass(classifier, pyfunc, rows):
    one = rows.head(1).astype({"channel": "category"})
    np.testing.assert_array_equal(pyfunc.predict(one)["probability_1"], classifier.predict_proba(one)[:, 1])


def test_columns_no_learner_reads_may_be_absent(classifier, pyfunc, rows):
    some = rows.drop(columns="constant")
    np.testing.assert_array_equal(pyfunc.predict(some)["probability_1"], classifier.predict_proba(rows)[:, 1])


def test_a_missing_column_is_refused_by_name(pyfunc, rows):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=r"missing inputs \['channel'\]"):
        pyfunc.predict(rows.drop(columns="channel"))


def test_a_value_of_another_kind_is_refused_with_column_and_row(pyfunc, rows):
    wrong = rows.head(4).assign(amount=["1", "2", "many", "3"])
    with pytest.raises(ValueError, match="column 'amount', row 2: 'many' is not a number"):
        pyfunc.predict(wrong)


# What is written.


def test_nothing_in_the_folder_is_a_pickle(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {
        "MLmodel",
        "conda.yaml",
        "input_example.json",
        "python_env.yaml",
        "requirements.txt",
        "serving_input_example.json",
        "stack.stack",
    }
    for path in files:
        assert path.suffix not in (".pkl", ".pickle", ".joblib")
        assert not path.read_bytes().startswith(PICKLE_STARTS)


def test_the_model_names_its_loader_and_brings_no_code(folder, classifier):
    import stackml

    model = yaml.safe_load((folder / "MLmodel").read_text())
    generic = model["flavors"]["python_function"]
    assert generic["loader_module"] == "stackml.tracking.pyfunc"
    assert not {"python_model", "code", "cloudpickle_version"} & generic.keys()
    own = model["flavors"]["stackml"]
    assert own["data"] == "stack.stack"
    assert own["version"] == stackml.__version__
    assert own["learners"] == ["lightgbm", "logistic"]
    assert own["columns"]["seen"] == "datetime"
    assert model["metadata"] == {"owner": "risk"}
    inputs = {spec["name"]: spec["required"] for spec in json.loads(model["signature"]["inputs"])}
    assert inputs == {
        **dict.fromkeys(["amount", "visits", "channel", "region", "seen"], True),
        "constant": False,
    }


def test_requirements_name_what_the_stack_stands_on(folder):
    lines = (folder / "requirements.txt").read_text().splitlines()
    names = {line.split("==")[0] for line in lines}
    assert {"mlflow", "stackml", "numpy", "pandas", "scikit-learn", "lightgbm"} <= names
    assert not {"cloudpickle", "torch", "catboost", "xgboost", "xgboost-cpu"} & names
    assert all("==" in line for line in lines)


def test_the_example_has_five_rows(folder):
    assert len(json.loads((folder / "input_example.json").read_text())["data"]) == 5


def test_saving_over_something_is_refused(classifier, folder):
    with pytest.raises(TrackingError, match="holds something already"):
        save_model(classifier, folder)


def test_a_model_is_found_by_file_folder_and_address(classifier, folder, rows):
    expected = classifier.predict_proba(rows)
    for uri in (folder / "stack.stack", str(folder), folder.as_uri()):
        np.testing.assert_array_equal(load_model(uri).predict_proba(rows), expected)


def test_a_path_that_is_not_there_names_the_nearest(folder):
    with pytest.raises(TrackingError, match=r"did you mean 'stack\.stack'"):
        load_model(folder / "stack.stak")
    with pytest.raises(TrackingError, match=r"holds no \.stack file"):
        load_model(folder.parent)


def test_estimators_of_users_are_served_when_they_are_trusted(rows, target, tmp_path, monkeypatch):
    import mlflow.pyfunc
    from sklearn.ensemble import HistGradientBoostingClassifier

    stack = StackClassifier([("hist", HistGradientBoostingClassifier(max_iter=5))], folds=2, n_jobs=1)
    stack.fit(rows, target)
    path = tmp_path / "model"
    save_model(stack, path)
    with pytest.raises(StorageError, match="not trusted") as refused:
        load_model(path)
    names = str(refused.value).split("not trusted: ")[1].split(";")[0]
    with pytest.raises(StorageError, match="not trusted"):
        mlflow.pyfunc.load_model(str(path))
    monkeypatch.setenv(TRUSTED, names)
    found = mlflow.pyfunc.load_model(str(path)).predict(rows)["probability_1"]
    np.testing.assert_array_equal(found, stack.predict_proba(rows)[:, 1])
    assert "skops" in (path / "requirements.txt").read_text()
