"""A registered model as a learner of a new stack, by its address."""

from __future__ import annotations

import numpy as np
import pytest

import stackml
from stackml.foundation.errors import TrackingError
from stackml.stack.estimators import StackClassifier
from stackml.tracking.requirements import pip_requirements


def test_a_registered_model_is_a_learner_by_its_uri(logged, store, classifier, rows, target, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri)
    old = stackml.frozen("models:/fraud/1")
    assert old == stackml.frozen(classifier)
    with pytest.raises(TrackingError, match="fraud"):
        stackml.frozen("models:/fraud/77")
    stack = StackClassifier([("old", old), "hbos", "logistic"], folds=2, n_jobs=1).fit(rows, target)
    want = classifier.predict_proba(rows)[:, 1]
    np.testing.assert_allclose(stack.oof_["old"], want, atol=1e-6)
    needed = pip_requirements(stack.fitted_)
    assert any(line.startswith("lightgbm==") for line in needed), "the stack within needs it"
