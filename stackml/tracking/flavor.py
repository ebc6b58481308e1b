"""The MLflow flavor: a stack's own file inside an MLflow model, without pickle and without code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stackml.foundation.errors import TrackingError
from stackml.tracking.client import asking, import_mlflow
from stackml.tracking.redaction import without_secrets
from stackml.tracking.registry import register
from stackml.tracking.requirements import pip_requirements
from stackml.tracking.resolving import stack_file
from stackml.tracking.signature import stack_signature
from stackml.tracking.store import Store, current_store

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.model import Model, ModelInfo

    from stackml.assembly.base import FittedModel
    from stackml.assembly.loading import Model as Stack

FLAVOR_NAME = "stackml"
LOADER = "stackml.tracking.pyfunc"
STACK_FILE = "stack.stack"
CONDA_ENV = "conda.yaml"
PYTHON_ENV = "python_env.yaml"
REQUIREMENTS = "requirements.txt"
EXAMPLE_ROWS = 5


def save_model(
    stack: Stack,
    path: str | Path,
    *,
    input_example: pd.DataFrame | None = None,
    signature: Any = None,
    metadata: Mapping[str, Any] | None = None,
    mlflow_model: Model | None = None,
) -> None:
    """Write a stack as an MLflow model folder.

    Parameters
    ----------
    stack : StackClassifier, StackRegressor or Assembly
        Fitted.
    path : str or Path
        A folder that does not exist yet, or is empty.
    input_example : DataFrame, optional
        Rows to show; the first five are kept.
    signature : mlflow.models.ModelSignature, optional
        By default the stack's own schema.
    metadata : mapping, optional
        JSON values to keep in ``MLmodel``.
    mlflow_model : mlflow.models.Model, optional
        To write into; made when absent.

    Raises
    ------
    TrackingError
        If the folder holds something already.
    StorageError
        If a part of the stack cannot be stored without pickle.
    """
    import_mlflow()
    from mlflow.models.model import MLMODEL_FILE_NAME, Model
    from mlflow.models.utils import _save_example

    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise TrackingError(f"'{path}' holds something already; give a folder that does not exist")
    path.mkdir(parents=True, exist_ok=True)
    model = Model() if mlflow_model is None else mlflow_model
    stack.save(path / STACK_FILE)
    model.signature = stack_signature(stack) if signature is None else signature
    if metadata is not None:
        model.metadata = dict(metadata)
    if input_example is not None:
        _save_example(model, input_example.head(EXAMPLE_ROWS).reset_index(drop=True), str(path))
    add_to_model(model, stack)
    _write_environment(path, pip_requirements(stack.fitted_))
    model.model_size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    model.save(str(path / MLMODEL_FILE_NAME))


def add_to_model(model: Model, stack: Stack) -> Model:
    """Add the flavors ``stackml`` and ``python_function`` to an MLflow model whose folder holds the stack."""
    import_mlflow()
    from mlflow.pyfunc import add_to_model as add_python_function

    import stackml

    fitted = stack.fitted_
    add_python_function(  # type: ignore[no-untyped-call]  # MLflow's own
        model, loader_module=LOADER, data=STACK_FILE, conda_env=CONDA_ENV, python_env=PYTHON_ENV
    )
    model.add_flavor(
        FLAVOR_NAME,
        data=STACK_FILE,
        version=stackml.__version__,
        estimator=type(stack).__name__,
        problem=fitted.problem.kind,
        **_makeup(fitted),
        columns={column.name: column.kind for column in fitted.schema.read},
    )
    return model


def _makeup(fitted: FittedModel) -> dict[str, Any]:
    from stackml.assembly.base import FittedAssembly

    if isinstance(fitted, FittedAssembly):
        return {"kind": fitted.kind, "parts": [part.name for part in fitted.parts]}
    learners = [member.name for layer in fitted.layers for member in layer.members]
    return {"learners": learners, "combiner": fitted.combiner.kind}


def log_model(
    stack: Stack,
    name: str = "stack",
    *,
    input_example: pd.DataFrame | None = None,
    signature: Any = None,
    registered_model_name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    store: Store | None = None,
) -> ModelInfo:
    """Log a stack as an MLflow model.

    Parameters
    ----------
    stack : StackClassifier, StackRegressor or Assembly
        Fitted.
    name : str, default="stack"
        Its name in the run: ``runs:/RUN_ID/stack``.
    input_example, signature, metadata
        As in `save_model`.
    registered_model_name : str, optional
        Also register it as the next version of this name.
    params : mapping, optional
        Shown with the model in the UI; keys that look like secrets are left out.
    run_id : str, optional
        The run it belongs to; by default the active one, if there is one.
    store : Store, optional
        By default where MLflow itself is set to.

    Returns
    -------
    mlflow.models.model.ModelInfo

    Raises
    ------
    TrackingError
        If the store cannot take it.
    StorageError
        If a part of the stack cannot be stored without pickle.
    """
    mlflow = import_mlflow()
    if run_id is None and store is None and (active := mlflow.active_run()):
        run_id = active.info.run_id
    store = store or current_store(create=True)
    experiment_id = _experiment_of(store, run_id)
    with asking(f"cannot log the model '{name}'", store.tracking_uri, "check the store and its disk"):
        logged = store.client.create_logged_model(
            experiment_id, name=name, source_run_id=run_id, params=without_secrets(params or {})
        )
        try:
            model = _upload(stack, store, logged, run_id, input_example, signature, metadata)
        except BaseException:
            store.client.finalize_logged_model(logged.model_id, "FAILED")
            raise
        logged = store.client.finalize_logged_model(logged.model_id, "READY")
    info: ModelInfo = model.get_model_info(logged)
    if registered_model_name is not None:
        info.registered_model_version = register(store, registered_model_name, info, run_id)
    return info


def load_model(uri: str | Path, *, trusted: Sequence[str] = (), store: Store | None = None) -> Stack:
    """Load a stack from wherever it is kept.

    Parameters
    ----------
    uri : str or Path
        A ``.stack`` file, a folder with one, ``models:/name@alias``, ``models:/name/3``,
        ``runs:/RUN_ID/stack``, or the address of a model folder.
    trusted : sequence of str
        Full names of types outside the catalog that may be built.
    store : Store, optional
        By default where MLflow itself is set to.

    Raises
    ------
    TrackingError
        If there is no such model; the message names the nearest one.
    StorageError
        If the file is damaged, hostile, of another format, or holds types not trusted.
    """
    from stackml.assembly.loading import load

    with stack_file(uri, store) as file:
        return load(file, trusted=trusted)


def _experiment_of(store: Store, run_id: str | None) -> str:
    if run_id is not None:
        with asking(f"cannot find the run '{run_id}'", store.tracking_uri):
            return str(store.client.get_run(run_id).info.experiment_id)
    if store.experiment_id is not None:
        return store.experiment_id
    from mlflow.tracking.fluent import _get_experiment_id

    return str(_get_experiment_id())


def _upload(
    stack: Stack,
    store: Store,
    logged: Any,
    run_id: str | None,
    input_example: pd.DataFrame | None,
    signature: Any,
    metadata: Mapping[str, Any] | None,
) -> Model:
    from mlflow.entities import LoggedModelOutput
    from mlflow.models.model import Model

    model = Model(
        artifact_path=logged.artifact_location,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
        run_id=run_id,
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save_model(
            stack,
            path,
            input_example=input_example,
            signature=signature,
            metadata=metadata,
            mlflow_model=model,
        )
        store.client.log_model_artifacts(logged.model_id, str(path))
    if run_id is not None:
        store.client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return model


def _write_environment(path: Path, requirements: list[str]) -> None:
    import yaml
    from mlflow.utils.environment import _mlflow_conda_env, _PythonEnv

    make_conda, python = _mlflow_conda_env, _PythonEnv.current
    conda = make_conda(additional_pip_deps=requirements, install_mlflow=False)  # type: ignore[no-untyped-call]
    (path / CONDA_ENV).write_text(yaml.safe_dump(conda, default_flow_style=False), encoding="utf-8")
    (path / REQUIREMENTS).write_text("\n".join(requirements) + "\n", encoding="utf-8")
    python().to_yaml(str(path / PYTHON_ENV))  # type: ignore[no-untyped-call]  # MLflow's own
