from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from stackml.datasets import dataset_card, dataset_cards, fetch_dataset, load_dataset
from stackml.datasets import fetching as fetching_module
from stackml.datasets.fetching import open_https
from stackml.foundation.errors import DataError

BY_HAND = [n for n, card in dataset_cards().items() if card.kind == "real" and card.download is None]
FETCHED = [n for n, card in dataset_cards().items() if card.download is not None]


class FakeHome:
    """Answers like a web server, from memory."""

    def __init__(self, content: bytes, leads_to: str | None = None) -> None:
        self.content = content
        self.leads_to = leads_to
        self.asked: list[tuple[str, float]] = []
        self.closed = False

    def __call__(self, url: str, timeout: float) -> FakeHome:
        self.asked.append((url, timeout))
        return self

    def read(self, amount: int = -1, /) -> bytes:
        return self.content[:amount]

    def geturl(self) -> str:
        return self.leads_to or self.asked[-1][0]

    def close(self) -> None:
        self.closed = True


def pack(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            inner, _, rest = name.partition("!")
            archive.writestr(inner, pack({rest: content}) if rest else content)
    return buffer.getvalue()


def as_published(name: str, frame: pd.DataFrame) -> bytes:
    """Write a table in the form its recipe in the catalog expects of the home."""
    card = dataset_card(name)
    recipe = card.download
    assert recipe is not None
    words = recipe.member_words or (None,) * max(1, len(recipe.members))
    parts = []
    for i, word in enumerate(words):
        if recipe.member_column is not None:
            part = frame[frame[recipe.member_column] == word].drop(columns=recipe.member_column)
        else:
            part = frame.iloc[len(frame) * i // len(words) : len(frame) * (i + 1) // len(words)]
        if i and recipe.end_of_target:
            part = part.assign(**{card.target: part[card.target] + recipe.end_of_target})
        parts.append(
            part.to_csv(
                index=False, sep=recipe.separator, header=recipe.header, na_rep=recipe.missing[0]
            ).encode()
        )
        if i and recipe.comment:
            parts[-1] = b"|1x3 Cross validator\n" + parts[-1]
    return pack(dict(zip(recipe.members, parts, strict=True))) if recipe.members else parts[0]


@pytest.mark.parametrize("name", FETCHED)
def test_a_fetched_table_is_kept_and_loads(real_data: Path, tmp_path: Path, name: str):
    home = FakeHome(as_published(name, pd.read_parquet(real_data / f"{name}.parquet")))
    path = fetch_dataset(name, tmp_path / "raw", opener=home)
    assert [p.name for p in path.parent.iterdir()] == [f"{name}.parquet"]
    fetched = load_dataset(name, data_dir=path.parent).frame
    pd.testing.assert_frame_equal(fetched, load_dataset(name, data_dir=real_data).frame, check_dtype=False)
    assert home.asked == [(dataset_card(name).download.url, 60.0)]
    assert home.closed


def test_other_values_are_refused_and_nothing_is_kept(tmp_path: Path):
    home = FakeHome(pack({"hour.csv": b"instant,cnt\n1,2\n"}))
    with pytest.raises(
        DataError, match=r"gave 1 rows and 2 columns whose values have sha256 .* nothing was kept"
    ):
        fetch_dataset("bike_sharing", tmp_path / "raw", opener=home)
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("content", [b"<html>not found</html>", pack({"other.csv": b"a\n1\n"})])
def test_what_is_no_such_archive_is_refused(tmp_path: Path, content: bytes):
    with pytest.raises(DataError, match=r"cannot be read .*; nothing was kept"):
        fetch_dataset("bike_sharing", tmp_path, opener=FakeHome(content))
    assert not list(tmp_path.iterdir())


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching_module, "SIZE_CAP", 1000)
    with pytest.raises(DataError, match="is larger than 0 MB; nothing was kept"):
        fetch_dataset("diamonds", tmp_path, opener=FakeHome(b"x" * 1001))
    with pytest.raises(DataError, match=r"hour.csv unpacks to more than 0 MB"):
        fetch_dataset("bike_sharing", tmp_path, opener=FakeHome(squeezed(100_000)))


def squeezed(size: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hour.csv", b"0" * size)
    return buffer.getvalue()


def test_a_home_that_does_not_answer_is_named_with_what_to_do(tmp_path: Path):
    def silent(url: str, timeout: float) -> FakeHome:
        raise TimeoutError("timed out")

    with pytest.raises(DataError, match=r"diamonds.csv: timed out. Place diamonds.parquet \(sha256 d203b6be"):
        fetch_dataset("diamonds", tmp_path, opener=silent)


def test_a_detour_without_https_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"led to http://evil.example/diamonds.csv, which is not https"):
        fetch_dataset("diamonds", tmp_path, opener=FakeHome(b"", leads_to="http://evil.example/diamonds.csv"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "file:///etc/hostname", "ftp://127.0.0.1/x"])
def test_the_real_opener_knows_https_alone(url: str):
    with pytest.raises(OSError, match="unknown url type"):
        open_https(url, 1.0)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_home_with_an_account_is_explained_without_asking_it(tmp_path: Path, name: str):
    home = FakeHome(b"")
    with pytest.raises(DataError, match=rf"Sign in at https://www.kaggle.com/.* Place it as .*{name}.csv"):
        fetch_dataset(name, tmp_path, opener=home)
    assert not home.asked


def test_a_simulated_table_is_made_instead(tmp_path: Path):
    with pytest.raises(DataError, match="'fraud_sim' is simulated; run: stackml data make fraud_sim"):
        fetch_dataset("fraud_sim", tmp_path)
