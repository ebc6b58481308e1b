"""The one door to MLflow: imported late, telemetry off, its errors said in this project's words."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from stackml.foundation.errors import TrackingError
from stackml.tracking.redaction import without_credentials

QUIET = ("alembic", "mlflow.store.db.utils", "mlflow.store.model_registry.abstract_store")


def import_mlflow() -> ModuleType:
    """Import MLflow with its telemetry off and its notes about its own work kept quiet."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when MLflow is imported
    import mlflow

    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def make_client(tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
    """Return an `MlflowClient`; without addresses it follows MLflow's own settings."""
    return import_mlflow().MlflowClient(tracking_uri=tracking_uri, registry_uri=registry_uri)


@contextmanager
def asking(what: str, where: str, then: str = "check that the store is the one you mean") -> Iterator[None]:
    """Turn what MLflow raises into a `TrackingError` that says what was asked, of whom, and what to do."""
    import_mlflow()
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = without_credentials(lines[0])[:300]
        raise TrackingError(f"{what} at {without_credentials(where)}: {reason}; {then}") from error


def is_absent(error: BaseException) -> bool:
    """Return whether MLflow says that the thing asked for does not exist."""
    return getattr(error, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
