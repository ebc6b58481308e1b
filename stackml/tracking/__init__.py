"""MLflow: the flavor, runs and the registry. MLflow itself is imported when a function needs it."""

from stackml.tracking.flavor import load_model as load_model
from stackml.tracking.flavor import log_model as log_model
from stackml.tracking.flavor import save_model as save_model

__all__ = ["load_model", "log_model", "save_model"]
