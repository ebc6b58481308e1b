import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from stackml.datasets import dataset_card
from stackml.foundation.errors import SpecError
from stackml.workflow.shipped import template, template_names
from stackml.workflow.spec import load_spec

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["credit", "fraud", "readmission"])
def test_ready_pipelines_are_right(name, tmp_path):
    spec = load_spec(name, folder=tmp_path)
    assert spec.name == name
    assert dataset_card(spec.dataset).kind == "simulated"
    for table in spec.tables:
        assert dataset_card(table).use == name
    assert spec.stack.time_limit <= 300
    assert (template(name) / "README.md").read_text().startswith(f"# {name}\n")


def test_unknown_template_offers_the_nearest():
    assert template_names() == ["credit", "fraud", "readmission"]
    with pytest.raises(SpecError, match="no template 'credt'; did you mean 'credit'"):
        template("credt")


def test_wheel_and_source_distribution_carry_the_pipelines_as_they_are(tmp_path):
    pytest.importorskip("setuptools", minversion="64")
    source = tmp_path / "source"
    (source / "stackml" / "workflow").mkdir(parents=True)
    (source / "stackml" / "__init__.py").touch()
    (source / "stackml" / "workflow" / "__init__.py").touch()
    (source / "setup.py").write_bytes((PROJECT / "setup.py").read_bytes())
    (source / "pyproject.toml").write_text(
        '[project]\nname = "stackml"\nversion = "0"\n'
        '[tool.setuptools.packages.find]\ninclude = ["stackml*"]\n'
    )
    files = [p for p in (PROJECT / "pipelines").rglob("*") if p.is_file()]
    for file in files:
        copy = source / file.relative_to(PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    build = "from setuptools import build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    (sdist,) = (source / "dist").glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(sdist) as packed:
        for file in files:
            inside = file.relative_to(PROJECT / "pipelines").as_posix()
            assert archive.read(f"stackml/workflow/templates/{inside}") == file.read_bytes()
            member = packed.extractfile(f"stackml-0/pipelines/{inside}")
            assert member is not None
            assert member.read() == file.read_bytes()
