"""`explain` answers for the whole stack, in the units and under the names of the rows given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import stackml
from stackml.datasets.loading import load_dataset
from stackml.foundation.errors import ParameterError, SchemaError, StorageError
from stackml.stack.explaining import leading_rows
from stackml.stack.file import KIND, to_state
from stackml.storage.archive import write_archive


def assert_adds_up(found, limit=1e-9):
    assert np.abs(found.contributions.sum(axis=1) + found.baseline - found.prediction).max() < limit


@pytest.fixture(scope="module")
def two(classifier, rows, binary):
    return classifier(learners=["lightgbm", "logistic", "hbos"], combiner="logistic").fit(rows, binary)


@pytest.fixture(scope="module")
def some(rows):
    """Rows under names of their own, with a gap and a category no training row has."""
    found = rows.iloc[:12].set_axis([f"case {i}" for i in range(12)])
    found.loc["case 1", "a"] = np.nan
    found.loc["case 2", "k"] = "new"
    return found


def test_two_classes(two, some):
    found = two.explain(some)
    assert_adds_up(found)
    assert found.scale == "probability"
    assert found.prediction.to_numpy() == pytest.approx(two.predict_proba(some)[:, 1], abs=1e-12)
    assert found.output.tolist() == [1] * 12
    for part in (found.contributions, found.baseline, found.prediction, found.output):
        assert part.index.equals(some.index)
    assert found.contributions.columns.tolist() == ["a", "b", "c", "k"]
    assert (found.reasons["contribution"] > 0).all()
    assert found.reasons.groupby("row").size().max() <= 3
    assert set(found.reasons["row"]) <= set(some.index)
    leading = found.contributions.abs().mean().sort_values(ascending=False).index
    assert set(leading[:2]) == {"a", "k"}, "the target was made of these"


def test_unseen_and_missing_values_are_said(two, some):
    found = two.explain(some, k=4, output=0).reasons, two.explain(some, k=4).reasons
    sentences = pd.concat(found).set_index(["row", "column"])["sentence"]
    assert sentences["case 1", "a"].startswith("a is missing (typically ")
    assert sentences["case 2", "k"].startswith("k = new, never seen in training, (typically ")


def test_the_other_class_is_the_mirror(two, some):
    one, zero = two.explain(some), two.explain(some, output=0)
    assert zero.contributions.to_numpy() == pytest.approx(-one.contributions.to_numpy(), abs=1e-12)
    assert zero.output.tolist() == [0] * 12
    assert zero.reasons["sentence"].str.contains("raises the probability of 0 by ").all()
    heard = one.by_learner.query("kind == 'probability'")["prediction"].to_numpy()
    assert zero.by_learner.query("kind == 'probability'")["prediction"].to_numpy() == pytest.approx(1 - heard)


def test_by_learner_is_what_each_says_itself(two, some):
    found = two.explain(some).by_learner
    assert len(found) == 12 * len(two.fitted_.combiner.learners)
    assert found.groupby("row")["weight"].sum().to_numpy() == pytest.approx(1.0)
    own = found.query("learner == 'lightgbm'").set_index("row")["prediction"]
    at = two.get_feature_names_out().tolist().index("lightgbm")
    assert own.loc[some.index].to_numpy() == pytest.approx(two.transform(some)[:, at])


def test_more_classes_explain_each_rows_own(classifier, rows, three, some):
    labels = np.asarray(["low", "mid", "top"])
    stack = classifier(learners=["lightgbm", "logistic"]).fit(rows, labels[three])
    found = stack.explain(some, scale="logit")
    assert_adds_up(found)
    assert found.output.tolist() == stack.predict(some).tolist()
    best = stack.predict_proba(some).max(axis=1)
    assert found.prediction.to_numpy() == pytest.approx(np.log(best / (1 - best)), abs=1e-9)
    first = found.reasons.iloc[0]
    assert f"the log odds of '{found.output[first['row']]}' by" in first["sentence"]
    stated = stack.explain(some, output="top")
    assert_adds_up(stated)
    assert set(stated.output) == {"top"}
    assert stated.prediction.to_numpy() == pytest.approx(stack.predict_proba(some)[:, 2], abs=1e-12)
    learned = stated.by_learner.query("learner == 'logistic'")["prediction"].to_numpy()
    at = stack.get_feature_names_out().tolist().index("logistic_2")
    assert learned == pytest.approx(stack.transform(some)[:, at])


def test_a_linear_stack_gets_its_slopes(regressor, rows, score):
    numbers = rows[["a", "b", "c"]].fillna(0.0)
    stack = regressor(learners=[("line", LinearRegression())]).fit(numbers, score)
    found = stack.explain(numbers.head(20), n_permutations=1)
    slopes = np.mean([model.estimator.coef_ for model in stack.learners_["line"].models], axis=0)
    typical = np.sort(numbers.to_numpy(), axis=0)[(len(numbers) - 1) // 2]
    # The learners' own float32 arithmetic is what is left.
    expected = (numbers.head(20).to_numpy() - typical) * slopes
    assert found.contributions.to_numpy() == pytest.approx(expected, abs=1e-5)
    assert_adds_up(found)
    assert (found.scale, set(found.output)) == ("value", {"value"})
    assert found.reasons["sentence"].str.contains("lowers the prediction by").any()


@pytest.mark.parametrize("given", [{"layers": 2}, {"passthrough": True, "combiner": "logistic"}], ids=str)
def test_layers_and_passthrough(classifier, rows, binary, some, given):
    stack = classifier(learners=["logistic", "lightgbm"], **given).fit(rows, binary)
    assert_adds_up(stack.explain(some))


def test_dates_arrays_and_compact(classifier, rows, binary):
    dated = rows.assign(day=pd.Timestamp("2024-01-01") + pd.to_timedelta(range(150), unit="D"))
    stack = classifier(learners=["lightgbm"]).fit(dated, dated["day"] > "2024-04-15")
    found = stack.explain(dated.tail(2), k=1)
    assert found.reasons["sentence"].tolist()[0].startswith("day = 2024-05-28 (typically 2024-03-15) raises")
    array = rows[["a", "b"]].to_numpy()
    plain = classifier(learners=["lightgbm", "logistic"]).fit(array, binary).compact()
    assert plain.explain(array[:1]).contributions.columns.tolist() == ["x0", "x1"]


def test_background_rows_are_averaged_over(two, rows, some):
    found = two.explain(some, background=rows.iloc[:5])
    assert_adds_up(found)
    assert found.baseline.to_numpy() == pytest.approx(two.predict_proba(rows.iloc[:5])[:, 1].mean())
    many = two.explain(some, background=rows)
    assert_adds_up(many)
    assert many.contributions.equals(two.explain(some, background=rows).contributions)
    with pytest.raises(SchemaError, match="X lacks 1 column"):
        two.explain(some, background=rows.drop(columns="a"))


def test_the_same_rows_are_explained_alike(two, some):
    found = two.explain(some).contributions
    turned = two.explain(some.iloc[::-1]).contributions
    assert turned.loc[found.index].to_numpy() == pytest.approx(found.to_numpy(), abs=1e-6)


def test_the_typical_row_is_in_the_file(two, some, tmp_path):
    loaded = stackml.load(two.save(tmp_path / "s.stack"))
    assert loaded.fitted_.typical.digest == two.fitted_.typical.digest
    assert loaded.explain(some).contributions.equals(two.explain(some).contributions)
    assert loaded.explain(some).reasons.equals(two.explain(some).reasons)


def test_a_file_without_a_typical_row_asks_for_a_background(two, rows, some, tmp_path):
    state = to_state(two.fitted_)
    del state["typical"]
    path = tmp_path / "early.stack"
    write_archive(path, kind=KIND, state=state, manifest={"estimator": "StackClassifier"})
    early = stackml.load(path)
    with pytest.raises(ParameterError, match=r"holds no typical row.*background="):
        early.explain(some)
    assert_adds_up(early.explain(some, background=rows.head(3)))


@pytest.mark.parametrize(
    "wrong", [lambda t: replace(t, codes=t.codes + 9), lambda t: replace(t, numbers=t.numbers[:, :1])]
)
def test_a_typical_row_that_does_not_fit_is_refused(two, tmp_path, wrong):
    state = to_state(replace(two.fitted_, typical=wrong(two.fitted_.typical)))
    path = tmp_path / "odd.stack"
    write_archive(path, kind=KIND, state=state, manifest={"estimator": "StackClassifier"})
    with pytest.raises(StorageError, match="typical row does not fit"):
        stackml.load(path)


def test_messages(two, classifier, regressor, rows, score, some):
    with pytest.raises(ParameterError, match=r"output=2 is no class of the stack; it knows: 0, 1"):
        two.explain(some, output=2)
    with pytest.raises(ParameterError, match=r"scale='logits'; did you mean 'logit'\?; for binary"):
        two.explain(some, scale="logits")
    number = regressor().fit(rows, score)
    with pytest.raises(ParameterError, match=r"scale='logit'; for regression: 'value'"):
        number.explain(some, scale="logit")
    with pytest.raises(ParameterError, match="a regressor has one output"):
        number.explain(some, output=1)
    with pytest.raises(ValueError, match="not fitted"):
        classifier().explain(some)


def test_leading_rows_are_those_predicted_highest(two, some):
    found = leading_rows(two.fitted_, some, 3)
    assert found.tolist() == np.argsort(-two.predict_proba(some)[:, 1], kind="stable")[:3].tolist()


def test_fraud_is_explained_by_what_fraudsters_do():
    data = load_dataset("fraud_sim", n_rows=8000)
    X, y = (
        data.frame.drop(columns=[data.target, *data.drop, "customer_id", "merchant_id"]),
        data.frame[data.target],
    )
    stack = stackml.StackClassifier(["lightgbm", "logistic"], "mean", folds=3, n_jobs=2).fit(
        X, y, time=data.time
    )
    caught = X.iloc[leading_rows(stack.fitted_, X, 40)]
    found = stack.explain(caught)
    assert_adds_up(found)
    # The simulator's scenarios: bursts, cards far from home, new devices, nights, odd amounts.
    told = {"n_tx_24h", "hours_since_last", "distance_km", "device_age_days", "hour", "amount_ratio_to_usual"}
    first = found.reasons.query("rank == 1")["column"]
    assert len(first) == 40
    assert first.isin(told).mean() > 0.9
    assert (found.prediction > 10 * found.baseline).all()
