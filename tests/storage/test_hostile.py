"""Files that are damaged, foreign or made to harm are refused with one clear line."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stackml.foundation.errors import StorageError
from stackml.storage.archive import read_archive, write_archive
from stackml.storage.manifest import Limits
from stackml.storage.seal import BLANK, write_seal

Members = dict[str, bytes]


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def npy_header(header: str) -> bytes:
    text = header.encode() + b" " * 8 + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def manifest_for(members: Members, /, **changes: Any) -> bytes:
    table = {n: {"size": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in members.items()}
    head = {"format": "stackml", "format_version": 1, "kind": "stack", "members": table}
    return json.dumps(head | changes).encode()


def good_members() -> Members:
    return {
        "state.json": b'{"a":{"$array":"arrays/0001.npy"},"b":{"$blob":"blobs/0001.bin"}}',
        "arrays/0001.npy": npy(np.arange(5.0)),
        "blobs/0001.bin": b"tree text",
    }


def pack(
    path: Path, members: Members, manifest: bytes | None = None, *, deflate: bool = False, seal: bool = True
) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        archive.writestr("manifest.json", manifest_for(members) if manifest is None else manifest)
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, archive.compression)
        archive.comment = BLANK
    if seal:
        with path.open("r+b") as stream:
            write_seal(stream)
    return path


def refused(path: Path, message: str, *, limits: Limits | None = None) -> None:
    """Assert that reading raises one line that names the file, and leaves no trace on the disk."""
    root = path.parent.parent
    before = sorted(root.rglob("*"))
    with pytest.raises(StorageError, match=message) as caught:
        read_archive(path, kind="stack", limits=limits or Limits())
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    assert len(text) < 300 + len(str(path))
    assert sorted(root.rglob("*")) == before


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A folder with room beside it, so that an escape would be seen."""
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    return folder


def test_the_plain_case_loads(box: Path) -> None:
    _, state = read_archive(pack(box / "a.stack", good_members()), kind="stack")
    assert state["b"] == b"tree text"


def saved(path: Path) -> Path:
    state = {"w": np.linspace(0, 1, 40), "tree": b"leaf " * 30, "names": ["a", "b"], "c": np.arange(30)}
    write_archive(path, kind="stack", state=state, manifest={"libraries": {"numpy": "2"}})
    return path


@pytest.mark.parametrize("bits", [0x01, 0x41, 0x80])
def test_any_flipped_byte_is_refused(box: Path, bits: int) -> None:
    path = saved(box / "a.stack")
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ bits]) + whole[position + 1 :])
        with pytest.raises(StorageError, match=r"a\.stack: ") as caught:
            read_archive(path, kind="stack")
        assert "\n" not in str(caught.value)


def test_any_byte_added_at_the_end_or_taken_from_it_is_refused(box: Path) -> None:
    path = saved(box / "a.stack")
    whole = path.read_bytes()
    for changed in [whole + b"0", whole + b"\0" * 64, whole[:-1], whole + whole]:
        path.write_bytes(changed)
        refused(path, "is damaged")


def test_a_file_packed_again_by_another_tool_is_refused(box: Path) -> None:
    refused(pack(box / "a.stack", good_members(), seal=False), "its sha256 is not the one it ends with")


def test_a_flipped_byte_says_the_file_is_damaged(box: Path) -> None:
    members = good_members()
    manifest = manifest_for(members)
    members["blobs/0001.bin"] = b"tree texT"
    refused(
        pack(box / "a.stack", members, manifest),
        r"member blobs/0001\.bin does not have the sha256 its manifest",
    )


def test_a_truncated_file_is_refused(box: Path) -> None:
    whole = saved(box / "a.stack").read_bytes()
    for keep in [0, 1, 3, 4, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        (box / "a.stack").write_bytes(whole[:keep])
        refused(box / "a.stack", "not a file written by stackml|is damaged")


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (Trap.target, "w")

    target = ""


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_is_refused_unread(box: Path, protocol: int) -> None:
    Trap.target = str(box / "owned")
    (box / "a.stack").write_bytes(pickle.dumps(Trap(), protocol))
    message = "is a Python pickle, which can run code" if protocol else "not a file written by stackml"
    refused(box / "a.stack", message)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08gzip", b"PK\x03\x04 and nonsense"])
def test_what_is_not_a_zip_is_refused(box: Path, content: bytes) -> None:
    (box / "a.stack").write_bytes(content)
    refused(box / "a.stack", "not a file written by stackml|not a readable zip")


def test_a_missing_file_and_a_folder_are_told_apart(box: Path) -> None:
    refused(box / "a.stack", "there is no such file")
    (box / "f.stack").mkdir()
    refused(box / "f.stack", "is a folder, not a file")


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "../../evil.npy",
        "arrays/../../evil",
        "/etc/evil",
        "//evil",
        "C:/evil",
        "a\\evil",
        "./x",
        "d/",
    ],
)
def test_unsafe_member_names_are_refused(box: Path, name: str) -> None:
    members = good_members() | {name: b"evil"}
    refused(pack(box / "a.stack", members), "has an unsafe name; do not trust this file")


