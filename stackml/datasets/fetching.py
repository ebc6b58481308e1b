"""Fetching a real table from its public home, over https, checked before it is kept."""

from __future__ import annotations

import io
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import pandas as pd

from stackml.datasets.catalog import DatasetCard, Download, dataset_card
from stackml.datasets.files import values_sha256
from stackml.foundation.errors import DataError

SIZE_CAP: Final = 200 * 2**20
TIMEOUT_SECONDS: Final = 60.0


class Response(Protocol):
    """What an opener returns: bytes and the address they came from."""

    def read(self, amount: int = -1, /) -> bytes:
        """Return at most `amount` bytes."""
        ...

    def geturl(self) -> str:
        """Return the address after redirections."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


Opener = Callable[[str, float], Response]


def open_https(url: str, timeout: float) -> Response:
    """Open an https address; no other scheme is known to this opener, redirections included."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    response: Response | None = director.open(url, timeout=timeout)
    if response is None:
        raise OSError("no answer")
    return response


def fetch_dataset(name: str, into: Path, *, opener: Opener = open_https) -> Path:
    """Download a real table, turn it into Parquet, check it and keep it.

    Parameters
    ----------
    name : str
        A real table of the catalog.
    into : Path
        Folder for ``NAME.parquet``; made if absent. Nothing is left there on failure.
    opener : callable
        ``(url, timeout in seconds) -> Response``.

    Returns
    -------
    Path
        The Parquet file. Its bytes may differ from the catalog's, its values do not.

    Raises
    ------
    DataError
        If the table is simulated, its home needs an account, the home does not answer, or what
        came is not the table of the catalog.
    """
    card = dataset_card(name)
    if card.kind == "simulated":
        raise DataError(f"dataset '{name}' is simulated; run: stackml data make {name}")
    if card.download is None:
        raise DataError(f"dataset '{name}' cannot be fetched by a program: {_by_hand(card, into)}")
    content = _download(card, card.download.url, into, opener)
    frame = _convert(card, card.download, content)
    found = values_sha256(frame)
    if found != card.values_sha256:
        raise DataError(
            f"dataset '{name}': {card.download.url} gave {frame.shape[0]} rows and {frame.shape[1]} columns "
            f"whose values have sha256 {found}, expected {card.values_sha256}; nothing was kept. "
            f"{_place(card, into)}"
        )
    into.mkdir(parents=True, exist_ok=True)
    path, unfinished = into / card.file_name, into / f".{card.file_name}.part"
    try:
        frame.to_parquet(unfinished, index=False, compression="zstd")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _place(card: DatasetCard, into: Path) -> str:
    return f"Place {card.file_name} (sha256 {card.sha256}) in {into} yourself; its home: {card.homes[0]}"


def _by_hand(card: DatasetCard, into: Path) -> str:
    as_csv = into / f"{card.name}.csv"
    return f"{card.by_hand} Place it as {as_csv}, or place {card.file_name} (sha256 {card.sha256}) there."


def _download(card: DatasetCard, url: str, into: Path, opener: Opener) -> bytes:
    if not url.startswith("https://"):
        raise DataError(f"dataset '{card.name}': {url} is not an https address")
    try:
        response = opener(url, TIMEOUT_SECONDS)
        try:
            content = response.read(SIZE_CAP + 1)
            came_from = response.geturl()
        finally:
            response.close()
    except OSError as error:  # URLError, HTTPError and timeouts are OSErrors
        raise DataError(f"dataset '{card.name}': {url}: {error}. {_place(card, into)}") from error
    if not came_from.startswith("https://"):
        raise DataError(
            f"dataset '{card.name}': {url} led to {came_from}, which is not https; nothing was kept"
        )
    if len(content) > SIZE_CAP:
        raise DataError(f"dataset '{card.name}': {url} is larger than {SIZE_CAP >> 20} MB; nothing was kept")
    return content


def _convert(card: DatasetCard, download: Download, content: bytes) -> pd.DataFrame:
    """Turn the downloaded bytes into a frame with the card's columns."""
    try:
        contents = [_member(content, path) for path in download.members] or [content]
        frames = [_read_csv(card, download, part) for part in contents]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(
            f"dataset '{card.name}': what {download.url} gave cannot be read ({error}); nothing was kept"
        ) from error
    if download.member_column is not None:
        frames = [
            frame.assign(**{download.member_column: word})
            for frame, word in zip(frames, download.member_words, strict=True)
        ]
    frame = pd.concat(frames, ignore_index=True)
    if download.end_of_target:
        frame[card.target] = frame[card.target].str.removesuffix(download.end_of_target)
    return frame


def _member(content: bytes, path: str) -> bytes:
    """Return one file of a zip; ``a.zip!b.csv`` reaches into a zip inside it."""
    for name in path.split("!"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(name) as member:
            content = member.read(SIZE_CAP + 1)
        if len(content) > SIZE_CAP:
            raise ValueError(f"{name} unpacks to more than {SIZE_CAP >> 20} MB")
    return content


def _read_csv(card: DatasetCard, download: Download, content: bytes) -> pd.DataFrame:
    return pd.read_csv(
        io.BytesIO(content),
        sep=download.separator,
        header=0 if download.header else None,
        names=None if download.header else [c for c in card.columns if c != download.member_column],
        keep_default_na=False,
        na_values=list(download.missing),
        comment=download.comment,
        skipinitialspace=True,
        low_memory=False,
    )
