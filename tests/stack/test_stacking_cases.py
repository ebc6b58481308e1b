"""What users of scikit-learn's stacking estimators rely on, asked of these."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.preprocessing import scale
from sklearn.svm import LinearSVC

from stackml.foundation.errors import DataError, FitError, ParameterError, SchemaError, SplitError
from stackml.learners.catalog import make_learner
from stackml.splitting import Folds
from stackml.stack import StackClassifier, StackRegressor

SEEN: list[tuple[np.ndarray, np.ndarray | None]] = []


class Recorder(ClassifierMixin, BaseEstimator):
    """Says the same of every row; keeps the first column and the weights of every fit."""

    def fit(self, X, y, sample_weight=None):
        SEEN.append((X[:, 0], sample_weight))
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return np.zeros(len(X))


class Voter(ClassifierMixin, BaseEstimator):
    """Has neither probabilities nor decisions."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(X[:, 0] > 0).astype(int)]


class Brittle(RegressorMixin, BaseEstimator):
    """Cannot be fitted."""

    def fit(self, X, y):
        raise RuntimeError("the moon is in the wrong house")

    def predict(self, X):
        raise NotImplementedError


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return train_test_split(scale(X), y, stratify=y, random_state=42)


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return train_test_split(scale(X), y, random_state=42)


@pytest.mark.parametrize("passthrough", [False, True])
@pytest.mark.parametrize("combiner", ["auto", "logistic"])
@pytest.mark.parametrize("kept", [["lr", "svc"], ["svc"]])
def test_iris(iris, passthrough, combiner, kept):
    X, X_test, y, y_test = iris
    pairs = {"lr": LogisticRegression(), "svc": LinearSVC()}
    stack = StackClassifier(
        [(name, pairs[name]) for name in kept], combiner, folds=3, passthrough=passthrough, n_jobs=1
    ).fit(X, y)
    assert stack.score(X_test, y_test) > 0.8
    assert np.allclose(stack.predict_proba(X_test).sum(axis=1), 1.0)
    meta = stack.transform(X_test)
    assert (meta.shape, meta.dtype) == ((len(X_test), 3 * len(kept)), np.float32)
    assert stack.get_feature_names_out().tolist() == [f"{name}_{i}" for name in kept for i in range(3)]


@pytest.mark.parametrize("cv", [3, KFold(n_splits=3, shuffle=True, random_state=42)])
@pytest.mark.parametrize("passthrough", [False, True])
def test_diabetes(diabetes, cv, passthrough):
    X, X_test, y, y_test = diabetes
    folds = cv if isinstance(cv, int) else list(cv.split(X))
    stack = StackRegressor(
        [("lr", LinearRegression()), ("rr", Ridge())],
        "logistic",
        folds=folds,
        passthrough=passthrough,
        n_jobs=1,
    ).fit(X, y)
    assert stack.score(X_test, y_test) > 0.35
    assert stack.transform(X_test).shape == (len(X_test), 2)
    assert stack.drop_learner("lr").transform(X_test).shape == (len(X_test), 1)
    assert stack.get_feature_names_out().tolist() == ["rr"]


def test_two_classes_fill_one_column_a_learner():
    X, y = load_breast_cancer(return_X_y=True)
    X, y = scale(X)[:200], y[:200]
    stack = StackClassifier(
        [("lr", LogisticRegression()), ("rf", RandomForestClassifier(10))], "mean", folds=3, n_jobs=1
    ).fit(X, y)
    meta = stack.transform(X)
    assert meta.shape == (200, 2)
    assert ((meta >= 0) & (meta <= 1)).all()
    assert stack.oof_.columns.tolist() == ["lr", "rf", "stack"]


def test_the_meta_features_of_a_fit_are_out_of_fold(iris):
    X, _, y, _ = iris
    stack = StackClassifier([("rf", RandomForestClassifier(20))], "mean", folds=3, n_jobs=1).fit(X, y)
    inside = stack.transform(X)[np.arange(len(y)), y].mean()
    outside = stack.oof_.to_numpy()[np.arange(len(y)), y].mean()
    assert outside < inside


