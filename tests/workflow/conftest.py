"""One small training, and a second one of the same rows, shared by all: a store takes seconds."""

import os

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from pathlib import Path

import pytest

from stackml.workflow.spec import apply_sets, load_spec
from stackml.workflow.training import train

QUICK = ("n_rows=1500", "stack.learners=[lightgbm, logistic]", "stack.combiner=mean", "split.folds=2")
UNTRACKED = (*QUICK, "tracking.enabled=false")


@pytest.fixture(scope="session")
def credit():
    return apply_sets(load_spec("credit"), QUICK)


@pytest.fixture(scope="session", autouse=True)
def _own_store():
    patch = pytest.MonkeyPatch()
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        patch.delenv(name, raising=False)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="session")
def first(credit, project, _own_store):
    return train(credit, folder=project, n_jobs=1)


@pytest.fixture(scope="session")
def second(first, credit, project):
    return train(apply_sets(credit, ["stack.learners=[logistic]"]), folder=project, n_jobs=1)
