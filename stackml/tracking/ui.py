"""The command that shows a store in the browser."""

from __future__ import annotations

import os
import sys

from stackml.foundation.errors import TrackingError
from stackml.tracking.store import REGISTRY_URI, TRACKING_URI, Store, is_database


def ui_command(store: Store, host: str = "127.0.0.1", port: int = 5000) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the environment of ``mlflow ui`` for a store.

    The address of the store goes through the environment: an address can hold a password, and
    the arguments of a process can be read by everyone on the machine.

    Raises
    ------
    TrackingError
        If the store is a server, which has a UI of its own.
    """
    if not is_database(store.tracking_uri):
        raise TrackingError(f"{store.shown} is a server with a UI of its own; open that address in a browser")
    env = dict(os.environ)
    for name in (TRACKING_URI, REGISTRY_URI):  # a server that is its own client would call itself
        env.pop(name, None)
    env |= {
        "MLFLOW_BACKEND_STORE_URI": store.tracking_uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Without job workers the UI takes a quarter of the memory and half the time to start.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    if store.registry_uri != store.tracking_uri:
        env["MLFLOW_REGISTRY_STORE_URI"] = store.registry_uri
    argv = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port), "--workers", "1"]
    return argv, env
