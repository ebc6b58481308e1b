"""One file for one fitted object: a zip of JSON, arrays and blobs, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stackml.foundation.errors import StorageError
from stackml.storage.codec import Decoder, Encoder, from_json, state_of, to_json
from stackml.storage.manifest import (
    FORMAT,
    LIMITS,
    MANIFEST,
    RESERVED,
    STATE,
    Limits,
    Manifest,
    opened,
)
from stackml.storage.npy import array_from_npy, npy_parts, wider_dtype
from stackml.storage.seal import BLANK, write_seal
from stackml.storage.state import State
from stackml.storage.upgrades import FORMAT_VERSION, upgrade

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say; a real time would change equal files
_MODE = 0o100644 << 16
_LEVEL = 6

Parts = tuple[bytes | memoryview, ...]


def write_archive(
    path: str | Path, *, kind: str, state: State, manifest: Mapping[str, Any], compress: bool = True
) -> None:
    """Write a state to one file; a file already there is replaced only by a whole one.

    Parameters
    ----------
    path : str or Path
        Where to write. The folder must exist.
    kind : str
        What the file holds, for instance ``"stack"``.
    state : dict
        JSON values, arrays and bytes. Tuples are read back as lists, NumPy scalars as Python's.
    manifest : mapping of str to JSON
        Entries to add to the manifest: library versions, schema and so on.
    compress : bool
        Deflate the members. Off makes writing several times faster and the file larger.

    Raises
    ------
    StorageError
        If the state holds something a file cannot, or the file cannot be written.
    """
    path = Path(path)
    taken = sorted(RESERVED & manifest.keys())
    if taken:
        raise StorageError(f"{path}: the manifest entry {taken[0]!r} is written by the format; rename yours")
    members = _Members()
    tree = Encoder(members.put, str(path)).encode(state)
    members.add(STATE, (to_json(tree),))
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": kind,
        **Encoder(_no_members(path), str(path)).encode(dict(manifest), "manifest"),
        "members": members.table,
    }
    parts = {MANIFEST: (to_json(head),), **members.parts}
    _check_readable(path, parts, LIMITS)
    _replace(path, lambda temporary: _write_zip(temporary, parts, LIMITS, compress=compress))


def read_archive(
    path: str | Path, *, kind: str | None = None, limits: Limits = LIMITS
) -> tuple[Manifest, State]:
    """Read a file written by `write_archive`, after proving that it is whole.

    Parameters
    ----------
    path : str or Path
        The file.
    kind : str or None
        What it must hold; None accepts any kind.
    limits : Limits
        How much the file may expand to.

    Returns
    -------
    manifest : Manifest
        What the file says about itself.
    state : dict
        As it was written; older formats are brought up to the present one.

    Raises
    ------
    StorageError
        If anything about the file is not as it should be. Nothing was built then.
    """
    with opened(path, limits) as file:
        manifest = file.manifest(kind)
        contents = file.contents(manifest)
    source = _Source(contents, Path(path), limits)
    tree = from_json(contents.pop(STATE), f"{path}: {STATE}")
    try:
        state = state_of(Decoder(source.array, source.blob, str(path)).decode(tree), str(path))
    except RecursionError as error:
        raise StorageError(f"{path}: {STATE} is nested too deeply; the file is damaged") from error
    source.check_all_used()
    return manifest, upgrade(manifest, state)


class _Members:
    """The members of a file being written; equal content is kept once."""

    def __init__(self) -> None:
        self.parts: dict[str, Parts] = {}
        self.table: dict[str, dict[str, int | str]] = {}
        self._name_of: dict[str, str] = {}
        self._count = {"array": 0, "blob": 0}

    def put(self, kind: str, value: np.ndarray | bytes) -> str:
        parts: Parts = npy_parts(value) if isinstance(value, np.ndarray) else (value,)
        key = kind + _sha256(parts)
        if key not in self._name_of:
            self._count[kind] += 1
            pattern = "arrays/{:04d}.npy" if kind == "array" else "blobs/{:04d}.bin"
            self._name_of[key] = pattern.format(self._count[kind])
            self.add(self._name_of[key], parts)
        return self._name_of[key]

    def add(self, name: str, parts: Parts) -> None:
        self.parts[name] = parts
        self.table[name] = {"size": sum(len(part) for part in parts), "sha256": _sha256(parts)}


class _Source:
    """The proven contents of a file, given out once each and as copies from then on."""

    def __init__(self, contents: dict[str, bytearray], path: Path, limits: Limits) -> None:
        self._contents = contents
        self._path = path
        self._limits = limits
        self._left = limits.total
        self._given: set[str] = set()
        self._blobs: dict[str, bytes] = {}

    def array(self, name: str, dtype: str | None) -> np.ndarray:
        array = array_from_npy(self._find(name, "arrays/"), f"{self._path}: {name}")
        real = array.dtype if dtype is None else wider_dtype(array.dtype, dtype, f"{self._path}: {name}")
        # A small member may be named a million times: what is built counts, not what is stored.
        self._left -= array.size * real.itemsize
        if self._left < 0:
            raise StorageError(
                f"{self._path}: its arrays are larger than {self._limits.total} bytes together"
            )
        again = name in self._given
        self._given.add(name)
        return array.astype(real, order="K", copy=again)

    def blob(self, name: str) -> bytes:
        if name not in self._blobs:
            self._blobs[name] = bytes(self._find(name, "blobs/"))
            self._given.add(name)
        return self._blobs[name]

    def check_all_used(self) -> None:
        unused = sorted(self._contents.keys() - self._given)
        if unused:
            raise StorageError(f"{self._path}: nothing refers to member {unused[0]}; do not trust this file")

    def _find(self, name: str, folder: str) -> bytearray:
        if name not in self._contents or not name.startswith(folder):
            raise StorageError(f"{self._path}: {STATE} refers to {name[:60]!r}, which is not there")
        return self._contents[name]


def _sha256(parts: Parts) -> str:
    h = hashlib.sha256()
    for part in parts:
        h.update(part)
    return h.hexdigest()


def _no_members(path: Path) -> Callable[[str, np.ndarray | bytes], str]:
    def refuse(kind: str, _: object) -> str:
        raise StorageError(f"{path}: the manifest holds JSON values only, and was given an {kind}")

    return refuse


def _check_readable(path: Path, parts: Mapping[str, Parts], limits: Limits) -> None:
    sizes = {name: sum(len(piece) for piece in pieces) for name, pieces in parts.items()}
    for what, found, most in (
        (f"{MANIFEST} has", sizes[MANIFEST], limits.manifest),
        (f"{STATE} has", sizes[STATE], limits.state),
        ("all members have", sum(sizes.values()), limits.total),
        ("the count of members is", len(sizes), limits.members),
    ):
        if found > most:
            raise StorageError(f"{path}: {what} {found}, and at most {most} could be read back; store less")


def _write_zip(path: Path, parts: Mapping[str, Parts], limits: Limits, *, compress: bool) -> None:
    plain = frozenset[str]() if compress else frozenset(parts)
    infos = _write_members(path, parts, plain)
    total = sum(info.file_size for info in infos[1:])  # the manifest comes first and is not counted
    if not limits.allows(total, sum(info.compress_size for info in infos[1:])):
        _write_members(path, parts, frozenset(parts))
        return
    # What shrinks as a bomb would is stored as it is, or the reader would refuse it.
    tight = {info.filename for info in infos if not limits.allows(info.file_size, info.compress_size)}
    if tight:
        _write_members(path, parts, plain | tight)


def _write_members(path: Path, parts: Mapping[str, Parts], plain: frozenset[str]) -> list[zipfile.ZipInfo]:
    with path.open("w+b") as stream:
        with zipfile.ZipFile(stream, "w", compresslevel=_LEVEL) as archive:
            for name, pieces in parts.items():
                info = zipfile.ZipInfo(name, _EPOCH)
                info.create_system = 3
                info.external_attr = _MODE
                info.compress_type = zipfile.ZIP_STORED if name in plain else zipfile.ZIP_DEFLATED
                info.file_size = sum(len(piece) for piece in pieces)
                with archive.open(info, "w") as member:
                    for piece in pieces:
                        member.write(piece)
            archive.comment = BLANK
            infos = archive.infolist()
        write_seal(stream)
        stream.flush()
        os.fsync(stream.fileno())
    return infos


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a new file beside `path`, then give it that name."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        write(temporary)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
