"""One small table, the stacks fitted on it, and one store: an MLflow database takes seconds to make."""

import os

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pandas as pd
import pytest

from stackml.stack.estimators import StackClassifier, StackRegressor
from stackml.tracking.runs import DatasetUse, TrainingRecord, log_training
from stackml.tracking.store import connect


def make_rows(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "amount": rng.gamma(2.0, 50.0, n),
            "visits": rng.integers(0, 20, n),
            "channel": rng.choice(["web", "shop", "phone"], n),
            "region": rng.integers(1, 5, n).astype(str),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 200, n), unit="D"),
            "constant": 1.0,
        }
    )


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    return make_rows()


@pytest.fixture(scope="session")
def target(rows):
    noise = np.random.default_rng(1).normal(0, 30, len(rows))
    return (rows["amount"] + 10 * rows["visits"] + noise > 200).astype(int)


@pytest.fixture(scope="session")
def classifier(rows, target):
    return StackClassifier(["lightgbm", "logistic"], folds=2, n_jobs=1).fit(rows, target)


@pytest.fixture(scope="session")
def regressor(rows):
    return StackRegressor(["lightgbm", "ridge"], folds=2, n_jobs=1).fit(
        rows, rows["amount"] * 2 + rows["visits"]
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracking")
    patch = pytest.MonkeyPatch()
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield connect(folder=folder, experiment="fraud")
    patch.undo()


@pytest.fixture(scope="session")
def record(classifier, rows):
    return TrainingRecord(
        pipeline="fraud",
        stack=classifier,
        params={
            "learners": ["lightgbm", "logistic"],
            "split": {"kind": "time", "embargo": 0.5},
            "source": {"uri": "postgresql://ann:hunter2@db/fraud", "password": "hunter3"},
            "aws_secret_access_key": "hunter4",
        },
        metrics={"roc_auc": (0.9, 0.85, 0.95), "log_loss": (0.3, None, None)},
        datasets=(
            DatasetUse(
                "simulated", "a" * 64, 240, "training", "s3://ann:hunter5@bucket/x?X-Amz-Signature=hunter6"
            ),
            DatasetUse("simulated", "b" * 64, 60, "held_out", columns=6),
        ),
        texts={
            "pipeline.yaml": "name: fraud\ntoken: hunter7\nuri: http://ann:hunter8@x/",
            "report/report.html": "<p>",
        },
        input_example=rows.head(20),
        tags={"owner": "risk", "api_key": "hunter9"},
        register_as="fraud",
    )


@pytest.fixture(scope="session")
def logged(store, record):
    return log_training(store, record)
