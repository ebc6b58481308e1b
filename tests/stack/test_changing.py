"""Adding, dropping, compacting: only what must be fitted is fitted."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import FitError, ParameterError
from stackml.stack import StackClassifier

MADE = {"learners": ["logistic", "extra_trees"], "folds": 3, "combiner": "auto"}


class Listener:
    """Keeps what was fitted and what came from the cache."""

    def __init__(self):
        self.events = []

    def __call__(self, event):
        self.events.append(event)

    def __deepcopy__(self, memo):
        return self

    def of(self, kind):
        return [event.message for event in self.events if event.kind == kind]


def same_fit(one, other, rows):
    pd.testing.assert_frame_equal(one.oof_, other.oof_, check_exact=True)
    assert np.array_equal(one.predict_proba(rows), other.predict_proba(rows))
    assert np.array_equal(one.transform(rows), other.transform(rows))
    timeless = ["fit_seconds", "us_per_row", "pareto"]
    pd.testing.assert_frame_equal(
        one.leaderboard_.drop(columns=timeless), other.leaderboard_.drop(columns=timeless), check_exact=True
    )


@pytest.mark.parametrize("layers", [1, 2])
def test_adding_fits_the_new_learner_alone(classifier, rows, binary, layers):
    heard = Listener()
    stack = classifier(**MADE, layers=layers, verbose=heard).fit(rows, binary)
    heard.events.clear()
    assert stack.add_learner("lightgbm") is stack
    assert heard.of("task_done") == [f"lightgbm, fold {k}" for k in (1, 2, 3)]
    assert stack.get_feature_names_out().tolist() == ["logistic", "extra_trees", "lightgbm"]


@pytest.mark.parametrize("given", [{}, {"groups": np.arange(150) // 2}, {"time": np.arange(150)}], ids=str)
def test_adding_gives_the_stack_fitted_with_it_from_the_start(classifier, rows, binary, given):
    stack = classifier(**MADE).fit(rows, binary, **given).add_learner("lightgbm").add_learner("hbos")
    whole = {**MADE, "learners": [*MADE["learners"], "lightgbm", "hbos"]}
    same_fit(stack, classifier(**whole).fit(rows, binary, **given), rows)


def test_dropping_from_a_second_layer_leaves_the_first(classifier, rows, binary):
    stack = classifier(**MADE, layers=2).fit(rows, binary).drop_learner("logistic")
    assert list(stack.learners_) == ["extra_trees"]
    assert next(fit["learner"] for fit in stack.plan_["fits"] if fit["layer"] == 1) == "logistic"


@pytest.mark.parametrize("dropped", ["logistic", "extra_trees", "lightgbm"])
def test_dropping_fits_nothing_and_gives_the_stack_without_it(classifier, rows, three, dropped):
    heard = Listener()
    names = [*MADE["learners"], "lightgbm"]
    stack = classifier(**{**MADE, "learners": names}, verbose=heard).fit(rows, three)
    heard.events.clear()
    assert stack.drop_learner(dropped) is stack
    assert heard.of("task_done") == []
    rest = [name for name in names if name != dropped]
    same_fit(stack, classifier(**{**MADE, "learners": rest}).fit(rows, three), rows)


def test_dropping_what_was_added_gives_the_stack_of_before(classifier, rows, binary):
    before = classifier(**MADE).fit(rows, binary)
    same_fit(classifier(**MADE).fit(rows, binary).add_learner("hbos").drop_learner("hbos"), before, rows)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("given", [{}, {"groups": np.arange(150) // 2}, {"time": np.arange(150)}], ids=str)
def test_replacing_fits_the_new_learner_alone_and_gives_the_stack_fitted_with_it(
    classifier, rows, binary, given, layers
):
    heard = Listener()
    stack = classifier(**MADE, layers=layers, verbose=heard).fit(rows, binary, **given)
    heard.events.clear()
    assert stack.replace_learner("logistic", "lightgbm") is stack
    fits = [*(f"fold {k}" for k in (1, 2, 3)), *(["all rows"] if "time" in given else [])]
    fitted = heard.of("task_done")
    assert {task.split(",")[0] for task in fitted} == {"logistic"}
    assert len(fitted) == len(fits) if layers == 1 else len(fitted) <= len(fits)
    assert stack.get_feature_names_out().tolist() == ["logistic", "extra_trees"]
    assert stack.learners_["logistic"].kind == "lightgbm"
    if layers == 1:
        whole = {**MADE, "learners": [("logistic", "lightgbm"), "extra_trees"]}
        same_fit(stack, classifier(**whole).fit(rows, binary, **given), rows)


@pytest.mark.parametrize("given", [{}, {"groups": np.arange(150) // 2}, {"time": np.arange(150)}], ids=str)
def test_a_change_of_a_stack_refitted_on_all_rows_fits_nothing_else(classifier, rows, binary, given):
    heard = Listener()
    learners = ["logistic", "lightgbm", "hbos"]
    stack = classifier(learners=learners, folds=3, combiner="single", refit=True, verbose=heard)
    stack.fit(rows, binary, **given)
    best = stack.fitted_.combiner.learners[0]
    for change, name in (
        (lambda: stack.add_learner("xgboost_shallow"), "xgboost_shallow"),
        (lambda: stack.replace_learner("hbos", "mlp"), "hbos"),
        (lambda: stack.drop_learner(best), None),
    ):
        heard.events.clear()
        change()
        assert {task.split(",")[0] for task in heard.of("task_done")} == ({name} if name else set())
    again = classifier(
        learners=[(n, learner) for n, learner in stack._built.recipe.learners],
        folds=3,
        combiner="single",
        refit=True,
        plan=stack.plan_,
    )
    assert np.array_equal(again.fit(rows, binary, **given).predict_proba(rows), stack.predict_proba(rows))


def test_names_are_unique_and_known(classifier, rows, binary):
    stack = classifier(**MADE).fit(rows, binary)
    want = stack.predict_proba(rows)
    with pytest.raises(
        ParameterError, match="has a learner 'logistic' already; give the new one another name"
    ):
        stack.add_learner("logistic")
    with pytest.raises(
        ParameterError, match=r"no learner 'logstic'; did you mean 'logistic'.*it has: logistic, extra"
    ):
        stack.drop_learner("logstic")
    with pytest.raises(ParameterError, match=r"no learner 'logstic'; did you mean 'logistic'"):
        stack.replace_learner("logstic", "hbos")
    with pytest.raises(ParameterError, match="unknown learner 'lightgmb'; did you mean 'lightgbm'"):
        stack.add_learner("lightgmb")
    with pytest.raises(
        FitError, match="'extra_trees' is the last learner of the stack; a stack needs at least one"
    ):
        stack.drop_learner("logistic").drop_learner("extra_trees")
    assert list(stack.learners_) == ["extra_trees"]
    other = stack.add_learner("logistic", name="second").add_learner(("third", "hbos"))
    assert list(other.learners_) == ["extra_trees", "second", "third"]
    assert not np.array_equal(other.predict_proba(rows), want)


def test_a_learner_that_fails_to_be_added_leaves_the_stack_as_it_was(classifier, rows, binary):
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Broken(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            raise RuntimeError("no")

        def predict(self, X):
            return X[:, 0]

    stack = classifier(**MADE).fit(rows, binary)
    want = stack.predict_proba(rows)
    with pytest.raises(FitError, match="no learner could be fitted: broken: RuntimeError: no"):
        stack.add_learner(("broken", Broken()))
    with pytest.raises(FitError, match="no learner could be fitted: logistic: RuntimeError: no"):
        stack.replace_learner("logistic", Broken())
    assert np.array_equal(stack.predict_proba(rows), want)
    assert list(stack.learners_) == MADE["learners"]


@pytest.mark.parametrize("combiner", ["single", "greedy", "simplex", "logistic", "auto"])
def test_compacting_changes_no_bit_of_a_prediction(classifier, rows, three, combiner):
    learners = ["logistic", "extra_trees", "lightgbm", "hbos"]
    stack = classifier(learners=learners, combiner=combiner).fit(rows, three)
    want, needed = stack.predict_proba(rows), set(stack.fitted_.combiner.learners)
    assert stack.compact(smallest=False, refit=False) is stack
    assert np.array_equal(stack.predict_proba(rows), want)
    assert set(stack.learners_) == needed
    assert stack.transform(rows).shape[1] == len(stack.get_feature_names_out())
    with pytest.raises(ParameterError, match="add_learner needs the rows the stack was fitted on"):
        stack.add_learner("neighbors")


def test_a_listener_hears_of_every_fit_from_one_thread(classifier, rows, binary):
    threads = set()
    heard = Listener()

    def listen(event):
        threads.add(threading.get_ident())
        heard(event)

    classifier(**MADE, n_jobs=2, verbose=listen).fit(rows, binary)
    n_fits = 4  # three folds of one learner, and a forest's one
    assert len(heard.of("task_done")) == n_fits
    assert threads == {threading.get_ident()}
    assert max(event.done for event in heard.events) == n_fits
    assert {event.total for event in heard.events if event.kind == "task_done"} == {n_fits}


def test_one_learner_alone_is_not_combined():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=list("abc"))
    y = (X["a"] + np.random.default_rng(1).normal(size=200) > 0).astype(int)
    fitted = StackClassifier(["logistic"], folds=2).fit(X, y)
    assert fitted.fitted_.combiner.kind == "single"


def test_under_time_folds_stack_and_learners_are_scored_on_the_same_rows():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 3)), columns=list("abc"))
    y = (X["a"] + np.random.default_rng(1).normal(size=300) > 0).astype(int)
    fitted = StackClassifier(["logistic"], folds=4, calibration="none").fit(X, y, time=np.arange(300))
    board = fitted.leaderboard_.set_index("name")
    assert board.loc["stack", "score"] == pytest.approx(board.loc["logistic", "score"], abs=1e-6)
