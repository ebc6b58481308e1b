"""Stacks on tables that hold text and embeddings beside numbers and categories."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import stackml
from stackml.foundation.errors import DataError, StorageError
from stackml.scoring import score_file
from stackml.stack.estimators import StackClassifier, StackRegressor
from stackml.stack.file import KIND, to_state
from stackml.storage.archive import read_archive, write_archive
from stackml.tracking import save_model

N_ROWS = 600
TRAIN, TEST = np.arange(400), np.arange(400, N_ROWS)
GOOD = ["paid in full", "thanked us kindly", "came in early"]
BAD = ["paid late again", "shouted at the clerk", "came in angry"]
SECRET = "quixotic"


def make_rows() -> tuple[pd.DataFrame, np.ndarray]:
    rng, images = np.random.default_rng(0), load_digits()
    tone = rng.integers(0, 2, N_ROWS)
    said = [
        f"{rng.choice(BAD if t else GOOD)} on day {rng.integers(1, 29)} in shop {rng.integers(60)}, {SECRET}"
        for t in tone
    ]
    rows = pd.DataFrame(
        {"amount": rng.normal(size=N_ROWS), "shop": rng.choice(["a", "b"], N_ROWS), "note": said}
    )
    rows["image"] = list(images.data[:N_ROWS].astype(np.float32))
    signal = 2.5 * tone + 2.5 * (images.target[:N_ROWS] % 2) + rows["amount"].to_numpy()
    rows.loc[rng.random(N_ROWS) < 0.05, "note"] = None
    rows.loc[rng.random(N_ROWS) < 0.05, "image"] = None
    return rows, (signal + 0.5 * rng.normal(size=N_ROWS) > 2.5).astype(int)


@pytest.fixture(scope="module")
def data() -> tuple[pd.DataFrame, np.ndarray]:
    return make_rows()


def classifier(*learners: str, **given) -> StackClassifier:
    given = {"combiner": "mean", "folds": 3, "n_jobs": 1, **given}
    return StackClassifier(list(learners) or ["lightgbm", "logistic"], **given)


@pytest.fixture(scope="module")
def fitted(data) -> StackClassifier:
    rows, y = data
    return classifier().fit(rows.iloc[TRAIN], y[TRAIN])


@pytest.mark.parametrize("learner", ["lightgbm", "extra_trees", "logistic", "mlp"])
def test_what_is_said_and_shown_helps_every_family(data, learner):
    rows, y = data

    def score(columns):
        stack = classifier(learner).fit(rows.iloc[TRAIN][columns], y[TRAIN])
        return roc_auc_score(y[TEST], stack.predict_proba(rows.iloc[TEST][columns])[:, 1])

    without = score(["amount", "shop"])
    assert score(["amount", "shop", "note"]) > without + 0.04
    assert score(["amount", "shop", "image"]) > without + 0.02
    assert score(["amount", "shop", "note", "image"]) > without + 0.08


def test_a_file_gives_the_same_stack_bit_for_bit(data, fitted, tmp_path):
    rows, _ = data
    fitted.save(tmp_path / "notes.stack")
    again = stackml.load(tmp_path / "notes.stack")
    odd = rows.iloc[TEST].assign(note=lambda f: f["note"].where(f.index % 3 > 0, "unheard of words"))
    np.testing.assert_array_equal(again.predict_proba(odd), fitted.predict_proba(odd))
    np.testing.assert_array_equal(
        again.explain(odd.head(3)).contributions, fitted.explain(odd.head(3)).contributions
    )


def test_no_result_depends_on_order_or_jobs(data, fitted):
    rows, _ = data
    part = rows.iloc[TEST]
    want = fitted.predict_proba(part)
    order = np.random.default_rng(0).permutation(len(part))
    np.testing.assert_array_equal(fitted.predict_proba(part.iloc[order]), want[order])
    two = classifier(n_jobs=2).fit(rows.iloc[TRAIN], data[1][TRAIN])
    np.testing.assert_array_equal(two.predict_proba(part), want)


def test_the_rows_given_are_not_changed(data):
    rows, y = make_rows()
    before = rows.copy(deep=True)
    classifier().fit(rows, y).predict_proba(rows)
    pd.testing.assert_frame_equal(rows, before)


def test_a_text_and_an_image_are_one_column_each_when_explained(data, fitted):
    rows, _ = data
    part = rows.iloc[TEST].head(12)
    found = fitted.explain(part)
    assert list(found.contributions.columns) == ["amount", "shop", "note", "image"]
    total = found.contributions.sum(axis=1).to_numpy() + np.asarray(found.baseline)
    np.testing.assert_allclose(total, found.prediction, atol=1e-9)
    said = " ".join(found.reasons["sentence"])
    assert "the text of 'note' raises" in said
    assert "the embedding of 'image' raises" in said
    assert not found.reasons.astype(str).map(lambda cell: SECRET in cell).to_numpy().any()


def test_under_time_folds_words_come_from_the_past(data):
    rows, y = data
    day = np.arange(N_ROWS)
    late = rows.assign(note=rows["note"].where(day < 350, "nobody wrote anything new here, quite new"))
    stack = classifier("logistic", "lightgbm").fit(late, y, time=day)
    known = stack.fitted_.schema.texts[0].encoder.terms[0].words
    assert "nobody" in known  # the final models are fitted on all rows
    assert np.isfinite(stack.predict_proba(late)).all()


@pytest.mark.parametrize(
    "given",
    [
        {"layers": 2},
        {"passthrough": True, "combiner": "logistic"},
        {"passthrough": True, "combiner": "boosted"},
    ],
    ids=str,
)
def test_every_form_of_a_stack_reads_them(data, given, tmp_path):
    rows, y = data
    stack = classifier(**given).fit(rows.iloc[TRAIN], y[TRAIN])
    stack.save(tmp_path / "form.stack")
    again = stackml.load(tmp_path / "form.stack")
    np.testing.assert_array_equal(again.predict_proba(rows), stack.predict_proba(rows))


def test_compact_and_distilled_stacks_read_them(data, fitted):
    rows, y = data
    small = classifier().fit(rows.iloc[TRAIN], y[TRAIN])
    small.compact()
    assert np.isfinite(small.predict_proba(rows)).all()
    taught = fitted.distill(rows.iloc[TRAIN])
    assert roc_auc_score(y[TEST], taught.predict_proba(rows.iloc[TEST])[:, 1]) > 0.7


def test_numbers_are_predicted_from_text(data):
    rows, _ = data
    y = (
        rows["note"].fillna("").str.contains("late|shouted|angry").to_numpy()
        + 0.1 * rows["amount"].to_numpy()
    )
    stack = StackRegressor(["ridge", "lightgbm"], combiner="mean", folds=3, n_jobs=1).fit(
        rows.iloc[TRAIN], y[TRAIN]
    )
    assert np.corrcoef(stack.predict(rows.iloc[TEST]), y[TEST])[0, 1] > 0.9


def test_text_alone_and_vectors_alone_are_enough(data):
    rows, y = data
    for column in ("note", "image"):
        stack = classifier("lightgbm", "logistic", "neighbors").fit(rows.iloc[TRAIN][[column]], y[TRAIN])
        assert roc_auc_score(y[TEST], stack.predict_proba(rows.iloc[TEST][[column]])[:, 1]) > 0.6


@pytest.mark.parametrize("batch_rows", [1, 50, 1000])
def test_files_with_text_and_lists_are_scored(data, fitted, tmp_path, batch_rows):
    rows = data[0].iloc[TEST].reset_index(drop=True).head(60)
    rows.to_parquet(tmp_path / "rows.parquet")
    score_file(fitted, tmp_path / "rows.parquet", tmp_path / "out.parquet", batch_rows=batch_rows)
    found = pd.read_parquet(tmp_path / "out.parquet")["probability_1"]
    np.testing.assert_allclose(found, fitted.predict_proba(rows)[:, 1], rtol=1e-6, atol=1e-6)


def test_a_csv_holds_text_and_no_vectors(data, fitted, tmp_path):
    rows, y = data
    part = rows.iloc[TEST].reset_index(drop=True).head(40)
    part.loc[0, "note"] = 'said "never, ever"\nand left'
    part.loc[1, "note"] = "12"
    words = part.drop(columns="image")
    words.to_csv(tmp_path / "rows.csv", index=False)
    stack = classifier("logistic").fit(rows.iloc[TRAIN].drop(columns="image"), y[TRAIN])
    score_file(stack, tmp_path / "rows.csv", tmp_path / "out.parquet", batch_rows=7)
    found = pd.read_parquet(tmp_path / "out.parquet")["probability_1"]
    np.testing.assert_allclose(found, stack.predict_proba(words)[:, 1], rtol=1e-9)
    part.assign(image=[str(list(v)) if v is not None else None for v in part["image"]]).to_csv(
        tmp_path / "lists.csv", index=False
    )
    with pytest.raises(
        DataError, match=r"lists.csv.*column 'image', row \d+: text where a vector is needed; a CSV"
    ):
        score_file(fitted, tmp_path / "lists.csv", tmp_path / "out.csv", batch_rows=7)


def test_mlflow_serves_them(data, fitted, tmp_path):
    import mlflow.pyfunc

    rows = data[0].iloc[TEST].reset_index(drop=True).head(20)
    save_model(fitted, tmp_path / "model", input_example=rows)
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    np.testing.assert_array_equal(model.predict(rows)["probability_1"], fitted.predict_proba(rows)[:, 1])
    lists = rows.assign(image=[None if v is None else [float(x) for x in v] for v in rows["image"]])
    np.testing.assert_array_equal(model.predict(lists)["probability_1"], fitted.predict_proba(rows)[:, 1])
    columns = model.metadata.flavors["stackml"]["columns"]
    assert (columns["note"], columns["image"]) == ("text", "embedding")


def test_categories_of_a_real_table_can_be_read_as_one_text(real_data):
    rows = (
        pd.read_parquet(real_data / "vehicle_claims.parquet")
        .sample(3000, random_state=0)
        .reset_index(drop=True)
    )
    y = rows.pop("FraudFound_P").to_numpy().astype(int)
    words = ["PolicyType", "BasePolicy", "Fault", "VehicleCategory", "Make"]
    claim = rows[words].astype(str).agg(" ".join, axis=1)
    X = rows[["Age"]].assign(claim=claim)
    stack = classifier("logistic", schema={"kinds": {"claim": "text"}}).fit(X[:2000], y[:2000])
    without = classifier("logistic").fit(X[:2000][["Age"]], y[:2000])
    read = roc_auc_score(y[2000:], stack.predict_proba(X[2000:])[:, 1])
    assert read > roc_auc_score(y[2000:], without.predict_proba(X[2000:][["Age"]])[:, 1]) + 0.1


def test_under_time_folds_later_words_change_no_earlier_prediction(data):
    rows, y = data
    day = np.arange(N_ROWS)
    other = rows.assign(note=rows["note"].where(day < 500, "quite another thing, quite new, came up"))
    other["image"] = [v if i < 500 else np.ones(64, np.float32) for i, v in enumerate(rows["image"])]
    found = []
    for frame in (rows, other):
        stack = classifier("logistic", "extra_trees").fit(frame, y, time=day)
        found.append(stack.oof_.iloc[:400].to_numpy(dtype=np.float64, na_value=np.nan))
    assert np.isfinite(found[0]).any()
    np.testing.assert_array_equal(found[0], found[1])


def test_a_learner_added_later_reads_them(data):
    rows, y = data
    stack = classifier("logistic").fit(rows.iloc[TRAIN], y[TRAIN])
    before = stack.transform(rows)[:, 0]
    stack.add_learner("lightgbm")
    np.testing.assert_array_equal(stack.transform(rows)[:, 0], before)
    assert list(stack.learners_) == ["logistic", "lightgbm"]


def linear(state):
    return next(m for m in state["layers"][0] if m["kind"] == "linear")["models"][0]


def shorten_terms(state):
    linear(state)["terms"] = linear(state)["terms"][:-1]


def take_terms_away(state):
    del linear(state)["terms"]
    state["schema"]["columns"][2]["encoder"]["components"] = np.ones((3, 1), np.float16)


def read_beyond(state):
    linear(state)["view"]["plain"]["wide"]["gaps"] = np.array([10_000])


def swap_kinds(state):
    columns = state["schema"]["columns"]
    columns[2]["encoder"], columns[3]["encoder"] = columns[3]["encoder"], columns[2]["encoder"]


def other_width(state):
    columns = state["schema"]["columns"]
    columns[3]["encoder"]["dimension"] = 5
    columns[3]["encoder"]["rotation"] = np.zeros((5, 0), np.int32)


@pytest.mark.parametrize("change", [shorten_terms, take_terms_away, read_beyond, swap_kinds, other_width])
def test_a_hostile_file_is_refused(fitted, tmp_path, change):
    state = to_state(fitted.fitted_)
    write_archive(
        tmp_path / "hostile.stack", kind=KIND, state=state, manifest={"estimator": "StackClassifier"}
    )
    _, read = read_archive(tmp_path / "hostile.stack", kind=KIND)
    change(read)
    write_archive(
        tmp_path / "hostile.stack", kind=KIND, state=read, manifest={"estimator": "StackClassifier"}
    )
    with pytest.raises(StorageError):
        stackml.load(tmp_path / "hostile.stack")
