"""The examples of README and guides run, and what the pages point to is there."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
RUNNABLE = sorted(
    f"docs/guides/{page.name}"
    for page in (PROJECT / "docs/guides").glob("*.md")
    if "```python" in page.read_text(encoding="utf-8")
)


def run_examples(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names: dict = {}
    text = (PROJECT / page).read_text(encoding="utf-8")
    for example in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(example, page, "exec"), names)


def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    run_examples("README.md", tmp_path, monkeypatch)
    assert "lightgbm" in capsys.readouterr().out
    assert (tmp_path / "payments.stack").is_file()


@pytest.mark.parametrize("page", RUNNABLE)
def test_the_examples_of_a_guide_run(page, tmp_path, monkeypatch):
    run_examples(page, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/combining.md", *RUNNABLE]
)
def test_links_lead_somewhere(page):
    text = (PROJECT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if not link.startswith("http"):
            assert ((PROJECT / page).parent / link).exists(), link


def test_the_make_targets_it_names_exist():
    targets = re.findall(
        r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert target in targets
