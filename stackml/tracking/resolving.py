"""From what people call a model (a path, a registry name, a run) to its `.stack` file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from stackml.foundation.errors import TrackingError, near_miss
from stackml.tracking.client import asking, import_mlflow
from stackml.tracking.redaction import without_credentials
from stackml.tracking.registry import resolve_version
from stackml.tracking.store import Store, current_store

FORMS = "a .stack file, a folder, models:/name@alias, models:/name/version or runs:/run_id/stack"
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")


@dataclass(frozen=True)
class _Place:
    """Where the files of a model are, and the address that reaches them."""

    location: str
    tracking_uri: str | None


@contextmanager
def stack_file(uri: str | Path, store: Store | None = None) -> Iterator[Path]:
    """Give the local path of a stack's file; what had to be fetched is removed again.

    Raises
    ------
    TrackingError
        If there is no such model; the message names the nearest one.
    """
    scheme = "" if isinstance(uri, Path) else urlsplit(uri).scheme
    if scheme == "file":
        yield _in_folder(Path(unquote(urlsplit(str(uri)).path)))
    elif len(scheme) < 2:  # a path; one letter is a drive
        yield _in_folder(Path(uri))
    else:
        with _fetched(_place(str(uri), scheme, store)) as folder:
            yield _in_folder(folder)


def _in_folder(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.exists():
        siblings = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        raise TrackingError(f"there is no model '{path}'{near_miss(path.name, siblings)}; give {FORMS}")
    found = sorted(path.glob("*.stack"))
    if len(found) != 1:
        what = f"{len(found)} .stack files" if found else "no .stack file"
        raise TrackingError(f"the folder '{path}' holds {what}; name the one you mean")
    return found[0]


def _place(uri: str, scheme: str, store: Store | None) -> _Place:
    if scheme not in ("models", "runs"):
        return _Place(uri, store.tracking_uri if store else None)
    store = store or current_store()
    path = urlsplit(uri).path.strip("/")
    model = _of_registry(store, uri, path) if scheme == "models" else _of_run(store, uri, path)
    return _Place(model, store.tracking_uri)


def _of_registry(store: Store, uri: str, path: str) -> str:
    if _MODEL_ID.fullmatch(path):
        return _location(store, path)
    name, _, wanted = path.partition("@") if "@" in path else path.partition("/")
    if not name or not wanted:
        raise TrackingError(f"'{uri}' does not say which version; give {FORMS}")
    found = resolve_version(store, name, f"@{wanted}" if "@" in path else wanted)
    return str(store.client.get_model_version_download_uri(name, str(found.version)))


def _of_run(store: Store, uri: str, path: str) -> str:
    run_id, _, name = path.partition("/")
    if not run_id or not name:
        raise TrackingError(f"'{uri}' does not say which model of the run; give {FORMS}")
    with asking(f"cannot find the run '{run_id}'", store.tracking_uri, "list the runs in the MLflow UI"):
        run = store.client.get_run(run_id)
        outputs = run.outputs.model_outputs if run.outputs else []
        models = [store.client.get_logged_model(output.model_id) for output in outputs]
    for model in reversed(models):
        if model.name == name:
            return str(model.artifact_location)
    if not models:
        return f"{run.info.artifact_uri}/{name}"  # logged as a plain artifact
    names = [model.name for model in models]
    raise TrackingError(
        f"the run '{run_id}' has no model '{name}'{near_miss(name, names)}; it has: {', '.join(names)}"
    )


def _location(store: Store, model_id: str) -> str:
    with asking(f"cannot find the model '{model_id}'", store.tracking_uri):
        model: Any = store.client.get_logged_model(model_id)
    return str(model.artifact_location)


@contextmanager
def _fetched(place: _Place) -> Iterator[Path]:
    parts = urlsplit(place.location)
    if parts.scheme in ("", "file"):
        yield Path(unquote(parts.path))
        return
    mlflow = import_mlflow()
    with TemporaryDirectory() as folder:
        shown = without_credentials(place.location)
        with asking("cannot fetch the model", shown, "check that the artifact store can be reached"):
            local = mlflow.artifacts.download_artifacts(
                artifact_uri=place.location, dst_path=folder, tracking_uri=place.tracking_uri
            )
        yield Path(local)
