"""Estimators from outside the catalog: through skops, and only the types a person has named."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from stackml.foundation.errors import StorageError
from stackml.storage.manifest import LIMITS, Limits


def dump_estimator(estimator: Any) -> bytes:
    """Return an estimator as skops bytes, which hold no pickle.

    Equal estimators need not give equal bytes: skops writes times and object addresses.

    Raises
    ------
    StorageError
        If skops has no way to store a part of it.
    """
    import skops.io

    try:
        return bytes(skops.io.dumps(estimator))
    except Exception as error:  # skops has no common base for what it cannot store
        name = type(estimator).__name__
        raise StorageError(
            f"{name} cannot be stored without pickle ({_line(error)}); use a learner of the catalog instead"
        ) from error


def load_estimator(blob: bytes, trusted: Sequence[str] = (), where: str = "estimator") -> Any:
    """Return an estimator stored by `dump_estimator`.

    Nothing of it is imported or built before every type it needs is either known to skops as
    harmless or named in `trusted`.

    Parameters
    ----------
    blob : bytes
        From `dump_estimator`.
    trusted : sequence of str
        Full names of the types that may be built, for instance ``"mypackage.model.Scaler"``.
    where : str
        What is being read, for messages.

    Raises
    ------
    StorageError
        If it needs other types, which the message lists, or is damaged.
    """
    import skops.io

    named = {trusted} if isinstance(trusted, str) else set(trusted)
    _check_size(blob, LIMITS, where)
    try:
        unknown = skops.io.get_untrusted_types(data=blob)
    except Exception as error:  # skops reads foreign bytes: anything may be raised
        raise StorageError(f"{where}: not readable by skops ({_line(error)}); the file is damaged") from error
    refused = [name for name in unknown if name not in named]
    if refused:
        raise StorageError(
            f"{where}: needs types that are not trusted: {', '.join(refused)}; "
            f"if you know where the file comes from, pass trusted={unknown!r}"
        )
    try:
        return skops.io.loads(blob, trusted=unknown)
    except Exception as error:
        raise StorageError(f"{where}: could not be rebuilt ({_line(error)})") from error


def _check_size(blob: bytes, limits: Limits, where: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise StorageError(f"{where}: not written by skops; the file is damaged") from error
    if not limits.allows(size, len(blob)):
        raise StorageError(f"{where}: would expand {len(blob)} bytes to {size}; do not trust this file")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
