from dataclasses import replace

import pytest

from stackml.foundation.errors import TrackingError
from stackml.tracking.ui import ui_command


def test_the_command_is_light_and_keeps_the_address_out_of_its_arguments(store):
    argv, env = ui_command(store, port=5055)
    assert argv[1:] == ["-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", "5055", "--workers", "1"]
    assert env["MLFLOW_BACKEND_STORE_URI"] == store.tracking_uri
    assert env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert env["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "MLFLOW_TRACKING_URI" not in env


def test_a_server_has_its_own(store):
    with pytest.raises(TrackingError, match="open that address in a browser"):
        ui_command(replace(store, tracking_uri="http://host:5000"))
