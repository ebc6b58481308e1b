"""Carries `pipelines/` into the package as its templates; all metadata lives in pyproject.toml.

Package data must lie inside its package, and the files people edit lie outside it: they are
copied when a wheel is built, so that there is one source and no second copy to keep equal.
"""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

SOURCES = sorted(p for p in Path("pipelines").glob("*/*") if p.suffix in (".yaml", ".md"))


class BuildWithTemplates(build_py):
    """Copies each pipeline.yaml and README.md beside the modules that read them."""

    def run(self):
        """Build as usual, then add the templates; an editable install reads the source itself."""
        super().run()
        if self.editable_mode:
            return
        for source in SOURCES:
            target = self._template(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(source, target)

    def get_source_files(self):
        """Name the templates too, so that a source distribution holds them."""
        return [*super().get_source_files(), *(str(p) for p in SOURCES)]

    def get_outputs(self, include_bytecode=True):
        """Name the copies too."""
        return [*super().get_outputs(include_bytecode), *(str(self._template(p)) for p in SOURCES)]

    def _template(self, source):
        return Path(self.build_lib, "stackml", "workflow", "templates", *source.parts[1:])


setup(cmdclass={"build_py": BuildWithTemplates})