def test_a_symlink_member_is_refused(box: Path) -> None:
    members = good_members()
    path = pack(box / "a.stack", members, manifest_for(members | {"blobs/0002.bin": b"/etc/passwd"}))
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("blobs/0002.bin")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, b"/etc/passwd")
    refused(path, r"member 'blobs/0002\.bin' is a link or device, not a file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["manifest.json", "state.json", "arrays/0001.npy"])
def test_duplicate_members_are_refused(box: Path, name: str) -> None:
    path = pack(box / "a.stack", good_members())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"{}")
    refused(path, f"has two members called '{name}'")


def test_extra_and_missing_members_are_refused(box: Path) -> None:
    members = good_members()
    extra = members | {"blobs/0002.bin": b"x"}
    refused(
        pack(box / "a.stack", extra, manifest_for(members)),
        r"member 'blobs/0002\.bin' is not in the manifest",
    )
    fewer = {k: v for k, v in members.items() if k != "arrays/0001.npy"}
    refused(pack(box / "b.stack", fewer, manifest_for(members)), r"member 'arrays/0001\.npy' is missing")
    refused(pack(box / "c.stack", extra), r"nothing refers to member blobs/0002\.bin")
    refused(
        pack(box / "d.stack", members | {"run.py": b"x"}), r"member 'run\.py' has a name stackml never writes"
    )
    del fewer["state.json"]
    refused(pack(box / "e.stack", fewer), "has no table of members")


def test_a_long_or_strange_name_stays_on_one_line(box: Path) -> None:
    refused(
        pack(box / "a.stack", good_members() | {"x\n\x1b[31m" + "y" * 500: b""}), "has a name stackml never"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format_version": 9},
            r"written by a newer stackml \(format 9; this one reads up to \d+\); upgrade stackml",
        ),
        ({"format_version": "1"}, "its format version is '1', not a number from 1"),
        ({"format_version": True}, "its format version is 'True'"),
        ({"format_version": 0}, "its format version is '0'"),
        ({"format": "other"}, r"its manifest\.json is not one of stackml's"),
        ({"kind": "oof-task"}, "holds 'oof-task', and 'stack' was asked for"),
        ({"kind": 3}, "names no kind"),
        ({"members": []}, "has no table of members"),
        ({"members": {"state.json": 3, "arrays/0001.npy": 3, "blobs/0001.bin": 3}}, "describes member"),
        ({"schema": {"$blob": "blobs/0001.bin"}}, r"its manifest\.json refers to a member"),
        ({"schema": {"$class": "os.system"}}, "has a tag that means nothing"),
    ],
)
def test_a_wrong_manifest_is_refused(box: Path, changes: dict[str, Any], message: str) -> None:
    members = good_members()
    refused(pack(box / "a.stack", members, manifest_for(members, **changes)), message)


def test_a_newer_format_is_named_even_where_its_members_are_unknown(box: Path) -> None:
    members = good_members() | {"boosters/0001.ubj": b"x"}
    manifest = manifest_for(members, format_version=9, members={"shape": "unknown"})
    refused(pack(box / "a.stack", members, manifest), "written by a newer stackml")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff", b"[" * 100_000]
)
def test_unreadable_json_is_refused(box: Path, content: bytes) -> None:
    message = "not readable as JSON|not an object"
    refused(pack(box / "m.stack", good_members(), content), message)
    refused(pack(box / "s.stack", {"state.json": content}), message)


def test_a_zip_from_elsewhere_is_refused(box: Path) -> None:
    with zipfile.ZipFile(box / "a.stack", "w") as archive:
        archive.writestr("model.skops", b"x")
    refused(box / "a.stack", r"a zip without manifest\.json")


def test_a_zip_bomb_is_refused_before_it_expands(box: Path) -> None:
    bomb = good_members() | {"blobs/0001.bin": bytes(80 << 20)}
    path = pack(box / "a.stack", bomb, deflate=True)
    assert path.stat().st_size < 200_000
    refused(path, r"member blobs/0001\.bin would expand \d+ bytes to 83886080; do not trust this file")


def test_many_small_bombs_are_refused_together(box: Path) -> None:
    names = [f"blobs/{i:04d}.bin" for i in range(1, 9)]
    members = {"state.json": b"{}"} | {name: bytes(50_000 + i) for i, name in enumerate(names)}
    refused(pack(box / "a.stack", members, deflate=True), "would expand", limits=Limits(free=100_000))


def test_a_size_that_lies_is_refused(box: Path) -> None:
    members = good_members() | {"blobs/0001.bin": bytes(1 << 20)}
    path = pack(box / "a.stack", members, deflate=True)
    true, lie = (1 << 20).to_bytes(4, "little"), (9).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(true, lie))
    refused(path, r"member blobs/0001\.bin has 9 bytes, not 1048576")


