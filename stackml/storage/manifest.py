"""Look before building: what a stored file says it holds, and whether that is what is there.

Nothing here builds an object. A file passes when it is a plain zip, its manifest is of a known
format and kind, its members are exactly those the manifest lists, their sizes are within
`Limits`, each has the sha256 the manifest gives, and the seal at the end is right.
"""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from stackml.foundation.errors import StorageError
from stackml.storage.codec import Decoder, from_json
from stackml.storage.seal import seal_holds
from stackml.storage.upgrades import FORMAT_VERSION

MANIFEST = "manifest.json"
STATE = "state.json"
FORMAT = "stackml"
RESERVED = frozenset({"format", "format_version", "kind", "members"})

_CHUNK = 1 << 20
_MEMBER_NAME = re.compile(r"state\.json|arrays/[0-9]{4,9}\.npy|blobs/[0-9]{4,9}\.bin")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAMAGED = "the file is damaged; use another copy"


@dataclass(frozen=True)
class Member:
    """One member as the manifest describes it: its uncompressed size in bytes and its sha256 (hex)."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a stored file says about itself.

    Attributes
    ----------
    kind : str
        What the file holds, for instance ``"stack"``.
    format_version : int
        Version of the format it was written in, from 1.
    entries : mapping of str to JSON
        What the writer added: library versions, schema and so on.
    members : mapping of str to Member
        Every member but the manifest itself.
    """

    kind: str
    format_version: int
    entries: Mapping[str, Any]
    members: Mapping[str, Member]


@dataclass(frozen=True)
class Limits:
    """How much a file may expand to; all in bytes but `members` and `ratio`.

    Attributes
    ----------
    manifest, state : int
        Largest ``manifest.json`` and ``state.json``.
    total : int
        Largest sum of all members, and of all arrays built from them.
    members : int
        Most members.
    ratio, free : int
        A member, and all of them together, may be `ratio` times their compressed size,
        and `free` bytes in any case.
    """

    manifest: int = 64 << 20
    state: int = 512 << 20
    total: int = 32 << 30
    members: int = 200_000
    ratio: int = 200
    free: int = 64 << 20

    def allows(self, size: int, compressed: int) -> bool:
        """Return whether `compressed` bytes may expand to `size`."""
        return size <= max(self.free, self.ratio * compressed)


LIMITS = Limits()


def read_manifest(path: str | Path, *, kind: str | None = None) -> Manifest:
    """Return the manifest of a stored file after checking names and sizes, not contents.

    Parameters
    ----------
    path : str or Path
        The file.
    kind : str or None
        What it must hold; None accepts any kind.

    Raises
    ------
    StorageError
        If the file is not one stackml wrote, is damaged, newer, or of another kind.
    """
    with opened(path) as file:
        return file.manifest(kind)