def test_a_stack_of_one_learner_and_the_mean_is_that_learner(diabetes):
    X, X_test, y, _ = diabetes
    folds = list(KFold(3).split(X))
    stack = StackRegressor([("lr", LinearRegression())], "mean", folds=folds, n_jobs=1).fit(X, y)
    want = np.zeros(len(X))
    for train, held_out in folds:
        want[held_out] = LinearRegression().fit(X[train], y[train]).predict(X[held_out])
    assert np.allclose(stack.oof_["lr"], want, rtol=1e-4)
    fold_models = [LinearRegression().fit(X[train], y[train]).predict(X_test) for train, _ in folds]
    assert np.allclose(stack.predict(X_test), np.mean(fold_models, axis=0), rtol=1e-4)


def test_the_data_are_not_changed(classifier, rows, binary):
    before, y_before = rows.copy(), binary.copy()
    classifier(passthrough=True, combiner="logistic").fit(rows, binary).predict(rows)
    pd.testing.assert_frame_equal(rows, before)
    assert np.array_equal(binary, y_before)


WRONG = [
    ([], r"learners=\[\] is empty; give at least one, for instance 'balanced'"),
    (3, "learners=3: give a preset"),
    ([3], "learners: 3 is no learner; give a name of the catalog"),
    (["lightgmb"], "unknown learner 'lightgmb'; did you mean 'lightgbm'"),
    ([("svc", LinearSVC)], r"learner 'svc': .* is not a scikit-learn estimator \(a class, not an object\)"),
    ([("x", object())], r"learner 'x': .* is not a scikit-learn estimator \(it has no \['fit', 'predict'"),
    ([("rr", Ridge())], "learner 'rr': Ridge is a regressor, but the target is a class"),
    (["ridge"], "learner 'ridge' cannot be fitted to a binary target"),
]