def test_caps_on_state_members_and_total(box: Path) -> None:
    path = pack(box / "a.stack", good_members())
    refused(path, r"member state\.json has \d+ bytes; at most 10 are read", limits=Limits(state=10))
    refused(path, r"member manifest\.json is larger than 10 bytes", limits=Limits(manifest=10))
    refused(path, "has 4 members; at most 3 are read", limits=Limits(members=3))
    refused(path, "would expand", limits=Limits(total=50))


def test_one_array_named_many_times_counts_every_time(box: Path) -> None:
    reference = '{"$array":"arrays/0001.npy"}'
    members = {
        "state.json": ('{"a":[' + ",".join([reference] * 1_000) + "]}").encode(),
        "arrays/0001.npy": npy(np.zeros(10_000)),
    }
    refused(
        pack(box / "a.stack", members), "its arrays are larger than 1000000 bytes", limits=Limits(total=10**6)
    )


def with_array(data: bytes) -> Callable[[], Members]:
    return lambda: {"state.json": b'{"a":{"$array":"arrays/0001.npy"}}', "arrays/0001.npy": data}


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy_header(HUGE) + bytes(8), "its header promises 8000000000000 bytes and 8 are there"),
        (npy_header(HUGE.replace("000", "9" * 50)), "its header promises"),
        (
            npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
            "shape .* is not possible",
        ),
        (npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (True,), }"), "shape|header"),
        (
            npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, " + "9" * 30 + "), }"),
            "not possible",
        ),
        (npy_header("{'descr': '<U0', 'fortran_order': False, 'shape': (99999999999,), }"), "has a width"),
        (npy(np.array([Trap()], object), allow_pickle=True), "dtype object cannot be stored"),
        (npy(np.zeros(2, "i4,f4")), "cannot be stored"),
        (npy(np.arange(5.0))[:-1], "its header promises 40 bytes and 39 are there"),
        (npy(np.arange(5.0)) + b"x", "its header promises 40 bytes and 41 are there"),
        (
            npy_header("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }"),
            "not a readable .npy",
        ),
        (
            npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': " + "[" * 5000),
            "not a readable",
        ),
        (b"\x93NUMPY\x03\x00" + bytes(100), "not a readable .npy"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "not a readable .npy"),
        (b"", "not a readable .npy"),
        (b"\x80\x04pickle", "not a readable .npy"),
    ],
)
def test_a_dishonest_npy_is_refused_before_memory_is_taken(box: Path, data: bytes, message: str) -> None:
    refused(pack(box / "a.stack", with_array(data)()), message)
    assert not (box / "owned").exists()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (b'{"a":{"$array":"arrays/0009.npy"}}', r"refers to 'arrays/0009\.npy', which is not there"),
        (b'{"a":{"$array":"../../x"}}', r"refers to '\.\./\.\./x', which is not there"),
        (b'{"a":{"$array":"state.json"}}', "which is not there"),
        (b'{"a":{"$blob":"arrays/0001.npy"}}', "which is not there"),
        (b'{"a":{"$array":"arrays/0001.npy","dtype":"O"}}', "does not widen to 'O'"),
        (b'{"a":{"$array":"arrays/0001.npy","dtype":"<i8"}}', "does not widen"),
        (b'{"a":{"$array":"arrays/0001.npy","dtype":"<U9"}}', "does not widen"),
        (b'{"a":{"$array":3}}', "has a tag that means nothing"),
        (b'{"a":{"$array":"arrays/0001.npy","x":"y"}}', "has a tag that means nothing"),
        (b'{"a":{"$class":"os.system"}}', "has a tag that means nothing"),
        (b'{"a":{"$float":"1.5"}}', "has a tag that means nothing"),
        (b'{"a":{"$int":"zz"}}', "has a tag that means nothing"),
        (b'{"a":' + b"9" * 5000 + b"}", "not readable as JSON"),
        (b'{"$blob":"blobs/0001.bin"}', "state.json does not hold an object"),
    ],
)
def test_a_state_that_refers_wrongly_is_refused(box: Path, state: bytes, message: str) -> None:
    refused(pack(box / "a.stack", good_members() | {"state.json": state}), message)


def test_deep_nesting_is_refused(box: Path) -> None:
    deep = b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"
    refused(pack(box / "a.stack", {"state.json": deep}), "nested too deeply|not readable as JSON")


def test_an_encrypted_member_is_refused(box: Path) -> None:
    path = pack(box / "a.stack", good_members())
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    refused(path, "is encrypted or packed in a way stackml does not use")


def test_another_packing_is_refused(box: Path) -> None:
    members = good_members()
    with zipfile.ZipFile(box / "a.stack", "w", zipfile.ZIP_BZIP2) as archive:
        for name, data in ({"manifest.json": manifest_for(members)} | members).items():
            archive.writestr(name, data)
    refused(box / "a.stack", "is encrypted or packed in a way stackml does not use")