@contextmanager
def opened(path: str | Path, limits: Limits = LIMITS) -> Iterator[CheckedFile]:
    """Open a stored file for checked reading."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            _check_magic(stream.read(4), path)
            with _as_storage_error(path):
                archive = zipfile.ZipFile(stream)
            with archive:
                yield CheckedFile(archive, stream, path, limits)
    except FileNotFoundError as error:
        raise StorageError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise StorageError(f"{path}: is a folder, not a file") from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror or error})") from error


def _check_magic(head: bytes, path: Path) -> None:
    if head == b"PK\x03\x04":
        return
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        raise StorageError(
            f"{path}: is a Python pickle, which can run code when opened; stackml never loads pickles, "
            "so fit again and write it with .save()"
        )
    raise StorageError(f"{path}: not a file written by stackml (it is not a zip), or its beginning is lost")


@contextmanager
def _as_storage_error(path: Path) -> Iterator[None]:
    # zipfile speaks of damage in many tongues; a user needs one.
    try:
        yield
    except StorageError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise StorageError(f"{path}: not a readable zip, perhaps cut short; {_DAMAGED}") from error
    except (NotImplementedError, RuntimeError) as error:
        raise StorageError(f"{path}: a zip feature stackml does not use; {_DAMAGED}") from error


class CheckedFile:
    """An open file of which nothing is believed until it is proven."""

    def __init__(self, archive: zipfile.ZipFile, stream: BinaryIO, path: Path, limits: Limits) -> None:
        self._archive = archive
        self._stream = stream
        self._path = path
        self._limits = limits
        self._infos = self._checked_infos()

    def manifest(self, kind: str | None = None) -> Manifest:
        """Return the manifest once it agrees with the members that are there."""
        if MANIFEST not in self._infos:
            self._refuse(f"a zip without {MANIFEST}, so not written by stackml")
        content = from_json(self._read(MANIFEST, self._limits.manifest), f"{self._path}: {MANIFEST}")
        if content.get("format") != FORMAT:
            self._refuse(f"its {MANIFEST} is not one of stackml's")
        version = self._version(content.get("format_version"))
        found = content.get("kind")
        if not isinstance(found, str):
            self._refuse(f"its {MANIFEST} names no kind; {_DAMAGED}")
        if kind is not None and found != kind:
            self._refuse(f"holds {found[:40]!r}, and {kind!r} was asked for; give a file of that kind")
        members = self._members(content.get("members"))
        self._check_sizes(members)
        rest = {key: value for key, value in content.items() if key not in RESERVED}
        return Manifest(found, version, self._entries(rest), members)

    def contents(self, manifest: Manifest) -> dict[str, bytearray]:
        """Return every member's bytes, each proven by its sha256."""
        result: dict[str, bytearray] = {}
        for name, member in manifest.members.items():
            data = self._read(name, member.size)
            if hashlib.sha256(data).hexdigest() != member.sha256:
                self._refuse(f"member {name} does not have the sha256 its manifest gives; {_DAMAGED}")
            result[name] = data
        # Last, so that damage is told by the member it hit where it hit one.
        if not seal_holds(self._stream):
            self._refuse(f"its sha256 is not the one it ends with; {_DAMAGED}")
        return result

    def _checked_infos(self) -> dict[str, zipfile.ZipInfo]:
        infos = self._archive.infolist()
        if len(infos) > self._limits.members:
            self._refuse(f"has {len(infos)} members; at most {self._limits.members} are read")
        result: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._check_info(info)
            if info.filename in result:
                self._refuse(f"has two members called {_shown(info.filename)}; {_DAMAGED}")
            result[info.filename] = info
        return result

    def _check_info(self, info: zipfile.ZipInfo) -> None:
        # orig_filename: zipfile cuts a name at a NUL byte and turns backslashes on Windows.
        name = info.orig_filename
        parts = name.split("/")
        if "\\" in name or "\0" in name or ":" in parts[0] or ".." in parts or "" in parts or "." in parts:
            self._refuse(f"member {_shown(name)} has an unsafe name; do not trust this file")
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            self._refuse(f"member {_shown(name)} is a link or device, not a file; do not trust this file")
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self._refuse(f"member {_shown(name)} is encrypted or packed in a way stackml does not use")

    def _version(self, version: object) -> int:
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            self._refuse(f"its format version is {str(version)[:20]!r}, not a number from 1; {_DAMAGED}")
        if version > FORMAT_VERSION:
            self._refuse(
                f"written by a newer stackml (format {version}; this one reads up to {FORMAT_VERSION}); "
                "upgrade stackml"
            )
        return version

    def _entries(self, rest: dict[str, Any]) -> dict[str, Any]:
        def none(*_: object) -> NoReturn:
            self._refuse(f"its {MANIFEST} refers to a member; {_DAMAGED}")

        decoder = Decoder(none, none, f"{self._path}: {MANIFEST}")
        return {key: decoder.decode(value) for key, value in rest.items()}

    def _members(self, table: object) -> dict[str, Member]:
        if not isinstance(table, dict) or STATE not in table:
            self._refuse(f"its {MANIFEST} has no table of members; {_DAMAGED}")
        there = self._infos.keys() - {MANIFEST}
        for name in sorted(there - table.keys()):
            self._refuse(f"member {_shown(name)} is not in the manifest; do not trust this file")
        for name in sorted(table.keys() - there):
            self._refuse(f"member {_shown(name)} is missing; {_DAMAGED}")
        return {name: self._member(name, row) for name, row in table.items()}

    def _member(self, name: str, row: object) -> Member:
        if not _MEMBER_NAME.fullmatch(name):
            self._refuse(f"member {_shown(name)} has a name stackml never writes; do not trust this file")
        size, sha256 = (row.get("size"), row.get("sha256")) if isinstance(row, dict) else (None, None)
        if not isinstance(size, int) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            self._refuse(f"its {MANIFEST} describes member {name} wrongly; {_DAMAGED}")
        return Member(size, sha256)

    def _check_sizes(self, members: Mapping[str, Member]) -> None:
        limits = self._limits
        for name, member in members.items():
            info = self._infos[name]
            if info.file_size != member.size:
                self._refuse(f"member {name} has {info.file_size} bytes, not {member.size}; {_DAMAGED}")
            if not limits.allows(member.size, info.compress_size):
                self._refuse(
                    f"member {name} would expand {info.compress_size} bytes to {member.size}; "
                    "do not trust this file"
                )
        if members[STATE].size > limits.state:
            self._refuse(f"member {STATE} has {members[STATE].size} bytes; at most {limits.state} are read")
        total = sum(member.size for member in members.values())
        packed = sum(self._infos[name].compress_size for name in members)
        if total > limits.total or not limits.allows(total, packed):
            self._refuse(f"would expand {packed} bytes to {total}; do not trust this file")

    def _read(self, name: str, limit: int) -> bytearray:
        # In chunks, so that a size that lies costs one chunk of memory and no more.
        data = bytearray()
        with _as_storage_error(self._path), self._archive.open(self._infos[name]) as stream:
            while chunk := stream.read(_CHUNK):
                data += chunk
                if len(data) > limit:
                    self._refuse(f"member {name} is larger than {limit} bytes; do not trust this file")
        return data

    def _refuse(self, reason: str) -> NoReturn:
        raise StorageError(f"{self._path}: {reason}")


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")
