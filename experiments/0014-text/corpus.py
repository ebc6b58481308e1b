"""Tables with real English text from what is installed: docstrings, and what can be counted beside them."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

PACKAGES = ("numpy", "scipy", "sklearn", "pandas", "matplotlib", "joblib", "mlflow", "pyarrow")
MOST = 900  # docstrings of one package


def docstrings(seed: int = 0) -> pd.DataFrame:
    """Return one row a function or class that is described in at least 40 characters.

    Columns: ``package`` (a label), ``lines`` (of code, a label for regression), ``arguments`` and
    ``deep`` (numbers), ``what`` and ``folder`` (categories) and ``text``. Names of packages and of the
    object itself are taken out of the text.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        rows = pd.DataFrame(_rows(package, Path(spec.submodule_search_locations[0])))
        rows = rows.drop_duplicates("text")
        parts.append(rows.iloc[np.sort(rng.permutation(len(rows))[:MOST])])
    return pd.concat(parts, ignore_index=True)


def _rows(package: str, root: Path) -> Iterator[dict[str, object]]:
    for path in sorted(root.rglob("*.py")):
        if "test" in str(path.relative_to(root)):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = _without_names(ast.get_docstring(node) or "", node.name)
                if len(text) >= 40:
                    yield {
                        "package": package,
                        "lines": len(ast.unparse(node.body[1:]).splitlines()) if node.body[1:] else 0,
                        "arguments": len(node.args.args) if isinstance(node, ast.FunctionDef) else np.nan,
                        "deep": len(path.relative_to(root).parts),
                        "what": type(node).__name__,
                        "text": text[:400],
                    }


def _without_names(text: str, name: str) -> str:
    names = "|".join([*PACKAGES, "np", "pd", "plt", "scikit", "learn", re.escape(name)])
    return re.sub(r"\s+", " ", re.sub(rf"(?i)\b({names})\b", " ", text)).strip()