@pytest.mark.parametrize(("learners", "message"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_wrong_learners_are_refused(classifier, rows, binary, learners, message):
    with pytest.raises(ParameterError, match=message):
        classifier(learners=learners).fit(rows, binary)


def test_a_classifier_cannot_predict_a_number(regressor, rows, score):
    with pytest.raises(
        ParameterError, match="LogisticRegression is a classifier, but the target is a number"
    ):
        regressor(learners=[("lr", LogisticRegression())]).fit(rows, score)


def test_learners_of_one_name_are_numbered(classifier, rows, binary):
    stack = classifier(learners=["logistic", "logistic", ("logistic", make_learner("hbos"))]).fit(
        rows, binary
    )
    assert list(stack.learners_) == ["logistic", "logistic_2", "logistic_3"]


def test_a_learner_that_fails_is_on_the_leaderboard_and_the_stack_goes_on(regressor, rows, score):
    stack = regressor(learners=["ridge", ("brittle", Brittle())]).fit(rows, score)
    failed = stack.leaderboard_.set_index("name").loc["brittle"]
    assert (failed["status"], failed["message"]) == ("failed", "RuntimeError: the moon is in the wrong house")
    assert list(stack.learners_) == ["ridge"]
    with pytest.raises(FitError, match="no learner could be fitted: brittle: RuntimeError: the moon is in"):
        regressor(learners=[("brittle", Brittle())]).fit(rows, score)


def test_weights_reach_every_fold(classifier, rows, binary):
    SEEN.clear()
    frame = rows.assign(a=np.arange(len(rows), dtype=float))[["a", "c"]]
    weight = np.linspace(0.5, 2.0, len(rows))
    classifier(learners=[("seen", Recorder()), "logistic"], folds=3).fit(frame, binary, sample_weight=weight)
    assert len(SEEN) == 3
    for numbers, got in SEEN:
        assert np.array_equal(got, weight[numbers.astype(int)])


@pytest.mark.parametrize("combiner", ["simplex", "logistic", "greedy"])
def test_rows_of_weight_zero_teach_neither_learners_nor_combiner_nor_calibrator(
    classifier, rows, binary, combiner
):
    weight = np.where(np.arange(len(rows)) % 5 == 0, 0.0, 1.0)
    folds = list(KFold(3).split(rows))
    made = {"learners": ["logistic", "extra_trees"], "folds": folds, "combiner": combiner}
    one = classifier(**made).fit(rows, binary, sample_weight=weight)
    other = classifier(**made).fit(rows, np.where(weight == 0, 1 - binary, binary), sample_weight=weight)
    assert np.array_equal(one.predict_proba(rows), other.predict_proba(rows))
    measured = ["fit_seconds", "us_per_row", "pareto"]
    pd.testing.assert_frame_equal(
        one.leaderboard_.drop(columns=measured), other.leaderboard_.drop(columns=measured)
    )


def test_equal_weights_change_nothing_and_weights_change_the_combiner(classifier, rows, binary):
    made = {"learners": ["logistic", "hbos"], "combiner": "logistic", "calibration": "none"}
    plain = classifier(**made).fit(rows, binary).predict_proba(rows)
    for ones in (np.ones(len(rows)), [1] * len(rows), 1.0):
        assert np.array_equal(
            plain, classifier(**made).fit(rows, binary, sample_weight=ones).predict_proba(rows)
        )
    weight = 1.0 + 9.0 * binary
    made["learners"] = [("seen", Recorder()), "hbos"]  # says the same of every row, whatever the weights
    same = classifier(**made).fit(rows, binary).predict_proba(rows)
    heavy = classifier(**made).fit(rows, binary, sample_weight=weight).predict_proba(rows)
    assert heavy[:, 1].mean() > same[:, 1].mean() + 0.2


def test_the_name_of_a_column_of_weights(classifier, rows, binary):
    weight = np.linspace(0.1, 3.0, len(rows))
    by_array = classifier().fit(rows, binary, sample_weight=weight).predict_proba(rows)
    frame = rows.assign(w=weight)
    by_name = classifier().fit(frame, binary, sample_weight="w")
    by_role = classifier(schema={"roles": {"w": "weight"}}).fit(frame, binary)
    assert np.array_equal(by_name.predict_proba(rows), by_array)
    assert np.array_equal(by_role.predict_proba(rows), by_array)
    with pytest.raises(SchemaError, match="X has no column 'ww' for weights; did you mean 'w'"):
        classifier().fit(frame, binary, sample_weight="ww")


def test_an_estimator_without_weights_is_fitted_without(classifier, rows, binary):
    weight = np.linspace(0.5, 2.0, len(rows))
    stack = classifier(learners=[("voter", Voter())]).fit(rows, binary, sample_weight=weight)
    assert set(np.unique(stack.transform(rows))) <= {np.float32(0), np.float32(1)}


@pytest.mark.parametrize(
    "estimator", [LinearSVC(), RidgeClassifier(), Voter()], ids=lambda e: type(e).__name__
)
def test_an_estimator_without_probabilities_becomes_a_share_of_classes(
    classifier, rows, three, binary, estimator
):
    for y, width in ((binary, 1), (three, 3)):
        meta = classifier(learners=[("e", estimator)]).fit(rows, y).transform(rows)
        assert meta.shape == (len(rows), width)
        assert ((meta >= 0) & (meta <= 1)).all()
        if width == 3:
            assert np.allclose(meta.sum(axis=1), 1.0, atol=1e-5)


def test_the_seed_decides_the_folds_and_the_learners(classifier, rows, binary):
    made = {"learners": ["extra_trees", "logistic"]}
    one, same, other = (classifier(**made, random_state=s).fit(rows, binary).oof_ for s in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert not np.allclose(one, other)
    drawn = classifier(random_state=np.random.RandomState(3)).fit(rows, binary).oof_
    pd.testing.assert_frame_equal(
        drawn, classifier(random_state=np.random.RandomState(3)).fit(rows, binary).oof_
    )


def test_an_unset_random_state_of_an_estimator_follows_the_stack(regressor, rows, score):
    made = {"learners": [("rf", RandomForestRegressor(5))]}
    first, again = (regressor(**made).fit(rows, score).predict(rows) for _ in range(2))
    assert np.array_equal(first, again)


def test_folds_are_stratified_where_there_are_classes(classifier):
    y = np.repeat([0, 1], [90, 10])  # sorted: unshuffled folds would hold one class only
    X = np.random.default_rng(0).normal(size=(100, 2))
    built = classifier(folds=5).fit(X, y)._built
    for fold in built.layers[0].folds.folds:
        assert y[fold.held_out].sum() == 2


def test_own_folds_as_pairs_and_as_folds(classifier, rows, binary):
    pairs = list(StratifiedKFold(3).split(rows, binary))
    one = classifier(folds=pairs).fit(rows, binary)
    folds = one._built.layers[0].folds
    assert [f.held_out.tolist() for f in folds.folds] == [held_out.tolist() for _, held_out in pairs]
    again = classifier(folds=Folds(folds.folds, len(rows), "stratified")).fit(rows, binary)
    assert np.array_equal(one.predict_proba(rows), again.predict_proba(rows))
    assert np.array_equal(classifier(folds=iter(pairs)).fit(rows, binary).oof_, one.oof_)


def test_own_folds_are_proven(classifier, rows, binary):
    half = np.arange(75)
    with pytest.raises(SplitError, match="fold 0: row 0 is trained on and held out"):
        classifier(folds=[(half, half)]).fit(rows, binary)
    with pytest.raises(SplitError, match="row 149"):
        classifier(folds=[(half, np.arange(75, 150))]).fit(rows.iloc[:149], binary[:149])
    crossed = [(np.arange(75), np.arange(75, 150)), (np.arange(75, 150), np.arange(75))]
    with pytest.raises(SplitError, match="group"):
        classifier(folds=crossed).fit(rows, binary, groups=np.arange(150) % 10)
    with pytest.raises(ParameterError, match=r"folds=\[1, 2\]: give a whole number"):
        classifier(folds=[1, 2]).fit(rows, binary)


def test_rows_no_fold_holds_out_have_no_prediction_there(classifier, rows, binary):
    folds = [(np.arange(100), np.arange(100, 150)), (np.arange(50, 150), np.arange(50))]
    for layers in (1, 2):
        oof = classifier(folds=folds, combiner="auto", layers=layers).fit(rows, binary).oof_
        assert oof.iloc[50:100].isna().all(axis=None)
        assert oof.drop(oof.index[50:100]).notna().all(axis=None)


def test_one_fold_is_enough_for_one_layer(classifier, rows, binary):
    folds = [(np.arange(100), np.arange(100, 150))]
    stack = classifier(folds=folds, combiner="auto", learners=["logistic", "extra_trees"]).fit(rows, binary)
    assert stack.oof_["stack"].notna().sum() == 50
    with pytest.raises(
        SplitError, match=r"a further layer has nothing to learn from.*use layers=1, or more folds"
    ):
        classifier(folds=folds, layers=2).fit(rows, binary)


def test_predictions_out_of_fold_keep_the_index(classifier, rows, binary):
    index = pd.Index([f"case-{i}" for i in range(len(rows))], name="case")
    oof = classifier().fit(rows.set_axis(index), binary).oof_
    assert oof.index.equals(index)
    assert np.array_equal(oof, classifier().fit(rows, binary).oof_)


def test_feature_names_come_in_and_meta_feature_names_go_out(classifier, rows, three):
    stack = classifier(learners=["logistic", "hbos"]).fit(rows, three)
    assert stack.feature_names_in_.tolist() == ["a", "b", "c", "k"]
    assert stack.get_feature_names_out().tolist() == ["logistic_0", "logistic_1", "logistic_2", "hbos"]
    assert stack.oof_.columns.tolist()[:4] == stack.get_feature_names_out().tolist()
    out = stack.set_output(transform="pandas").transform(rows)
    assert out.columns.tolist() == stack.get_feature_names_out().tolist()
    bare = classifier().fit(rows[["a", "c"]].to_numpy(), three)
    assert not hasattr(bare, "feature_names_in_")
    assert bare.n_features_in_ == 2


LABELS = {
    "text": ["no", "yes"],
    "booleans": [False, True],
    "negative": [-1, 1],
    "floats": [0.0, 2.0],
    "far apart": [-7, 4_000_000_000],
    "text that sorts backwards": ["yes", "YES"],
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_come_back_as_they_were_given(classifier, rows, binary, labels):
    y = np.asarray(labels)[binary]
    stack = classifier().fit(rows, y)
    assert stack.classes_.tolist() == sorted(labels)
    assert stack.predict(rows).dtype == y.dtype
    assert stack.score(rows, y) > 0.8
    second = stack.predict_proba(rows)[:, 1]
    assert second[y == sorted(labels)[1]].mean() > second[y == sorted(labels)[0]].mean() + 0.3


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_labels_in_a_pandas_column(classifier, rows, three, dtype):
    y = pd.Series(np.asarray(["low", "mid", "top"])[three]).astype(dtype)
    stack = classifier().fit(rows, y)
    assert stack.classes_.tolist() == ["low", "mid", "top"]
    assert (stack.predict(rows) == y.to_numpy()).mean() > 0.6


@pytest.mark.parametrize("call", ["predict", "predict_proba", "transform"])
def test_not_fitted(call, rows):
    with pytest.raises(NotFittedError, match="This StackClassifier instance is not fitted yet"):
        getattr(StackClassifier(), call)(rows)


def test_nothing_of_a_fit_is_there_before_it(tmp_path):
    stack = StackClassifier()
    for call in (lambda: stack.learners_, stack.get_feature_names_out, stack.compact):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            call()
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        stack.save(tmp_path / "x.stack")
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        stack.add_learner("hbos")
    assert not hasattr(stack, "classes_")
    assert not hasattr(StackRegressor(), "predict_proba")


def test_several_targets_at_once_are_refused(classifier, regressor):
    X, y = make_multilabel_classification(n_samples=40, n_classes=3, random_state=42)
    for stack in (classifier(), regressor()):
        with pytest.raises(DataError, match=r"y should be a 1d array, got an array of shape \(40, 3\)"):
            stack.fit(X, y)


def test_sparse_rows_are_refused(classifier, rows, binary):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"Sparse data was passed.*use X.toarray\(\)"):
        classifier().fit(scipy_sparse.csr_matrix(rows[["a", "c"]].to_numpy()), binary)


def test_n_jobs_changes_no_bit(classifier, rows, three):
    made = {"learners": ["lightgbm", "extra_trees"], "combiner": "auto", "layers": 2}
    one, two = (classifier(**made, n_jobs=n).fit(rows, three) for n in (1, 2))
    assert np.array_equal(one.predict_proba(rows), two.predict_proba(rows))
    assert np.array_equal(one.oof_, two.oof_)
    many = pd.concat([rows] * 20, ignore_index=True)  # enough to be predicted side by side
    assert np.array_equal(one.predict_proba(many), two.predict_proba(many))


def test_one_row_is_scored_as_among_others(classifier, rows, binary):
    stack = classifier(learners=["lightgbm", "logistic"], combiner="logistic").fit(rows, binary)
    alone = np.vstack([stack.predict_proba(rows.iloc[[i]]) for i in range(10)])
    assert np.allclose(alone, stack.predict_proba(rows)[:10], rtol=0, atol=1e-7)
    backwards = stack.predict_proba(rows.iloc[::-1])[::-1]
    assert np.allclose(backwards, stack.predict_proba(rows), rtol=0, atol=1e-7)


def test_groups_by_name_and_by_array(classifier, rows, binary):
    groups = np.arange(len(rows)) % 12
    by_array = classifier(folds=3).fit(rows, binary, groups=groups)
    frame = rows.assign(person=groups)
    by_name = classifier(folds=3).fit(frame, binary, groups="person")
    by_role = classifier(folds=3, schema={"roles": {"person": "group"}}).fit(frame, binary)
    for stack in (by_name, by_role):
        assert np.array_equal(
            stack.predict_proba(rows), by_array.predict_proba(rows)
        )  # 'person' is not needed
    for fold in by_name._built.layers[0].folds.folds:
        assert not set(groups[fold.train]) & set(groups[fold.held_out])
    with pytest.raises(SchemaError, match="X has no column 'persn' for groups; did you mean 'person'"):
        classifier().fit(frame, binary, groups="persn")


def test_time_by_name_and_by_array(classifier, rows, binary):
    days = pd.Series(
        pd.date_range("2024-01-01", periods=len(rows))[np.random.default_rng(0).permutation(len(rows))]
    )
    by_array = classifier(folds=3).fit(rows, binary, time=days)
    by_name = classifier(folds=3).fit(rows.assign(day=days), binary, time="day")
    assert np.array_equal(by_name.predict_proba(rows), by_array.predict_proba(rows))
    for fold in by_name._built.layers[0].folds.folds:
        assert days[fold.train].max() < days[fold.held_out].min()
    first = days.to_numpy().argsort()[:10]
    assert by_name.oof_.iloc[first].isna().all(axis=None)
    assert len(by_name.learners_["logistic"].models) == 1  # refitted on all rows
    as_text = classifier(folds=3).fit(rows, binary, time=days.astype(str))
    assert np.array_equal(as_text.predict_proba(rows), by_array.predict_proba(rows))


def test_the_combiner_never_saw_the_row_its_score_is_from(classifier, rows):
    chance = np.random.default_rng(3).integers(0, 2, len(rows))
    stack = classifier(learners=["logistic", "extra_trees", "lightgbm"], combiner="boosted", folds=3)
    board = stack.fit(rows, chance).leaderboard_.set_index("name")
    assert 0.3 < board.loc["stack", "score"] < 0.7
