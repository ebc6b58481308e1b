"""The model registry: versions under a name, and which of them is champion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from stackml.foundation.errors import TrackingError, near_miss
from stackml.tracking.client import asking, is_absent
from stackml.tracking.redaction import without_secrets
from stackml.tracking.store import Store, is_database

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
_VERSIONS_TAG = "mlflow.modelVersions"
ALIASES = (CHAMPION, CHALLENGER, PREVIOUS)


@dataclass(frozen=True)
class ModelVersion:
    """One registered version.

    Attributes
    ----------
    name : str
    version : int
        Counted from 1.
    run_id : str, optional
        The run that made it.
    aliases : tuple of str
    tags : dict of str
    created : datetime
        With UTC as its zone.
    """

    name: str
    version: int
    run_id: str | None
    created: datetime
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """``models:/name/version``."""
        return f"models:/{self.name}/{self.version}"


def register(
    store: Store,
    name: str,
    model: Any,
    run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> int:
    """Register a logged model as the next version of a name, which is made if it is new.

    Parameters
    ----------
    store : Store
    name : str
    model : ModelInfo or str
        What `log_model` returned, or its ``models:/m-...`` address.
    run_id : str, optional
        By default the run the model was logged in.
    tags : mapping, optional
        Keys that look like secrets are left out.

    Returns
    -------
    int
        The version.

    Raises
    ------
    TrackingError
        If the registry refuses; the message says why.
    """
    uri = model if isinstance(model, str) else model.model_uri
    model_id = uri.removeprefix("models:/") if uri.startswith("models:/m-") else None
    with asking(f"cannot register '{name}'", store.registry_uri, "choose another name or check the registry"):
        _ensure_name(store, name)
        if model_id is not None:
            logged = store.client.get_logged_model(model_id)
            run_id = run_id or logged.source_run_id
            if is_database(store.registry_uri):
                # MLflow would look the model's address up in its global store, not in this one.
                uri = logged.artifact_location
        # Of a model without a run a database would ask MLflow's global store for one.
        told = None if run_id is None and is_database(store.registry_uri) else model_id
        made = store.client.create_model_version(
            name, source=uri, run_id=run_id, tags=without_secrets(tags or {}), model_id=told
        )
        if model_id is not None:
            _link(store, logged, name, int(made.version))
    return int(made.version)


def champion(store: Store, name: str) -> ModelVersion | None:
    """Return the champion of a name; None where the name or its champion does not exist yet."""
    model = _registered(store, name)
    if model is None or CHAMPION not in model.aliases:
        return None
    return resolve_version(store, name, f"@{CHAMPION}")


def set_alias(
    store: Store, name: str, alias: Literal["champion", "challenger", "previous"], version: int
) -> None:
    """Give an alias to a version; the version that had it loses it.

    Raises
    ------
    TrackingError
        If the alias, the name or the version is unknown.
    """
    if alias not in ALIASES:
        raise TrackingError(
            f"alias '{alias}' is unknown{near_miss(alias, ALIASES)}; known: {', '.join(ALIASES)}"
        )
    found = resolve_version(store, name, str(version))
    with asking(f"cannot set the alias '{alias}' of '{name}'", store.registry_uri):
        store.client.set_registered_model_alias(name, alias, str(found.version))


def promote(store: Store, name: str, version: int) -> ModelVersion:
    """Make a version the champion; the champion before keeps the alias ``previous``.

    Returns
    -------
    ModelVersion
        The new champion.

    Raises
    ------
    TrackingError
        If the name or the version is unknown; the message lists what there is.
    """
    chosen = resolve_version(store, name, str(version))
    before = champion(store, name)
    if before is not None and before.version == chosen.version:
        return chosen
    if before is not None:
        set_alias(store, name, "previous", before.version)
    set_alias(store, name, "champion", chosen.version)
    with asking(f"cannot remove an alias of '{name}'", store.registry_uri):
        for alias in chosen.aliases:
            if alias == CHALLENGER or (alias == PREVIOUS and before is None):
                store.client.delete_registered_model_alias(name, alias)
    return resolve_version(store, name, str(version))


def list_versions(store: Store, name: str) -> list[ModelVersion]:
    """Return the versions of a name with their aliases, newest first.

    Raises
    ------
    TrackingError
        If the name is unknown.
    """
    aliases = _known(store, name).aliases
    found: list[Any] = []
    token = None
    with asking(f"cannot list the versions of '{name}'", store.registry_uri):
        while True:
            page = store.client.search_model_versions(f"name = '{_quoted(name)}'", page_token=token)
            found += page
            token = page.token
            if not token:
                break
    versions = [_version(one, aliases) for one in found]
    return sorted(versions, key=lambda one: one.version, reverse=True)


def list_names(store: Store) -> list[str]:
    """Return all registered names, sorted."""
    with asking("cannot list the registered models", store.registry_uri):
        return sorted(model.name for model in store.client.search_registered_models(max_results=1000))


def resolve_version(store: Store, name: str, wanted: str) -> ModelVersion:
    """Return a version by number, by ``@alias``, or ``latest``.

    Raises
    ------
    TrackingError
        If there is none; the message names the nearest or lists what there is.
    """
    model = _known(store, name)
    aliases: dict[str, Any] = model.aliases
    if wanted.startswith("@"):
        alias = wanted[1:]
        if alias not in aliases:
            has = ", ".join(f"{a} (version {v})" for a, v in sorted(aliases.items())) or "none"
            raise TrackingError(
                f"model '{name}' has no alias '{alias}'{near_miss(alias, aliases)}; it has: {has}"
            )
        wanted = str(aliases[alias])
    versions = list_versions(store, name)
    for one in versions:
        if wanted in (str(one.version), "latest"):
            return one
    numbers = ", ".join(str(one.version) for one in versions[:10]) or "none"
    raise TrackingError(f"model '{name}' has no version '{wanted}'; it has: {numbers}")


def _link(store: Store, logged: Any, name: str, version: int) -> None:
    """Let the logged model name its versions, in the tag the MLflow UI reads."""
    known = json.loads(logged.tags.get(_VERSIONS_TAG, "[]"))
    known.append({"name": name, "version": str(version)})
    store.client.set_logged_model_tags(logged.model_id, {_VERSIONS_TAG: json.dumps(known)})


def _ensure_name(store: Store, name: str) -> None:
    from mlflow.exceptions import MlflowException

    if _registered(store, name) is not None:
        return
    try:
        store.client.create_registered_model(name)
    except MlflowException:
        if _registered(store, name) is None:  # else somebody else was faster
            raise


def _registered(store: Store, name: str) -> Any:
    from mlflow.exceptions import MlflowException

    with asking(f"cannot look up the model '{name}'", store.registry_uri):
        try:
            return store.client.get_registered_model(name)
        except MlflowException as error:
            if is_absent(error):
                return None
            raise


def _known(store: Store, name: str) -> Any:
    model = _registered(store, name)
    if model is not None:
        return model
    names = list_names(store)
    has = (
        f"registered: {', '.join(names[:10])}"
        if names
        else "nothing is registered yet; train a pipeline first"
    )
    raise TrackingError(f"no model '{name}' is registered at {store.shown}{near_miss(name, names)}; {has}")


def _version(found: Any, aliases: Mapping[str, Any]) -> ModelVersion:
    return ModelVersion(
        name=found.name,
        version=int(found.version),
        run_id=found.run_id or None,
        created=datetime.fromtimestamp(found.creation_timestamp / 1000, tz=UTC),
        aliases=tuple(sorted(a for a, v in aliases.items() if int(v) == int(found.version))),
        tags=dict(found.tags),
    )


def _quoted(text: str) -> str:
    return text.replace("'", "\\'")
