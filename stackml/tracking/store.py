"""Where runs and models are kept: a database file by default, any MLflow store by its address.

Nothing here changes MLflow's own tracking address: a `Store` carries a client for its address,
so code of the user's that calls ``mlflow.start_run()`` writes where it did before.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stackml.foundation.errors import TrackingError
from stackml.tracking.client import asking, import_mlflow, make_client
from stackml.tracking.redaction import without_credentials

TRACKING_URI = "MLFLOW_TRACKING_URI"
REGISTRY_URI = "MLFLOW_REGISTRY_URI"
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_PROBE_SECONDS = 5.0
_SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Store:
    """A tracking store and its registry.

    Attributes
    ----------
    tracking_uri, registry_uri : str
        Addresses; a database file's is absolute.
    experiment : str, optional
    experiment_id : str, optional
        None where the store was opened without an experiment.
    client : mlflow.MlflowClient
    """

    tracking_uri: str = field(repr=False)
    registry_uri: str = field(repr=False)
    experiment: str | None
    experiment_id: str | None
    client: Any = field(repr=False, compare=False)

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return without_credentials(self.tracking_uri)


def connect(
    tracking_uri: str | None = None,
    *,
    folder: str | Path | None = None,
    experiment: str | None = None,
    create: bool = True,
) -> Store:
    """Open a tracking store.

    Parameters
    ----------
    tracking_uri : str, optional
        ``sqlite:///path/mlflow.db``, ``http://host:port``, ``postgresql://...``. By default
        ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in `folder`.
    folder : str or Path, optional
        Where the default database and its artifacts go; the working folder by default.
    experiment : str, optional
        Made if it does not exist. In a database store its artifacts go to the absolute folder
        ``mlruns/<experiment>`` beside the database (or in `folder`).
    create : bool, default=True
        Whether a database file that does not exist may be made.

    Raises
    ------
    TrackingError
        If the store cannot be reached, its address has no meaning, or the experiment was deleted.
    """
    base = Path(folder) if folder is not None else Path.cwd()
    stated = tracking_uri or os.environ.get(TRACKING_URI)
    uri = _absolute(stated, base) if stated else f"sqlite:///{(base / 'mlflow.db').resolve()}"
    registry_uri = os.environ.get(REGISTRY_URI) or uri
    _check(uri, create=create)
    import_mlflow()
    with asking("cannot open the tracking store", uri, "check the address and that its server is running"):
        client = make_client(uri, registry_uri)
        client.search_experiments(max_results=1)
    if experiment is None:
        return Store(uri, registry_uri, None, None, client)
    root = base if folder is not None else (_database_path(uri) or base / "mlflow.db").parent
    location = _artifact_location(uri, root, experiment)
    return Store(uri, registry_uri, experiment, _experiment_id(client, uri, experiment, location), client)


def current_store(*, create: bool = False) -> Store:
    """Return the store MLflow itself is set to (``mlflow.set_tracking_uri``, environment or default).

    Parameters
    ----------
    create : bool, default=False
        Whether a database file that does not exist may be made.

    Raises
    ------
    TrackingError
        If the store cannot be reached.
    """
    mlflow = import_mlflow()
    uri, registry_uri = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    _check(uri, create=create)
    return Store(uri, registry_uri, None, None, make_client(uri, registry_uri))


def is_database(uri: str) -> bool:
    """Return whether an address is that of a database, not of a server."""
    return _scheme(uri) in DATABASES


def _scheme(uri: str) -> str:
    return urlsplit(uri).scheme.split("+")[0].lower()


def _database_path(uri: str) -> Path | None:
    """Return the file of a SQLite address, or None."""
    if _scheme(uri) != "sqlite":
        return None
    return Path(unquote(uri.split(":///", 1)[-1].split("?")[0]))


def _absolute(uri: str, base: Path) -> str:
    path = _database_path(uri)
    if path is None or path.is_absolute():
        return uri
    return f"sqlite:///{(base / path).resolve()}"


def _check(uri: str, *, create: bool) -> None:
    """Find in seconds what MLflow would find after minutes of trying again."""
    scheme = _scheme(uri)
    if scheme in ("", "file"):
        raise TrackingError(
            f"'{without_credentials(uri)}' is a folder, and MLflow keeps runs in a database now; "
            "use sqlite:///path/to/mlflow.db or the address of a server"
        )
    path = _database_path(uri)
    if path is not None:
        _check_database(path, create=create)
        return
    host = urlsplit(uri)
    if scheme not in _PORTS or not host.hostname:
        return
    port = host.port or _PORTS[scheme]
    try:
        socket.create_connection((host.hostname, port), timeout=_PROBE_SECONDS).close()
    except OSError as error:
        raise TrackingError(
            f"no tracking store answers at {without_credentials(uri)} (host {host.hostname}, port {port}: "
            f"{error.strerror or error}); start it, or mend --tracking-uri or {TRACKING_URI}"
        ) from error


def _check_database(path: Path, *, create: bool) -> None:
    if not path.exists():
        if not path.parent.is_dir():
            raise TrackingError(
                f"there is no folder '{path.parent}' for the tracking store '{path.name}'; make it"
            )
        if not create:
            raise TrackingError(
                f"there is no tracking store at {path}; train a pipeline first, or name the store "
                f"with --tracking-uri or {TRACKING_URI}"
            )
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise TrackingError(f"the tracking store {path} cannot be read: {error.strerror or error}") from error
    if head not in (b"", _SQLITE_MAGIC):
        raise TrackingError(f"'{path}' is not a SQLite database; name another file for the tracking store")


def _artifact_location(uri: str, root: Path, experiment: str) -> str | None:
    if not is_database(uri):
        return None  # a server has a place of its own
    name = re.sub(r"[^\w.-]+", "_", experiment).strip(".") or "experiment"
    return (root / "mlruns" / name).resolve().as_uri()


def _experiment_id(client: Any, uri: str, name: str, location: str | None) -> str:
    with asking(f"cannot open the experiment '{name}'", uri):
        found = client.get_experiment_by_name(name)
    if found is None:
        found = _made(client, uri, name, location)
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the experiment '{name}' was deleted from {without_credentials(uri)}; restore it with "
            f"'mlflow experiments restore --experiment-id {found.experiment_id}', or choose another name"
        )
    return str(found.experiment_id)


def _made(client: Any, uri: str, name: str, location: str | None) -> Any:
    from mlflow.exceptions import MlflowException

    with asking(f"cannot make the experiment '{name}'", uri):
        try:
            return client.get_experiment(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # somebody else was faster
            if found is None:
                raise
            return found
