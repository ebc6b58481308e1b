"""Rows in, predictions out: the same however the batches fall, and whole or not at all."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import stackml
from stackml.foundation.errors import DataError, ParameterError, SchemaError
from stackml.foundation.progress import Event
from stackml.scoring import score_file
from stackml.tables.reading import read_file

pytestmark = pytest.mark.filterwarnings("ignore:X has 1 column.*'fraud'")  # the frames hold their target
N_ROWS = 120


def make_rows(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    amount = np.round(rng.lognormal(3, 1, N_ROWS), 2)
    return pd.DataFrame(
        {
            "customer": [f"{i:06d}" for i in range(N_ROWS)],
            "amount": np.where(rng.random(N_ROWS) < 0.1, np.nan, amount),
            "n_before": rng.integers(0, 20, N_ROWS),
            "kind": rng.choice(["pos", "online", "atm"], N_ROWS),
            "code": rng.choice(["01", "1", "7", "None", "A"], N_ROWS),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 4000, N_ROWS), unit="h"),
            "fraud": (amount * rng.random(N_ROWS) > 14).astype(int),
        }
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_rows()


def fit(rows: pd.DataFrame, learners: list[str]) -> stackml.StackClassifier:
    stack = stackml.StackClassifier(
        learners=learners, combiner="mean", folds=2, schema={"roles": {"customer": "id"}}, n_jobs=1
    )
    return stack.fit(rows.drop(columns="fraud"), rows["fraud"])


@pytest.fixture(scope="module")
def stack(rows: pd.DataFrame) -> stackml.StackClassifier:
    return fit(rows, ["lightgbm", "extra_trees"])


def probabilities(path: Path) -> np.ndarray:
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return frame[["probability_0", "probability_1"]].to_numpy()


@pytest.mark.parametrize("batch_rows", [1, 7, 100, N_ROWS, 10_000])
@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_any_batch_size_gives_one_prediction(stack, rows, tmp_path, ending, batch_rows):
    source, output = tmp_path / f"rows{ending}", tmp_path / "scores.parquet"
    if ending == ".csv":
        rows.to_csv(source, index=False)
    else:
        rows.to_parquet(source, index=False, row_group_size=33)
    summary = score_file(stack, source, output, batch_rows=batch_rows)
    assert summary.rows == N_ROWS
    expected = stack.predict_proba(rows)
    # A handful of rows goes another way through the trees, which rounds otherwise.
    np.testing.assert_allclose(probabilities(output), expected, atol=0.0 if batch_rows > 7 else 1e-6)
    found = pd.read_parquet(output)
    assert found["prediction"].tolist() == stack.predict(rows).tolist()
    assert found["row"].tolist() == list(range(N_ROWS))
    assert found["customer"].tolist() == rows["customer"].tolist(), "ids keep their leading zeros"


def test_a_csv_of_scores_reads_back_to_the_same_bits(stack, rows, tmp_path):
    source, output = tmp_path / "rows.parquet", tmp_path / "deep" / "er" / "scores.csv"
    rows.to_parquet(source, index=False)
    score_file(stack, source, output, batch_rows=50)
    assert np.array_equal(probabilities(output), stack.predict_proba(rows))
    assert output.read_text().splitlines()[0] == "row,customer,prediction,probability_0,probability_1"


@pytest.mark.parametrize("learner", ["xgboost", "logistic", "mlp", "neighbors", "random_forest"])
def test_other_families_do_not_depend_on_the_batch_either(rows, tmp_path, learner):
    fitted = fit(rows, [learner])
    source = tmp_path / "rows.parquet"
    rows.to_parquet(source, index=False)
    for batch_rows in (17, 90):
        score_file(fitted, source, tmp_path / "scores.parquet", batch_rows=batch_rows)
        # Matrix products of other shapes add in another order.
        np.testing.assert_allclose(
            probabilities(tmp_path / "scores.parquet"), fitted.predict_proba(rows), rtol=0, atol=1e-6
        )


def test_regression_writes_values(rows, tmp_path):
    features = rows[["n_before", "kind", "when"]]
    target = rows["n_before"] * 2.0
    fitted = stackml.StackRegressor(learners=["ridge"], combiner="mean", folds=2, n_jobs=1).fit(
        features, target
    )
    features.to_parquet(tmp_path / "rows.parquet")
    score_file(fitted, tmp_path / "rows.parquet", tmp_path / "out.parquet")
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert list(found.columns) == ["row", "prediction"]
    np.testing.assert_allclose(found["prediction"], fitted.predict(features), atol=1e-5)


def test_text_classes_name_the_probability_columns(rows, tmp_path):
    features, target = rows[["amount", "n_before"]], rows["kind"]
    fitted = stackml.StackClassifier(learners=["lightgbm"], combiner="mean", folds=2, n_jobs=1)
    fitted.fit(features, target)
    features.to_csv(tmp_path / "rows.csv", index=False)
    for batch_rows in (11, 1000):
        score_file(fitted, tmp_path / "rows.csv", tmp_path / "out.parquet", batch_rows=batch_rows)
        found = pd.read_parquet(tmp_path / "out.parquet")
        names = ["probability_atm", "probability_online", "probability_pos"]
        assert list(found.columns) == ["row", "prediction", *names]
        assert np.array_equal(found[names].to_numpy(), fitted.predict_proba(features))
        assert found["prediction"].tolist() == fitted.predict(features).tolist()


def test_id_columns_keep_type_and_gaps(stack, rows, tmp_path):
    extended = rows.assign(
        branch=pd.array([None, *range(1, N_ROWS)], dtype="Int64"), day=rows["when"].dt.date
    )
    source = tmp_path / "rows.parquet"
    extended.to_parquet(source, index=False)
    score_file(stack, source, tmp_path / "out.parquet", id_columns=["branch", "amount"], batch_rows=13)
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.schema.names[:4] == ["row", "customer", "branch", "amount"]
    assert written.schema.field("branch").type == pa.int64()
    assert written["amount"].equals(pq.read_table(source)["amount"])
    score_file(stack, source, tmp_path / "out.csv", id_columns=["branch"], batch_rows=13)
    assert (tmp_path / "out.csv").read_text().splitlines()[2].startswith("1,000001,1,")


def test_a_csv_id_that_is_also_a_feature_is_kept_as_written(stack, rows, tmp_path):
    source = tmp_path / "rows.csv"
    rows.to_csv(source, index=False)
    score_file(stack, source, tmp_path / "out.parquet", id_columns=["code", "n_before"])
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["code"].tolist() == rows["code"].tolist()
    assert found["n_before"].tolist() == [str(n) for n in rows["n_before"]]
    assert np.array_equal(probabilities(tmp_path / "out.parquet"), stack.predict_proba(rows))


def test_none_in_a_csv_means_what_it_means_when_the_file_is_read_whole(rows, tmp_path):
    codes = np.random.default_rng(2).choice([3, 14, 15], N_ROWS).astype(object)
    rows = rows.assign(branch=codes)
    schema = {"roles": {"customer": "id"}, "categories": ["branch"]}
    stack = stackml.StackClassifier(
        ["lightgbm", "logistic"], combiner="mean", folds=2, schema=schema, n_jobs=1
    )
    stack.fit(rows.drop(columns="fraud"), rows["fraud"])
    given = rows.drop(columns="fraud").astype({"amount": object, "kind": object})
    given.loc[given.index[::3], ["amount", "kind", "branch"]] = "None"
    given.to_csv(tmp_path / "rows.csv", index=False)
    score_file(stack, tmp_path / "rows.csv", tmp_path / "scores.parquet", batch_rows=50)
    whole = read_file(tmp_path / "rows.csv")
    assert whole["amount"].isna().sum() > N_ROWS / 3
    assert (whole["kind"] == "None").sum() > N_ROWS / 4, "a word that the stack never saw, but a word"
    assert np.array_equal(probabilities(tmp_path / "scores.parquet"), stack.predict_proba(whole))


def test_compressed_csv_in_and_out(stack, rows, tmp_path):
    source, output = tmp_path / "rows.csv.gz", tmp_path / "out.csv.gz"
    rows.to_csv(source, index=False)
    score_file(stack, source, output, batch_rows=100)
    with gzip.open(output, "rt") as stream:
        assert len(stream.read().splitlines()) == N_ROWS + 1


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
@pytest.mark.parametrize("output", ["out.parquet", "out.csv"])
def test_no_rows_give_no_rows_with_the_same_header(stack, rows, tmp_path, ending, output):
    source = tmp_path / f"rows{ending}"
    none = rows.head(0)
    none.to_csv(source, index=False) if ending == ".csv" else none.to_parquet(source, index=False)
    summary = score_file(stack, source, tmp_path / output)
    assert summary.rows == 0
    found = pd.read_csv(tmp_path / output) if output.endswith("csv") else pd.read_parquet(tmp_path / output)
    assert list(found.columns) == ["row", "customer", "prediction", "probability_0", "probability_1"]
    assert len(found) == 0


def test_a_wrong_value_is_named_by_its_row_in_the_file_and_nothing_is_written(stack, rows, tmp_path):
    source, output = tmp_path / "rows.csv", tmp_path / "out" / "scores.csv"
    texts = rows.astype({"amount": object})
    texts.loc[105, "amount"] = "twelve"
    texts.to_csv(source, index=False)
    for batch_rows in (10, 50, 1000):
        with pytest.raises(DataError, match=r"rows\.csv: column 'amount', row 105: 'twelve' is not a number"):
            score_file(stack, source, output, batch_rows=batch_rows)
        assert list(output.parent.iterdir()) == []


def test_a_failed_run_leaves_the_scores_of_the_last_one(stack, rows, tmp_path):
    source, output = tmp_path / "rows.parquet", tmp_path / "scores.csv"
    output.write_text("old\n")
    rows.assign(amount=rows["amount"].where(rows.index != 100, np.inf)).to_parquet(source)
    with pytest.raises(DataError, match=r"column 'amount', row 100: inf is infinite"):
        score_file(stack, source, output, batch_rows=64)
    assert output.read_text() == "old\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.parquet", "scores.csv"]


def test_an_interrupt_leaves_nothing_behind(stack, rows, tmp_path):
    source = tmp_path / "rows.csv"
    rows.to_csv(source, index=False)

    def interrupt(event: Event) -> None:
        if event.done > 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_file(stack, source, tmp_path / "out.parquet", batch_rows=20, listener=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("batch_rows", [3, 1000])
def test_dates_follow_the_form_of_the_first_one_in_every_batch(stack, rows, tmp_path, batch_rows):
    ordered = rows.sort_values("when").reset_index(drop=True)
    source, output = tmp_path / "rows.csv", tmp_path / "out.parquet"
    shuffled = pd.concat([ordered[ordered["when"].dt.day > 12], ordered[ordered["when"].dt.day <= 12]])
    shuffled.assign(when=shuffled["when"].dt.strftime("%d/%m/%Y %H:%M:%S")).to_csv(source, index=False)
    score_file(stack, source, output, batch_rows=batch_rows)
    expected = stack.predict_proba(shuffled.reset_index(drop=True))
    np.testing.assert_allclose(probabilities(output), expected, atol=1e-6)


def test_a_value_that_is_no_date(stack, rows, tmp_path):
    texts = rows.assign(when=rows["when"].astype(str))
    texts.loc[77, "when"] = "soon"
    texts.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DataError, match=r"rows\.csv: column 'when', row 77: 'soon' is not a date"):
        score_file(stack, tmp_path / "rows.csv", tmp_path / "out.csv", batch_rows=10)


def test_a_missing_column_is_named_before_a_row_is_read(stack, rows, tmp_path):
    rows.rename(columns={"amount": "amuont"}).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(SchemaError, match=r"rows\.csv: X lacks 1 column.*'amount'; did you mean 'amuont'"):
        score_file(stack, tmp_path / "rows.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_columns_the_stack_does_not_know_are_told(stack, rows, tmp_path):
    rows.assign(remark="x").to_parquet(tmp_path / "rows.parquet")
    summary = score_file(stack, tmp_path / "rows.parquet", tmp_path / "out.csv")
    assert summary.ignored == ("fraud", "remark")


def test_mistakes_in_the_arguments(stack, rows, tmp_path):
    source = tmp_path / "rows.csv"
    rows.assign(row=1).to_csv(source, index=False)
    out = tmp_path / "out.csv"
    for arguments, message in (
        ((tmp_path / "rosw.csv", out), "there is no file .*rosw.csv'; did you mean 'rows.csv'"),
        ((source, tmp_path / "out.xlsx"), r"out\.xlsx': rows stream from and to .*found \.xlsx"),
        ((source, tmp_path / "out"), "found no ending"),
        ((tmp_path / "rows.json", out), r"found \.json"),
        ((source, source), "is the input itself"),
        ((source, tmp_path / "x.csv"), "is a folder"),
    ):
        (tmp_path / "x.csv").mkdir(exist_ok=True)
        with pytest.raises(DataError, match=message):
            score_file(stack, *arguments)
    with pytest.raises(SchemaError, match="no column 'custmer' to keep as an id; did you mean 'customer'"):
        score_file(stack, source, out, id_columns=["custmer"])
    with pytest.raises(DataError, match="the output has a column 'row' of its own"):
        score_file(stack, source, out, id_columns=["row"])
    with pytest.raises(ParameterError, match="batch_rows=0"):
        score_file(stack, source, out, batch_rows=0)


def test_files_that_are_not_what_their_name_says(stack, tmp_path):
    (tmp_path / "none.csv").write_text("")
    (tmp_path / "bad.parquet").write_bytes(b"not parquet at all")
    (tmp_path / "twice.csv").write_text("amount,amount\n1,2\n")
    (tmp_path / "binary.csv").write_bytes(b"amount\n\xff\xfe\n")
    for name, message in (
        ("none.csv", "is empty: it has no header"),
        ("bad.parquet", "cannot be read as parquet"),
        ("twice.csv", "more than one column named 'amount'"),
    ):
        with pytest.raises(DataError, match=message):
            score_file(stack, tmp_path / name, tmp_path / "out.csv")


def test_a_csv_damaged_further_down_is_refused(stack, rows, tmp_path):
    source = tmp_path / "rows.csv"
    rows.to_csv(source, index=False)
    with source.open("a") as stream:
        stream.write("1,2,3,4,5,6,7,8,9,10,11\n")
    with pytest.raises(DataError, match=r"cannot be read as csv: .*line 122"):
        score_file(stack, source, tmp_path / "out.csv", batch_rows=50)
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]


def test_an_output_that_cannot_be_written(stack, rows, tmp_path):
    rows.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        score_file(stack, tmp_path / "rows.csv", tmp_path / "file" / "out.csv")


def test_progress_is_told_batch_by_batch(stack, rows, tmp_path):
    rows.to_parquet(tmp_path / "rows.parquet")
    heard: list[Event] = []
    score_file(stack, tmp_path / "rows.parquet", tmp_path / "o.csv", batch_rows=50, listener=heard.append)
    assert [(e.kind, e.done, e.total) for e in heard] == [
        ("task_done", 50, N_ROWS),
        ("task_done", 100, N_ROWS),
        ("task_done", N_ROWS, N_ROWS),
        ("finished", N_ROWS, N_ROWS),
    ]
