"""Optional packages: one way to ask for them, one message when they are missing."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from stackml.foundation.errors import MissingExtraError


def optional(module: str, extra: str) -> ModuleType:
    """Import an optional module.

    Raises
    ------
    MissingExtraError
        If the package is not installed; the message names the extra to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"'{module.split('.')[0]}' is not installed; install it with: pip install 'stackml[{extra}]'"
        ) from error


def load_if_installed(module: str) -> None:
    """Import a module, if it is there, before threads do.

    A package is in `sys.modules` before it is whole, and some libraries look there for others.
    One that cannot be imported is for those to report who need it.
    """
    if module:
        with suppress(Exception):
            import_module(module)


def installed(module: str) -> bool:
    """Return whether a module could be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
