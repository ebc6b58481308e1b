"""`stackml ui`: MLflow's pages on the project's store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Annotated

import typer

from stackml.cli.examples import examples
from stackml.cli.options import TrackingUri, existing_store

EXAMPLES = examples("stackml ui", "stackml ui --port 5050")
HOST = "127.0.0.1"  # only this machine: the pages have no password


def ui(
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="On this machine.")] = 5000,
    tracking_uri: TrackingUri = None,
) -> None:
    """Open the MLflow UI on the runs of this project; Ctrl-C ends it."""
    from stackml.cli.terminal import say
    from stackml.tracking.ui import ui_command

    store = existing_store(tracking_uri)
    arguments, environment = ui_command(store, HOST, port)
    _refuse_taken(port)
    say(f"runs of {store.shown}")
    say(f"open http://{HOST}:{port} in a browser in some seconds; Ctrl-C here ends it")
    sys.stdout.flush()
    if os.name == "posix":
        os.execvpe(arguments[0], arguments, environment)  # noqa: S606 - our own interpreter, no shell
    raise typer.Exit(subprocess.call(arguments, env=environment))  # noqa: S603 - as above


def _refuse_taken(port: int) -> None:
    from stackml.foundation.errors import ParameterError

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ParameterError(
                f"port {port} cannot be used ({error.strerror}); choose another: stackml ui --port {port + 1}"
            ) from error
