"""What all tests share."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real tables, or skip with the reason."""
    stated = os.environ.get("STACKML_DATA")
    folder = Path(stated) if stated else PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real tables: '{folder}' is absent; set STACKML_DATA to their folder")
    return folder
