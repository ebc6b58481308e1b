"""The estimators are scikit-learn estimators: its own checks, and the tools that rely on them."""

from __future__ import annotations

import copy
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from stackml.stack import StackClassifier, StackRegressor

# Each check that does not hold, and why.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a repeated row is dealt to other folds than a row of weight two, so the models differ"
    ),
}


def expected(estimator):
    return EXPECTED


@parametrize_with_checks(
    [
        StackClassifier(learners=["logistic"], folds=2, n_jobs=1),
        StackRegressor(learners=["ridge"], folds=2, n_jobs=1),
    ],
    expected_failed_checks=expected,
    xfail_strict=True,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_clone_keeps_parameters_and_forgets_the_fit(classifier, rows, binary):
    stack = classifier(calibration="none", passthrough=True).fit(rows, binary)
    copied = clone(stack)
    assert copied.get_params() == stack.get_params()
    assert not hasattr(copied, "fitted_")


def test_every_parameter_can_be_set_and_read_back():
    stack = StackClassifier()
    values = {name: object() for name in stack.get_params()}
    assert stack.set_params(**values).get_params(deep=False) == values
    with pytest.raises(ValueError, match="Invalid parameter 'combine' for estimator StackClassifier"):
        stack.set_params(combine="mean")


def test_a_grid_search_chooses_a_combiner(classifier, rows, binary):
    search = GridSearchCV(
        classifier(learners=["logistic", "hbos"]),
        {"combiner": ["mean", "logistic"]},
        cv=2,
        scoring="roc_auc",
        error_score="raise",
    ).fit(rows, binary)
    assert search.best_params_["combiner"] in ("mean", "logistic")
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.8


def test_a_pipeline_and_cross_validation_hold_a_stack(classifier, regressor, rows, binary, score):
    filled = ColumnTransformer([("gaps", SimpleImputer(), ["a", "b", "c"])])
    pipeline = make_pipeline(filled, classifier())
    assert cross_val_score(pipeline, rows, binary, cv=2, scoring="roc_auc", error_score="raise").min() > 0.7
    assert cross_val_score(regressor(), rows, score, cv=2, error_score="raise").min() > 0.3


def test_sample_weight_goes_through_a_pipeline(classifier, rows, binary):
    weight = np.where(binary == 1, 5.0, 1.0)
    plain = make_pipeline(classifier()).fit(rows, binary)
    heavy = make_pipeline(classifier()).fit(rows, binary, stackclassifier__sample_weight=weight)
    assert heavy.predict_proba(rows)[:, 1].mean() > plain.predict_proba(rows)[:, 1].mean() + 0.05


LEARNERS = ["lightgbm", "xgboost", "extra_trees", "logistic", "neighbors", "mlp", "hbos"]


@pytest.mark.parametrize("combiner", ["mean", "logistic", "boosted"])
def test_a_copy_predicts_the_same_and_is_a_stack_of_its_own(classifier, rows, binary, combiner):
    stack = classifier(learners=LEARNERS, combiner=combiner).fit(rows, binary)
    want = stack.predict_proba(rows)
    copied = copy.deepcopy(stack)
    sent = ForkingPickler.loads(ForkingPickler.dumps(stack))  # how a process pool sends an estimator
    assert copied.drop_learner("mlp").learners_.keys() == set(LEARNERS) - {"mlp"}
    for other in (stack, sent):
        assert np.array_equal(other.predict_proba(rows), want)
        assert list(other.learners_) == LEARNERS


def test_a_stack_can_be_fitted_twice(classifier, rows, binary, three):
    stack = classifier().fit(rows, three)
    some = rows[["a", "k"]]
    again = stack.fit(some, binary)
    assert again is stack
    assert stack.n_features_in_ == 2
    assert np.array_equal(stack.predict_proba(some), classifier().fit(some, binary).predict_proba(some))
